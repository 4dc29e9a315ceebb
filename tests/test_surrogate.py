"""The surrogate of child training, and agents on it."""

import gzip
import json

import numpy as np
import pytest
from helpers import run
from model_records import CACHED, model

from agents.random_search import random_architectures
from benchmarks.surrogate import Surrogate, Trainings, read_trainings


def accuracy_of(tokens):
    """More where more tokens are 1."""
    return 0.2 + 0.02 * (tokens == 1).sum(axis=1)


@pytest.fixture(scope="module")
def trainings():
    tokens, adjvec = random_architectures(np.random.default_rng(0), 300, 4, 10)
    return Trainings(tokens, adjvec, accuracy_of(tokens))


def test_predicts_architectures_that_it_has_not_seen(trainings):
    tokens, adjvec = random_architectures(np.random.default_rng(1), 200, 4, 10)
    predicted = Surrogate(trainings, noise=0.01).mean(tokens, adjvec)
    assert np.corrcoef(predicted, accuracy_of(tokens))[0, 1] > 0.8


def write_history(path, models):
    lines = "".join(json.dumps(model.to_json()) + "\n" for model in models)
    path.write_bytes(gzip.compress(lines.encode()))


def test_reads_the_models_that_were_trained(tmp_path):
    write_history(tmp_path / "a.jsonl.gz", [model(0, 0.25), model(1, 0.5, **CACHED)])
    write_history(tmp_path / "b.jsonl.gz", [model(0, 0.75)])
    trainings = read_trainings(sorted(tmp_path.iterdir()))
    assert trainings.accuracy.tolist() == [0.25, 0.75]
    assert trainings.tokens.tolist() == 2 * [model(0).tokens]


def test_an_agent_that_is_replayed_learns(tmp_path, trainings):
    rows = zip(trainings.tokens.tolist(), trainings.adjvec.tolist(), trainings.accuracy, strict=True)
    models = [
        model(mid, accuracy, tokens=tokens, adjvec=adjvec)
        for mid, (tokens, adjvec, accuracy) in enumerate(rows)
    ]
    write_history(tmp_path / "random-0.jsonl.gz", models)
    command = [
        *("-m", "benchmarks.replay", f"--histories={tmp_path}", "--agent=evolution", "--num_nodes=4"),
        *("--num_models=399", "--seeds=2", "--noise=0.01", "--population_size=20"),
    ]
    output = run(*command, check=True).stdout
    assert run(*command, check=True).stdout == output
    rows = [list(map(float, line.split())) for line in output.splitlines()[2:]]
    assert [row[0] for row in rows] == [100, 200, 300, 400]
    assert rows[-1][3] > 1.0  # standard deviations above the mean of random architectures
