"""Keeps two processes from writing to one directory: lock(file) of a file in it.

The system frees the lock when the file is closed, also where the process dies.
"""

from typing import BinaryIO


def lock(file: BinaryIO) -> None:
    """Raises BlockingIOError where another process holds the lock; never waits for it."""
    import fcntl  # which Windows lacks; autodl_design/settings/command_line.py says so, after all imports

    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
