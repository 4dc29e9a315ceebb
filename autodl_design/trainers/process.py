"""What runs in a trainer's own process, and the environment that the process starts with."""

import gc
import multiprocessing
import os
import threading
from multiprocessing.connection import Connection

from autodl_design.backend.programs import check_gpu
from autodl_design.trainers.devices import CPU
from autodl_design.trainers.job import Epoch, Job, Outcome, Train, attempt

# Of this process, where it is a trainer's.
_epochs: Connection
_train: Train


def environment(device: str, deterministic: bool = True) -> dict[str, str]:
    """Environment variables with which a trainer starts, besides those of backend/paddle_backend.py.

    By default malloc hands large freed blocks back to the kernel, which clears every page again when the
    next update needs it. Kept until the model is done (see new_scope in backend/programs.py), and in huge
    pages, they make updates a tenth faster.

    deterministic: whether cuDNN computes the same bits twice; without that it may choose faster algorithms.
    """
    keep = "glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=4294967296"
    return {
        "GLIBC_TUNABLES": f"{keep}:glibc.malloc.hugetlb=1",
        "CUDA_VISIBLE_DEVICES": "" if device == CPU else device,
        "FLAGS_cudnn_deterministic": str(int(deterministic)),
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONWARNINGS": "",  # as for -W, see _start_of_process in pool.py
        # Python would look for its own modules in the working directory first (from Python 3.11 on).
        "PYTHONSAFEPATH": "1",
    }


def start(epochs: Connection) -> None:
    gc.freeze()  # what the imports made is never garbage, and takes long to look through
    threading.Thread(target=_die_with_parent, daemon=True).start()
    global _epochs
    _epochs = epochs


def prepare(device: str, train: Train) -> None:
    """Get ready to train on a device.

    Raises RuntimeError where the device is a GPU that this process cannot use.
    """
    if device != CPU:
        check_gpu()
    global _train
    _train = train


def train(job: Job) -> Outcome:
    def on_epoch(epoch: int, loss: float, accuracy: float) -> None:
        _epochs.send(Epoch(job.mid, epoch, loss, accuracy, job.run))

    return attempt(_train, job, on_epoch)


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None  # this process was started by another
    parent.join()
    os._exit(1)
