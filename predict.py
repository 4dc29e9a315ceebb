"""Classify pictures with a model that retrain.py wrote.

    python predict.py --model=retrained PICTURE ...

Pictures may have any size and any format that Pillow reads (autodl_design/image_data/picture.py says how
each is read). Prints the three likeliest classes of each. One that cannot be read gets a line on standard
error and makes the exit code 1; the others are classified all the same.
"""

if __name__ == "__main__":
    from autodl_design.settings import interrupts

    interrupts.exit_at_once()


import contextlib
import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from autodl_design.checked_io.messages import printable
from autodl_design.image_data.picture import PictureError, load_picture
from autodl_design.settings import command_line
from autodl_design.settings.fields import Settings, setting
from autodl_design.settings.flags import define_flags, from_flags
from autodl_design.trained_model.model_files import ModelError, Network, read_network, read_weights

if TYPE_CHECKING:
    from autodl_design.trained_model.inference import Classifier

AT_ONCE = 100  # pictures in memory
SHOWN = 3  # classes of a picture


@dataclasses.dataclass(frozen=True)
class PredictConfig(Settings):
    """The model"""

    model: str = setting("retrained", "Directory of the model: --output_dir of retrain.py.")


class PicturesError(Exception):
    """Pictures that are not there or cannot be read; the text is for the user."""


ERRORS = (ModelError, PicturesError)


def main(paths: list[str]) -> None:
    if not paths:
        raise PicturesError("name the pictures to classify: `python predict.py PICTURE ...`")
    directory = Path(from_flags(PredictConfig).model)
    network = read_network(directory)
    num_classified = 0
    with contextlib.ExitStack() as stack:
        classifier = None
        for first in range(0, len(paths), AT_ONCE):
            read, images = read_pictures(paths[first : first + AT_ONCE], network.image_size)
            if read:
                classifier = classifier or stack.enter_context(opened(directory, network))
                print_classes(read, classifier(images), network.class_names)
                num_classified += len(read)
    if num_classified < len(paths):
        sys.exit(1)


def read_pictures(paths: list[str], size: int) -> tuple[list[str], np.ndarray]:
    """Those that can be read, and their pixels, uint8 [n, 3 * size * size]; the others get a line on
    standard error."""
    read, images = [], []
    for path in paths:
        try:
            images.append(load_picture(path, size).ravel())
            read.append(path)
        except PictureError as error:
            print(f"predict.py: {error}", file=sys.stderr)
    return read, np.array(images, np.uint8)


@contextlib.contextmanager
def opened(directory: Path, network: Network) -> Iterator["Classifier"]:
    """The network with its weights. Raises ModelError."""
    # Its Paddle takes seconds, which a wrong command line need not wait for.
    from autodl_design.trained_model.inference import Classifier

    with Classifier(network) as classifier:
        classifier.load(read_weights(directory, classifier.shapes))
        yield classifier


def print_classes(paths: list[str], probabilities: np.ndarray, class_names: tuple[str, ...]) -> None:
    for path, of_picture in zip(paths, probabilities, strict=True):
        likeliest = np.argsort(-of_picture)[:SHOWN]
        classes = ", ".join(f"{class_names[k]} {of_picture[k]:.2f}" for k in likeliest)
        print(printable(f"{path}: {classes}"))
    sys.stdout.flush()


if __name__ == "__main__":
    define_flags(PredictConfig)
    command_line.start(main, (PredictConfig,), ERRORS, arguments="PICTURE ...")
