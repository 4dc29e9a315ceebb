"""Opens a file for reading only where it is a regular file.

    with open_regular(path) as file:
        content = file.read()

A FIFO or a terminal in place of a file would let its reader wait for ever, and merely opening a device can
do something. All of them are refused at once.
"""

import errno
import os
import stat
from typing import BinaryIO


def open_regular(path: str | os.PathLike) -> BinaryIO:
    """Open `path` (links are followed) to read bytes. Never waits for another process.

    Raises OSError with `strerror` and `filename` set: "is not a regular file" for a FIFO, a socket or a
    device, IsADirectoryError for a directory, else what the system says (FileNotFoundError, ...).
    """
    _check_regular(os.stat(path).st_mode, path)
    # Another file may have taken its place since, so without waiting, and with a second look.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        _check_regular(os.fstat(descriptor).st_mode, path)
        return open(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _check_regular(mode: int, path: str | os.PathLike) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "is not a regular file", os.fspath(path))
