"""A pool of trainers: long-lived processes, one a device, that train child networks.

    with TrainerPool(devices, TrainJob(subset, ChildSettings(), seed=0)) as pool:
        for job, outcome in pool.run([Job(0, architecture)]):
            ...

Each trainer sees one device only, fixed through CUDA_VISIBLE_DEVICES before it imports Paddle, and uses
one CPU thread. The pool does not know what training is: each trainer is handed what it calls for a job.

A model whose trainer dies, fails or exceeds a time limit is tried again on a fresh trainer, `retries`
times; after that, or at once where its loss is no longer finite, its outcome is a failure with a reason.
"""

import collections
import concurrent.futures as futures
import contextlib
import math
import multiprocessing
import os
import signal
import sys
import threading
import time
import types
from collections.abc import Callable, Iterable, Iterator

from autodl_design.trainers import process
from autodl_design.trainers.devices import DevicesError
from autodl_design.trainers.job import Epoch, Job, Outcome, Train, error_line


class _Clock:
    """Seconds in which the pool was at work. A stop (Ctrl-Z, a debugger, a sleeping laptop) stops its
    trainers too, and is none of their time."""

    LONGEST = 5.0  # seconds between two looks at the trainers, a start of new ones included

    def __init__(self):
        self.seconds, self.looked = 0.0, time.monotonic()

    def look(self) -> None:
        now = time.monotonic()
        self.seconds += min(now - self.looked, self.LONGEST)
        self.looked = now


class _Trainer:
    """One device's process, and a new one when it is lost."""

    def __init__(self, device: str, deterministic: bool, train: Train, clock: "_Clock"):
        self.clock = clock
        self.name = device_name(device)
        self.environment = process.environment(device, deterministic)
        self.preparation = device, train
        self.start()

    def start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.epochs, sender = context.Pipe(duplex=False)
        self.executor = futures.ProcessPoolExecutor(
            1, context, initializer=process.start, initargs=(sender,)
        )
        # The images go by the queue, not as initargs: those make the parent wait, deaf to Ctrl-C, until the
        # process has imported Paddle.
        self.started = self.clock.seconds
        with _start_of_process(self.environment):
            self.prepared = self.executor.submit(process.prepare, *self.preparation)  # starts the process
        sender.close()
        # The process has this end of the queue. Were it open here too, sending the images to a process that
        # is killed before it takes them in would never end in Python 3.10.
        self.executor._call_queue._reader.close()  # type: ignore[attr-defined]
        self.future: futures.Future | None = None

    def submit(self, job: Job) -> None:
        self.job, self.job_started = job, self.clock.seconds
        try:
            self.future = self.executor.submit(process.train, job)
        except futures.process.BrokenProcessPool:  # it died while it had nothing to do
            self.stop()
            self.start()
            self.future = self.executor.submit(process.train, job)

    def overdue(self, start_timeout: float, model_timeout: float) -> str | None:
        """Why it counts as lost, if it takes too long. The time that the process needs to start is not the
        model's."""
        now = self.clock.seconds
        if not self.prepared.done():
            self.job_started = now
            return f"not ready after {start_timeout:g} s" if now - self.started > start_timeout else None
        return f"not done after {model_timeout:g} s" if now - self.job_started > model_timeout else None

    def check_preparation(self) -> None:
        """Raises DevicesError where the process found that it cannot use its device, which no other process
        could use either."""
        if self.prepared.done():
            error = self.prepared.exception()
            if error and not isinstance(error, futures.process.BrokenProcessPool):
                raise DevicesError(f"no trainer can use {self.name}: {error}") from error

    def kill(self) -> None:
        """End the process, whatever it is doing; does not wait until it is gone."""
        for child in list((self.executor._processes or {}).values()):
            child.kill()

    def stop(self) -> None:
        self.kill()
        self.executor.shutdown(wait=True, cancel_futures=True)
        self.epochs.close()


class TrainerPool:
    """retries: how often a model that was lost is tried again. model_timeout: seconds for one model, not
    counting the start of its trainer; start_timeout: for that. deterministic: see `process.environment`.

    `run` raises DevicesError where a trainer finds that it cannot use its GPU."""

    def __init__(
        self,
        devices: list[str],
        train: Train,
        retries: int = 2,
        model_timeout: float = float("inf"),
        on_epoch: Callable[[Epoch], None] = lambda epoch: None,
        start_timeout: float = float("inf"),
        deterministic: bool = True,
    ):
        self.retries = retries
        self.model_timeout = model_timeout
        self.on_epoch = on_epoch
        self.start_timeout = start_timeout
        names = dict.fromkeys(device_name(device) for device in devices)
        self.description = f"{len(devices)} trainer{'s'[: len(devices) > 1]} on {', '.join(names)}"
        self.clock = _Clock()
        self.trainers = [_Trainer(device, deterministic, train, self.clock) for device in devices]

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
                    self.on_epoch(Epoch(trainer.job.mid, 0, math.nan, math.nan, trainer.job.run))
            busy = [(trainer, trainer.future) for trainer in self.trainers if trainer.future]
            if not busy:
                return
            futures.wait([future for _, future in busy], 0.2, futures.FIRST_COMPLETED)
            self.clock.look()
            for trainer, future in busy:
                self._report_epochs(trainer)
                trainer.check_preparation()
                if future.done():
                    outcome = self._collect(trainer, future)
                elif reason := trainer.overdue(self.start_timeout, self.model_timeout):
                    outcome = self._lose(trainer, reason)
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
        with contextlib.suppress(EOFError, OSError):  # the trainer is gone
            while trainer.epochs.poll():
                self.on_epoch(trainer.epochs.recv())

    def _collect(self, trainer: _Trainer, future: futures.Future) -> Outcome:
        try:
            return future.result()
        except futures.process.BrokenProcessPool:
            return self._lose(trainer, "its process died")
        except Exception as error:  # what a failing model may raise is up to Paddle
            return self._lose(trainer, error_line(error))

    def _lose(self, trainer: _Trainer, reason: str) -> Outcome:
        trainer.stop()
        trainer.start()
        return Outcome(None, f"{reason} (trainer on {trainer.name})", retry=True)


def device_name(device: str) -> str:
    """For the user; the driver's UUIDs name what they are."""
    return f"GPU {device}" if device.isdecimal() else device


_one_at_a_time = threading.Lock()


@contextlib.contextmanager
def _start_of_process(environment: dict[str, str]) -> Iterator[None]:
    """What a process is started within, by one thread at a time: each takes the caller's environment and
    main module for those that the other has changed, and would leave them so."""
    with _one_at_a_time, _environment(environment), _signals_held(), _main_module_left_out():
        # `python -W error` is meant for the caller's program: a warning of Paddle's would fail each model.
        options, sys.warnoptions = sys.warnoptions, []
        try:
            yield
        finally:
            sys.warnoptions = options


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
        for held_number in held:
            signal.raise_signal(held_number)


@contextlib.contextmanager
def _main_module_left_out() -> Iterator[None]:
    """Keeps a process that is started within it from importing the main module: that is main.py, with PARL
    and other imports that a trainer does not need and that take seconds."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
