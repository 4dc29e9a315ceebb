"""Starts the trainers that the settings name, on this machine or on a cluster."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from autodl_design.search_loop.settings import TrainersSettings
from autodl_design.trainers.devices import CPU, DevicesError, check_own_gpu, find_devices
from autodl_design.trainers.job import Epoch, Train, Trainers
from autodl_design.trainers.pool import TrainerPool

# What they call for each job, how many jobs there are at a time, and what is called after each epoch.
Start = Callable[[Train, int, Callable[[Epoch], None]], AbstractContextManager[Trainers]]


def find_trainers(settings: TrainersSettings, amp: bool) -> Start:
    """What starts them, once and again. amp: whether they are to train in mixed precision. Raises
    DevicesError where the settings name none."""
    check_own_gpu()
    if settings.cluster:
        return _on_cluster(settings, settings.cluster)
    devices = find_devices(settings.trainers)
    if amp and CPU in devices:
        raise DevicesError("--amp needs GPUs, and these trainers have none: leave it out")

    def start(train: Train, most: int, on_epoch: Callable[[Epoch], None]) -> TrainerPool:
        if len(devices) > most and settings.trainers != "auto":
            print(f"--trainers={settings.trainers}: there are never more than {most} to train at a time")
        return TrainerPool(
            devices[:most],
            train,
            settings.retries,
            settings.model_timeout,
            on_epoch,
            settings.start_timeout,
            settings.deterministic,
        )

    return start


def _on_cluster(settings: TrainersSettings, address: str) -> Start:
    from autodl_design.trainers.ray_cluster import RayTrainers, connect  # Ray is an optional extra

    connect(address)  # what is wrong with it is known before a search begins

    def start(train: Train, most: int, on_epoch: Callable[[Epoch], None]) -> RayTrainers:
        return RayTrainers(
            connect(address),
            train,
            settings.retries,
            settings.model_timeout,
            on_epoch,
            settings.deterministic,
        )

    return start
