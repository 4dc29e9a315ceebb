"""What the environment is before Paddle is imported, and Ctrl-C meanwhile; each in a process of its own."""

import os
import subprocess
import sys

import pytest
from helpers import ROOT, run

from autodl_design.backend.paddle_backend import paddle


def environment_after(script: str, **environment: str) -> dict[str, str]:
    """Of a process that imports Paddle after it ran the script."""
    script += "; import autodl_design.backend.paddle_backend, os; print(dict(os.environ))"
    environment = os.environ | environment
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    return eval(result.stdout)


@pytest.fixture
def clean(monkeypatch):
    """The environment without what this process's own import of Paddle put there."""
    for name in ("GLOG_minloglevel", "MKL_DEBUG_CPU_TYPE", "CUDA_DEVICE_ORDER", "CUDA_MODULE_LOADING",
                 "FLAGS_cudnn_deterministic", "CUBLAS_WORKSPACE_CONFIG"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)


def test_warnings_are_left_on_in_builds_for_gpus(clean):
    expected = "1" if paddle.is_compiled_with_cuda() else "2"
    assert environment_after("pass")["GLOG_minloglevel"] == expected


def test_gpus_are_deterministic_and_numbered_by_the_driver(clean):
    environment = environment_after("pass", CUDA_DEVICE_ORDER="FASTEST_FIRST")
    assert environment["FLAGS_cudnn_deterministic"] == "1"
    assert environment["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    assert environment["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert environment["CUDA_MODULE_LOADING"] == "LAZY"


def test_what_the_user_exported_stays(clean):
    environment = environment_after("pass", FLAGS_cudnn_deterministic="0", CUDA_MODULE_LOADING="EAGER")
    assert environment["FLAGS_cudnn_deterministic"] == "0"
    assert environment["CUDA_MODULE_LOADING"] == "EAGER"


def test_a_system_without_proc(clean):
    script = """
import pathlib
read_text = pathlib.Path.read_text

def without_proc(path, *arguments, **options):
    if str(path).startswith("/proc/"):
        raise FileNotFoundError(path)
    return read_text(path, *arguments, **options)

pathlib.Path.read_text = without_proc
pass"""
    assert "MKL_DEBUG_CPU_TYPE" not in environment_after(script)


@pytest.mark.parametrize("library", ["paddle", "parl"])
def test_ctrl_c_during_an_import_ends_without_a_traceback(library, tmp_path):
    (tmp_path / f"{library}.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)\n")
    done = run("simple_main.py", env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert (done.returncode, done.stderr) == (130, "")
