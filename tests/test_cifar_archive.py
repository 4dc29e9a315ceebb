"""Damaged and hostile archives, given to the functions that dataset_maker.py calls."""

import gzip
import os
import tarfile
import tracemalloc

import numpy as np
import pytest
from batch_pickles import SYSTEM, python2_batch

from image_data.cifar import load_cifar
from image_data.errors import DatasetError

FOLDER = "cifar-10-batches-py/"
BATCHES = {
    f"data_batch_{k}": python2_batch(
        np.random.default_rng(k).integers(0, 256, [20, 3072], np.uint8), [i % 10 for i in range(20)]
    )
    for k in range(1, 6)
}


def header(name, size=0, type=tarfile.REGTYPE, form=tarfile.USTAR_FORMAT):
    member = tarfile.TarInfo(name)
    member.size, member.type, member.linkname = size, type, "target" if type in b"12" else ""
    return member.tobuf(form)


def member(name, content, **more):
    return header(name, len(content), **more) + content + bytes(-len(content) % 512)


def pax(key, value):
    """An extended header, which overrides what the next member's header says."""
    length = len(key) + len(value) + 3
    while length != len(f"{length} {key}={value}\n"):
        length = len(f"{length} {key}={value}\n")
    return member("pax", f"{length} {key}={value}\n".encode(), type=tarfile.XHDTYPE)


WHOLE = b"".join(member(FOLDER + name, content) for name, content in BATCHES.items()) + bytes(1024)
SECOND = len(WHOLE) // 512 // 5 * 512  # where the second member's header stands
LAST = WHOLE[: -len(member(FOLDER + "data_batch_5", BATCHES["data_batch_5"])) - 1024]


def patched(content, place, new):
    place %= len(content)
    return content[:place] + new + content[place + len(new) :]


PIECE = 1_024_000  # whole blocks of a tar file


def zeros(pieces):
    """A gzip file of `pieces` times PIECE zeros; gzip files may follow one another."""
    return gzip.compress(bytes(PIECE)) * pieces


def packed(*parts):
    return gzip.compress(b"".join(parts) + bytes(1024), 1)


