"""What of the check of GPUs can run on a CPU."""

import json
import os

import pytest
from helpers import run

from autodl_design.backend import programs
from autodl_design.trainers.devices import CPU
from checks import gpu as gpu_check
from checks import reference as check_reference


@pytest.fixture(scope="module")
def network():
    """The quick preset's."""
    return gpu_check.draw_networks(("quick",), ("float32",))["quick, float32"]


def test_networks():
    networks = gpu_check.draw_networks(("default", "quick"), ("float32", "mixed"))
    sizes = {
        name: (n.config["width"], len(n.architecture.tokens), n.config["amp"])
        for name, n in networks.items()
    }
    assert sizes == {
        "default, float32": (64, 20, False),
        "default, mixed": (64, 20, True),
        "quick, float32": (8, 8, False),
        "quick, mixed": (8, 8, True),
    }


@pytest.mark.skipif(programs.on_gpu(), reason="there is a GPU")
def test_without_a_gpu_it_says_so():
    result = run("-m", "checks.gpu")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1 and "no GPU" in result.stderr


def test_the_machine_is_described_without_a_driver_too():
    assert {"CUDA", "cuDNN", "driver", "cards"} <= set(gpu_check.describe_machine())


@pytest.mark.parametrize("error", [0.0, 0.1])
def test_the_reference_cases(monkeypatch, tmp_path, error):
    """One of them, in this process."""
    case = min(
        json.loads(check_reference.DEFAULT_CASES.read_text()),
        key=lambda case: (case["width"], case["num_cells"]),
    )
    case["train_loss"] += error
    path = tmp_path / "cases.json"
    path.write_text(json.dumps([case]))
    monkeypatch.setattr(check_reference, "DEFAULT_CASES", path)
    monkeypatch.setattr(gpu_check, "run_on", lambda device, function, **environment: function())
    found = gpu_check.check_reference_cases(CPU)
    assert found["ok"] == (not error)
    assert [deviation["quantity"] for deviation in found["beyond their bounds"]] == (
        ["train_loss"] if error else []
    )
    assert (found["largest deviation / bound, in float32"] < 1) == (not error)


def test_a_process_of_a_device_with_its_environment():
    environment = gpu_check.run_on("1", os.getenv, "CUDA_VISIBLE_DEVICES")
    tf32 = gpu_check.run_on(CPU, os.getenv, "NVIDIA_TF32_OVERRIDE", NVIDIA_TF32_OVERRIDE="0")
    assert (environment, tf32) == ("1", "0")


def test_the_same_bits_twice(network):
    assert gpu_check.check_same_twice(CPU, {"quick": network})["ok"]
    digest = gpu_check.digest_of_training(network, updates=3)
    other = network._replace(config={**network.config, "momentum": 0.8})
    assert gpu_check.digest_of_training(other, updates=3) != digest
    assert gpu_check.digest_of_training(network, updates=3) == digest


def test_speed(network, monkeypatch):
    monkeypatch.setattr(gpu_check, "TRAINERS_A_GPU", (1, 2))
    entries = gpu_check.measure_speed(CPU, {"quick, float32": network}, {"quick": 3}, with_torch=False)
    assert [entry["training"] for entry in entries] == ["1 trainer", "2 trainers"]
    for trainers, entry in enumerate(entries, start=1):
        assert entry["images / s"] * entry["ms an update"] == pytest.approx(trainers * 32 * 1000, rel=0.01)


def test_a_measurement_that_fails_is_reported(network, monkeypatch):
    """Though another process waits for the one that fails."""
    monkeypatch.setattr(gpu_check, "TRAINERS_A_GPU", (2,))
    broken = network._replace(architecture=network.architecture._replace(tokens=(99,) * 8))
    (entry,) = gpu_check.measure_speed(CPU, {"quick, float32": broken}, {"quick": 3}, with_torch=False)
    assert "99" in entry["error"] and "images / s" not in entry


@pytest.mark.slow
def test_a_search_killed_and_resumed():
    found = gpu_check.check_search("cpu:2", num_models=8)
    assert found["ok"], found
