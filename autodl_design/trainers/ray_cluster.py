"""Trainers on the machines of a Ray cluster: what pool.py is for one machine.

    cluster = connect("192.168.0.1:6379")
    with RayTrainers(cluster, TrainJob(subset, ChildSettings(), seed=0)) as trainers:
        for job, outcome in trainers.run([Job(0, architecture)]):
            ...

For `main.py --cluster=...`; needs requirements/cluster.txt. Each model is a Ray task that takes one GPU
if the cluster has any, else one CPU core, and TRAINER_MEMORY. Ray gives it to another process, on
another machine if need be, when its own is lost. The images are put into Ray's object store once.

A CPU core's process is kept for further models. A GPU's is not: a process stays with the GPU that it
used first, while Ray may give its next task another one.
"""

import contextlib
import math
import platform
import signal
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import grpc

from autodl_design.backend.paddle_backend import paddle
from autodl_design.backend.programs import check_gpu
from autodl_design.trainers import process
from autodl_design.trainers.devices import CPU, TRAINER_MEMORY, DevicesError
from autodl_design.trainers.job import Epoch, Job, Outcome, Train, attempt, error_line

try:
    import ray
    from ray.exceptions import (
        LocalRayletDiedError,
        NodeDiedError,
        OutOfMemoryError,
        RayActorError,
        RayError,
        RayTaskError,
        WorkerCrashedError,
    )
    from ray.util.queue import Queue
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
except ModuleNotFoundError:
    ray = None  # an optional extra; see connect

LOCAL_HEAD = "127.0.0.1:6379"  # where `ray start --head` listens
CONNECT_SECONDS = 10
MOST_SECONDS = 1e9  # that a timer of the kernel is asked for; longer times never end
LOST = "Ray has ended on this machine: start it again, as docs/clusters.md says, and go on by --resume"

# --- In the search's process --------------------------------------------------------------------------


class Cluster(NamedTuple):
    """The cluster that this process is connected to."""

    resources: dict[str, float]  # what a model takes, as arguments of ray.remote
    description: str


def connect(address: str) -> Cluster:
    """Connect this process to a cluster.

    address: "ray" on the machine of the cluster's head, HOST:6379 (the head's) on another machine of the
        cluster, ray://HOST:10001 on a machine outside it.

    Raises DevicesError where Ray is not installed, where the cluster cannot be reached within
    CONNECT_SECONDS, or has no machine that could train a model.
    """
    if ray is None:
        raise DevicesError("--cluster needs Ray: pip install --no-deps -r requirements/cluster.txt")
    if address == "ray":
        address = LOCAL_HEAD
    _check_that_ray_listens(address)
    sigterm_handler = signal.getsignal(signal.SIGTERM)
    if ray.is_initialized():  # by trainers that were not needed
        return _survey(address)
    try:
        ray.init(
            address,
            log_to_driver=False,
            logging_level="ERROR",
            runtime_env={"py_modules": [str(path) for path in _modules()]},
        )
    except (RayError, OSError, RuntimeError, ValueError) as error:
        raise DevicesError(f"--cluster={address}: {error_line(error)}") from error
    finally:
        signal.signal(signal.SIGTERM, sigterm_handler)  # Ray puts its own there
    return _survey(address)


def _modules() -> list[Path]:
    """The scripts and the package, which travel to the cluster's machines."""
    root = Path(__file__).parents[2]
    return [*root.glob("*.py"), root / "autodl_design"]


def _check_that_ray_listens(address: str) -> None:
    """Or at least what speaks gRPC, as it does. Ray itself would try for minutes."""
    try:
        parts = urlsplit("//" + address.removeprefix("ray://"))
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port:
        raise DevicesError(
            f"--cluster={address} is neither ray nor like 10.0.0.1:6379 or ray://10.0.0.1:10001"
        )
    with grpc.insecure_channel(f"{host}:{port}") as channel:
        try:
            grpc.channel_ready_future(channel).result(CONNECT_SECONDS)
        except grpc.FutureTimeoutError as error:
            raise DevicesError(
                f"--cluster={address}: no cluster answers there; is `ray start --head` running?"
            ) from error


