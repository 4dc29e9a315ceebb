"""Regularised evolution, to compare REINFORCE with: `python main.py --agent=evolution`.

Real, Aggarwal, Huang and Le 2019, "Regularized evolution for image classifier architecture search",
algorithm 1. The population is the newest architectures that were trained. It begins with random ones. Each
child is a mutation of the best of a few members that are drawn at random, with replacement (a tournament).
Children are added, and the oldest members die, however good they are: so an architecture that was lucky in
its one training does not stay for ever.

What differs from the paper: a step proposes a whole batch from one population, as the paper's parallel
workers do; there is no identity mutation, since the cache would only repeat the accuracy.
"""

from typing import Any

import numpy as np

from autodl_design.agents.random_search import random_architectures
from autodl_design.checked_io.files import check_arrays


def mutated(
    rng: np.random.Generator,
    tokens: np.ndarray,
    adjvec: np.ndarray,
    num_tokens: int,
    edge_probability: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Each row with one change: with probability 1/2 a node takes another operation, else an edge appears
    or disappears, in such shares that rows which are not selected keep their density."""
    tokens, adjvec = tokens.copy(), adjvec.copy()
    changes_token = rng.random(len(tokens)) < 0.5
    if num_tokens == 1:
        changes_token[:] = False
    if not adjvec.shape[1]:  # one node a cell, no edges
        changes_token[:] = True
    rows, others = np.flatnonzero(changes_token), np.flatnonzero(~changes_token)
    places = rng.integers(0, tokens.shape[1], len(rows))
    shifts = rng.integers(1, num_tokens, len(rows))
    tokens[rows, places] = (tokens[rows, places] + shifts) % num_tokens
    # An edge that is drawn anew until one changes: of density p, p (1 - p) of all edges appear and
    # (1 - p) p disappear.
    p = edge_probability
    while len(others):
        places = rng.integers(0, adjvec.shape[1], len(others))
        weights = np.where(adjvec[others, places], 1 - p, p) / max(p, 1 - p)
        accepted = rng.random(len(others)) < weights
        adjvec[others[accepted], places[accepted]] ^= 1
        others = others[~accepted]
    return tokens, adjvec


LARGEST_REWARD = 1e38  # that a history holds; the squares of much larger ones are infinite


def checked_models(
    state: dict[str, Any], num_nodes: int, num_tokens: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The tokens [M, 2N], adjvec [M, N(N-1)] and rewards [M] of an agent's state that consists of models.
    Raises ValueError where it is none."""
    saved = state["tensors"]
    count = len(saved["rewards"]) if np.ndim(saved.get("rewards")) == 1 else 0
    check_arrays(
        saved,
        {
            "tokens": np.zeros((count, 2 * num_nodes), np.int64),
            "adjvec": np.zeros((count, num_nodes * (num_nodes - 1)), np.int64),
            "rewards": np.zeros(count),
        },
    )
    for name, end in (("tokens", num_tokens), ("adjvec", 2)):
        if ((saved[name] < 0) | (saved[name] >= end)).any():
            raise ValueError(f"array {name} holds numbers outside 0 .. {end - 1}")
    if not (np.abs(saved["rewards"]) <= LARGEST_REWARD).all():
        raise ValueError("array rewards holds numbers that are not finite, or too large for a reward")
    return saved["tokens"], saved["adjvec"], saved["rewards"]


class EvolutionAgent:
    """See agent.Agent for the methods."""

    def __init__(
        self,
        num_nodes: int,
        num_tokens: int,
        population_size: int,
        tournament_size: int,
        seed: int,
        edge_probability: float = 0.5,
    ):
        self.num_nodes = num_nodes
        self.num_tokens = num_tokens
        self.population_size = population_size
        self.tournament_size = tournament_size
        self.seed = seed
        self.edge_probability = edge_probability
        # The members, the oldest first.
        self.tokens = np.zeros((0, 2 * num_nodes), np.int64)
        self.adjvec = np.zeros((0, num_nodes * (num_nodes - 1)), np.int64)
        self.rewards = np.zeros(0)

    def sample(self, step: int, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
        """Random architectures until the population is complete, children of its members after that."""
        rng = np.random.default_rng([self.seed, step])
        members = len(self.rewards)
        if members < self.population_size:
            return random_architectures(
                rng, batch_size, self.num_nodes, self.num_tokens, self.edge_probability
            )
        tournaments = rng.integers(0, members, (batch_size, self.tournament_size))
        winners = self.rewards[tournaments].argmax(axis=1)
        parents = tournaments[np.arange(batch_size), winners]
        return mutated(
            rng, self.tokens[parents], self.adjvec[parents], self.num_tokens, self.edge_probability
        )

    def learn(self, tokens: np.ndarray, adjvec: np.ndarray, rewards: np.ndarray) -> None:
        """Raises ValueError if a reward is not finite, since tournaments could not be decided after it."""
        if not np.isfinite(rewards).all():
            raise ValueError(f"rewards are not all finite: {rewards}")
        newest = slice(-self.population_size, None)
        self.tokens = np.concatenate([self.tokens, tokens])[newest]
        self.adjvec = np.concatenate([self.adjvec, adjvec])[newest]
        self.rewards = np.concatenate([self.rewards, rewards])[newest]

    def state(self) -> dict[str, Any]:
        """The members, the oldest first."""
        tensors = {"tokens": self.tokens, "adjvec": self.adjvec, "rewards": self.rewards}
        return {"tensors": {name: array.copy() for name, array in tensors.items()}}

    def load_state(self, state: dict[str, Any]) -> None:
        """Raises ValueError, and changes nothing, where the state is not one of such an agent."""
        tokens, adjvec, rewards = checked_models(state, self.num_nodes, self.num_tokens)
        if len(rewards) > self.population_size:
            raise ValueError(f"a population of {len(rewards)}, not of {self.population_size} at most")
        self.tokens, self.adjvec, self.rewards = tokens, adjvec, rewards
