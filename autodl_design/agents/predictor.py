"""A predictor as an agent, to compare REINFORCE with: `python main.py --agent=predictor`.

A regression is fitted to the search's own models so far, and of many candidates those are trained that it
ranks highest. In White, Neiswanger and Savani 2021, "BANANAS: Bayesian optimization with neural
architectures for neural architecture search", candidates are mutations of the best models; in Wen et al.
2020, "Neural predictor for neural architecture search", they are random. Here they are both, and some
architectures of every batch are random ones, so that the regression never sees its own choices alone. It is
the ridge regression of count_regression.py, in the place of these papers' neural networks.
"""

from typing import Any

import numpy as np

from autodl_design.agents.count_regression import CountRegression
from autodl_design.agents.evolution import checked_models, mutated
from autodl_design.agents.random_search import random_architectures


class PredictorAgent:
    """See agent.Agent for the methods. Its state is all architectures so far with their rewards.

    first_random: architectures before the first prediction.
    pool_size: candidates a batch, half of them random and half mutations of the `num_parents` best models.
    random_share: share of a batch that is random whatever is predicted.
    """

    def __init__(
        self,
        num_nodes: int,
        num_tokens: int,
        first_random: int,
        pool_size: int,
        num_parents: int,
        random_share: float,
        seed: int,
        edge_probability: float = 0.5,
    ):
        self.num_nodes = num_nodes
        self.num_tokens = num_tokens
        self.first_random = first_random
        self.pool_size = pool_size
        self.num_parents = num_parents
        self.random_share = random_share
        self.seed = seed
        self.edge_probability = edge_probability
        self.tokens = np.zeros((0, 2 * num_nodes), np.int64)
        self.adjvec = np.zeros((0, num_nodes * (num_nodes - 1)), np.int64)
        self.rewards = np.zeros(0)

    def sample(self, step: int, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
        """Random architectures until there are `first_random`; after that the candidates that are predicted
        to be best, none twice, then random ones for the rest of the batch."""
        rng = np.random.default_rng([self.seed, step])
        if len(self.rewards) < max(self.first_random, 1):
            return self._random(rng, batch_size)
        chosen = self._best_candidates(rng, batch_size - round(self.random_share * batch_size))
        others = self._random(rng, batch_size - len(chosen[0]))
        tokens, adjvec = (np.concatenate(arrays) for arrays in zip(chosen, others, strict=True))
        return tokens, adjvec

    def _random(self, rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        return random_architectures(rng, count, self.num_nodes, self.num_tokens, self.edge_probability)

    def _best_candidates(self, rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Fewer than `count` where not so many of the pool are new."""
        regression = CountRegression(self.tokens, self.adjvec, self.rewards, self.num_tokens)
        # Of equal ones the newest, so that what surrounds them is not known yet.
        newest_first = -np.arange(len(self.rewards))
        best = np.lexsort((newest_first, -self.rewards))[: self.num_parents]
        parents = rng.choice(best, self.pool_size // 2)
        drawn = self._random(rng, self.pool_size - len(parents))
        children = mutated(
            rng, self.tokens[parents], self.adjvec[parents], self.num_tokens, self.edge_probability
        )
        tokens, adjvec = (np.concatenate(arrays) for arrays in zip(drawn, children, strict=True))
        known = set(map(_key, self.tokens, self.adjvec))
        rows: list[int] = []
        for row in np.argsort(-regression.predict(tokens, adjvec), kind="stable"):
            if len(rows) == count:
                break
            if (key := _key(tokens[row], adjvec[row])) not in known:
                known.add(key)
                rows.append(row)
        return tokens[rows], adjvec[rows]

    def learn(self, tokens: np.ndarray, adjvec: np.ndarray, rewards: np.ndarray) -> None:
        """Raises ValueError if a reward is not finite, since nothing could be fitted to it."""
        if not np.isfinite(rewards).all():
            raise ValueError(f"rewards are not all finite: {rewards}")
        self.tokens = np.concatenate([self.tokens, tokens])
        self.adjvec = np.concatenate([self.adjvec, adjvec])
        self.rewards = np.concatenate([self.rewards, rewards])

    def state(self) -> dict[str, Any]:
        tensors = {"tokens": self.tokens, "adjvec": self.adjvec, "rewards": self.rewards}
        return {"tensors": {name: array.copy() for name, array in tensors.items()}}

    def load_state(self, state: dict[str, Any]) -> None:
        """Raises ValueError, and changes nothing, where the state is not one of such an agent."""
        self.tokens, self.adjvec, self.rewards = checked_models(state, self.num_nodes, self.num_tokens)


def _key(tokens: np.ndarray, adjvec: np.ndarray) -> bytes:
    return tokens.tobytes() + adjvec.tobytes()
