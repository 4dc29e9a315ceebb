"""Runs a script in a fork of this process, which has its imports already: a fraction of a second, where a
process of its own takes seconds.

pid = start(script, flags, directory, output, errors)
"""

import os
import runpy
import sys
import traceback
from pathlib import Path
from typing import BinaryIO


def start(script: Path, flags: list[str], directory: Path, output: BinaryIO, errors: BinaryIO) -> int:
    """Returns the id of the process, the leader of a group of its own. To be called from the main thread
    while there is no other: a fork has only the thread that made it."""
    sys.stdout.flush()
    sys.stderr.flush()
    if pid := os.fork():
        return pid
    code = 1
    try:
        os.setsid()
        os.chdir(directory)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output.fileno(), 1)
        os.dup2(errors.fileno(), 2)
        code = _run(script, flags)
    finally:
        os._exit(code)


def _run(script: Path, flags: list[str]) -> int:
    """Its exit code, which Python would find in the same way."""
    sys.argv = [str(script), *flags]
    code: object = 0
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    if isinstance(code, str):
        print(code, file=sys.stderr)
        code = 1
    sys.stderr.flush()
    return int(code or 0)
