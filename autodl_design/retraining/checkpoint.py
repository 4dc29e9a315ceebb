"""The state of a training between two epochs, in a file: all that is needed to go on after a stop.

write_checkpoint(config, checkpoint)
checkpoint = find_checkpoint(config)
"""

import dataclasses
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from autodl_design.checked_io.files import check_arrays, read_arrays, write_arrays
from autodl_design.retraining.plan import Plan
from autodl_design.retraining.settings import OPTIONS, RetrainError, RetrainSettings
from autodl_design.search_space.architecture import Architecture
from autodl_design.search_space.architecture_file import parse_recipe
from autodl_design.search_space.image_origin import ImageOrigin
from autodl_design.search_space.reference import Design, Reference

Arrays = dict[str, np.ndarray]
NOW, BEST = "now.", "best."  # what names of arrays in the file begin with


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    plan: Plan
    images: ImageOrigin
    options: dict[str, Any]  # values of settings that decide nothing, if the images are the same
    epoch: int  # how many are done
    best_accuracy: float
    rng: Mapping[str, Any]  # state of NumPy's generator
    now: Arrays  # what `ChildTraining.state` gives
    best: Arrays  # the same after the epoch with the best accuracy

    def check_states(self, like: Arrays) -> None:
        """Raises ValueError where a state has other arrays than `like`, of another shape or not finite."""
        for state in (self.now, self.best):
            check_arrays(state, like)
            for name, array in state.items():
                if not np.isfinite(array).all():
                    raise ValueError(f"array {name} is not finite")


def write_checkpoint(config: RetrainSettings, checkpoint: Checkpoint) -> None:
    """Raises OSError where it cannot be written; what was there is left then."""
    plan = checkpoint.plan
    numbers = {
        "plan": {
            **_design_content(plan.design),
            "config": dataclasses.asdict(plan.config),
            "seed": plan.seed,
            "images": plan.images,
        },
        "images": checkpoint.images.to_json(),
        **{name: getattr(checkpoint, name) for name in ("options", "epoch", "best_accuracy", "rng")},
    }
    arrays = {NOW + name: array for name, array in checkpoint.now.items()}
    arrays |= {BEST + name: array for name, array in checkpoint.best.items()}
    write_arrays(checkpoint_path(config), numbers, arrays)


def _design_content(design: Design) -> dict[str, Any]:
    return {"reference": design.name} if isinstance(design, Reference) else design._asdict()


def find_checkpoint(config: RetrainSettings) -> Checkpoint | None:
    """The one in the output directory, if one is there. Raises RetrainError where it is damaged; whether
    its states fit the network, `Checkpoint.check_states` finds out."""
    path = checkpoint_path(config)
    if not os.path.lexists(path):
        return None
    try:
        numbers, arrays = read_arrays(path)
    except ValueError as error:
        raise damaged(path) from error
    except OSError as error:
        raise RetrainError(f"{path}: {error.strerror or error}") from error
    try:
        return _checkpoint(numbers, arrays)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise damaged(path, f"{error} is missing" if isinstance(error, KeyError) else error) from error


def checkpoint_path(config: RetrainSettings) -> Path:
    return Path(config.output_dir, "checkpoint.npz")


def damaged(path: Path, reason: object = "not as it was written") -> RetrainError:
    return RetrainError(f"{path} is damaged: {reason}; remove it, and the training starts again")


def _checkpoint(numbers: Any, arrays: Arrays) -> Checkpoint:
    """Raises KeyError, TypeError, ValueError or OverflowError."""
    stored, options = numbers["plan"], numbers["options"]
    design = (
        Reference.of(stored["reference"])
        if "reference" in stored
        else Architecture.of(stored["tokens"], stored["adjvec"])
    )
    plan = Plan(design, parse_recipe(stored["config"]), stored["seed"], stored["images"])
    if "images" in numbers:
        images = ImageOrigin.from_json(numbers["images"])
    else:
        images = ImageOrigin.of_options(options, plan.images)
    epoch, best_accuracy = numbers["epoch"], numbers["best_accuracy"]
    if type(epoch) is not int or not 0 <= epoch <= plan.config.epochs:
        raise ValueError("no number of epochs")
    if type(best_accuracy) not in (int, float) or not math.isfinite(best_accuracy):
        raise ValueError("no best accuracy")
    np.random.default_rng().bit_generator.state = numbers["rng"]
    options = {name: options[name] for name in OPTIONS}
    RetrainSettings(**options, seed=plan.seed)
    now, best = (
        {name.removeprefix(kind): array for name, array in arrays.items() if name.startswith(kind)}
        for kind in (NOW, BEST)
    )
    if len(now) + len(best) < len(arrays):
        raise ValueError("arrays of other names")
    return Checkpoint(plan, images, options, epoch, best_accuracy, numbers["rng"], now, best)
