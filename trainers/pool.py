"""A pool of trainers: long-lived processes, one a device, that train child networks.

    with TrainerPool(devices, subset, config, seed=0) as pool:
        for job, outcome in pool.run([Job(mid=0, tokens=[...], adjvec=[...])]):
            ...

Each trainer sees one device only, fixed through CUDA_VISIBLE_DEVICES before it imports Paddle, and uses
one CPU thread. A model's randomness comes from (seed, mid, run), so results depend neither on the number of
trainers nor on the order in which they finish.

A model whose trainer dies, fails or exceeds the time limit is tried again on a fresh trainer, `retries`
times; after that, or at once where its loss is no longer finite, its outcome is a failure with a reason.
"""

import collections
import concurrent.futures as futures
import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
import types
from collections.abc import Callable, Iterable, Iterator

from dataset_maker import Subset
from search_space.child import ChildConfig
from trainers import process
from trainers.job import Epoch, Job, Outcome, error_line, outcome_of


class _Trainer:
    """One device's process, and a new one when it is lost."""

    def __init__(self, device: str, training: tuple[Subset, ChildConfig, int]):
        self.device = device
        self.training = training
        self.start()

    def start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.epochs, sender = context.Pipe(duplex=False)
        self.executor = futures.ProcessPoolExecutor(
            1, context, initializer=process.start, initargs=(sender,)
        )
        # The images go by the queue, not as initargs: those make the parent wait, deaf to Ctrl-C, until the
        # process has imported Paddle.
        with _environment(process.environment(self.device)), _signals_held(), _main_module_left_out():
            self.prepared = self.executor.submit(process.prepare, *self.training)  # starts the process
        sender.close()
        self.future: futures.Future | None = None

    def submit(self, job: Job) -> None:
        self.job, self.started = job, time.monotonic()
        try:
            self.future = self.executor.submit(process.train, job)
        except futures.process.BrokenProcessPool:  # it died while it had nothing to do
            self.stop()
            self.start()
            self.future = self.executor.submit(process.train, job)

    def overdue(self, seconds: float) -> bool:
        """Whether its model takes longer; the time that the process needs to start is not the model's."""
        if not self.prepared.done():
            self.started = time.monotonic()
        return time.monotonic() - self.started > seconds

    def kill(self) -> None:
        """End the process, whatever it is doing; does not wait until it is gone."""
        for child in list((self.executor._processes or {}).values()):
            child.kill()

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
        with contextlib.suppress(EOFError, OSError):  # the trainer is gone
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
