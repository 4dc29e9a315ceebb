"""policy.json: what is written is read, and nothing else is."""

import json

import numpy as np
import pytest

from autodl_design.record.history import RecordError
from autodl_design.record.policy import Policy, read_policy, write_policy

TOKENS = [[0.25, 0.75], [0.5, 0.5], [1.0, 0.0], [0.1, 0.9]]
GOOD = {"step": 3, "token_probabilities": TOKENS, "edge_probabilities": [0.2, 0.7]}


@pytest.mark.parametrize("num_nodes", [1, 3])
def test_probabilities_are_read_as_they_were_written(tmp_path, num_nodes):
    assert read_policy(tmp_path) is None
    rng = np.random.default_rng(0)
    tokens = rng.random((2 * num_nodes, 10)).astype(np.float32)
    edges = rng.random(num_nodes * (num_nodes - 1)).astype(np.float32)
    write_policy(tmp_path, Policy(7, tokens, edges))
    read = read_policy(tmp_path)
    assert read.step == 7
    np.testing.assert_allclose(read.tokens, tokens, atol=5.1e-5)
    np.testing.assert_allclose(read.edges, edges, atol=5.1e-5)


@pytest.mark.parametrize(
    "change",
    [
        {"step": -1},
        {"step": "3"},
        {"token_probabilities": TOKENS[:3]},
        {"token_probabilities": []},
        {"token_probabilities": [[0.5], [0.5, 0.5], [1], [1]]},
        {"token_probabilities": [["x", "y"]] * 4},
        {"token_probabilities": {"a": 1}},
        {"edge_probabilities": [0.5]},
        {"edge_probabilities": [0.5, 1.5]},
        {"edge_probabilities": [0.5, float("nan")]},
        {"edge_probabilities": None},
        {"edge_probabilities": [0.5, 10**400]},
    ],
)
def test_what_is_damaged_is_refused_in_one_line(tmp_path, change):
    (tmp_path / "policy.json").write_text(json.dumps({**GOOD, **change}))
    with pytest.raises(RecordError, match="policy.json is damaged"):
        read_policy(tmp_path)


@pytest.mark.parametrize("content", [b"", b"[1]", b"null", b"{}", b"[" * 100_000])
def test_what_is_no_such_file_is_refused_in_one_line(tmp_path, content):
    (tmp_path / "policy.json").write_bytes(content)
    with pytest.raises(RecordError, match="policy.json is damaged"):
        read_policy(tmp_path)
