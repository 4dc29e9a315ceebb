"""What trainers are, what they are given and what they give back."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol

from autodl_design.search_space.architecture import Architecture


class Hurdle(NamedTuple):
    """Where a training is stopped that is behind others."""

    epoch: int  # after which
    accuracy: float  # below which
    gain: float  # in accuracy, that is expected from there to the end


class Job(NamedTuple):
    mid: int
    architecture: Architecture
    run: int = 0  # further ones train the same model from other random numbers
    hurdles: tuple[Hurdle, ...] = ()

    def failed_hurdle(self, epoch: int, accuracy: float) -> Hurdle | None:
        """At which its training ends, if it does, with this accuracy after this epoch."""
        failed = (h for h in self.hurdles if h.epoch == epoch and accuracy < h.accuracy)
        return next(failed, None)


class CurvePoint(NamedTuple):
    """What was measured of a network in its training."""

    epoch: int  # after which
    train_loss: float  # mean over the epoch's batches
    validation_loss: float | None  # None where it is not finite
    accuracy: float  # on the validation images


@dataclasses.dataclass(frozen=True)
class TrainResult:
    accuracy: float  # on the validation images, after the last epoch that was trained
    validation_loss: float
    train_loss: float  # mean over the last epoch's batches
    num_params: int  # trainable ones
    seconds: float
    macs: int = 0  # multiply-accumulate operations of the network for an image
    curve: tuple[CurvePoint, ...] = ()  # at the epochs of ChildSettings.measured_epochs
    stopped: Hurdle | None = None  # at which the training ended before its last epoch


class Diverged(ArithmeticError):
    """A training whose loss left the finite numbers. The same random numbers would lead there again."""

    def __str__(self) -> str:
        return "the loss left the finite numbers"


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


# What is called after each epoch of a training: its number (from 1), training loss and training accuracy.
OnEpoch = Callable[[int, float, float], None]
# What a trainer is handed, and calls for each job; it may raise Diverged. It goes to other processes, by
# pickle.
Train = Callable[[Job, OnEpoch], TrainResult]


class Trainers(Protocol):
    description: str  # for the user: how many, and where

    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Outcome]]:
        """Train all jobs; yields each as soon as it is done."""
        ...


def attempt(train: Train, job: Job, on_epoch: OnEpoch) -> Outcome:
    """In a trainer's process. Raises what training raises, other than Diverged."""
    try:
        return Outcome(train(job, on_epoch))
    except Diverged as error:
        return Outcome(None, str(error))


def error_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[-1]}"