PACKED = gzip.compress(WHOLE, 1)
DAMAGED = {
    "empty": b"",
    "a web page": b"<!DOCTYPE html><title>404 Not Found</title>",
    "a tar file": WHOLE,
    "a gzip file of a text": gzip.compress(b"hello" * 1000),
    "an empty gzip file": gzip.compress(b""),
    "the gzip checksum": patched(PACKED, -8, bytes([PACKED[-8] ^ 1])),
    "the gzip length": patched(PACKED, -4, bytes([PACKED[-4] ^ 1])),
    "a byte in the middle": patched(PACKED, len(PACKED) // 2, bytes([PACKED[len(PACKED) // 2] ^ 255])),
    "cut": PACKED[: len(PACKED) // 2],
    "a byte less": PACKED[:-1],
    "something more": PACKED + b"more",
    "the second header": gzip.compress(patched(WHOLE, SECOND + 148, b"7777777\0")),
    "the second header, zeroed": gzip.compress(patched(WHOLE, SECOND, bytes(512))),
    "cut before it was packed": gzip.compress(WHOLE[:-1024]),
    "another archive behind it": gzip.compress(WHOLE + WHOLE),
    "PAX size": gzip.compress(pax("size", "99") + WHOLE),
    "PAX headers": gzip.compress(pax("mtime", "1") * 5000 + WHOLE),
    "long header": gzip.compress(header("x", 10**9, type=tarfile.XHDTYPE)) + zeros(20),
    "long name": gzip.compress(header("x", 10**9, type=tarfile.GNUTYPE_LONGNAME)) + zeros(20),
    "many files": b"".join(gzip.compress(header(f"{FOLDER}{k}", 30 * PIECE)) + zeros(30) for k in range(9)),
}
IN_PLACE = FOLDER + "data_batch_5"
REFUSED = {
    "link": (packed(LAST, header(IN_PLACE, type=tarfile.SYMTYPE)), "is not a regular file"),
    "hard link": (packed(LAST, header(IN_PLACE, type=tarfile.LNKTYPE)), "is not a regular file"),
    "device": (packed(LAST, header(IN_PLACE, type=tarfile.CHRTYPE)), "is not a regular file"),
    "sparse": (packed(LAST, pax("GNU.sparse.map", "0,1"), member(IN_PLACE, b"x")), "is not a regular file"),
    "twice": (packed(WHOLE[:SECOND], WHOLE[:-1024]), "data_batch_1 twice"),
    "3 GB": (
        gzip.compress(header(FOLDER + "data_batch_1", 3 * 10**9)) + zeros(40),
        "data_batch_1 has 3000000000 bytes",
    ),
    "33 MB": (
        gzip.compress(header(FOLDER + "readme.html", 33_000_000)) + zeros(40),
        "readme.html has 33000000 bytes",
    ),
    "endless size": (packed(pax("size", "9" * 4000), WHOLE[:-1024]), r"has 9{197}\.\.\. bytes"),
    "negative size": (packed(pax("size", "-5"), WHOLE[:-1024]), "data_batch_1 has -5 bytes"),
    "escapes": (packed(pax("path", "\x1b[2Jevil"), WHOLE[:-1024]), r"it has \\x1b\[2Jevil$"),
    "long path": (packed(pax("path", "evil" * 9000), WHOLE[:-1024]), r"it has (evil){40,50}\w*\.\.\.$"),
    "training batch": (packed(LAST, member(IN_PLACE, b"hello")), "data_batch_5 is not a CIFAR-10 batch"),
    "test batch": (
        packed(WHOLE[:-1024], member(FOLDER + "test_batch", SYSTEM + b"(S'x'\ntR.")),
        "test_batch is not .* os.system; refused",
    ),
    "meta": (packed(WHOLE[:-1024], member(FOLDER + "batches.meta", b"hello")), "batches.meta is not"),
    "no batches": (packed(member(FOLDER + "readme.html", b"x")), "no cifar-10-batches-py/data_batch_1..5"),
}


def load(tmp_path, content):
    """load_cifar of a directory that is not there, with an archive of this content beside it."""
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(content)
    return load_cifar(tmp_path / "in")


def test_a_whole_archive_is_unpacked(tmp_path, capsys):
    images, labels = load(tmp_path, PACKED)
    assert images.shape == (100, 3072) and labels.tolist() == [i % 10 for i in range(20)] * 5
    assert {path.name: path.read_bytes() for path in (tmp_path / "in").iterdir()} == BATCHES
    assert "Warning" not in capsys.readouterr().out


def test_an_archive_with_fewer_batches_is_warned_of(tmp_path, capsys):
    images, _ = load(tmp_path, packed(LAST))
    assert len(images) == 80
    assert "cifar-10-python.tar.gz is not all of CIFAR-10: it lacks data_batch_5" in capsys.readouterr().out


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_archives(tmp_path, name):
    with pytest.raises(DatasetError, match="is no .tar.gz archive or is damaged .*: delete it") as error:
        load(tmp_path, DAMAGED[name])
    assert str(error.value).isprintable() and os.listdir(tmp_path) == ["cifar-10-python.tar.gz"]


@pytest.mark.parametrize("name", REFUSED)
def test_refused_archives(tmp_path, name):
    content, message = REFUSED[name]
    with pytest.raises(DatasetError, match=message) as error:
        load(tmp_path, content)
    assert str(error.value).isprintable() and os.listdir(tmp_path) == ["cifar-10-python.tar.gz"]


def test_bombs_stay_small(tmp_path):
    """Every refusal comes before the bytes, so the memory of all of them together stays small."""
    tracemalloc.start()
    for content in (REFUSED["3 GB"][0], REFUSED["33 MB"][0], DAMAGED["long header"], DAMAGED["long name"]):
        with pytest.raises(DatasetError):
            load(tmp_path, content)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_something_else_in_the_place_of_the_archive(tmp_path, make):
    make(tmp_path / "cifar-10-python.tar.gz")
    with pytest.raises(DatasetError, match="cifar-10-python.tar.gz cannot be read: "):
        load_cifar(tmp_path / "in")
    assert os.listdir(tmp_path) == ["cifar-10-python.tar.gz"]
