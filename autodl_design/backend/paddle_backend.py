"""Imports Paddle for every other module: `from autodl_design.backend.paddle_backend import paddle`.

What has to be in the environment before that import is set here, for the agent's process and for trainers,
which inherit it:

* On AMD processors MKL_DEBUG_CPU_TYPE makes Paddle's matrix products use AVX2. They come from Intel's
  MKL 2019, which runs its oldest kernels there otherwise: an update of the policy takes 13 ms with it and
  19 ms without (one core of an AMD EPYC, 3rd generation).
* GPUs have the driver's numbers (CUDA's own order is by speed), and their kernels are loaded when they are
  first used.
* FLAGS_cudnn_deterministic and CUBLAS_WORKSPACE_CONFIG make a GPU compute the same bits twice. A value that
  the user has exported stays.
* Paddle's warnings are left on in its CUDA builds, where one of them is the only sign that a card is not
  supported; in CPU builds all of them are about its executor.
"""

import os
import sys
from importlib import metadata
from pathlib import Path

from autodl_design.backend.quiet_import import quiet_import


def _processor() -> str:
    try:
        return Path("/proc/cpuinfo").read_text()
    except OSError:  # not Linux
        return ""


def _is_cuda_build() -> bool:
    """Before Paddle, which could say it, is imported."""
    try:
        metadata.version("paddlepaddle-gpu")
    except metadata.PackageNotFoundError:
        return False
    return True


if "AuthenticAMD" in _processor() and "avx2" in _processor():
    os.environ.setdefault("MKL_DEBUG_CPU_TYPE", "5")
os.environ.setdefault("GLOG_minloglevel", "1" if _is_cuda_build() else "2")
os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
os.environ.setdefault("CUDA_MODULE_LOADING", "LAZY")
os.environ.setdefault("FLAGS_cudnn_deterministic", "1")
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

try:
    os.getcwd()  # as Paddle's import does
except FileNotFoundError:
    sys.exit("the working directory has been deleted: change to one that is there")

with quiet_import():
    import paddle

paddle.disable_signal_handler()  # without it Paddle answers a signal with a native stack trace

__all__ = ["paddle"]
