import json
import re
import subprocess
import sys

import pytest
from conftest import ROOT

TINY = [
    "--num_nodes=2", "--width=4", "--num_stages=2", "--num_cells=1", "--early_stop=2", "--T_0=2",
    "--warmup=1", "--batch_size=2", "--num_models=3", "--trainers=cpu:2",
]  # fmt: skip


def run(*flags):
    command = [sys.executable, "main.py", *flags]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.fixture(scope="module")
def search(digits_path, tmp_path_factory):
    """Two steps of two models, as a user runs them."""
    log_dir = tmp_path_factory.mktemp("search")
    result = run(*TINY, f"--data_path={digits_path}", f"--log_dir={log_dir}")
    assert result.returncode == 0, result.stderr
    records = [json.loads(line) for line in (log_dir / "history.jsonl").open()]
    return result, records, log_dir


def test_prints_the_average_of_every_step(search):
    result, records, _ = search
    line = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] step = (\d+), average accuracy = (\d\.\d{3})"
    steps = re.findall(line, result.stdout)
    expected = [
        (str(step), f"{sum(r['accuracy'] for r in records if r['step'] == step) / 2:.3f}")
        for step in (0, 1)
    ]
    assert steps == expected
    assert result.stderr == ""


def test_history_has_one_record_a_model(search):
    _, records, _ = search
    assert sorted((r["mid"], r["step"]) for r in records) == [(0, 0), (1, 0), (2, 1), (3, 1)]
    for record in records:
        assert len(record["tokens"]) == 4 and len(record["adjvec"]) == 2
        assert record["status"] == "ok" and 0 <= record["accuracy"] <= 1
        assert record["seconds"] > 0 and record["num_params"] > 0


def test_one_seed_one_search(search, digits_path, tmp_path):
    def essence(records):
        return sorted((r["mid"], r["tokens"], r["adjvec"], r["accuracy"]) for r in records)

    flags = [*TINY, f"--data_path={digits_path}", f"--log_dir={tmp_path}", "--trainers=cpu:1"]
    assert run(*flags).returncode == 0
    records = [json.loads(line) for line in (tmp_path / "history.jsonl").open()]
    assert essence(records) == essence(search[1])


def test_an_earlier_search_is_left_alone(search, digits_path):
    _, records, log_dir = search
    before = (log_dir / "history.jsonl").read_bytes()
    result = run(*TINY, f"--data_path={digits_path}", f"--log_dir={log_dir}")
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1 and "--resume" in result.stderr
    assert (log_dir / "history.jsonl").read_bytes() == before


def test_a_search_in_which_everything_fails_stops(digits_path, tmp_path):
    result = run(*TINY, f"--data_path={digits_path}", f"--log_dir={tmp_path}", "--lr_max=1e30")
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1 and "every model of step 0 failed" in result.stderr
    records = [json.loads(line) for line in (tmp_path / "history.jsonl").open()]
    assert [r["status"] for r in records] == ["failed", "failed"]
    assert all(r["accuracy"] is None and "finite" in r["reason"] for r in records)


@pytest.mark.parametrize(
    "flag, hint",
    [
        ("--data_path=/nowhere", "dataset_maker.py"),
        ("--no_such_flag=1", "no_such_flag"),
        ("--trainers=tpu", "--trainers"),
        ("--num_nodes=0", "num_nodes"),
        ("--width=30", "width"),
        ("--warmup=3", "warmup"),
        ("--num_tokens=11", "num_tokens"),
        ("--advantage_power=2", "advantage_power"),
        ("--batch_size=ten", "batch_size"),
        ("surplus", "surplus"),
    ],
)
def test_bad_flags(digits_path, tmp_path, flag, hint):
    result = run(*TINY, f"--data_path={digits_path}", f"--log_dir={tmp_path}", flag)
    assert result.returncode != 0
    assert hint in result.stderr + result.stdout and "Traceback" not in result.stderr
    assert not (tmp_path / "history.jsonl").exists()
