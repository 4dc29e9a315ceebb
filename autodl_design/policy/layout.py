"""In which order the policy decides, and where decisions stand in arrays of all its steps; needs no Paddle.

steps = steps_of(num_nodes=10, num_tokens=10)    # 38 steps
layout = Layout(steps, depth=10)
"""

from typing import NamedTuple

import numpy as np


class Step(NamedTuple):
    """One step of the policy's LSTM, which ends in an action."""

    is_token: bool  # else edges
    width: int  # of the action: one-hot of the tokens, or one bit an edge


def steps_of(num_nodes: int, num_tokens: int) -> list[Step]:
    """The normal cell's steps, then the reduction cell's."""
    cell = [Step(True, num_tokens)]
    for node in range(1, num_nodes):
        cell += [Step(False, node), Step(True, num_tokens)]
    return 2 * cell


class Layout:
    """Where the actions of T steps stand in an array [T, D], D being the depth; the rest is padding.

    is_token: bool [T]. is_action: bool [T, D].
    token_positions, edge_positions: flat positions, in [T * D], of all tokens' one-hot vectors and of all
        edges.
    sources: int [T, D], the way back: which element of (one-hot vectors, edges, one zero) stands where.
    padding_noise: [T, D], what is added to a step's noise so that padding is never chosen.
    """

    def __init__(self, steps: list[Step], depth: int):
        self.is_token = np.array([step.is_token for step in steps])
        is_token = self.is_token[:, None]
        self.is_action = np.arange(depth) < np.array([step.width for step in steps])[:, None]
        self.token_positions = np.flatnonzero(self.is_action & is_token)
        self.edge_positions = np.flatnonzero(self.is_action & ~is_token)
        count = int(self.is_action.sum())
        self.sources = np.full(self.is_action.shape, count)
        positions = np.concatenate([self.token_positions, self.edge_positions])
        self.sources.reshape(-1)[positions] = np.arange(count)
        # The highest sum of logit and noise is the token; an edge is taken if its logit exceeds the noise.
        self.padding_noise = np.where(self.is_action, 0, np.where(is_token, -np.inf, np.inf))


def count_parameters(
    num_nodes: int, num_tokens: int, depth: int, hidden_size: int, num_layers: int, shared_heads: bool
) -> int:
    """Of a policy of these sizes, before any of it is made."""
    H = hidden_size
    num_heads = 2 if shared_heads else len(steps_of(num_nodes, num_tokens))
    lstm = 4 * H * (depth + H + 2 + (num_layers - 1) * (2 * H + 2))
    return num_heads * (H + 1) * depth + lstm
