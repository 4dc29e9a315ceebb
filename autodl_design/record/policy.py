"""LOG_DIR/policy.json: with which probabilities the policy takes its decisions, after the newest step.

    write_policy(Path("log"), Policy(step=9, tokens=tokens, edges=edges))
    policy = read_policy(Path("log"))

For reports, which have no Paddle; a search that goes on needs it not. Needs neither Paddle nor PARL.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from autodl_design.checked_io.files import read_json, write_whole
from autodl_design.record.history import RecordError
from autodl_design.record.log_dir import LogDir

DIGITS = 4


class Policy(NamedTuple):
    step: int  # after whose update
    tokens: np.ndarray  # [2N, K]: of each operation at each node, the normal cell's first
    edges: np.ndarray  # [N(N-1)], as an adjvec


def write_policy(log_dir: Path, policy: Policy) -> None:
    """Raises OSError on a full disk."""
    content = {
        "step": policy.step,
        "token_probabilities": np.round(policy.tokens.astype(float), DIGITS).tolist(),
        "edge_probabilities": np.round(policy.edges.astype(float), DIGITS).tolist(),
    }
    write_whole(LogDir(log_dir).policy, json.dumps(content).encode() + b"\n")


def read_policy(log_dir: Path) -> Policy | None:
    """None where there is none: in searches of earlier versions, and of agents without a policy. Raises
    RecordError where it is not as `write_policy` makes it."""
    path = LogDir(log_dir).policy
    try:
        content = read_json(path)
        return Policy(content["step"], *_checked(content))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror}") from error
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        raise RecordError(f"{path} is damaged; remove it, which no search needs") from error


def _checked(content: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Raises KeyError, TypeError, ValueError, or OverflowError for whole numbers that no float holds."""
    tokens = np.array(content["token_probabilities"], float)
    edges = np.array(content["edge_probabilities"], float)
    if type(content["step"]) is not int or content["step"] < 0 or tokens.ndim != 2 or len(tokens) % 2:
        raise ValueError
    num_nodes = len(tokens) // 2
    if not tokens.size or edges.shape != (num_nodes * (num_nodes - 1),):
        raise ValueError
    for probabilities in (tokens, edges):
        if not ((probabilities >= 0) & (probabilities <= 1)).all():  # nor where one is NaN
            raise ValueError
    return tokens, edges
