"""Which images an architecture was searched on, or a model trained on, and where they lay.

best.json, models and checkpoints hold it, so that what comes later takes the same images by itself, from
any working directory, and refuses others by name.

    origin = ImageOrigin.of("data_path", "shapes-subset", subset)
    path = origin.find()
"""

import dataclasses
import os
from typing import Any, Protocol

from autodl_design.checked_io.messages import printable, quoted

FLAGS = ("data_path", "input_dir")
MOST_NAMED = 12  # classes


class HasImages(Protocol):
    """What `image_data.subset.Subset` is."""

    @property
    def class_names(self) -> tuple[str, ...]: ...

    @property
    def image_size(self) -> int: ...

    def sha256(self) -> str: ...


@dataclasses.dataclass(frozen=True)
class ImageOrigin:
    """Raises ValueError or TypeError where a value is none that an origin can have."""

    sha256: str  # of images and labels
    class_names: tuple[str, ...]
    image_size: int
    flag: str  # by which the user named the images
    path: str  # as the user gave it
    absolute_path: str

    def __post_init__(self) -> None:
        texts = (self.sha256, self.path, self.absolute_path, *self.class_names)
        if self.flag not in FLAGS or not all(type(text) is str and text for text in texts):
            raise ValueError("images are not described by texts")
        if type(self.image_size) is not int:
            raise ValueError("the size of the images is not a whole number")

    @classmethod
    def of(cls, flag: str, path: str, images: HasImages) -> "ImageOrigin":
        size = images.image_size
        return cls(images.sha256(), images.class_names, size, flag, path, os.path.abspath(path))

    @classmethod
    def of_options(
        cls,
        options: dict[str, Any],
        sha256: str,
        class_names: tuple[str, ...] = ("?",),
        image_size: int = 0,
    ) -> "ImageOrigin":
        """Of a training of an earlier version, whose checkpoint had the place among its options. Raises
        KeyError, TypeError or ValueError."""
        flag = "input_dir" if options["input_dir"] else "data_path"
        path = options[flag]
        return cls(sha256, class_names, image_size, flag, path, os.path.abspath(path))

    @classmethod
    def from_json(cls, content: Any) -> "ImageOrigin":
        """Raises KeyError, TypeError or ValueError."""
        return cls(**{**content, "class_names": tuple(content["class_names"])})

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def find(self) -> str:
        """Where they are now: in the same place, or where the path leads from here. Raises
        FileNotFoundError."""
        path = find_path(self.to_json(), "absolute_path", "path")
        if not os.path.exists(path):
            raise FileNotFoundError(
                f"the images are no longer in {quoted(self.absolute_path)}: say where by --{self.flag}"
            )
        return path


def find_path(record: dict[str, Any], *names: str) -> Any:
    """The first of the values of these names that leads to something from here, else the last one."""
    values = [record.get(name) for name in names]
    return next((path for path in values if isinstance(path, str) and os.path.exists(path)), values[-1])


def named(class_names: tuple[str, ...]) -> str:
    """4 classes: bird, cat, dog, frog"""
    shown = ", ".join(class_names[:MOST_NAMED]) + (", ..." if len(class_names) > MOST_NAMED else "")
    return printable(f"{len(class_names)} classes: {shown}")
