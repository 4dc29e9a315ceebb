"""The benchmarks' TPE agent: it learns, and a resumed search is the same search."""

import numpy as np
import pytest

pytest.importorskip("optuna", reason="Optuna is for the benchmarks alone")

import main  # noqa: E402
from autodl_design.agents.random_search import RandomAgent  # noqa: E402
from autodl_design.search_loop.settings import AllSettings  # noqa: E402
from autodl_design.trainers.pseudo import PseudoTrainers  # noqa: E402
from study.tpe_agent import TpeAgent  # noqa: E402


def search(log_dir, num_models):
    settings = AllSettings.of(
        log_dir=str(log_dir), num_nodes=3, num_tokens=4, num_models=num_models, resume=True
    )
    models = main.search(settings, agent=TpeAgent(3, 4, seed=0), trainers=PseudoTrainers())
    return [(*model.architecture, model.accuracy) for model in models]


def test_begins_as_random_search_does():
    for mine, that_of_random in zip(
        TpeAgent(3, 4, 5, 0.15).sample(0, 10), RandomAgent(3, 4, 5, 0.15).sample(0, 10), strict=True
    ):
        assert np.array_equal(mine, that_of_random)


def test_learns_and_goes_on_after_a_stop(tmp_path):
    whole = search(tmp_path / "whole", 150)
    accuracies = np.array([accuracy for *_, accuracy in whole])  # the share of tokens that are 1
    assert accuracies[-30:].mean() > accuracies[:30].mean() + 0.3
    search(tmp_path / "parts", 80)
    assert search(tmp_path / "parts", 150) == whole