def _survey(address: str) -> Cluster:
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    need = {"CPU": 1, "memory": TRAINER_MEMORY}
    if paddle.is_compiled_with_cuda() and any(node.get("GPU") for node in nodes):
        need["GPU"] = 1
    trainers = [min(int(node.get(name, 0) // amount) for name, amount in need.items()) for node in nodes]
    if not any(trainers):
        raise DevicesError(
            f"--cluster={address}: a model takes {TRAINER_MEMORY / 2**30:g} GiB of memory and a "
            f"{'GPU' if 'GPU' in need else 'CPU core'}, and no machine has that; see `ray status`"
        )
    resources: dict[str, float] = {"num_cpus": 1, "num_gpus": need.get("GPU", 0), "memory": TRAINER_MEMORY}
    return Cluster(resources, f"{sum(trainers)} trainers on {len(nodes)} machines of {address}")


class RayTrainers:
    """Where Ray ends on this machine, so would this process a moment later, without a word, and models
    would pass for failed: `run` raises DevicesError instead.

    Arguments after the first are TrainerPool's. `retries` is Ray's max_retries, which leaves out what
    Ray tries again without limit: a model whose process ended for want of memory."""

    def __init__(
        self,
        cluster: Cluster,
        train: Train,
        retries: int = 2,
        model_timeout: float = float("inf"),
        on_epoch: Callable[[Epoch], None] = lambda epoch: None,
        deterministic: bool = True,
    ):
        self.description = cluster.description
        self.model_timeout = model_timeout
        self.on_epoch = on_epoch
        self.raylet = _raylet()
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self.epochs = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})
        on_gpu = cluster.resources["num_gpus"] > 0
        self.arguments = on_gpu, ray.put(train), model_timeout, self.epochs.actor
        environment = process.environment(CPU, deterministic)
        if on_gpu:
            del environment["CUDA_VISIBLE_DEVICES"]  # Ray's to set
        self.train = ray.remote(
            max_retries=retries,
            retry_exceptions=True,
            runtime_env={"env_vars": environment},
            **cluster.resources,
        )(_train)

    def __enter__(self) -> "RayTrainers":
        return self

    def __exit__(self, *exception) -> None:
        if self.raylet:
            self.raylet.close()
        ray.shutdown()  # ends what still runs

    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Outcome]]:
        """Train all jobs; yields each as soon as it is done. Raises DevicesError."""
        pending = {self.train.remote(job, *self.arguments): job for job in jobs}
        while pending:
            self._check_raylet()
            done, _ = ray.wait(list(pending), num_returns=len(pending), timeout=0)
            if not done:
                time.sleep(0.2)  # not in Ray's wait, in which Ctrl-C becomes a SystemError
            self._report_epochs()
            for ref in done:
                yield pending.pop(ref), self._collect(ref)

    def _check_raylet(self) -> None:
        """Raises DevicesError where it has ended."""
        if self.raylet:
            with contextlib.suppress(BlockingIOError):
                if not self.raylet.recv(1):
                    raise DevicesError(LOST)

    def _report_epochs(self) -> None:
        with contextlib.suppress(RayActorError):  # the queue is lost; training goes on without
            for epoch in self.epochs.get_nowait_batch(self.epochs.qsize()):
                self.on_epoch(Epoch(*epoch))

    def _collect(self, ref: Any) -> Outcome:
        """ref: Ray's handle of the result. Raises DevicesError, also a trainer's."""
        try:
            return ray.get(ref)
        except RayTaskError as error:
            if isinstance(error.cause, DevicesError):
                raise error.cause from error
            return Outcome(None, error_line(error.cause))
        except WorkerCrashedError:
            reason = "its process died"
            if math.isfinite(self.model_timeout):
                reason += f" or was not done after {self.model_timeout:g} s"
            return Outcome(None, reason)
        except LocalRayletDiedError as error:
            raise DevicesError(LOST) from error
        except NodeDiedError:
            return Outcome(None, "its machine was lost")
        except OutOfMemoryError:
            return Outcome(None, "its machine had no memory left")


def _raylet() -> socket.socket | None:
    """A connection to Ray's process on this machine, which ends with it; None in a process outside the
    cluster, as with ray://HOST:10001."""
    here = ray.get_runtime_context().get_node_id()
    raylet = socket.socket(socket.AF_UNIX)
    try:
        raylet.connect(next(node["RayletSocketName"] for node in ray.nodes() if node["NodeID"] == here))
    except OSError:
        raylet.close()
        return None
    raylet.setblocking(False)
    return raylet


# --- In a trainer's process -------------------------------------------------------------------------


def _train(
    job: Job,
    on_gpu: bool,
    train: Train,
    model_timeout: float,
    epochs: Any,
) -> Outcome:
    """epochs: the queue's actor. Raises DevicesError where a GPU is asked for and cannot be used."""

    def on_epoch(*epoch) -> None:
        # Plain numbers: the queue need not import Paddle.
        epochs.put_nowait.remote((job.mid, *epoch, job.run))

    on_epoch(0, math.nan, math.nan)

    if on_gpu:
        try:
            check_gpu()
        except RuntimeError as error:
            raise DevicesError(f"no trainer can use the GPU of {platform.node()}: {error}") from error
    # At the end of this time the kernel ends the process, even one that hangs in native code.
    signal.setitimer(signal.ITIMER_REAL, model_timeout if model_timeout < MOST_SECONDS else 0)
    try:
        return attempt(train, job, on_epoch)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
