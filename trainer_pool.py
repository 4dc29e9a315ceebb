"""A pool of trainers: long-lived worker processes, one a device, that train child networks.

    with TrainerPool(devices, subset, config, seed=0) as pool:
        for job, outcome in pool.run([Job(mid=0, tokens=[...], adjvec=[...])]):
            ...

Each worker sees one device only, fixed through CUDA_VISIBLE_DEVICES before it imports Paddle, and uses
one CPU thread. A model's randomness comes from (seed, mid, run), so results depend neither on the number of
trainers nor on the order in which they finish.

A model whose worker dies, fails or exceeds the time limit is tried again on a fresh worker, `retries`
times; after that, or at once where its loss is no longer finite, its outcome is a failure with a reason.
"""

import collections
import concurrent.futures as futures
import contextlib
import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
import types
import warnings
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from typing import NamedTuple

import psutil

from dataset_maker import Subset
from nn_paddle import ChildConfig, TrainResult, train_child
from paddle_backend import paddle

CPU = "cpu"
TRAINER_MEMORY = int(4.5 * 2**30)  # bytes; what a trainer takes at the default sizes, with some to spare

# --- In the parent ----------------------------------------------------------------------------------


class DevicesError(Exception):
    """--trainers or --cluster names nothing to train on; the text is for the user."""


class Job(NamedTuple):
    mid: int
    tokens: list[int]
    adjvec: list[int]
    run: int = 0  # further ones train the same model from other random numbers


class Outcome(NamedTuple):
    """A trained model's result, or the reason why there is none."""

    result: TrainResult | None
    error: str | None = None
    retry: bool = False  # whether another try may end better


class Epoch(NamedTuple):
    """What a trainer reports after each epoch."""

    mid: int
    epoch: int
    loss: float
    accuracy: float  # on the training images


def outcome_of(result: TrainResult) -> Outcome:
    if result.status == "nan":
        return Outcome(None, "the loss left the finite numbers")
    return Outcome(result)


def error_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[-1]}"


def train_job(
    job: Job, subset: Subset, config: ChildConfig, seed: int, on_epoch: Callable[[int, float, float], None]
) -> TrainResult:
    """Train a model in this process. All that is random about it follows from (seed, mid, run)."""
    return train_child(job.tokens, job.adjvec, subset, config, [seed, job.mid, job.run], on_epoch)


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


class _Trainer:
    """One device's worker process, started anew when it is lost."""

    def __init__(self, device: str, training: tuple[Subset, ChildConfig, int]):
        self.device = device
        self.training = training
        self.start()

    def start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.epochs, sender = context.Pipe(duplex=False)
        self.executor = futures.ProcessPoolExecutor(
            1, context, initializer=_start_worker, initargs=(sender,)
        )
        # The images go by the queue, not as initargs: those make the parent wait, deaf to Ctrl-C, until the
        # process has imported Paddle.
        with _environment(worker_environment(self.device)), _signals_held(), _main_module_left_out():
            self.prepared = self.executor.submit(_prepare, *self.training)  # starts the process
        sender.close()
        self.future: futures.Future | None = None

    def submit(self, job: Job) -> None:
        self.job, self.started = job, time.monotonic()
        try:
            self.future = self.executor.submit(_train, job)
        except futures.process.BrokenProcessPool:  # it died while it had nothing to do
            self.stop()
            self.start()
            self.future = self.executor.submit(_train, job)

    def overdue(self, seconds: float) -> bool:
        """Whether its model takes longer; the time that the process needs to start is not the model's."""
        if not self.prepared.done():
            self.started = time.monotonic()
        return time.monotonic() - self.started > seconds

    def kill(self) -> None:
        """End the process, whatever it is doing; does not wait until it is gone."""
        for process in list((self.executor._processes or {}).values()):
            process.kill()

    def stop(self) -> None:
        self.kill()
        self.executor.shutdown(wait=True, cancel_futures=True)
        self.epochs.close()


