"""Reads batches in the format of CIFAR-10 and CIFAR-100. Finds CIFAR-10 itself: its batches in a directory,
else its archive beside that, else a download.

    images, labels = load_cifar(Path("cifar/cifar-10-batches-py"))
"""

import contextlib
import hashlib
import os
import sys
import threading
from pathlib import Path

import numpy as np

from autodl_design.checked_io.regular_files import open_regular
from autodl_design.image_data.batch import MAX_CLASSES, load_batch
from autodl_design.image_data.cifar_archive import ARCHIVE_NAME, TRAINING_BATCHES, read_archive
from autodl_design.image_data.class_names import load_class_names
from autodl_design.image_data.errors import CifarUnavailableError, DatasetError
from autodl_design.image_data.whole_directory import write_directory

CIFAR10_URL = "https://dataset.bj.bcebos.com/cifar/cifar-10-python.tar.gz"
CIFAR10_MD5 = "c58f30108f718f92721af3b95e74349a"
CIFAR100_BATCH = "train"
PROBE_SECONDS = 5  # a network that has not answered by then counts as dead


def load_cifar(input_dir: Path) -> tuple[np.ndarray, np.ndarray]:
    """All images of the training batches -> uint8 [n, 3 * S * S], int64 [n].

    Unpacks or downloads the archive where `input_dir` has no batches. Raises CifarUnavailableError
    where it cannot be had, DatasetError where it is damaged.
    """
    if not list_batches(input_dir):
        archive = input_dir.parent / ARCHIVE_NAME
        if not os.path.lexists(archive):
            archive = _download(input_dir)
        _unpack(archive, input_dir)
    names = load_class_names(input_dir)
    paths = list_batches(input_dir)
    batches = [load_batch(path, len(names) if names else MAX_CLASSES) for path in paths]
    for path, (images, _) in zip(paths, batches, strict=True):
        if images.shape[1] != batches[0][0].shape[1]:
            raise DatasetError(f"{path} holds images of another size than {paths[0]}")
    images, labels = zip(*batches, strict=True)
    return np.concatenate(images), np.concatenate(labels)


def list_batches(input_dir: Path) -> list[Path]:
    """The training batches in `input_dir`, CIFAR-100's one is called train; none where the directory does
    not exist or is empty.

    Raises DatasetError where it cannot be read or holds other files alone.
    """
    try:
        names = sorted(os.listdir(input_dir))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DatasetError(f"--input_dir={input_dir} cannot be read: {error.strerror}") from error
    batches = [input_dir / name for name in names if name.startswith("data_batch_")]
    if not batches and os.path.isfile(input_dir / CIFAR100_BATCH):
        batches = [input_dir / CIFAR100_BATCH]
    if names and not batches:
        raise DatasetError(
            f"--input_dir={input_dir} holds no data_batch_* and not two or more folders of pictures, "
            "one for each class"
        )
    return batches


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
