"""Make the small image set on which child networks are trained: ten files of 10 images a class.

    python dataset_maker.py

The images come from the CIFAR-10 batches in --input_dir, else from cifar-10-python.tar.gz beside
it, else from a download of that archive. Without any of them the handwritten digits that
scikit-learn ships stand in, so that everything also runs offline (--source=digits asks for them).

--output_dir then holds data_batch_0.pkl to data_batch_9.pkl, each a pickled dict in CIFAR-10's own
format: b'data' uint8 [chunk_size, 3072] and b'labels', a list of chunk_size ints. The first nine
are for training, the tenth for validation. With --validation_per_class=V, validation.pkl holds V
further images a class, which are used instead of the tenth file. One seed decides what is drawn.

Other modules read these files with `load_subset`.
"""

import contextlib
import hashlib
import logging
import os
import pickle
import re
import sys
import tarfile
import tempfile
import threading
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import app, flags

NUM_CLASSES = 10
NUM_CHUNKS = 10
IMAGE_BYTES = 3 * 32 * 32  # the red plane, then green, then blue, each row by row
CHUNK_NAMES = tuple(f"data_batch_{k}.pkl" for k in range(NUM_CHUNKS))
VALIDATION_NAME = "validation.pkl"

CIFAR10_URL = "https://dataset.bj.bcebos.com/cifar/cifar-10-python.tar.gz"
CIFAR10_MD5 = "c58f30108f718f92721af3b95e74349a"
ARCHIVE_NAME = "cifar-10-python.tar.gz"
ARCHIVE_FOLDER = "cifar-10-batches-py"
BATCH_NAME = re.compile(r"data_batch_[1-5]|test_batch|batches\.meta")
PROBE_SECONDS = 5  # a network that has not answered by then counts as dead

PICKLE_PROTOCOL = 4  # fixed: every Python writes the same bytes (NumPy 1 and 2 differ in a name)


class DatasetError(Exception):
    """Data that cannot be used, or a directory that cannot be written; the text is for the user."""


class CifarUnavailableError(DatasetError):
    """CIFAR-10 is neither on disk nor to be had from the network."""


class Subset(NamedTuple):
    """Images as uint8 [n, 3072] in CIFAR-10's order, labels as int64 [n]."""

    train_images: np.ndarray
    train_labels: np.ndarray
    validation_images: np.ndarray
    validation_labels: np.ndarray

    def sha256(self) -> str:
        """Tells one subset from another."""
        return hashlib.sha256(b"".join(array.tobytes() for array in self)).hexdigest()


# --- Reading --------------------------------------------------------------------------------------


def load_subset(data_path: str | os.PathLike, chunk_size: int) -> Subset:
    """Read what `python dataset_maker.py` wrote to the directory `data_path`.

    Chunks 0 to 8 are the training images. The validation images are those of validation.pkl or,
    where there is none, of chunk 9. Raises DatasetError where a file is missing or malformed, or
    where a chunk does not hold `chunk_size` images.
    """
    directory = Path(data_path)
    chunks = []
    for name in CHUNK_NAMES:
        path = directory / name
        if not path.is_file():
            raise DatasetError(f"{path} is missing: run `python dataset_maker.py`")
        images, labels = load_batch(path)
        if len(images) != chunk_size:
            raise DatasetError(
                f"{path} holds {len(images)} images and not the chunk size {chunk_size}: "
                f"run `python dataset_maker.py --chunk_size={chunk_size}`"
            )
        chunks.append((images, labels))
    *train, validation = chunks
    held_out = directory / VALIDATION_NAME
    if held_out.exists():
        validation = load_batch(held_out)
    train_images, train_labels = (np.concatenate(arrays) for arrays in zip(*train, strict=True))
    return Subset(train_images, train_labels, *validation)


