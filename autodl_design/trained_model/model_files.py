"""A trained model as files in a directory: plain data, of which inference.py builds the network again.

    write_model(directory, network, weights)
    network = read_network(directory)
    weights = read_weights(directory, shapes)       # shapes: those of the network's parameters

weights.npz holds the parameters and the moving statistics, by the names that child_network/network.py gives
them. network.json, which is written last, holds the architecture or the name of the reference, the recipe,
the images that it was trained on (their classes, their size, where they lay), and the SHA-256 of
weights.npz, so that files of two models are not mixed up.

What other files a model's directory has, as model.pdmodel and model.onnx, are for other programs and are
never read here: a program in a file could do anything to its reader.
"""

import dataclasses
import hashlib
import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from autodl_design.checked_io.files import (
    check_arrays,
    read_arrays,
    read_json,
    write_arrays,
)
from autodl_design.checked_io.messages import quoted
from autodl_design.checked_io.regular_files import check_regular, open_regular
from autodl_design.image_data.batch import MAX_IMAGE_SIZE, MIN_IMAGE_SIZE
from autodl_design.image_data.class_names import check_class_names
from autodl_design.image_data.errors import DatasetError
from autodl_design.search_space.architecture import Architecture
from autodl_design.search_space.architecture_file import (
    network_content,
    parse_network,
    parse_recipe,
    write_content,
)
from autodl_design.search_space.child import MAX_PARAMETERS, ChildSettings, check_fit
from autodl_design.search_space.image_origin import ImageOrigin
from autodl_design.search_space.reference import Design

NETWORK, WEIGHTS = "network.json", "weights.npz"
# For other programs, and for people.
PROGRAM, PARAMETERS, ONNX, CLASSES = "model.pdmodel", "model.pdiparams", "model.onnx", "classes.txt"
# A directory of an earlier version has these, and no network.json.
EARLIER, CHECKPOINT = "model.json", "checkpoint.npz"
NAMES = (NETWORK, WEIGHTS, PROGRAM, PARAMETERS, ONNX, CLASSES)

VERSION = 1
MAX_NODES = 5000  # of all cells together: more take Paddle minutes to put together; the default is 90
MAX_BYTES = 1_000_000_000  # of what the network computes for an image or a batch
MAX_CLASSES_BYTES = 2**20
BYTES_AN_ARRAY = 1000  # at most, of an .npz file, beside the numbers themselves

Arrays = dict[str, np.ndarray]
Shapes = dict[str, tuple[int, ...]]


class ModelError(Exception):
    """A directory without a whole model; the text is for the user."""


@dataclasses.dataclass(frozen=True)
class Network:
    """What a network is, without its weights: it maps images, uint8 [3, image_size, image_size], to
    probabilities of classes. Raises ValueError where it is larger than any command takes, or where its
    images are too small for its stages."""

    design: Design
    config: ChildSettings
    images: ImageOrigin  # that it was trained on
    accuracy: float  # on the validation images

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.images.class_names

    @property
    def image_size(self) -> int:
        """Pixels a side."""
        return self.images.image_size

    def __post_init__(self) -> None:
        if not MIN_IMAGE_SIZE <= self.image_size <= MAX_IMAGE_SIZE:
            raise ValueError(f"image_size is not one of {MIN_IMAGE_SIZE} to {MAX_IMAGE_SIZE} pixels")
        num_nodes = self.design.num_nodes * self.config.num_cells * self.config.num_stages
        if num_nodes > MAX_NODES:
            raise ValueError(f"its cells have {num_nodes:,} nodes, more than {MAX_NODES:,}")
        if not isinstance(self.accuracy, float) or not 0 <= self.accuracy <= 1:
            raise ValueError("accuracy is not a number from 0 to 1")
        check_class_names(self.class_names, len(self.class_names), "classes")
        check_fit(self.config, self.config.train_batch_size, self.image_size)
        if self.bytes_of_an_image > MAX_BYTES:
            raise ValueError(
                f"an image of {self.image_size} pixels would take {self.bytes_of_an_image / 1e9:.1f} GB of "
                f"memory, more than {MAX_BYTES / 1e9:.0f} GB"
            )

    @property
    def bytes_of_an_image(self) -> int:
        """About what the first stage, the largest, holds of an image at a time: of a cell its input, output
        and some copies, of each node the same, and the 25 shifted copies by which a 5x5 convolution may
        run."""
        nodes = (3 * self.design.num_nodes + 25) / self.config.ratio
        return int(4 * self.config.width * (6 + nodes) * self.image_size**2)


def check_places(directory: Path) -> None:
    """Raises OSError where something else than a file has the name of one of a model's files."""
    for name in NAMES:
        if os.path.lexists(directory / name):
            check_regular(directory / name)


