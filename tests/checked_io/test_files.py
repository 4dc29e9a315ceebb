"""Files that a crash, or somebody else, may have spoilt."""

import io
import json
import os
import random
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest
from helpers import limited_file_size

from autodl_design.checked_io import files
from autodl_design.checked_io.files import (
    BLOCK,
    MAX_TEXT,
    GrowingFile,
    read_arrays,
    read_json,
    whole_lines,
    write_arrays,
    write_whole,
)

ARRAYS = {"weights": np.arange(6, dtype=np.float32).reshape(2, 3), "tokens": np.array([[1, 2]])}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file"


def test_a_file_is_written_whole_or_not_at_all(path):
    write_whole(path, b"before")
    with limited_file_size(1000), pytest.raises(OSError) as error:
        write_whole(path, b"x" * 2000)
    assert error.value.filename == str(path)
    assert path.read_bytes() == b"before"
    write_whole(path, b"after")  # whatever the failure left behind
    assert path.read_bytes() == b"after" and os.listdir(path.parent) == ["file"]


def test_what_is_no_file_is_neither_replaced_nor_waited_for(path):
    os.mkfifo(path)
    with pytest.raises(OSError, match="is not a regular file"):
        write_whole(path, b"")
    assert path.is_fifo()
    path.unlink()
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        write_whole(path, b"")


@pytest.mark.parametrize(("owner", "call"), [(files, "write_to_disk"), (Path, "replace")])
def test_two_processes_may_write_one_file(path, monkeypatch, owner, call):
    """Another process writes the whole file just before this call of the first one."""
    original = getattr(owner, call)

    def with_another_before(*arguments):
        monkeypatch.undo()
        write_whole(path, b"another's")
        return original(*arguments)

    monkeypatch.setattr(owner, call, with_another_before)
    write_whole(path, b"the first's")
    assert path.read_bytes() == b"the first's" and os.listdir(path.parent) == ["file"]


def test_a_file_of_the_users_is_left_alone(path):
    """A hidden file of the same name once served to prepare the other."""
    path.with_name(".file").write_bytes(b"mine")
    write_whole(path, b"content")
    assert path.with_name(".file").read_bytes() == b"mine"


def test_what_a_killed_process_left_is_removed_an_hour_later(path):
    left = path.with_name(f".written-{'0a' * 8}.tmp")
    for name in (left, path.with_name(".written-mine.tmp")):
        name.write_bytes(b"half")
    write_whole(path, b"content")
    assert left.exists()  # its process may still be writing
    for name in path.parent.iterdir():
        os.utime(name, (0, 0))
    write_whole(path, b"content")
    assert sorted(os.listdir(path.parent)) == [".written-mine.tmp", "file"]


def test_an_interrupted_writer_leaves_nothing_behind(path, monkeypatch):
    def interrupted(file, content):
        file.write(content[:3])
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "write_to_disk", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, b"content")
    assert not os.listdir(path.parent)


