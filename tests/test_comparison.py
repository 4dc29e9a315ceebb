"""The benchmarks that compare sizes and agents."""

import gzip
import json

import numpy as np
import pytest
from absl import app
from helpers import run
from model_records import model

from benchmarks import proxy
from search_space.child import ChildConfig


def test_a_size_is_named_by_what_differs_from_the_default():
    assert proxy.config_of(proxy.DEFAULT) == ChildConfig()
    small = proxy.config_of("w16_c1_e2_lr0.1_b8")
    assert (small.width, small.num_cells, small.epochs, small.T_0, small.warmup) == (16, 1, 2, 2.0, 0.2)
    assert (small.lr_max, small.train_batch_size) == (0.1, 8)
    with pytest.raises(app.UsageError, match="--sizes: w16 is no size"):
        proxy.config_of("w16")


def write_search(path, accuracies, tokens):
    """A history of random tokens and of these accuracies."""
    models = [
        model(mid, accuracy, tokens=row.tolist(), network=f"{hash(tuple(row)) % 16**16:016x}")
        for mid, (accuracy, row) in enumerate(zip(accuracies, tokens, strict=True))
    ]
    lines = "".join(json.dumps(model.to_json()) + "\n" for model in models)
    path.write_bytes(gzip.compress(lines.encode()))


def test_compares_agents_over_seeds(tmp_path):
    tokens = np.random.default_rng(0).integers(0, 10, (200, 4))
    rising = np.repeat([0.25, 0.5], 100)
    write_search(tmp_path / "reinforce-0.jsonl.gz", rising, tokens)
    write_search(tmp_path / "reinforce-1.jsonl.gz", rising + 0.02, tokens)
    write_search(tmp_path / "random-0.jsonl.gz", np.full(200, 0.25), tokens)
    picture = tmp_path / "comparison.png"
    flags = [f"--results={tmp_path}", f"--picture={picture}"]
    table = run("-m", "benchmarks.comparison", *flags, check=True).stdout
    rows = [line.split() for line in table.splitlines()]
    assert rows[1][:8] == ["random", "1", "0", "100", "0.2500", "+-", "nan", "nan"]
    assert rows[-1][:7] == ["reinforce", "2", "0", "200", "0.5100", "+-", "0.0100"]
    assert picture.read_bytes().startswith(b"\x89PNG")
