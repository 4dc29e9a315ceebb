"""More trainings of networks that searches trained: their accuracy in a search is that of one run.

    jobs = {model.network: Job(model.mid, model.architecture)}
    for run in further_runs(jobs, [], 3, load_subset("cifar/study"), ChildConfig(), ["cpu"]):
        print(run.accuracy)

train_missing does so for a file of such runs.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from autodl_design.image_data.subset import Subset
from autodl_design.record.history import ModelRecord, RecordError
from autodl_design.search_loop.training_reward import accuracy_less_parameters, model_record
from autodl_design.search_space.child import ChildConfig
from autodl_design.trainers.job import Job
from autodl_design.trainers.pool import TrainerPool
from nn_paddle import TrainJob
from study.records import read_runs, write_runs


def further_runs(
    networks: Mapping[str, Job],
    known: Iterable[ModelRecord],
    num_runs: int,
    subset: Subset,
    config: ChildConfig,
    devices: list[str],
) -> Iterator[ModelRecord]:
    """Train each network `num_runs` times, but for the runs that are known; yields each as soon as it is
    done. The networks by their network_id.

    Raises RecordError where a network cannot be trained."""
    done = {(run.network, run.run) for run in known}
    # A job's number is its network's id, so its random numbers do not depend on what else is trained.
    jobs = [
        job._replace(mid=int(network, 16), run=run)
        for run in range(1, num_runs + 1)
        for network, job in networks.items()
        if (network, run) not in done
    ]
    if not jobs:
        return
    with TrainerPool(devices, TrainJob(subset, config, 0)) as pool:
        for count, (job, outcome) in enumerate(pool.run(jobs), 1):
            network = f"{job.mid:016x}"
            own = job._replace(mid=networks[network].mid)
            run = model_record(0, own, outcome, accuracy_less_parameters(0.0), failed_reward=0.0)
            if run.status == "failed":
                raise RecordError(f"model {run.mid} could not be trained again: {run.reason}")
            print(f"{count} of {len(jobs)}: {run.accuracy:.3f}", flush=True)
            yield run._replace(network=network, run=job.run)


def train_missing(
    path: Path,
    networks: Mapping[str, Job],
    num_runs: int,
    subset: Subset,
    config: ChildConfig,
    devices: list[str],
) -> list[ModelRecord]:
    """As further_runs, for the runs that are missing from a file, which gets each as soon as it is done.
    Returns all runs of the file."""
    runs = read_runs(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for run in further_runs(networks, runs, num_runs, subset, config, devices):
        runs = [*runs, run]
        write_runs(path, runs)
    return runs
