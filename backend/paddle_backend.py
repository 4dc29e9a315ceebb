"""Imports Paddle for every other module: `from backend.paddle_backend import paddle`.

On AMD processors MKL_DEBUG_CPU_TYPE makes Paddle's matrix products use AVX2. They come from Intel's
MKL 2019, which runs its oldest kernels there otherwise: an update of the policy takes 13 ms with it and
19 ms without (one core of an AMD EPYC, 3rd generation).
"""

import os
import warnings
from pathlib import Path

_processor = Path("/proc/cpuinfo").read_text()
if "AuthenticAMD" in _processor and "avx2" in _processor:
    os.environ.setdefault("MKL_DEBUG_CPU_TYPE", "5")

os.environ.setdefault("GLOG_minloglevel", "2")  # Paddle's notes about its executor

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import paddle

paddle.disable_signal_handler()  # without it Paddle answers a signal with a native stack trace

__all__ = ["paddle"]
