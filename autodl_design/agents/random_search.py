"""Random search, which every other agent has to beat: `python main.py --agent=random`."""

from typing import Any

import numpy as np

from autodl_design.search_space.architecture import Architecture


def random_architectures(
    rng: np.random.Generator,
    count: int,
    num_nodes: int,
    num_tokens: int,
    edge_probability: float = 0.5,
) -> tuple[np.ndarray, np.ndarray]:
    """tokens int64 [count, 2N], uniform; adjvec int64 [count, N(N-1)], each edge with that probability."""
    tokens = rng.integers(0, num_tokens, (count, 2 * num_nodes))
    adjvec = rng.integers(0, 2, (count, num_nodes * (num_nodes - 1)))
    if edge_probability != 0.5:  # of 0.5 are recorded searches, which go on with the same draws
        adjvec = (rng.random(adjvec.shape) < edge_probability).astype(np.int64)
    return tokens, adjvec


def random_architecture(index: int, seed: int, num_nodes: int = 10, num_tokens: int = 10) -> Architecture:
    """One dense random architecture; the same one for the same index and seed."""
    (architecture,) = Architecture.of_batch(*RandomAgent(num_nodes, num_tokens, seed).sample(index, 1))
    return architecture


class RandomAgent:
    """Proposes random architectures, whatever was rewarded. See agent.Agent for the methods."""

    def __init__(self, num_nodes: int, num_tokens: int, seed: int, edge_probability: float = 0.5):
        self.num_nodes = num_nodes
        self.num_tokens = num_tokens
        self.seed = seed
        self.edge_probability = edge_probability

    def sample(self, step: int, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng([self.seed, step])
        return random_architectures(rng, batch_size, self.num_nodes, self.num_tokens, self.edge_probability)

    def learn(self, tokens: np.ndarray, adjvec: np.ndarray, rewards: np.ndarray) -> None:
        pass

    def state(self) -> dict[str, Any]:
        return {"tensors": {}}

    def load_state(self, state: dict[str, Any]) -> None:
        pass