class TrainerPool:
    """retries: how often a model that was lost is tried again. model_timeout: seconds for one model."""

    def __init__(
        self,
        devices: list[str],
        subset: Subset,
        config: ChildConfig,
        seed: int,
        retries: int = 2,
        model_timeout: float = float("inf"),
        on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    ):
        self.retries = retries
        self.model_timeout = model_timeout
        self.on_epoch = on_epoch
        self.description = f"{len(devices)} trainers on {', '.join(sorted(set(devices)))}"
        self.trainers = [_Trainer(device, (subset, config, seed)) for device in devices]

    def __enter__(self) -> "TrainerPool":
        return self

    def __exit__(self, *exception) -> None:
        for trainer in self.trainers:  # first of all, since a second Ctrl-C may interrupt the rest
            trainer.kill()
        for trainer in self.trainers:
            trainer.stop()

    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Outcome]]:
        """Train all jobs; yields each as soon as it is done."""
        waiting = collections.deque(jobs)
        failures: collections.Counter[tuple[int, int]] = collections.Counter()
        while True:
            for trainer in self.trainers:
                if trainer.future is None and waiting:
                    trainer.submit(waiting.popleft())
            busy = [trainer for trainer in self.trainers if trainer.future]
            if not busy:
                return
            futures.wait([t.future for t in busy], 0.2, futures.FIRST_COMPLETED)
            for trainer in busy:
                self._report_epochs(trainer)
                if trainer.future.done():
                    outcome = self._collect(trainer)
                elif trainer.overdue(self.model_timeout):
                    outcome = self._lose(trainer, f"not done after {self.model_timeout:g} s")
                else:
                    continue
                job, trainer.future = trainer.job, None
                if outcome.retry:
                    failures[job.mid, job.run] += 1
                    if failures[job.mid, job.run] <= self.retries:
                        waiting.appendleft(job)
                        continue
                yield job, outcome

    def _report_epochs(self, trainer: _Trainer) -> None:
        with contextlib.suppress(EOFError, OSError):  # the worker is gone
            while trainer.epochs.poll():
                self.on_epoch(trainer.epochs.recv())

    def _collect(self, trainer: _Trainer) -> Outcome:
        try:
            return outcome_of(trainer.future.result())
        except futures.process.BrokenProcessPool:
            return self._lose(trainer, "its process died")
        except Exception as error:  # what a failing model may raise is up to Paddle
            return self._lose(trainer, error_line(error))

    def _lose(self, trainer: _Trainer, reason: str) -> Outcome:
        trainer.stop()
        trainer.start()
        return Outcome(None, f"{reason} (trainer on {trainer.device})", retry=True)


def worker_environment(device: str) -> dict[str, str]:
    """Environment variables with which a trainer starts.

    By default malloc hands large freed blocks back to the kernel, which clears every page anew when the
    next update needs it. Kept until the model is done (nn_paddle.new_scope), and in huge pages, they make
    updates a tenth faster.
    """
    keep = "glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=4294967296"
    return {
        "GLIBC_TUNABLES": f"{keep}:glibc.malloc.hugetlb=1",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # the driver's own numbers
        "CUDA_VISIBLE_DEVICES": "" if device == CPU else device,
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """A process started within it never sees Ctrl-C, which is the parent's to act on. The parent's own
    handlers run on leaving: one that raised amid the start of a process would leave it to nobody. Blocking
    SIGINT does not see to that, since another thread can take the signal for the main one."""
    held: list[int] = []
    handlers = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if callable(signal.getsignal(number)):
                handlers[number] = signal.signal(number, lambda number, frame: held.append(number))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number in held:
            signal.raise_signal(number)


@contextlib.contextmanager
def _main_module_left_out() -> Iterator[None]:
    """A process started within it does not import the main module anew, which is main.py, with PARL and
    more that a trainer has no use for and that takes seconds."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


# --- In a worker ------------------------------------------------------------------------------------


def _start_worker(epochs: Connection) -> None:
    gc.freeze()  # what the imports made is never garbage, and takes long to look through
    threading.Thread(target=_die_with_parent, daemon=True).start()
    global _epochs
    _epochs = epochs


def _prepare(*training) -> None:
    """training: as _Trainer's."""
    global _training
    _training = training


def _train(job: Job) -> TrainResult:
    def on_epoch(epoch: int, loss: float, accuracy: float) -> None:
        _epochs.send(Epoch(job.mid, epoch, loss, accuracy))

    return train_job(job, *_training, on_epoch)


def _die_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
