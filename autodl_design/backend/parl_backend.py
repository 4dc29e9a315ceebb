"""Imports PARL for every other module: `from autodl_design.backend.parl_backend import parl`.

PARL 2.2.1 looks for Paddle through `paddle.fluid`, gone since Paddle 2.5, unless PARL_BACKEND is set
before its first import. That import prints two lines and some deprecation warnings of no use to a user, and
makes fork the default start method of multiprocessing, which is undone here. Trainers, which need Paddle
alone, do without it.
"""

import logging
import multiprocessing
import os

# Before PARL, whose import forks a process that imports Paddle to see whether it is there, a second
# saved if it already is.
import autodl_design.backend.paddle_backend  # noqa: F401
from autodl_design.backend.quiet_import import Postponed, Without, quiet_import

os.environ["PARL_BACKEND"] = "paddle"

_disabled = logging.root.manager.disable
_start_method = multiprocessing.get_start_method(allow_none=True)
logging.disable(logging.INFO)
multiprocessing.set_start_method("fork", force=True)  # its import starts a process of a local function
try:
    with quiet_import(), Without("torch"), Postponed("scipy.signal"):
        import parl
finally:
    multiprocessing.set_start_method(_start_method, force=True)  # the user's again
    logging.disable(_disabled)

__all__ = ["parl"]