def write_model(directory: Path, network: Network, weights: Arrays) -> None:
    """Raises OSError where a file cannot be written."""
    write_arrays(directory / WEIGHTS, VERSION, weights)
    content = {
        "version": VERSION,
        "accuracy": network.accuracy,
        "images": network.images.to_json(),
        **network_content(network.design, network.config),
        "weights_sha256": _sha256(directory / WEIGHTS),
    }
    write_content(directory / NETWORK, content)
    if _is_earlier(directory / EARLIER):
        (directory / EARLIER).unlink()  # Paddle 3 would take it for a program of its own


def read_network(directory: Path) -> Network:
    """Raises ModelError where the directory holds no model."""
    if not os.path.lexists(directory / NETWORK) and os.path.lexists(directory / EARLIER):
        return _earlier_network(directory)
    path = directory / NETWORK
    try:
        return _network(read_json(path))
    except FileNotFoundError as error:
        raise ModelError(
            f"{quoted(str(path))} is missing: name a directory that retrain.py wrote by --model"
        ) from error
    except OSError as error:
        raise ModelError(f"{error.filename or path}: {error.strerror or error}") from error
    except (KeyError, TypeError, ValueError, DatasetError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else quoted(str(error))
        raise ModelError(f"{path} is damaged ({reason}): {_ADVICE}") from error


def read_weights(directory: Path, shapes: Shapes) -> Arrays:
    """The float32 arrays of these shapes. Raises ModelError where the files are damaged or hold others; a
    file that is larger than they can be is not read."""
    earlier = not os.path.lexists(directory / NETWORK)
    path = directory / (CHECKPOINT if earlier else WEIGHTS)
    num_values = sum(map(math.prod, shapes.values()))
    if num_values > 1.1 * MAX_PARAMETERS:  # which counts no moving statistics
        raise ModelError(f"{directory}: the network is larger than any that retrain.py trains")
    # A checkpoint holds the weights and their momentum, of the last and of the best epoch.
    most_bytes = (4 * num_values + BYTES_AN_ARRAY * (len(shapes) + 10)) * (6 if earlier else 1)
    try:
        if path.stat().st_size > most_bytes:
            raise ValueError("too large")
        if not earlier and _sha256(path) != read_json(directory / NETWORK)["weights_sha256"]:
            raise ValueError("not the one of network.json")
        _, arrays = read_arrays(path)
        if earlier:
            arrays = {name: arrays[f"best.{name}"] for name in shapes}
        _check(arrays, shapes)
    except OSError as error:
        raise ModelError(f"{error.filename or path}: {error.strerror or error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path} is damaged: {_ADVICE}") from error
    return arrays


_ADVICE = "`python retrain.py --resume` with that --output_dir writes the model again"


def _is_earlier(path: Path) -> bool:
    """Whether this is what versions before network.json wrote, and not a file of another program."""
    try:
        return path.is_file() and read_json(path).keys() == {"image_size", "sha256"}
    except (AttributeError, OSError, ValueError):
        return False


def _network(content: Any) -> Network:
    """Raises KeyError, TypeError, ValueError or DatasetError."""
    if not isinstance(content, dict) or content["version"] != VERSION:
        raise ValueError(f"no network of version {VERSION}")
    images = ImageOrigin.from_json(content["images"])
    return Network(*parse_network(content), images, content["accuracy"])


def _earlier_network(directory: Path) -> Network:
    """Of a directory as earlier versions wrote it, whose architecture only the checkpoint holds."""
    try:
        size = read_json(directory / EARLIER)["image_size"]
        with open_regular(directory / CLASSES) as file:
            classes = tuple(file.read(MAX_CLASSES_BYTES).decode().split("\n")[:-1])
        checkpoint, _ = read_arrays(directory / CHECKPOINT)
        plan = checkpoint["plan"]
        images = ImageOrigin.of_options(checkpoint["options"], plan["images"], classes, size)
        architecture = Architecture.of(plan["tokens"], plan["adjvec"])
        accuracy = float(checkpoint["best_accuracy"])
        return Network(architecture, parse_recipe(plan["config"]), images, accuracy)
    except OSError as error:
        raise ModelError(
            f"{error.filename or directory}: {error.strerror or error}; without {EARLIER}, {CLASSES} "
            f"and {CHECKPOINT} a model of an earlier version has to be trained again by retrain.py"
        ) from error
    except (KeyError, OverflowError, TypeError, ValueError, DatasetError) as error:
        raise ModelError(f"{directory} holds no whole model of an earlier version: {_ADVICE}") from error


def _check(arrays: Arrays, shapes: Shapes) -> None:
    """Raises ValueError where the arrays are not finite float32 ones of these shapes."""
    check_arrays(arrays, {name: np.broadcast_to(np.float32(0), shape) for name, shape in shapes.items()})
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise ValueError("not finite")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open_regular(path) as file:
        while piece := file.read(2**20):
            digest.update(piece)
    return digest.hexdigest()
