"""The agents find what is good where there is something to find, and random search does not."""

import numpy as np
import pytest

from autodl import AutoDLAgent, search
from autodl_design.agents.evolution import EvolutionAgent
from autodl_design.agents.random_search import RandomAgent
from autodl_design.backend.paddle_backend import paddle
from autodl_design.search_loop.settings import EvolutionSettings
from policy_model import PolicyModel
from reinforce_policy_gradient import ReinforcePolicyGradient

NUM_NODES, NUM_TOKENS, BATCH = 4, 10, 10
UPDATES = 250
SLOTS = [0, 0, 1, 3, 6]  # of a cell's 6 edges, node i owns SLOTS[i] .. SLOTS[i + 1]


def structured_reward(step: int, tokens: np.ndarray, adjvec: np.ndarray) -> np.ndarray:
    """One best architecture, of reward 1. Half of the reward counts tokens that are right; a node earns
    the other half only by its token together with all its edges."""
    rng = np.random.default_rng(7)
    right_token = tokens == rng.integers(0, NUM_TOKENS, tokens.shape[1])
    right_edge = adjvec == rng.integers(0, 2, adjvec.shape[1])
    whole = [
        right_token[:, cell * NUM_NODES + i]
        & right_edge[:, cell * 6 + SLOTS[i] : cell * 6 + SLOTS[i + 1]].all(axis=1)
        for cell in (0, 1)
        for i in range(NUM_NODES)
    ]
    return right_token.mean(axis=1) / 2 + np.mean(whole, axis=0) / 2


def steps_of(agent) -> list[np.ndarray]:
    return [done.rewards for done in search(agent, structured_reward, BATCH, UPDATES)]


@pytest.mark.parametrize("seed", range(5))
def test_agent_finds_95_percent_of_the_optimum_and_random_search_does_not(seed):
    paddle.seed(seed)
    policy = PolicyModel(NUM_NODES, NUM_TOKENS)
    algorithm = ReinforcePolicyGradient(policy, 2e-3, bl_decay=0.9, advantage_power=1)
    rewards = steps_of(AutoDLAgent(algorithm, seed))
    assert np.max(rewards) >= 0.95
    # Bounded logits leave every decision some chance of being another, so the mean stays below.
    assert np.mean(rewards[-10:]) > 0.75

    assert np.max(steps_of(RandomAgent(NUM_NODES, NUM_TOKENS, seed))) < 0.95


@pytest.mark.parametrize("seed", range(5))
def test_evolution_finds_95_percent_of_the_optimum_with_its_default_sizes(seed):
    sizes = EvolutionSettings()
    agent = EvolutionAgent(NUM_NODES, NUM_TOKENS, sizes.population_size, sizes.tournament_size, seed)
    rewards = steps_of(agent)
    assert np.max(rewards) >= 0.95
    assert np.mean(rewards[-10:]) > 0.75