def test_names_of_files_reach_the_disk(path, monkeypatch):
    """The directory is synced after a renaming, and after a growing file was made."""
    calls = []
    fsync, replace = os.fsync, Path.replace

    def synced(descriptor):
        calls.append("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def replaced(self, target):
        calls.append("renamed")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    write_whole(path, b"content")
    assert calls == ["file", "renamed", "directory"]
    calls.clear()
    GrowingFile(path.with_name("grows"), is_start).close()
    assert calls == ["directory"]


def test_a_directory_that_may_not_be_read_is_written_to(path):
    path.parent.chmod(0o300)
    try:
        write_whole(path, b"content")
    finally:
        path.parent.chmod(0o700)
    assert path.read_bytes() == b"content"


def is_start(line):
    return b"line"[: len(line)] == line[:4]


def test_lines_are_whole_and_grow(path):
    for _ in range(2):
        file = GrowingFile(path, is_start)
        file.append(b"line 1\nlin")
        file.close()
    assert path.read_bytes() == b"line 1\nline 1\nlin"
    assert list(whole_lines(path)) == [b"line 1\n", b"line 1\n"]
    assert path.with_name("file.torn").read_bytes() == b"lin\n"


@pytest.mark.parametrize("torn", [b"line" + 2 * BLOCK * b"x", b"li", b"line" + bytes(5000), bytes(5000)])
@pytest.mark.parametrize("whole", [b"", b"line 1\n"])
def test_a_torn_line_is_cut_off_and_a_copy_stays(path, whole, torn):
    path.write_bytes(whole + torn)
    GrowingFile(path, is_start).close()
    assert path.read_bytes() == whole
    assert path.with_name("file.torn").read_bytes() == torn + b"\n"


@pytest.mark.parametrize("end", [b"mine", b"\0line", b"line" + 10**6 * b"x", bytes(10**6)])
@pytest.mark.parametrize("whole", [b"", b"line 1\n"])
def test_an_end_that_is_no_torn_line_is_left_alone(path, whole, end):
    path.write_bytes(whole + end)
    with pytest.raises(OSError, match="not the start of a line") as raised:
        GrowingFile(path, is_start)
    assert raised.value.filename == str(path)
    assert path.read_bytes() == whole + end and list(path.parent.iterdir()) == [path]


def test_a_growing_file_that_was_replaced_loses_nothing(path):
    """By what has the bytes it had a moment before, as sed -i does it."""
    file = GrowingFile(path, is_start)
    file.append(b"line 1\n")
    path.with_name("other").write_bytes(path.read_bytes())
    path.with_name("other").rename(path)
    with pytest.raises(OSError, match="was replaced .* all lines are in file.kept") as raised:
        file.append(b"line 2\n")
    assert raised.value.filename == str(path)
    assert path.with_name("file.kept").read_bytes() == b"line 1\nline 2\n"
    file.close()


@pytest.mark.parametrize("saved", [b"line 1\n", b"", b"line 0\nline 1\nline 2\nmore\n"])
def test_a_growing_file_that_was_saved_in_place_loses_nothing(path, saved):
    """By an editor that opened it a moment before, and that writes into the same file."""
    file = GrowingFile(path, is_start)
    for line in (b"line 1\n", b"line 2\n"):
        file.append(line)
    path.write_bytes(saved)
    with pytest.raises(OSError, match="was changed by .* all lines are in file.kept"):
        file.append(b"line 3\n")
    assert path.with_name("file.kept").read_bytes() == b"line 1\nline 2\nline 3\n"
    file.close()


def test_a_growing_file_that_was_moved_loses_nothing(path):
    file = GrowingFile(path, is_start)
    file.append(b"line 1\n")
    moved = path.rename(path.with_name("moved"))
    with pytest.raises(OSError, match="or moved .* give it its name back"):
        file.append(b"line 2\n")
    assert moved.read_bytes() == b"line 1\nline 2\n" and not path.exists()
    file.close()


def test_a_huge_file_is_not_read_into_memory(path):
    with open(path, "wb") as file:
        file.truncate(2**40)  # takes no room on the disk
    with pytest.raises(ValueError, match="too long"):
        read_json(path)
    assert len(next(whole_lines(path))) == MAX_TEXT + 1
    with pytest.raises(ValueError, match="damaged"):
        read_arrays(path)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[" * 200_000, b"nul"])
def test_what_is_not_json_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError):
        read_json(path)


def test_arrays_are_read_as_they_were_written(path):
    write_arrays(path, {"updates": 3, "baseline": None}, ARRAYS)
    for like in (None, ARRAYS):
        numbers, arrays = read_arrays(path, like)
        assert numbers == {"updates": 3, "baseline": None}
        assert arrays.keys() == ARRAYS.keys()
        for name, array in arrays.items():
            assert array.dtype == ARRAYS[name].dtype
            np.testing.assert_array_equal(array, ARRAYS[name])
    write_arrays(path, [], {})
    assert read_arrays(path, {}) == ([], {})


@pytest.mark.parametrize(
    ("like", "complaint"),
    [
        ({**ARRAYS, "more": np.zeros(1)}, "array more is missing"),
        ({"weights": ARRAYS["weights"]}, "unknown array 'tokens'"),
        ({**ARRAYS, "weights": np.zeros((2, 3))}, r"array weights is float32 \[2, 3\], not float64"),
        ({**ARRAYS, "weights": np.zeros((3, 2), np.float32)}, r"\[2, 3\], not float32 \[3, 2\]"),
    ],
)
def test_arrays_that_are_not_the_expected_ones_are_refused(path, like, complaint):
    write_arrays(path, {}, ARRAYS)
    with pytest.raises(ValueError, match=f"{path}: .*{complaint}"):
        read_arrays(path, like)


class Bomb:
    def __reduce__(self):
        return os._exit, (3,)


@pytest.mark.parametrize(
    "arrays",
    [
        {"weights": np.array([Bomb()], dtype=object)},
        {"weights": np.array(["1"])},
        {"weights": np.array([b"1"])},
        {"weights": np.array([1j])},
        {"weights": np.array(["2020-01-01"], "datetime64[s]")},
        {"weights": np.zeros(1, [("a", int)])},
        {"names": np.array(["more"])},
        {"names": np.array(3)},
        {"numbers": np.array([1, 2])},
        {"numbers": np.array("[" * 100_000)},
        {"numbers": np.array("{")},
    ],
)
def test_arrays_that_are_no_numbers_are_refused(path, arrays):
    content = {"numbers": json.dumps({}), "names": ["weights"], "weights": np.zeros(1), **arrays}
    np.savez(path.with_suffix(".npz"), **content)
    with pytest.raises(ValueError, match="damaged"):
        read_arrays(path.with_suffix(".npz"))


def test_no_bomb_goes_off(path):
    """Neither compressed zeros, nor members that share their bytes, nor sizes that are not there."""
    np.savez_compressed(path, numbers="{}", names=["zeros"], zeros=np.zeros(10**7))
    with pytest.raises(ValueError, match="damaged"):
        read_arrays(path.with_suffix(".npz"))

    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": "<f8", "fortran_order": False, "shape": (10**11,)}
    )
    write_arrays(path, {}, {})
    with zipfile.ZipFile(path, "a") as members:
        members.writestr("zeros.npy", buffer.getvalue())
    with pytest.raises(ValueError, match="damaged"):
        read_arrays(path)

    write_arrays(path, {}, ARRAYS)
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as members:
        start = members.start_dir
    shared = whole[:start] + whole[start:].replace(b"tokens.npy", b"aokens.npy")
    path.write_bytes(shared)
    with pytest.raises(ValueError, match="damaged"):
        read_arrays(path)


def test_no_damage_goes_unseen(path):
    """Random damage to a file of arrays is refused, or has not touched what is read."""
    write_arrays(path, {"updates": 3}, ARRAYS)
    whole = path.read_bytes()
    rng = random.Random(0)
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(rng.choice([1, 1, 2, 20])):
            content[rng.randrange(len(content))] = rng.randrange(256)
        if rng.random() < 0.2:
            del content[rng.randrange(len(content)) :]
        path.write_bytes(content)
        try:
            numbers, arrays = read_arrays(path)
        except ValueError as error:
            assert "damaged" in str(error)
            continue
        assert numbers == {"updates": 3} and arrays.keys() == ARRAYS.keys()
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, ARRAYS[name])
