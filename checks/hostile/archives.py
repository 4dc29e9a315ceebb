"""Archives in the place of cifar-10-python.tar.gz, as bytes: a whole one, damaged and hostile ones."""

import gzip
import tarfile

import numpy as np

from checks.hostile.pickles import SYSTEM, python2_batch

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


pax_digits = member("pax", b"1" * 15_000, type=tarfile.XHDTYPE)
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
    "PAX header of digits": packed(member("pax", b"1" * 900_000, type=tarfile.XHDTYPE), WHOLE),
    "PAX headers of digits": packed(
        *(pax_digits + member(f"{FOLDER}{k}", b"x") for k in range(90)), WHOLE[:-1024]
    ),
    "name of 30 MB": b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * 30_000_000 + b"\0",
    "names of 400 KB": (b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * 400_000 + b"\0\x03\0" + bytes(8)) * 20,
    "many gzip files": gzip.compress(b"", 1) * 200_000,
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
    "long path": (packed(pax("path", "evil" * 3000), WHOLE[:-1024]), r"it has (evil){40,50}\w*\.\.\.$"),
    "training batch": (packed(LAST, member(IN_PLACE, b"hello")), "data_batch_5 is not a CIFAR-10 batch"),
    "test batch": (
        packed(WHOLE[:-1024], member(FOLDER + "test_batch", SYSTEM + b"(S'x'\ntR.")),
        "test_batch is not .* os.system; refused",
    ),
    "meta": (packed(WHOLE[:-1024], member(FOLDER + "batches.meta", b"hello")), "batches.meta is not"),
    "no batches": (packed(member(FOLDER + "readme.html", b"x")), "no cifar-10-batches-py/data_batch_1..5"),
}
