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
    model: ModelRecord  # as the search trained it
    accuracy: float
    runs: int  # whose mean the accuracy is
    num_params: int
    size: str = ""  # of these runs, where it is not the search's: see search_loop/ladder.py

    def describe(self, num_images: int | None = None, chance: float | None = None) -> str:
        """num_images: on which the accuracy was measured; adds its standard error. chance: the accuracy of
        guessing."""
        error = f" +- {self.error(num_images):.3f}" if num_images else ""
        if self.runs > 1:
            runs = f"mean of {self.runs} more runs"
        else:
            runs = "one more run" if self.size else "one run"
        runs += at_size(self.size)
        runs += f"; chance is {chance:.3f}" if chance else ""
        return (
            f"model {self.model.mid}: accuracy {self.accuracy:.3f}{error} ({runs}), "
            f"{self.num_params:,} parameters"
        )

    def error(self, num_images: int) -> float:
        """The standard error of a share p of n right answers, sqrt(p (1 - p) / n). More runs make it no
        smaller, since they are measured on the same images."""
        return math.sqrt(self.accuracy * (1 - self.accuracy) / num_images)


class FinalMean(NamedTuple):
    """Of a model that main.py --final_candidates or --ladder trained again."""

    mid: int
    mean: float  # of the accuracies; 0 where all runs failed
    accuracies: list[float | None]  # None where a run failed
    num_params: int | None  # at this size; None where all runs failed
    size: str = ""  # "": that of the search


def best_by_reward(models: Iterable[ModelRecord], count: int) -> list[ModelRecord]:
    """The trained models of the highest reward, every network once, the best first."""
    trained = (model for model in models if model.trained)
    networks: dict[str | int, ModelRecord] = {}
    for model in sorted(trained, key=lambda model: (-model.reward, model.mid)):
        networks.setdefault(model.network or model.mid, model)
    return list(networks.values())[:count]


def read_final_means(log_dir: Path) -> list[FinalMean]:
    """The models that were trained again, once for each of their sizes; empty where none was. Those of the
    size that was trained last come first, and among them those of most runs, the best first. Raises
    RecordError where the file is damaged."""
    path = LogDir(log_dir).final_candidates
    return final_means(read_final_runs(path)) if path.exists() else []


def final_means(runs: Iterable[ModelRecord]) -> list[FinalMean]:
    """What `read_final_means` returns, of these runs."""
    by_size: dict[str, dict[int, list[ModelRecord]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        by_size[run.size or ""][run.mid].append(run)
    means = []
    for size, models in reversed(by_size.items()):
        of_size = [_final_mean(mid, own, size) for mid, own in models.items()]
        means += sorted(of_size, key=lambda final: (-len(final.accuracies), -final.mean))
    return means


def _final_mean(mid: int, runs: list[ModelRecord], size: str) -> FinalMean:
    accuracies = [run.accuracy for run in runs]
    num_params = next((run.num_params for run in runs if run.num_params is not None), None)
    return FinalMean(mid, _mean(accuracies), accuracies, num_params, size)


def at_size(size: str) -> str:
    """ " at width=64", nothing of the search's own size."""
    return f" at {size}" if size else ""


def runs_text(accuracies: Sequence[float | None]) -> str:
    return ", ".join("failed" if accuracy is None else f"{accuracy:.3f}" for accuracy in accuracies)


def _mean(accuracies: Sequence[float | None]) -> float:
    return float(np.mean([accuracy for accuracy in accuracies if accuracy is not None] or [0.0]))


def best_overall(log_dir: Path, models: Sequence[ModelRecord]) -> Best | None:
    """The first of the final candidates (see `read_final_means`) of which a run did not fail, else the
    highest reward of one run; None where no model was trained."""
    by_mid = {model.mid: model for model in models}
    for final in read_final_means(log_dir):
        if final.mid in by_mid and final.num_params is not None:
            runs = len(final.accuracies)
            return Best(by_mid[final.mid], final.mean, runs, final.num_params, final.size)
    for model in best_by_reward(models, 1):
        assert model.accuracy is not None and model.num_params is not None  # since it is trained
        return Best(model, model.accuracy, 1, model.num_params)
    return None
