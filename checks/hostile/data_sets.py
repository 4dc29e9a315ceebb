"""Data sets in other forms than CIFAR's batches, damaged or far larger than they look: none may be read."""

import gzip
import io
import struct
import zipfile

import numpy as np

LABELS = np.arange(20, dtype=np.uint8) % 2
IMAGES = np.zeros((20, 28, 28), np.uint8)


def npy(shape: tuple[int, ...], size: int, descr: str = "|u1") -> bytes:
    """An array that says that it has this shape, and `size` zeros."""
    content = io.BytesIO()
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(content, header)
    return content.getvalue() + bytes(size)


def npz(images: bytes, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    content, labels = io.BytesIO(), io.BytesIO()
    np.save(labels, LABELS)
    with zipfile.ZipFile(content, "w", compression) as members:
        members.writestr("x.npy", images)
        members.writestr("y.npy", labels.getvalue())
    return content.getvalue()


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def hostile_data_sets() -> dict[str, tuple[str, dict[str, bytes]]]:
    """name -> what --input_dir names, and the files beside it."""
    whole = npz(npy(IMAGES.shape, IMAGES.size))
    long_list = bytearray(whole)
    long_list[-10:-6] = b"\xff\xff\xff\x7f"
    no_picture = "".join(f"{k}.png,{k % 2}\n" for k in range(100_000)).encode()
    mnist = {"train-images-idx3-ubyte": idx(IMAGES), "train-labels-idx1-ubyte": idx(LABELS)}

    large = struct.pack(">HBB3I", 0, 8, 3, 512, 1024, 1024)

    def of_images(content: bytes, packed: bool = False) -> tuple[str, dict[str, bytes]]:
        name = "train-images-idx3-ubyte" + (".gz" if packed else "")
        return "", {"train-labels-idx1-ubyte": mnist["train-labels-idx1-ubyte"], name: content}

    return {
        "npz of 8 EB": ("a.npz", {"a.npz": npz(npy((2**31, 2**32), 9))}),
        "npz of 50 MB that says 1 image": ("a.npz", {"a.npz": npz(npy((1, 28, 28), 50_000_000))}),
        "npz of objects": ("a.npz", {"a.npz": npz(npy((20,), 160, "|O"))}),
        "npz cut": ("a.npz", {"a.npz": whole[:-50]}),
        "npz damaged": ("a.npz", {"a.npz": whole[:40] + bytes(9) + whole[49:]}),
        "npz with an endless list": ("a.npz", {"a.npz": bytes(long_list)}),
        "npz by bzip2": ("a.npz", {"a.npz": npz(npy(IMAGES.shape, IMAGES.size), zipfile.ZIP_BZIP2)}),
        "npz that is a text": ("a.npz", {"a.npz": b"hello\n" * 100}),
        "CSV of 100,000 missing pictures": ("a.csv", {"a.csv": no_picture}),
        "CSV of one line of 10 MB": ("a.csv", {"a.csv": b"x" * 10**7}),
        "CSV of quotes": ("a.csv", {"a.csv": b'"' * 999_999}),
        "CSV of zeros": ("a.csv", {"a.csv": bytes(1000)}),
        "CSV of escapes": ("a.csv", {"a.csv": b"\x1b[2J.png,\x1b[31m\nb.png,b\n"}),
        "CSV of devices": ("a.csv", {"a.csv": b"/dev/zero,a\n/dev/zero,b\n" * 9}),
        "IDX of 2**96 bytes": of_images(struct.pack(">HBB3I", 0, 8, 3, *[2**32 - 1] * 3)),
        "IDX, packed, of 2 GB": of_images(
            gzip.compress(large) + gzip.compress(bytes(10**7)) * 99, packed=True
        ),
        "IDX cut": of_images(mnist["train-images-idx3-ubyte"][:-1]),
        "IDX, packed and cut": of_images(gzip.compress(mnist["train-images-idx3-ubyte"])[:-9], packed=True),
        "CIFAR binary cut": ("", {"data_batch_1.bin": bytes(3073 * 9 - 1)}),
        "a batch of one file": ("a.pkl", {"a.pkl": b"cos\nsystem\n(S'true'\ntR."}),
        "a zip file of pictures": ("a.zip", {"a.zip": whole}),
        "train and test beside a class": ("", {f"{name}/1.png": b"x" for name in ("train", "test", "cat")}),
        "flat train and test": ("", {f"{name}/1.png": b"x" for name in ("train", "test")}),
    }  # fmt: skip
