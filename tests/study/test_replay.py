"""The surrogate of child training, and agents on it."""

import numpy as np
import pytest
from absl import flags as absl_flags
from model_records import model, put_search

from autodl_design.agents.random_search import random_architectures
from autodl_design.settings import flags as settings_flags
from study import replay as replay_module
from study.replay import Surrogate


def accuracy_of(tokens):
    """More where more tokens are 1."""
    return 0.2 + 0.02 * (tokens == 1).sum(axis=1)


@pytest.fixture(scope="module")
def models():
    tokens, adjvec = random_architectures(np.random.default_rng(0), 300, 4, 10)
    rows = zip(tokens.tolist(), adjvec.tolist(), accuracy_of(tokens), strict=True)
    return [
        model(mid, accuracy, tokens=tokens, adjvec=adjvec)
        for mid, (tokens, adjvec, accuracy) in enumerate(rows)
    ]


def test_predicts_architectures_that_it_has_not_seen(models):
    tokens, adjvec = random_architectures(np.random.default_rng(1), 200, 4, 10)
    predicted = Surrogate(models).mean(tokens, adjvec)
    assert np.corrcoef(predicted, accuracy_of(tokens))[0, 1] > 0.8


@pytest.fixture
def replay(tmp_path, models, monkeypatch, capsys):
    """replay("--num_nodes=4") prints what the command does; returns that."""
    for seed in range(2):
        put_search(tmp_path, f"random-{seed}", models[150 * seed :][:150])

    def replay(*flags):
        values = absl_flags.FlagValues()
        settings_flags.define_flags(*replay_module.GROUPS, into=values)
        values(["study.replay", f"--histories={tmp_path}", "--seeds=2", *flags])
        monkeypatch.setattr(settings_flags, "FLAGS", values)
        replay_module.main([])
        return capsys.readouterr().out

    return replay


def test_an_agent_that_is_replayed_learns(replay):
    flags = [
        "--agent=evolution",
        "--num_nodes=4",
        "--num_models=400",
        "--noise=0.01",
        "--population_size=20",
    ]
    output = replay(*flags)
    assert replay(*flags) == output
    quality, _, _, *rows = output.splitlines()
    assert quality.startswith("a surrogate of 300 models; tau on searches left out: 0.")
    rows = [list(map(float, row.split())) for row in rows]
    assert [row[0] for row in rows] == [100, 200, 300, 400]
    assert rows[-1][3] > 1.0  # standard deviations above the mean of random architectures


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--num_nodes=10", "--num_nodes=10, but --histories="),
        ("--histories=/nowhere", "/nowhere/searches.zip cannot be read: No such file"),
        ("--num_tokens=11", "num_tokens 11: there are 10 operations"),
        ("--num_models=99", "--num_models must be at least 100"),
    ],
)
def test_a_mistake_is_named(replay, flag, message):
    with pytest.raises(replay_module.ERRORS) as refused:
        replay("--num_nodes=4", "--num_models=100", flag)
    assert message in str(refused.value)
