import dataclasses
import os
import signal

import numpy as np
import pytest

import trainer_pool
from nn_paddle import ChildConfig, train_child
from trainer_pool import CPU, Job, TrainerPool, find_devices

CONFIG = ChildConfig(width=8, num_cells=1, num_stages=1, early_stop=2, T_0=2.0, warmup=1.0)
JOBS = [
    Job(mid, np.random.RandomState(mid).randint(0, 10, 4).tolist(), [mid % 2, 1]) for mid in range(4)
]
# Eight 5x5 pairs on wide cells for thousands of epochs: not done before somebody ends it.
ENDLESS = dataclasses.replace(CONFIG, width=64, early_stop=10000)


def without_seconds(result):
    return dataclasses.replace(result, seconds=0.0)


@pytest.mark.parametrize(
    "trainers, gpus, expected",
    [
        ("cpu:2", 4, [CPU, CPU]),
        ("gpu:1,3", 0, ["1", "3"]),
        ("auto", 4, ["1", "2", "3"]),
        ("auto", 1, ["0"]),
    ],
)
def test_devices(monkeypatch, trainers, gpus, expected):
    monkeypatch.setattr(trainer_pool, "_count_gpus", lambda: gpus)
    assert find_devices(trainers) == expected


def test_devices_without_gpus(monkeypatch):
    monkeypatch.setattr(trainer_pool, "_count_gpus", lambda: 0)
    devices = find_devices("auto")
    assert set(devices) == {CPU} and len(devices) <= len(os.sched_getaffinity(0))


@pytest.mark.parametrize("trainers", ["", "cpu", "cpu:0", "cpu:x", "gpu:", "gpu:1,", "tpu:1", "auto:2"])
def test_devices_refused(trainers):
    with pytest.raises(trainer_pool.DevicesError, match="--trainers"):
        find_devices(trainers)


def test_results_are_those_of_training_alone(easy_subset):
    alone = {
        job.mid: without_seconds(train_child(job.tokens, job.adjvec, easy_subset, CONFIG, [7, job.mid]))
        for job in JOBS
    }
    epochs = []
    with TrainerPool([CPU, CPU], easy_subset, CONFIG, seed=7, on_epoch=epochs.append) as pool:
        outcomes = {job.mid: outcome for job, outcome in pool.run(JOBS)}
        again = {job.mid: outcome for job, outcome in pool.run(JOBS[:1])}
    assert {mid: without_seconds(outcome.result) for mid, outcome in outcomes.items()} == alone
    assert without_seconds(again[0].result) == alone[0]
    assert sorted((e.mid, e.epoch) for e in epochs[:8]) == [(m, e) for m in range(4) for e in (1, 2)]


def test_a_killed_trainer_is_replaced_and_its_model_tried_again(easy_subset):
    kills = []

    def kill_once(epoch):
        if not kills:
            (process,) = pool.trainers[0].executor._processes.values()
            kills.append(process.pid)
            os.kill(process.pid, signal.SIGKILL)

    config = dataclasses.replace(CONFIG, early_stop=20)
    expected = train_child(JOBS[0].tokens, JOBS[0].adjvec, easy_subset, config, [7, 0])
    with TrainerPool([CPU], easy_subset, config, seed=7, on_epoch=kill_once) as pool:
        ((job, outcome),) = pool.run(JOBS[:1])
    assert kills
    assert without_seconds(outcome.result) == without_seconds(expected)


def test_a_model_that_takes_too_long_fails(easy_subset):
    with TrainerPool([CPU], easy_subset, ENDLESS, seed=7, retries=1, model_timeout=3) as pool:
        ((job, outcome),) = pool.run(JOBS[:1])
        (process,) = pool.trainers[0].executor._processes.values()
    assert outcome.result is None and "not done after 3 s" in outcome.error
    assert not process.is_alive()


def test_a_diverging_model_fails_at_once(easy_subset):
    config = dataclasses.replace(CONFIG, lr_max=1e30)
    with TrainerPool([CPU], easy_subset, config, seed=7) as pool:
        ((job, outcome),) = pool.run(JOBS[:1])
    assert outcome.result is None and "finite" in outcome.error


def test_an_error_in_a_worker_is_told(easy_subset):
    with TrainerPool([CPU], easy_subset, CONFIG, seed=7, retries=0) as pool:
        ((job, outcome),) = pool.run([Job(0, [1, 1], [0, 0, 1])])
    assert outcome.result is None and "adjvec" in outcome.error
