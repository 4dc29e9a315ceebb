"""Which models of a search are its best, by one run of each and by more runs.

best_overall(Path("log"), read_history(Path("log/history.jsonl")))
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from autodl_design.record.history import ModelRecord, read_final_runs
from autodl_design.record.log_dir import LogDir


class Best(NamedTuple):
    model: ModelRecord
    accuracy: float
    runs: int  # whose mean the accuracy is

    def describe(self, num_images: int | None = None, chance: float | None = None) -> str:
        """num_images: on which the accuracy was measured; adds the standard error of a share p of n right
        answers, sqrt(p (1 - p) / n). chance: the accuracy of guessing."""
        error = ""
        if num_images:
            error = f" +- {math.sqrt(self.accuracy * (1 - self.accuracy) / num_images):.3f}"
        runs = "one run" if self.runs == 1 else f"mean of {self.runs} more runs"
        runs += f"; chance is {chance:.3f}" if chance else ""
        return (
            f"model {self.model.mid}: accuracy {self.accuracy:.3f}{error} ({runs}), "
            f"{self.model.num_params:,} parameters"
        )


class FinalMean(NamedTuple):
    """Of a model that main.py --final_candidates trained again."""

    mid: int
    mean: float  # of the accuracies; 0 where all runs failed
    accuracies: list[float | None]  # None where a run failed


def best_by_reward(models: Iterable[ModelRecord], count: int) -> list[ModelRecord]:
    """The trained models of the highest reward, every network once, the best first."""
    trained = (model for model in models if model.trained)
    networks: dict[str | int, ModelRecord] = {}
    for model in sorted(trained, key=lambda model: (-model.reward, model.mid)):
        networks.setdefault(model.network or model.mid, model)
    return list(networks.values())[:count]


def read_final_means(log_dir: Path) -> list[FinalMean]:
    """The models that were trained again, the best first; empty where none was. Raises RecordError where
    the file is damaged."""
    path = LogDir(log_dir).final_candidates
    return final_means(read_final_runs(path)) if path.exists() else []


def final_means(runs: Iterable[ModelRecord]) -> list[FinalMean]:
    """What `read_final_means` returns, of these runs."""
    by_mid: dict[int, list[float | None]] = defaultdict(list)
    for run in runs:
        by_mid[run.mid].append(run.accuracy)
    means = [FinalMean(mid, _mean(accuracies), accuracies) for mid, accuracies in by_mid.items()]
    return sorted(means, key=lambda final: -final.mean)


def runs_text(accuracies: Sequence[float | None]) -> str:
    return ", ".join("failed" if accuracy is None else f"{accuracy:.3f}" for accuracy in accuracies)


def _mean(accuracies: Sequence[float | None]) -> float:
    return float(np.mean([accuracy for accuracy in accuracies if accuracy is not None] or [0.0]))


def best_overall(log_dir: Path, models: Sequence[ModelRecord]) -> Best | None:
    """The highest mean of the final candidates, if there are any, else the highest reward of one run; None
    where no model was trained."""
    by_mid = {model.mid: model for model in models}
    for final in read_final_means(log_dir):
        if final.mid in by_mid:
            return Best(by_mid[final.mid], final.mean, len(final.accuracies))
    for model in best_by_reward(models, 1):
        assert model.accuracy is not None  # since it is trained
        return Best(model, model.accuracy, 1)
    return None
