"""Which devices trainers run on: `find_devices("gpu:1,2")`."""

import os
import warnings

import psutil

from backend.paddle_backend import paddle

CPU = "cpu"
TRAINER_MEMORY = int(4.5 * 2**30)  # bytes; what a trainer takes at the default sizes, with some to spare


class DevicesError(Exception):
    """--trainers or --cluster names nothing to train on; the text is for the user."""


def find_devices(trainers: str) -> list[str]:
    """The devices that --trainers asks for: "cpu" or a GPU's number, one entry a trainer.

    "auto": every GPU but GPU 0, which is the agent's, or GPU 0 if there is no other. GPUs are counted
    by the driver, since CUDA_VISIBLE_DEVICES may hide all but the agent's own. Without GPUs one trainer
    a CPU core, as far as memory allows.
    "cpu:2": two on CPUs. "gpu:1,2": one on GPU 1 and one on GPU 2.

    Raises DevicesError where the text is none of these.
    """
    kind, _, detail = trainers.partition(":")
    if trainers == "auto":
        if count := _count_gpus():
            return [str(i) for i in range(1, count)] or ["0"]
        by_memory = int(psutil.virtual_memory().available // TRAINER_MEMORY)
        return [CPU] * max(1, min(len(os.sched_getaffinity(0)), by_memory))
    if kind == "cpu" and detail.isdecimal() and int(detail) > 0:
        return [CPU] * int(detail)
    if kind == "gpu" and all(number.isdecimal() for number in detail.split(",")):
        return detail.split(",")
    raise DevicesError(f"--trainers={trainers} is neither auto nor like cpu:2 or gpu:1,2,3")


def _count_gpus() -> int:
    """GPUs that Paddle can use; none where it was built without them."""
    if not paddle.is_compiled_with_cuda():
        return 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that its package has another name now
        import pynvml  # here, since trainers need not import it
    try:
        pynvml.nvmlInit()
        return pynvml.nvmlDeviceGetCount()
    except pynvml.NVMLError:
        return 0
