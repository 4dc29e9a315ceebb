"""Trainers on a Ray cluster of two machines, which are processes here."""

import dataclasses
import json
import pickle
import shutil
import subprocess
import sys
import time

import psutil
import pytest
from helpers import CONFIG, ENDLESS, JOBS, ROOT, TINY, run, without_seconds

from autodl_design.backend import programs
from autodl_design.search_space.architecture import Architecture
from autodl_design.trainers.devices import CPU, TRAINER_MEMORY, DevicesError
from autodl_design.trainers.job import Job
from autodl_design.trainers.pool import TrainerPool
from nn_paddle import TrainJob, train_child

ray = pytest.importorskip("ray")
from ray.cluster_utils import Cluster  # noqa: E402

from autodl_design.trainers import ray_cluster  # noqa: E402
from autodl_design.trainers.ray_cluster import RayTrainers, connect  # noqa: E402

pytestmark = pytest.mark.xdist_group("ray")  # one cluster, in one process
NODE = {"num_cpus": 1, "memory": 2 * TRAINER_MEMORY}  # what Ray shares out; tests need less


@pytest.fixture(scope="module")
def cluster():
    """Two machines, which train a model each at a time; the first claims to have a GPU."""
    cluster = Cluster(initialize_head=True, head_node_args={**NODE, "num_gpus": 1})
    cluster.add_node(**NODE)
    cluster.wait_for_nodes()
    yield cluster
    cluster.shutdown()


@pytest.fixture(scope="module")
def connected(cluster):
    yield connect(cluster.address)
    ray.shutdown()


def in_training():
    """Processes that train a model; Ray names them by what they do."""
    return [p for p in psutil.process_iter(["name"]) if p.info["name"].startswith("ray::_train")]


def test_results_are_those_of_the_local_pool(connected, easy_subset):
    with TrainerPool([CPU, CPU], TrainJob(easy_subset, CONFIG, 7)) as pool:
        local = {job.mid: without_seconds(outcome.result) for job, outcome in pool.run(JOBS)}
    epochs = []
    trainers = RayTrainers(connected, TrainJob(easy_subset, CONFIG, 7), on_epoch=epochs.append)
    outcomes = list(trainers.run(JOBS))
    assert len(outcomes) == len(JOBS)
    assert {job.mid: without_seconds(outcome.result) for job, outcome in outcomes} == local
    assert {(epoch.mid, epoch.epoch) for epoch in epochs} >= {(job.mid, 1) for job in JOBS}


def test_a_diverging_model_fails_at_once(connected, easy_subset):
    config = dataclasses.replace(CONFIG, lr_max=1e30)
    ((job, outcome),) = RayTrainers(connected, TrainJob(easy_subset, config, 7)).run(JOBS[:1])
    assert outcome.result is None and "finite" in outcome.error


def test_an_error_in_a_trainer_is_reported(connected, easy_subset):
    trainers = RayTrainers(connected, TrainJob(easy_subset, CONFIG, 7), retries=1)
    ((job, outcome),) = trainers.run([Job(0, Architecture((1, 1), (0, 0, 1)))])
    assert outcome.result is None and outcome.error.startswith("ValueError") and "adjvec" in outcome.error


def test_a_model_that_takes_too_long_fails(connected, easy_subset):
    trainers = RayTrainers(connected, TrainJob(easy_subset, ENDLESS, 7), retries=1, model_timeout=2)
    ((job, outcome),) = trainers.run(JOBS[:1])
    assert outcome.result is None and "not done after 2 s" in outcome.error
    assert not in_training()


@pytest.mark.skipif(programs.on_gpu(), reason="there is a GPU")
def test_a_trainer_without_its_gpu_ends_the_search(connected, easy_subset):
    with_gpu = connected._replace(resources={"num_cpus": 1, "num_gpus": 1})
    trainers = RayTrainers(with_gpu, TrainJob(easy_subset, CONFIG, 7), retries=0)
    with pytest.raises(DevicesError, match="no trainer can use the GPU of .*: Paddle sees no GPU there"):
        list(trainers.run(JOBS[:1]))


def test_a_cluster_too_small_for_a_model(monkeypatch, connected):
    monkeypatch.setattr(ray_cluster, "TRAINER_MEMORY", 3 * TRAINER_MEMORY)
    with pytest.raises(DevicesError, match="takes 13.5 GiB"):
        ray_cluster._survey("ray")