def load_batch(path: str | os.PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Read one batch in CIFAR-10's format -> images uint8 [n, 3072], labels int64 [n].

    Nothing in the file is executed, whatever it says. Raises DatasetError naming the file where it
    cannot be read or does not hold what it should.
    """
    try:
        with open(path, "rb") as file:
            batch = _BatchUnpickler(file, encoding="bytes").load()
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
    except Exception as error:  # a malformed pickle may raise nearly anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DatasetError(f"{path} is not a CIFAR-10 batch or is damaged: {reason}") from error

    if not isinstance(batch, dict) or b"data" not in batch or b"labels" not in batch:
        raise DatasetError(f"{path} is not a CIFAR-10 batch: no dict with b'data' and b'labels'")
    try:
        # The elements of a list may still be anything, and a ragged one makes no array.
        images, labels = (
            np.asarray(value.array if isinstance(value, _Array) else value)
            for value in (batch[b"data"], batch[b"labels"])
        )
    except (ValueError, AttributeError) as error:
        raise DatasetError(f"{path}: b'data' or b'labels' is not an array") from error
    if images.dtype != np.uint8 or images.ndim != 2 or images.shape[1] != IMAGE_BYTES:
        raise DatasetError(
            f"{path}: b'data' is {images.dtype} {list(images.shape)}, not uint8 [n, {IMAGE_BYTES}]"
        )
    if len(images) == 0:
        raise DatasetError(f"{path} holds no images")
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
        raise DatasetError(f"{path}: b'labels' is not a list of {len(images)} integers")
    if labels.min() < 0 or labels.max() >= NUM_CLASSES:
        raise DatasetError(f"{path}: a label lies outside 0 to {NUM_CLASSES - 1}")
    return np.array(images), labels.astype(np.int64)


class _Dtype:
    """Stands for np.dtype in a batch's pickle; integers only."""

    def __init__(self, code: str | bytes, *flags: object):
        code = code.decode() if isinstance(code, bytes) else code
        if code not in ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8"):
            raise pickle.UnpicklingError(f"it holds an array of type {code!r}, not of integers")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """Stands for np.ndarray in a batch's pickle."""

    def __init__(self, *unused: object):
        """The arguments describe an empty array; __setstate__ brings the real one."""

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, is_fortran, data = state
        self.array = _array_from_buffer(data, dtype, shape, "F" if is_fortran else "C").array


def _array_from_buffer(data: bytes, dtype: _Dtype, shape: tuple, order: str) -> _Array:
    stand_in = _Array()
    stand_in.array = np.frombuffer(data, dtype.dtype).reshape(shape, order=order)
    return stand_in


def _integer_from_buffer(dtype: _Dtype, data: bytes) -> int:
    return int(np.frombuffer(data, dtype.dtype)[0])


def _encode_latin1(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the codec {encoding!r}; refused")
    return text.encode("latin1")


class _BatchUnpickler(pickle.Unpickler):
    """Knows plain containers and arrays of integers only.

    A pickle may name any function for its reader to call, and batches are files from the network.
    Not even NumPy's own functions are called: they trust what the pickle says about an array, and
    an array of objects made from raw bytes is a list of memory addresses.
    """

    STAND_INS = {
        "numpy.dtype": _Dtype,
        "numpy.ndarray": _Array,
        "numpy.core.multiarray._reconstruct": _Array,  # how pickle makes an array before protocol 5
        "numpy.core.numeric._frombuffer": _array_from_buffer,  # and from then on
        "numpy.core.multiarray.scalar": _integer_from_buffer,  # a label that is no Python int
        "_codecs.encode": _encode_latin1,  # how pickle makes bytes before protocol 3
    }

    def find_class(self, module: str, name: str) -> object:
        full_name = f"{module}.{name}"
        try:
            # NumPy 2 calls its package `core` `_core`.
            return self.STAND_INS[full_name.replace("numpy._core.", "numpy.core.", 1)]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {full_name}; refused") from None


# --- Sources of images ----------------------------------------------------------------------------


def load_cifar(input_dir: Path) -> tuple[np.ndarray, np.ndarray]:
    """All images of CIFAR-10's training batches -> uint8 [n, 3072], int64 [n].

    Unpacks or downloads the archive where `input_dir` has no batches. Raises CifarUnavailableError
    where it cannot be had, DatasetError where it is damaged.
    """
    if not any(input_dir.glob("data_batch_*")):
        if input_dir.exists() and os.listdir(input_dir):
            raise DatasetError(f"--input_dir={input_dir} holds no data_batch_* but other files")
        archive = input_dir.parent / ARCHIVE_NAME
        if not archive.is_file():
            archive = _download(input_dir)
        print(f"Unpacking {archive} to {input_dir}", flush=True)
        write_directory(input_dir, read_archive(archive))
    batches = [load_batch(path) for path in sorted(input_dir.glob("data_batch_*"))]
    images, labels = zip(*batches, strict=True)
    return np.concatenate(images), np.concatenate(labels)


def load_digits() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's handwritten digits in CIFAR-10's form -> uint8 [1797, 3072], int64 [1797].

    The 8x8 grey values 0..16 become 32x32 pixels 0..255, the same in all three colours.
    """
    from sklearn import datasets

    digits = datasets.load_digits()
    grey = np.rint(digits.images * (255 / 16)).astype(np.uint8)  # [n, 8, 8]
    grey = grey.repeat(4, axis=1).repeat(4, axis=2)  # [n, 32, 32]
    images = np.stack([grey] * 3, axis=1).reshape(-1, IMAGE_BYTES)
    return images, digits.target.astype(np.int64)


def read_archive(path: Path) -> dict[str, bytes]:
    """The batches in CIFAR-10's archive, by file name.

    Only regular files of the expected names are read, and nothing is written, so an archive cannot
    choose where anything goes. Raises DatasetError where it is damaged, holds links or devices in
    their place, names that lead out of its folder, or no batches.
    """
    files = {}
    try:
        with tarfile.open(path, "r:*") as archive:
            for member in archive:
                folder, _, name = member.name.partition("/")
                if folder != ARCHIVE_FOLDER or ".." in name.split("/"):
                    raise DatasetError(f"{path} is not CIFAR-10's archive: it has {member.name!r}")
                if not BATCH_NAME.fullmatch(name):
                    continue
                if not member.isreg():
                    raise DatasetError(f"{path}: {member.name} is not a regular file; refused")
                files[name] = archive.extractfile(member).read()
    except DatasetError:
        raise
    except Exception as error:  # damaged archives raise tar, gzip, zlib, EOF and other errors
        raise DatasetError(f"{path} is damaged ({error}): delete it and run again") from error
    if not any(name.startswith("data_batch_") for name in files):
        raise DatasetError(f"{path} is not CIFAR-10's archive: no {ARCHIVE_FOLDER}/data_batch_1..5")
    return files


def _download(input_dir: Path) -> Path:
    """Fetch CIFAR-10's archive into Paddle's cache, where it may be already -> its path."""
    cached = Path("~/.cache/paddle/dataset/cifar", ARCHIVE_NAME).expanduser()
    if not (cached.is_file() and _md5(cached) == CIFAR10_MD5):
        print(f"No CIFAR-10 in {input_dir} nor {ARCHIVE_NAME} beside it: downloading", flush=True)
        # Paddle's download has no time-out, so a dead network has to be found out before it.
        fault = _network_fault(CIFAR10_URL)
        if fault:
            raise CifarUnavailableError(
                f"CIFAR-10 is not in {input_dir} and cannot be downloaded ({fault})"
            )
    with contextlib.redirect_stderr(sys.stdout):  # where Paddle's news belong
        from paddle.dataset import common

        try:
            return Path(common.download(CIFAR10_URL, "cifar", CIFAR10_MD5, ARCHIVE_NAME))
        except RuntimeError as error:  # after three attempts
            cached = Path(common.DATA_HOME, "cifar", ARCHIVE_NAME)
            if not cached.is_file():
                raise CifarUnavailableError(f"CIFAR-10 cannot be downloaded ({error})") from error
            raise DatasetError(
                f"{cached}, downloaded from {CIFAR10_URL}, has the wrong checksum: "
                f"md5 {_md5(cached)} and not {CIFAR10_MD5}"
            ) from error


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def _network_fault(url: str) -> str | None:
    """Why `url` cannot be fetched, None if it can; answers within PROBE_SECONDS."""
    import httpx  # what Paddle's download uses, so both see the same proxies and certificates

    fault = f"no answer within {PROBE_SECONDS} s"

    def probe():
        nonlocal fault
        try:
            with httpx.stream("GET", url, follow_redirects=True, timeout=PROBE_SECONDS) as response:
                fault = None if response.is_success else f"HTTP status {response.status_code}"
        except Exception as error:  # whatever it is, the download would meet it too
            fault = str(error) or type(error).__name__

    # In a thread because no time-out covers looking up the host's name.
    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    return fault


# --- Drawing and writing --------------------------------------------------------------------------


def draw(
    images: np.ndarray, labels: np.ndarray, chunk_size: int, validation_per_class: int, seed: int
) -> tuple[list[np.ndarray], np.ndarray]:
    """Choose the images of the subset, no image twice, as many of each class in every file.

    Returns the indices of the ten chunks (chunk_size each, a multiple of the classes) and those of
    the validation file (validation_per_class a class). Raises DatasetError where a class has too
    few images.
    """
    per_class = chunk_size // NUM_CLASSES
    needed = NUM_CHUNKS * per_class + validation_per_class
    # Unlike default_rng's, RandomState's numbers are the same in every version of NumPy.
    rng = np.random.RandomState(seed)
    drawn = np.empty([NUM_CLASSES, needed], np.int64)
    seen = set()
    for label in range(NUM_CLASSES):
        count = 0
        for index in rng.permutation(np.flatnonzero(labels == label)):
            if count == needed:
                break
            image = images[index].tobytes()
            if image not in seen:
                seen.add(image)
                drawn[label, count] = index
                count += 1
        if count < needed:
            raise DatasetError(
                f"class {label} has {count} distinct images and {needed} are needed: give more "
                "batches in --input_dir, or lower --chunk_size or --validation_per_class"
            )
    chunks = np.split(drawn, per_class * np.arange(1, NUM_CHUNKS + 1), axis=1)
    *chunks, validation = [rng.permutation(chunk.ravel()) for chunk in chunks]
    return chunks, validation


def write_directory(
    directory: Path, files: dict[str, bytes], replaceable: Collection[str] = ()
) -> None:
    """Write `files` as the whole content of `directory`, which on failure is left as it was.

    An existing directory is replaced only if it holds nothing but files named in `replaceable`.
    Raises DatasetError.
    """
    _check_replaceable(directory, replaceable)
    directory = directory.resolve()
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=f".{directory.name}-", dir=directory.parent, ignore_cleanup_errors=True
        ) as aside:
            new, old = Path(aside, "new"), Path(aside, "old")
            new.mkdir()
            for name, content in files.items():
                with open(new / name, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
            try:
                if directory.exists():
                    directory.rename(old)
                new.rename(directory)
            except BaseException:
                if old.exists() and not directory.exists():
                    old.rename(directory)
                raise
    except OSError as error:
        raise DatasetError(f"{directory} cannot be written: {error.strerror}") from error


def _check_replaceable(directory: Path, replaceable: Collection[str]) -> None:
    try:
        foreign = sorted(set(os.listdir(directory)) - set(replaceable))
    except FileNotFoundError:
        return
    except OSError as error:
        raise DatasetError(f"{directory} cannot be written: {error.strerror}") from error
    if foreign:
        raise DatasetError(f"{directory} holds other files ({foreign[0]}): name another directory")


def make_subset(
    input_dir: Path,
    output_dir: Path,
    chunk_size: int,
    validation_per_class: int,
    seed: int,
    source: str,
) -> None:
    """Draw the subset and write it to `output_dir`, which is left as it was on a DatasetError.

    `source` is "cifar", "digits" or "auto": CIFAR-10 if it can be had, else the digits.
    """
    subset_names = (*CHUNK_NAMES, VALIDATION_NAME)
    _check_replaceable(output_dir, subset_names)  # before a download
    if source == "auto":
        try:
            images, labels = load_cifar(input_dir)
            source = "cifar"
        except CifarUnavailableError as error:
            print(f"{error}: scikit-learn's handwritten digits stand in for it (--source=digits)")
            images, labels = load_digits()
            source = "digits"
    else:
        images, labels = load_cifar(input_dir) if source == "cifar" else load_digits()

    chunks, validation = draw(images, labels, chunk_size, validation_per_class, seed)
    batches = dict(zip(CHUNK_NAMES, chunks, strict=True))
    if validation_per_class:
        batches[VALIDATION_NAME] = validation
    files = {
        name: pickle.dumps(
            {
                b"batch_label": f"{name}, drawn from {source} with seed {seed}".encode(),
                b"labels": labels[indices].tolist(),
                b"data": images[indices],
            },
            protocol=PICKLE_PROTOCOL,
        )
        for name, indices in batches.items()
    }
    write_directory(output_dir, files, subset_names)

    origin = f"CIFAR-10 in {input_dir}" if source == "cifar" else "scikit-learn's digits"
    print(f"Source: {origin}, {len(images)} images; seed {seed}")
    print(
        f"Wrote {output_dir}: {NUM_CHUNKS} files of {chunk_size} images, "
        f"{chunk_size // NUM_CLASSES} per class in each, {chunk_size} per class over all"
    )
    if validation_per_class:
        print(f"and {VALIDATION_NAME}: {validation_per_class} further images per class")


# --- Command line ---------------------------------------------------------------------------------


def define_flags() -> None:
    """Not at import: the modules that read the subset have flags of their own."""
    flags.DEFINE_string("input_dir", f"cifar/{ARCHIVE_FOLDER}", "directory of CIFAR-10's batches")
    flags.DEFINE_string("output_dir", "cifar/pickle-cifar-10", "directory to write the subset to")
    flags.DEFINE_integer("chunk_size", 100, "images per file, a multiple of the 10 classes")
    flags.register_validator(
        "chunk_size", lambda size: size > 0 and size % NUM_CLASSES == 0, "must be a multiple of 10"
    )
    flags.DEFINE_integer(
        "validation_per_class", 0, "images per class of validation.pkl; 0: none", lower_bound=0
    )
    flags.DEFINE_integer("seed", 0, "decides the draw", lower_bound=0, upper_bound=2**32 - 1)
    flags.DEFINE_enum(
        "source",
        "auto",
        ["auto", "cifar", "digits"],
        "where the images come from; auto: CIFAR-10, and the digits only if it cannot be had",
    )


def main(argv: list[str]) -> int:
    args = flags.FLAGS
    logging.getLogger("httpx").setLevel(logging.WARNING)  # absl would print its every request
    try:
        if len(argv) > 1:
            raise DatasetError(f"unexpected argument {argv[1]!r}: see --help")
        make_subset(
            Path(args.input_dir),
            Path(args.output_dir),
            args.chunk_size,
            args.validation_per_class,
            args.seed,
            args.source,
        )
    except (DatasetError, OSError) as error:
        print(f"dataset_maker: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    define_flags()
    app.run(main)
