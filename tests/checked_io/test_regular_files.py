"""Only regular files are opened, and nothing is waited for."""

import os
import socket

import pytest

from autodl_design.checked_io.regular_files import open_regular


def test_a_regular_file_and_a_link_to_it_are_opened(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    for name in ("file", "link"):
        with open_regular(tmp_path / name) as file:
            assert file.read() == b"content"


def test_everything_else_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link to fifo").symlink_to("fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
    for path in (tmp_path / "fifo", tmp_path / "link to fifo", tmp_path / "socket", "/dev/zero"):
        with pytest.raises(OSError) as refusal:
            open_regular(path)
        assert refusal.value.strerror == "is not a regular file"
        assert refusal.value.filename == os.fspath(path)
    with pytest.raises(IsADirectoryError, match="Is a directory"):
        open_regular(tmp_path)
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "none")


def test_a_fifo_that_takes_the_place_of_a_checked_file_is_refused(tmp_path, monkeypatch):
    """Between the look at a path and its opening, somebody may put a FIFO there."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").touch()
    regular, open_files = os.stat(tmp_path / "file"), len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(os, "stat", lambda path: regular)
    with pytest.raises(OSError, match="is not a regular file"):
        open_regular(tmp_path / "fifo")
    assert len(os.listdir("/proc/self/fd")) == open_files
