"""Classify pictures with a model that retrain.py wrote.

    python predict.py --model=retrained PICTURE ...

Pictures may have any size and any format that Pillow reads (autodl_design/image_data/picture.py says how
each is read). Prints the three likeliest classes of each. One that cannot be read gets a line on standard
error and makes the exit code 1; the others are classified all the same.
"""

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from autodl_design.checked_io.messages import printable
from autodl_design.image_data.picture import PictureError, load_picture
from autodl_design.settings import command_line
from autodl_design.settings.fields import Settings, setting
from autodl_design.settings.flags import define_flags, from_flags
from autodl_design.trained_model.model_files import ModelError, TrainedModel, read_model

Predict = Callable[[np.ndarray], np.ndarray]
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
    model = read_model(Path(from_flags(PredictConfig).model))
    predict = None
    num_classified = 0
    for first in range(0, len(paths), AT_ONCE):
        pictures = read_pictures(paths[first : first + AT_ONCE], model.image_size)
        if pictures:
            predict = predict or load_predictor(model)
            print_classes(pictures, predict, model.class_names)
            num_classified += len(pictures)
    if num_classified < len(paths):
        sys.exit(1)


def read_pictures(paths: list[str], size: int) -> list[tuple[str, np.ndarray]]:
    """Paths and pictures, float32 [3, size, size] in 0 .. 255, of those that can be read; the others get a
    line on standard error."""
    pictures = []
    for path in paths:
        try:
            pictures.append((path, load_picture(path, size).astype(np.float32)))
        except PictureError as error:
            print(f"predict.py: {error}", file=sys.stderr)
    return pictures


def load_predictor(model: TrainedModel) -> Predict:
    """A function from pictures, float32 [B, 3, size, size] in 0 .. 255, to probabilities [B, classes].
    Both raise ModelError where Paddle refuses the model."""
    from autodl_design.backend.paddle_backend import (
        paddle,  # takes seconds, which a wrong command line need not wait for
    )

    config = paddle.inference.Config()
    config.set_model_buffer(model.program, len(model.program), model.parameters, len(model.parameters))
    config.disable_glog_info()
    try:
        predictor = paddle.inference.create_predictor(config)
    except (RuntimeError, ValueError) as error:
        raise ModelError("Paddle cannot read the model: let retrain.py write it again") from error
    input_handle = predictor.get_input_handle(predictor.get_input_names()[0])
    output_handle = predictor.get_output_handle(predictor.get_output_names()[0])

    def predict(pictures: np.ndarray) -> np.ndarray:
        input_handle.copy_from_cpu(pictures)
        try:
            predictor.run()
        except (RuntimeError, ValueError) as error:
            raise ModelError("Paddle cannot run the model: let retrain.py write it again") from error
        probabilities = output_handle.copy_to_cpu()
        if probabilities.shape != (len(pictures), len(model.class_names)):
            raise ModelError("the model has other images or classes than model.json and classes.txt say")
        return probabilities

    return predict


def print_classes(
    pictures: list[tuple[str, np.ndarray]], predict: Predict, class_names: tuple[str, ...]
) -> None:
    paths, pixels = zip(*pictures, strict=True)
    for path, probabilities in zip(paths, predict(np.stack(pixels)), strict=True):
        likeliest = np.argsort(-probabilities)[:SHOWN]
        classes = ", ".join(f"{class_names[k]} {probabilities[k]:.2f}" for k in likeliest)
        print(printable(f"{path}: {classes}"))
    sys.stdout.flush()


if __name__ == "__main__":
    define_flags(PredictConfig)
    command_line.start(main, (PredictConfig,), ERRORS, arguments="PICTURE ...")
