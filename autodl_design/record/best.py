"""Which models of a search are its best, by one run of each and by more runs.

the_best(Path("log"), read_history(Path("log/history.jsonl")))
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from autodl_design.record.history import ModelRecord, mean_of_runs, read_final_runs

FINAL_NAME = "final_candidates.jsonl"


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


def best_of(models: Iterable[ModelRecord], count: int) -> list[ModelRecord]:
    """The trained models of the highest reward, every network once, the best first."""
    trained = (model for model in models if model.status == "ok")
    networks: dict[str | int, ModelRecord] = {}
    for model in sorted(trained, key=lambda model: (-model.reward, model.mid)):
        networks.setdefault(model.network or model.mid, model)
    return list(networks.values())[:count]


def read_final_means(log_dir: Path) -> list[tuple[int, float, str]]:
    """Number, mean accuracy and all accuracies, as text, of the models that main.py --final_candidates
    trained again, the best first; empty where it did not. Raises RecordError where the file is damaged."""
    path = log_dir / FINAL_NAME
    return final_means(read_final_runs(path)) if path.exists() else []


def final_means(runs: Iterable[ModelRecord]) -> list[tuple[int, float, str]]:
    """What `read_final_means` returns, of these runs."""
    accuracies = defaultdict(list)
    for run in runs:
        accuracies[run.mid].append(run.accuracy)  # None where the run failed
    means = ((mid, *mean_of_runs(of_model)) for mid, of_model in accuracies.items())
    return sorted(means, key=lambda entry: -entry[1])


def the_best(log_dir: Path, models: Sequence[ModelRecord]) -> Best | None:
    """The highest mean of the final candidates, if there are any, else the highest reward of one run; None
    where no model was trained."""
    by_mid = {model.mid: model for model in models}
    for mid, mean, runs in read_final_means(log_dir):
        if mid in by_mid:
            return Best(by_mid[mid], mean, runs.count(",") + 1)
    for model in best_of(models, 1):
        return Best(model, model.accuracy, 1)
    return None
