"""What trainers are given and what they give back, as plain data."""

from collections.abc import Callable
from typing import NamedTuple

from autodl_design.search_space.architecture import Architecture
from autodl_design.search_space.child import TrainResult


class Job(NamedTuple):
    mid: int
    architecture: Architecture
    run: int = 0  # further ones train the same model from other random numbers


class Outcome(NamedTuple):
    """A trained model's result, or the reason why there is none."""

    result: TrainResult | None
    error: str | None = None
    retry: bool = False  # whether another try may end better


class Epoch(NamedTuple):
    """What a trainer reports after each epoch, and with epoch 0 when it gets a model."""

    mid: int
    epoch: int
    loss: float
    accuracy: float  # on the training images
    run: int = 0  # the job's


# What a trainer is handed, and calls for each job with `on_epoch`, which it calls after each epoch with its
# number (from 1), the training loss and the training accuracy. It goes to other processes, by pickle.
Train = Callable[[Job, Callable[[int, float, float], None]], TrainResult]


def outcome_of(result: TrainResult) -> Outcome:
    if result.status == "nan":
        return Outcome(None, "the loss left the finite numbers")
    return Outcome(result)


def error_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[-1]}"
