"""Which devices trainers run on: `find_devices("gpu:1,2")`."""

import os
import re
import warnings
from collections.abc import Sequence
from typing import NamedTuple

from autodl_design.backend.paddle_backend import paddle
from autodl_design.backend.programs import check_gpu, on_gpu
from autodl_design.trainers import limits

CPU = "cpu"
TRAINER_MEMORY = int(4.5 * 2**30)  # bytes; what a trainer takes at the default sizes, with some to spare

# What `auto` shares a GPU by. The networks are small: one trainer leaves most of a card idle between its
# kernels. A trainer's memory there is estimated, from that on CPUs and some for CUDA and cuDNN.
MOST_TRAINERS_A_GPU = 3
CORES_A_GPU_TRAINER = 2
GPU_TRAINER_MEMORY = 6 * 2**30

_CPU_TRAINERS = re.compile("cpu:([1-9][0-9]{0,3})")
_GPU_TRAINERS = re.compile("([0-9]{1,4}|(?:GPU|MIG)-[0-9A-Za-z/-]+?)(?:x([1-9][0-9]{0,2}))?")


class DevicesError(Exception):
    """--trainers or --cluster names nothing to train on; the text is for the user."""


class Gpu(NamedTuple):
    name: str  # for CUDA_VISIBLE_DEVICES: its number, or the UUID of a MIG instance
    number: int  # the driver's, of the card
    uuid: str
    free_memory: int  # bytes


def find_devices(trainers: str) -> list[str]:
    """The devices that --trainers asks for, one entry a trainer: "cpu", or a GPU's name for
    CUDA_VISIBLE_DEVICES. Where several GPUs are shared, the first entries are spread over all of them.

    "auto": every GPU but the first, which is the agent's, or that one if there is no other; up to
    MOST_TRAINERS_A_GPU on each, as far as its free memory and CPU cores allow. Of the GPUs that
    CUDA_VISIBLE_DEVICES lists, where it lists any but GPU 0 alone: that, which is how the original is
    started, hides the others from the agent only. Without GPUs one trainer a CPU core, as far as memory
    allows; a container's limits count.
    "cpu:2": two on CPUs. "gpu:1,2": one on GPU 1 and one on GPU 2, by the driver's numbers. "gpu:1x3", or
    "gpu:1,1,1": three on GPU 1. UUIDs of GPUs and of MIG instances may stand for numbers.

    Raises DevicesError where the text is none of these, or where there is no such GPU.
    """
    if trainers == "auto":
        return _automatic_devices()
    if match := _CPU_TRAINERS.fullmatch(trainers):
        return [CPU] * int(match[1])
    kind, _, detail = trainers.partition(":")
    texts = detail.split(",")
    items = [match for match in map(_GPU_TRAINERS.fullmatch, texts) if match]
    if kind != "gpu" or len(items) < len(texts):
        raise DevicesError(f"--trainers={trainers} is neither auto nor like cpu:2, gpu:1,2 or gpu:1x3")
    if not paddle.is_compiled_with_cuda():
        raise DevicesError(
            f"--trainers={trainers}: the Paddle that is installed is built for CPUs; "
            "README.md, GPUs, says how to install a build for GPUs"
        )
    gpus = _list_gpus()
    counts: dict[str, int] = {}
    for item in items:
        gpu = _find_gpu(item[1], gpus)
        if gpu is None:
            there = ", ".join(gpu.name for gpu in gpus) or "none"
            raise DevicesError(f"--trainers={trainers}: there is no GPU {item[1]}; the driver has {there}")
        counts[gpu.name] = counts.get(gpu.name, 0) + int(item[2] or 1)
    return _spread(counts)


def check_own_gpu() -> None:
    """Raises DevicesError where this process would compute on a GPU that does not compute rightly."""
    if on_gpu():
        try:
            check_gpu()
        except RuntimeError as error:
            raise DevicesError(f"this process cannot use its GPU: {error}") from error


def _automatic_devices() -> list[str]:
    cores = limits.cores()
    gpus = _visible_gpus()
    if not gpus:
        by_memory = limits.free_memory() // TRAINER_MEMORY
        return [CPU] * max(1, min(cores, by_memory))
    gpus = gpus[1:] or gpus
    by_cores = cores // (CORES_A_GPU_TRAINER * len(gpus))
    return _spread(
        {
            gpu.name: max(1, min(MOST_TRAINERS_A_GPU, by_cores, gpu.free_memory // GPU_TRAINER_MEMORY))
            for gpu in gpus
        }
    )


def _spread(counts: dict[str, int]) -> list[str]:
    """{"1": 2, "2": 1} -> ["1", "2", "1"]"""
    rounds = range(max(counts.values()))
    return [name for number in rounds for name, count in counts.items() if number < count]


def _visible_gpus() -> list[Gpu]:
    """The GPUs that agent and trainers may use; see find_devices."""
    gpus = _list_gpus()
    names = os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip()
    if names == "0":
        return gpus
    visible: list[Gpu] = []
    for name in names.split(","):
        gpu = _find_gpu(name.strip(), gpus)
        if gpu is None:  # CUDA, too, goes no further
            break
        visible.append(gpu)
    return visible


def _find_gpu(name: str, gpus: Sequence[Gpu]) -> Gpu | None:
    """name: a number or, as CUDA takes it, the first part of a UUID."""
    if name.isdecimal():
        found = (gpu for gpu in gpus if gpu.number == int(name))
    else:
        found = (gpu for gpu in gpus if name and gpu.uuid.startswith(name))
    return next(found, None)


def _list_gpus() -> list[Gpu]:
    """The GPUs that the driver finds, in its order, a MIG instance as a GPU of its own; none where Paddle
    is built for CPUs. CUDA, unlike the driver, would leave out those that CUDA_VISIBLE_DEVICES hides."""
    if not paddle.is_compiled_with_cuda():
        return []
    pynvml = import_pynvml()
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:  # no driver
        return []
    gpus = []
    try:
        for number in range(pynvml.nvmlDeviceGetCount()):
            card = pynvml.nvmlDeviceGetHandleByIndex(number)
            instances = _mig_instances(pynvml, card)
            for handle in instances or [card]:
                uuid = pynvml.nvmlDeviceGetUUID(handle)
                name = uuid if instances else str(number)
                gpus.append(Gpu(name, number, uuid, _free_memory(pynvml, handle)))
    except pynvml.NVMLError as error:
        raise DevicesError(f"--trainers: the GPUs' driver answers {error}; see nvidia-smi") from error
    return gpus


def import_pynvml():
    """Python's access to the driver; imported where it is needed, since trainers do without."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that its package has another name now
        import pynvml
    return pynvml


def _free_memory(pynvml, handle) -> int:
    try:
        return pynvml.nvmlDeviceGetMemoryInfo(handle).free
    except pynvml.NVMLError_NotSupported:  # a GPU that shares the processor's memory
        return limits.free_memory()


def _mig_instances(pynvml, card) -> list:
    """Handles of the parts into which a card is split; none where it is whole."""
    try:
        if not pynvml.nvmlDeviceGetMigMode(card)[0]:
            return []
    except pynvml.NVMLError:  # a card that cannot be split
        return []
    handles = []
    for index in range(pynvml.nvmlDeviceGetMaxMigDeviceCount(card)):
        try:
            handles.append(pynvml.nvmlDeviceGetMigDeviceHandleByIndex(card, index))
        except pynvml.NVMLError:  # a place that is free
            continue
    return handles
