"""Keeps two processes from writing to one directory: lock(file, path) of a file in it.

The system frees the lock when the file is closed, also where the process dies.
"""

import errno
from pathlib import Path
from typing import BinaryIO

# What file systems without locks say: Lustre and NFS, by how they are mounted.
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EBADF, errno.EOPNOTSUPP)


def lock(file: BinaryIO, path: Path) -> None:
    """Raises BlockingIOError where another process holds the lock; never waits for it. Goes on, after a
    line that says so, where the file system has no locks."""
    import fcntl  # which Windows lacks; autodl_design/settings/command_line.py says so, after all imports

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        print(
            f"{path}: this file system has no locks ({error.strerror}); see to it that no other process "
            "writes to the directory",
            flush=True,
        )
