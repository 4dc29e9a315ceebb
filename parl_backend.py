"""Imports Paddle and PARL for every other module: `from parl_backend import paddle, parl`.

PARL 2.2.1 looks for Paddle through `paddle.fluid`, gone since Paddle 2.5, unless PARL_BACKEND is set
before its first import. That import prints two lines and some deprecation warnings of no use to a
user, makes fork the default start method of multiprocessing (so ask for a spawn context where one is
wanted), and leaves out `paddle.disable_signal_handler()`, without which Paddle answers a signal with
a native stack trace.

On AMD processors MKL_DEBUG_CPU_TYPE makes Paddle's matrix products use AVX2. They come from Intel's
MKL 2019, which runs its oldest kernels there otherwise: an update of the policy takes 13 ms with it and
19 ms without (one core of an AMD EPYC, 3rd generation).
"""

import logging
import os
import warnings
from pathlib import Path

_processor = Path("/proc/cpuinfo").read_text()
if "AuthenticAMD" in _processor and "avx2" in _processor:
    os.environ.setdefault("MKL_DEBUG_CPU_TYPE", "5")

os.environ["PARL_BACKEND"] = "paddle"
os.environ.setdefault("GLOG_minloglevel", "2")  # Paddle's notes about its executor

_disabled = logging.root.manager.disable
logging.disable(logging.INFO)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    # Paddle first: PARL's import forks a process that imports Paddle to see whether it is there, a
    # second saved if it already is.
    import paddle
    import parl
logging.disable(_disabled)

paddle.disable_signal_handler()

__all__ = ["paddle", "parl"]
