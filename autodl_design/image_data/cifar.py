"""Reads batches in the format of CIFAR-10 and CIFAR-100. Fetches CIFAR-10 itself: from its archive beside
the directory, else by a download.

    source = read(Path("cifar/cifar-10-batches-py"), size=None)
    source = read(Path("mine.pkl"), size=None)    # one batch
    fetch_cifar(Path("cifar/cifar-10-batches-py"))    # where that is missing or empty
"""

import contextlib
import hashlib
import os
import sys
import threading
from pathlib import Path

import numpy as np

from autodl_design.checked_io.regular_files import open_regular
from autodl_design.image_data.batch import MAX_CLASSES, image_size, load_batch
from autodl_design.image_data.cifar_archive import ARCHIVE_NAME, TRAINING_BATCHES, read_archive
from autodl_design.image_data.class_names import load_class_names, numbered_classes
from autodl_design.image_data.errors import CifarUnavailableError, DatasetError
from autodl_design.image_data.places import visible_names
from autodl_design.image_data.source import TRAIN, Source, parts
from autodl_design.image_data.whole_directory import write_directory

CIFAR10_URL = "https://dataset.bj.bcebos.com/cifar/cifar-10-python.tar.gz"
CIFAR10_MD5 = "c58f30108f718f92721af3b95e74349a"
CIFAR100_BATCH, TEST_BATCH = "train", "test_batch"
TEST_BATCHES = {CIFAR100_BATCH: "test"}  # by the name of the first batch
ONE_FILE = ("", ".pkl", ".pickle")  # how the name of a single batch may end
PROBE_SECONDS = 5  # a network that has not answered by then counts as dead


def matches(path: Path, names: list[str]) -> bool:
    if path.is_file():
        return path.suffix.lower() in ONE_FILE
    return any(name.startswith("data_batch_") for name in names) or (path / CIFAR100_BATCH).is_file()


def read(path: Path, size: int | None) -> Source:
    """Test images are those of test_batch, of CIFAR-100 those of test. Raises DatasetError."""
    directory = path.parent if path.is_file() else path
    class_names = load_class_names(directory)
    num_classes = len(class_names) if class_names else MAX_CLASSES
    training = {batch: load_batch(batch, num_classes) for batch in _list_batches(path)}
    test = directory / TEST_BATCHES.get(next(iter(training)).name, TEST_BATCH)
    held_out = [] if path.is_file() or not os.path.lexists(test) else [load_batch(test, num_classes)]
    for batch, (images, _) in [*training.items(), *((test, images) for images in held_out)]:
        first, (expected, _) = next(iter(training.items()))
        if images.shape[1] != expected.shape[1]:
            raise DatasetError(f"{batch} holds images of another size than {first}")
    return cifar_source(path, list(training.values()), held_out, class_names, size)


def cifar_source(
    path: Path,
    training: list[tuple[np.ndarray, np.ndarray]],
    held_out: list[tuple[np.ndarray, np.ndarray]],
    class_names: tuple[str, ...] | None,
    size: int | None,
) -> Source:
    """Of batches for training and for the test, each of images and labels. Raises DatasetError."""
    images, labels = (np.concatenate(arrays) for arrays in zip(*training, *held_out, strict=True))
    found = image_size(images.shape[1])
    if size not in (None, found):
        raise DatasetError(f"--image_size={size}: the images in {path} have {found} pixels a side")
    names = class_names or numbered_classes(labels, f"--input_dir={path}")
    if labels.max() >= len(names):
        raise DatasetError(f"{path}: a label lies outside 0 to {len(names) - 1}")
    num_test = sum(len(labels) for _, labels in held_out)
    part = parts(len(labels) - num_test, test=num_test)
    return Source("cifar", f"the batches in {path}", images, labels, part, names, found)


def load_cifar(input_dir: Path) -> tuple[np.ndarray, np.ndarray]:
    """All images of the training batches -> uint8 [n, 3 * S * S], int64 [n]. CIFAR-10 is fetched where
    `input_dir` is missing or empty. Raises as `fetch_cifar` and `read` do."""
    fetch_cifar(input_dir)
    source = read(input_dir, None)
    training = source.of_part(TRAIN)
    return source.stack(training), source.labels[training]


def fetch_cifar(input_dir: Path) -> None:
    """Unpack CIFAR-10's archive, which is downloaded if need be, to `input_dir` where that is missing or
    empty. Raises CifarUnavailableError where it cannot be had, DatasetError where it is damaged."""
    if os.path.lexists(input_dir) and (not os.path.isdir(input_dir) or visible_names(input_dir)):
        return
    archive = input_dir.parent / ARCHIVE_NAME
    if not os.path.lexists(archive):
        archive = _download(input_dir)
    _unpack(archive, input_dir)


def _list_batches(path: Path) -> list[Path]:
    """The training batches; CIFAR-100's one is called train."""
    if path.is_file():
        return [path]
    batches = [path / name for name in visible_names(path) if name.startswith("data_batch_")]
    return batches or [path / CIFAR100_BATCH]


def _unpack(archive: Path, input_dir: Path) -> None:
    print(f"Unpacking {archive} to {input_dir}", flush=True)
    files = read_archive(archive)
    missing = [name for name in TRAINING_BATCHES if name not in files]
    if missing:
        print(f"Warning: {archive} is not all of CIFAR-10: it lacks {', '.join(missing)}", flush=True)
    write_directory(input_dir, files.items())


def _download(input_dir: Path) -> Path:
    """Fetch CIFAR-10's archive into Paddle's cache, where it may be already -> its path."""
    cached = Path(os.path.expanduser("~/.cache/paddle/dataset/cifar"), ARCHIVE_NAME)
    if not (os.path.lexists(cached) and _md5(cached) == CIFAR10_MD5):
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
    digest = hashlib.md5()
    try:
        with open_regular(path) as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
    return digest.hexdigest()


def _network_fault(url: str) -> str | None:
    """Why `url` cannot be fetched, None if it can; answers within PROBE_SECONDS."""
    import httpx  # what Paddle's download uses, so both see the same proxies and certificates

    fault: str | None = f"no answer within {PROBE_SECONDS} s"

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