def test_the_project_travels_to_machines_that_lack_it(cluster, easy_subset, tmp_path):
    """The search runs from a copy of the project that is gone before the first trainer could read it."""
    copy = tmp_path / "project"
    packages = [path.parent.name for path in ROOT.glob("*/__init__.py")]
    for package in packages:
        shutil.copytree(ROOT / package, copy / package)
    for module in ROOT.glob("*.py"):
        shutil.copy(module, copy)
    (copy / "search.py").write_text(f"""
import os, pickle
from autodl_design.trainers.ray_cluster import RayTrainers, connect
from nn_paddle import TrainJob

with open({str(tmp_path / "arguments.pickle")!r}, "rb") as file:
    subset, config, job = pickle.load(file)
with RayTrainers(connect({cluster.address!r}), TrainJob(subset, config, 7), retries=0) as trainers:
    os.rename({str(copy)!r}, {str(tmp_path / "elsewhere")!r})
    ((_, outcome),) = trainers.run([job])
print(outcome.error or outcome.result.accuracy)
""")
    (tmp_path / "arguments.pickle").write_bytes(pickle.dumps((easy_subset, CONFIG, JOBS[0])))
    expected = train_child(JOBS[0].architecture, easy_subset, CONFIG, [7, 0])
    result = subprocess.run([sys.executable, "search.py"], cwd=copy, capture_output=True, text=True)
    assert (result.stdout.strip(), result.returncode) == (str(expected.accuracy), 0), result.stderr


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1", "somewhere:x"])
def test_no_cluster_there(address):
    with pytest.raises(DevicesError, match=f"--cluster={address}"):
        connect(address)


def test_a_search_has_the_same_history(cluster, digits_path, tmp_path):
    def history(log_dir, *flags):
        flags = [*TINY, f"--data_path={digits_path}", f"--log_dir={tmp_path / log_dir}", *flags]
        result = run("main.py", *flags)
        assert (result.returncode, result.stderr) == (0, "")
        assert ("on 2 machines of" in result.stdout) == (log_dir == "ray")
        records = [json.loads(line) for line in (tmp_path / log_dir / "history.jsonl").open()]
        return sorted(({**record, "seconds": None} for record in records), key=lambda record: record["mid"])

    assert history("ray", f"--cluster={cluster.address}") == history("local")


@pytest.mark.slow
def test_nothing_is_lost_with_a_machine(easy_subset):
    config = dataclasses.replace(CONFIG, width=4, num_stages=2, epochs=20, T_0=20.0)
    jobs = [JOBS[mid % 4]._replace(mid=mid) for mid in range(9)]
    with TrainerPool([CPU], TrainJob(easy_subset, config, 7)) as pool:
        local = {job.mid: without_seconds(outcome.result) for job, outcome in pool.run(jobs)}
    ray.shutdown()  # leaves the cluster of the tests before
    cluster = Cluster(initialize_head=True, head_node_args=NODE)
    victim, _ = [cluster.add_node(**NODE) for _ in range(2)]
    (raylet,) = victim.all_processes["raylet"]
    machine = psutil.Process(raylet.process.pid)
    try:
        with RayTrainers(connect(cluster.address), TrainJob(easy_subset, config, 7)) as trainers:
            outcomes = trainers.run(jobs)
            done = [next(outcomes)]
            while not any(p in in_training() for p in machine.children(recursive=True)):
                time.sleep(0.02)
            cluster.remove_node(victim, allow_graceful=False)
            done += outcomes
    finally:
        cluster.shutdown()
    assert sorted(job.mid for job, outcome in done) == list(range(9))
    assert {job.mid: without_seconds(outcome.result) for job, outcome in done} == local


@pytest.mark.slow
def test_a_search_whose_own_machine_is_lost_ends_in_one_line_and_goes_on(digits_path, tmp_path):
    def history(log_dir):
        records = [json.loads(line) for line in (tmp_path / log_dir / "history.jsonl").open()]
        return sorted(({**record, "seconds": None} for record in records), key=lambda record: record["mid"])

    def command(log_dir, *flags):
        return ["main.py", *TINY, f"--data_path={digits_path}", f"--log_dir={tmp_path / log_dir}", *flags]

    ray.shutdown()
    cluster = Cluster(initialize_head=True, head_node_args=NODE)
    cluster.add_node(**NODE)
    cluster.wait_for_nodes()
    try:
        search = subprocess.Popen(
            [sys.executable, *command("ray", f"--cluster={cluster.address}")],
            cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        while "  model 0: " not in (line := search.stdout.readline()):
            assert line
        (raylet,) = cluster.head_node.all_processes["raylet"]
        raylet.process.kill()
        _, errors = search.communicate(timeout=60)
    finally:
        cluster.shutdown()
    assert search.returncode == 1
    assert errors.count("\n") == 1 and "main.py: Ray has ended on this machine" in errors
    assert all(record["status"] != "failed" for record in history("ray"))
    for flags in (["local"], ["ray", "--resume"]):
        result = run(*command(*flags))
        assert (result.returncode, result.stderr) == (0, "")
    assert history("ray") == history("local")
