"""Starts the trainers that the settings name, on this machine or on a cluster."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from autodl_design.search_loop.final_candidates import RUNS
from autodl_design.search_loop.settings import AllSettings
from autodl_design.trainers.devices import CPU, DevicesError, check_own_gpu, find_devices
from autodl_design.trainers.job import Epoch, Train, Trainers
from autodl_design.trainers.pool import TrainerPool

Start = Callable[[Callable[[Epoch], None]], AbstractContextManager[Trainers]]


def trainers_of(settings: AllSettings, train: Train) -> Start:
    """What starts the trainers, given what is called after each epoch. Raises DevicesError where the
    settings name none."""
    values = settings.trainers
    arguments = (train, values.retries, values.model_timeout)
    check_own_gpu()
    if values.cluster:
        from autodl_design.trainers.ray_cluster import RayTrainers, connect  # Ray is an optional extra

        cluster = connect(values.cluster)
        return partial(RayTrainers, cluster, *arguments, deterministic=values.deterministic)
    devices = find_devices(values.trainers)
    if settings.child.amp and CPU in devices:
        raise DevicesError("--amp needs GPUs, and these trainers have none: leave it out")
    most = max(settings.run.batch_size, RUNS * settings.search.final_candidates)
    if len(devices) > most and values.trainers != "auto":
        print(f"--trainers={values.trainers}: there are never more than {most} models to train at a time")
    return partial(
        TrainerPool,
        devices[:most],
        *arguments,
        start_timeout=values.start_timeout,
        deterministic=values.deterministic,
    )
