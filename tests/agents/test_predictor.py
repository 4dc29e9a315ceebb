"""--agent=predictor: what it proposes, and exact resuming."""

import numpy as np
import pytest

import main
from autodl_design.agents.predictor import PredictorAgent
from autodl_design.agents.random_search import RandomAgent
from autodl_design.record.history import RecordError
from autodl_design.search_loop.settings import AllSettings
from autodl_design.settings.fields import SettingsError
from autodl_design.trainers.pseudo import PseudoTrainers

N, K = 3, 5


def make_agent(**values):
    defaults = {"first_random": 20, "pool_size": 60, "num_parents": 5, "random_share": 0.2, "seed": 0}
    return PredictorAgent(N, K, **{**defaults, **values})


def rows(tokens, adjvec):
    return np.concatenate([tokens, adjvec], axis=1)


def count_ones(agent, steps):
    """The proposals of these steps; a reward is the share of tokens that are 1."""
    proposals = []
    for step in steps:
        tokens, adjvec = agent.sample(step, 10)
        proposals.append(rows(tokens, adjvec).tolist())
        agent.learn(tokens, adjvec, (tokens == 1).mean(axis=1))
    return np.array(proposals)


def test_begins_as_random_search_does():
    agent, random = make_agent(edge_probability=0.2), RandomAgent(N, K, 0, edge_probability=0.2)
    for step in range(2):
        assert np.array_equal(rows(*agent.sample(step, 10)), rows(*random.sample(step, 10)))
        agent.learn(*agent.sample(step, 10), np.zeros(10))
    assert not np.array_equal(rows(*agent.sample(2, 10)), rows(*random.sample(2, 10)))


def test_learns_and_keeps_a_share_that_is_random():
    proposals = count_ones(make_agent(), range(30))
    ones = (proposals[:, :, : 2 * N] == 1).mean(axis=2)
    chosen, random = ones[2:, :8], ones[2:, 8:]
    assert ones[:2].mean() == pytest.approx(1 / K, abs=0.1)
    assert random.mean() == pytest.approx(1 / K, abs=0.1)
    assert chosen[-10:].mean() > 0.7
    assert len(np.unique(proposals[:, :8].reshape(-1, proposals.shape[2]), axis=0)) == 240  # none twice


def test_where_hardly_any_candidate_is_new_the_rest_of_a_batch_is_random():
    agent = PredictorAgent(1, 2, 1, 50, 5, 0.0, seed=0)  # of four architectures
    for step in range(3):
        tokens, adjvec = agent.sample(step, 10)
        assert tokens.shape == (10, 2) and adjvec.shape == (10, 0)
        agent.learn(tokens, adjvec, tokens.mean(axis=1))


@pytest.mark.parametrize("done", [0, 1, 2, 7])
def test_a_restored_agent_goes_on_bit_by_bit(done):
    agent, restored = make_agent(), make_agent()
    count_ones(agent, range(done))
    restored.load_state(agent.state())
    steps = range(done, done + 5)
    assert np.array_equal(count_ones(agent, steps), count_ones(restored, steps))


def test_what_it_cannot_use_is_refused_and_changes_nothing():
    agent = make_agent()
    count_ones(agent, range(3))
    tensors = agent.state()["tensors"]
    for change, complaint in (
        ({"rewards": np.full(30, np.inf)}, "not finite"),
        ({"tokens": tensors["tokens"] + K}, "outside 0 .. 4"),
        ({"adjvec": tensors["adjvec"][:5]}, "array adjvec is"),
    ):
        with pytest.raises(ValueError, match=complaint):
            agent.load_state({"tensors": tensors | change})
    with pytest.raises(ValueError, match="not all finite"):
        agent.learn(tensors["tokens"][:1], tensors["adjvec"][:1], np.array([np.nan]))
    assert agent.state()["tensors"]["rewards"].tolist() == tensors["rewards"].tolist()


def settings_of(log_dir, num_models, **values):
    return AllSettings.of(
        **{"agent": "predictor", "num_nodes": 4, "num_tokens": 3, "first_random": 20, **values},
        num_models=num_models,
        log_dir=str(log_dir),
        resume=True,
    )


def test_a_search_that_was_stopped_is_as_one_that_never_was(tmp_path):
    whole = main.search(settings_of(tmp_path / "whole", 100), trainers=PseudoTrainers())
    main.search(settings_of(tmp_path / "parts", 40), trainers=PseudoTrainers())
    assert main.search(settings_of(tmp_path / "parts", 100), trainers=PseudoTrainers()) == whole
    accuracies = [model.accuracy for model in whole]  # shares of tokens that are 1
    assert np.mean(accuracies[-20:]) > np.mean(accuracies[:20]) + 0.2
    with pytest.raises(RecordError, match="pool_size was 1000 and is 50"):
        main.search(settings_of(tmp_path / "parts", 100, pool_size=50), trainers=PseudoTrainers())


def test_a_search_space_of_one_architecture_is_refused():
    with pytest.raises(SettingsError, match="predictor: .* nothing to change"):
        settings_of("log", 10, num_nodes=1, num_tokens=1)
