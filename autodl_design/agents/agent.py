"""What an agent is: who proposes the architectures of a search and learns from their rewards."""

from typing import Any, NamedTuple, Protocol

import numpy as np


class LearnResult(NamedTuple):
    """What one update saw. Entropies are in nats an architecture, averaged over the batch."""

    baseline: float
    loss: float
    token_entropy: float
    edge_entropy: float
    gradient_norm: float


class Agent(Protocol):
    """Everything random follows from the seed that the agent was made with and from `step`, and `state` is
    all that learning has changed; so a search goes on after a stop as if there had been none.

    An agent may also have `probabilities(tokens, adjvec)`, for reports: those of its decisions as they are
    now, of each operation at each node [2N, K] and of each edge [N(N-1)]."""

    def sample(self, step: int, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
        """The step's architectures: tokens int64 [B, 2N], adjvec int64 [B, N(N-1)]."""
        ...

    def learn(self, tokens: np.ndarray, adjvec: np.ndarray, rewards: np.ndarray) -> LearnResult | None:
        """Take in the rewards [B] of a step's architectures; None from an agent that does not learn."""
        ...

    def state(self) -> dict[str, Any]:
        """NumPy arrays by name under "tensors"; whatever else JSON holds under other names."""
        ...

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a `state`. Raises ValueError where it is one of another agent."""
        ...


class SearchStep(NamedTuple):
    """One step of a search: what the agent proposed, earned and learned."""

    step: int
    tokens: np.ndarray  # [B, 2N]
    adjvec: np.ndarray  # [B, N(N-1)]
    rewards: np.ndarray  # [B]
    learned: LearnResult | None  # None from an agent that does not learn
