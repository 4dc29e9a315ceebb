"""Trainers that train nothing, for searches of which all else is measured or tested:

main.search(settings, trainers=PseudoTrainers())
"""

import time
from collections.abc import Iterable, Iterator

from autodl_design.trainers.job import Job, Outcome, TrainResult


class PseudoTrainers:
    """A model's accuracy is its share of tokens equal to 1, and takes `model_seconds`."""

    description = "trainers that train nothing"

    def __init__(self, model_seconds: float = 0.0):
        self.model_seconds = model_seconds

    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Outcome]]:
        for job in jobs:
            time.sleep(self.model_seconds)
            tokens = job.architecture.tokens
            accuracy = tokens.count(1) / len(tokens)
            yield job, Outcome(TrainResult(accuracy, 0.0, 0.0, 0, 0.0))
