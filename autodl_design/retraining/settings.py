"""The settings of a training: RetrainSettings(architecture="log/best.json", epochs=20)."""

import dataclasses
import shlex
from typing import Any

from autodl_design.image_data.batch import MAX_IMAGE_SIZE, MIN_IMAGE_SIZE
from autodl_design.search_space.reference import REFERENCE_NAMES
from autodl_design.settings.fields import Settings, setting

# Which decide nothing, if the images are the same.
OPTIONS = ("chunk_size", "image_size", "classes")


@dataclasses.dataclass(frozen=True)
class RetrainSettings(Settings):
    """The training and its files"""

    architecture: str | None = setting(
        None, "File of the architecture, such as log/best.json; with --resume that of the training."
    )
    output_dir: str = setting("retrained", "Directory of the checkpoint and of the model.")
    reference: str | None = setting(
        None,
        "A hand-written network, in the place of --architecture: what a found one has to beat.",
        choices=REFERENCE_NAMES,
    )
    resume: bool = setting(
        False,
        "Go on with the training in --output_dir, if there is one. Its settings are known there, so no "
        "other flag is needed; one that contradicts them is refused.",
    )
    epochs: int = setting(
        100,
        "Epochs of training, over all of which the learning rate falls; so --resume cannot change it.",
        low=1,
        high=100_000,
    )
    width: int | None = setting(
        None,
        "Channels of the network's first stage; by default as in the search, for a reference 64.",
        low=1,
    )
    num_cells: int | None = setting(None, "Cells in a stage; by default as in the search.", low=1)
    train_batch_size: int | None = setting(
        None, "Images in an update; by default as in the search.", low=1, high=100_000
    )
    seed: int = setting(0, "Decides everything that is random.", low=0, high=2**32 - 1)
    data_path: str | None = setting(
        None,
        "Where dataset_maker.py wrote the images; by default those of the search, or of the training that "
        "goes on, wherever they are.",
    )
    chunk_size: int | None = setting(
        None, "Images in each of the ten files of --data_path; by default whatever they have.", low=1
    )
    input_dir: str | None = setting(
        None,
        "Directory of batches or of folders of pictures, as dataset_maker.py takes it, to train on all of "
        "its images instead of on --data_path.",
        alias="cifar_dir",
    )
    image_size: int | None = setting(
        None,
        "Pixels a side to which the pictures of --input_dir are scaled; by default 32.",
        low=MIN_IMAGE_SIZE,
        high=MAX_IMAGE_SIZE,
    )
    classes: str | None = setting(
        None, "Names of the classes, with commas between; by default as the images have them."
    )
    onnx: bool = setting(False, "Also write model.onnx; this needs requirements/onnx.txt.")


class RetrainError(Exception):
    """A training that cannot start or go on; the text is for the user."""


def options_of(config: RetrainSettings) -> dict[str, Any]:
    return {name: getattr(config, name) for name in OPTIONS}


def resume_command(config: RetrainSettings) -> str:
    elsewhere = config.output_dir != RetrainSettings.output_dir
    return "python retrain.py --resume" + (
        f" --output_dir={shlex.quote(config.output_dir)}" if elsewhere else ""
    )
