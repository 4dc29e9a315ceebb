"""Ctrl-C ends a script without a traceback, during its imports too and when it comes twice."""

import os
import signal
import subprocess
import sys
import time

import pytest
from helpers import ROOT

from autodl_design.settings import interrupts

PROGRAM = """
import os, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from autodl_design.settings import interrupts
interrupts.{start}()
try:
    for _ in range({times}):
        os.kill(os.getpid(), signal.SIGINT)
    raise SystemExit("not interrupted")
except KeyboardInterrupt:
    os.kill(os.getpid(), signal.SIGINT)
    print("once")
"""


@pytest.mark.parametrize("start, code, output", [("exit_at_once", 130, ""), ("raise_once", 0, "once\n")])
def test_ctrl_c(start, code, output):
    program = PROGRAM.format(start=start, times=2)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (code, output, "")


def test_ctrl_c_of_which_a_library_makes_another_error(tmp_path):
    """As Paddle's import does."""
    (tmp_path / "script.py").write_text("""
import os, signal
from autodl_design.settings import command_line

def main(arguments):
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt as error:
        raise ImportError("initialization failed") from error

command_line.start(main, ())
""")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py"], capture_output=True, text=True, env=environment
    )
    assert (done.returncode, done.stderr) == (130, "")


def test_a_program_in_the_background_goes_on_to_ignore_it():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        interrupts.raise_once()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_limit_of_time_ends_the_block_and_nothing_after_it():
    with pytest.raises(interrupts.TimeIsUp), interrupts.time_limit(0.001):
        time.sleep(10)
    with interrupts.time_limit(0.001), interrupts.time_limit(None):
        pass
    time.sleep(0.1)
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
