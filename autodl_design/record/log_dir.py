"""The names of a search's files, all of them: LogDir("log").history is the path of its history."""

import os
from pathlib import Path

SETTINGS_NAME = "search.json"
HISTORY_NAME = "history.jsonl"
FINAL_NAME = "final_candidates.jsonl"
STEPS_NAME = "steps.csv"
POLICY_NAME = "policy.json"
BEST_NAME = "best.json"


class LogDir:
    """A search's directory; checkpoints.py names the checkpoints."""

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self.settings = self.path / SETTINGS_NAME  # on which results depend, and a few more
        self.history = self.path / HISTORY_NAME  # a line a model
        self.final_candidates = self.path / FINAL_NAME  # a line a further run of the best models
        self.steps = self.path / STEPS_NAME  # a row a step
        self.policy = self.path / POLICY_NAME  # the policy's probabilities, for reports
        self.scalars = self.path / "tensorboard"  # the same for TensorBoard
        self.best = self.path / BEST_NAME  # the best architecture
        self.lock = self.path / "lock"  # held by the process that searches
