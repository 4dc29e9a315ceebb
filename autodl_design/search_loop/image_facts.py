"""What a search depends on, and what its directory remembers, of the images.

facts = ImageFacts.of("cifar/pickle-cifar-10", subset)
"""

import dataclasses
from typing import Any

from autodl_design.image_data.subset import Subset
from autodl_design.search_space.image_origin import ImageOrigin


@dataclasses.dataclass(frozen=True)
class ImageFacts:
    """Nothing is known where trainers of a user's own have images of their own: ImageFacts()."""

    origin: ImageOrigin | None = None
    chance: float = 0.0  # accuracy of guessing
    decided: dict[str, Any] = dataclasses.field(default_factory=dict)  # results depend on it
    remembered: dict[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, data_path: str, subset: Subset) -> "ImageFacts":
        origin = ImageOrigin.of("data_path", data_path, subset)
        remembered = {
            "absolute_data_path": origin.absolute_path,
            "training_images": len(subset.train_labels),
            "validation_images": len(subset.validation_labels),
            "balanced_accuracy": not subset.balanced,  # whether rewards are means over the classes
            "num_classes": subset.num_classes,
            "image_size": subset.image_size,
        }
        return cls(origin, 1 / subset.num_classes, {"images": origin.sha256}, remembered)
