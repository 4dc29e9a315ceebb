"""The pool of trainer processes: results, and every way in which a trainer is lost."""

import dataclasses
import os
import resource
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest
from helpers import CONFIG, ENDLESS, JOBS, ROOT, without_seconds

from autodl_design.backend import programs
from autodl_design.backend.paddle_backend import paddle
from autodl_design.search_space.architecture import Architecture
from autodl_design.trainers import pool as pool_module
from autodl_design.trainers.devices import CPU, DevicesError
from autodl_design.trainers.job import Job
from autodl_design.trainers.pool import TrainerPool, _signals_held, _start_of_process
from nn_paddle import TrainJob, train_child


def process_of(pool):
    (process,) = pool.trainers[0].executor._processes.values()
    return process


def test_starts_in_two_threads_leave_the_callers_process_as_it_was(monkeypatch):
    monkeypatch.setattr(sys, "warnoptions", ["error"])
    before = dict(os.environ), sys.modules["__main__"], sys.warnoptions
    seen = []

    def start(seconds, name):
        time.sleep(seconds)
        with _start_of_process({"STARTED_BY": name, "PYTHONWARNINGS": ""}):
            seen.append((os.environ["STARTED_BY"], sys.warnoptions))
            time.sleep(0.2)

    threads = [threading.Thread(target=start, args=pair) for pair in ((0, "first"), (0.1, "second"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [("first", []), ("second", [])]
    assert (dict(os.environ), sys.modules["__main__"], sys.warnoptions) == before


def test_results_are_those_of_training_alone(easy_subset):
    alone = {
        job.mid: without_seconds(train_child(job.architecture, easy_subset, CONFIG, [7, job.mid]))
        for job in JOBS
    }
    epochs = []
    with TrainerPool([CPU, CPU], TrainJob(easy_subset, CONFIG, 7), on_epoch=epochs.append) as pool:
        outcomes = {job.mid: outcome for job, outcome in pool.run(JOBS)}
        again = {job.mid: outcome for job, outcome in pool.run(JOBS[:1])}
    assert {mid: without_seconds(outcome.result) for mid, outcome in outcomes.items()} == alone
    assert without_seconds(again[0].result) == alone[0]
    assert sorted((e.mid, e.epoch) for e in epochs[:12]) == [(m, e) for m in range(4) for e in (0, 1, 2)]


def test_a_killed_trainer_is_replaced_and_its_model_tried_again(easy_subset):
    kills = []

    def kill_once(epoch):
        if epoch.epoch and not kills:
            kills.append(process_of(pool).pid)
            os.kill(kills[0], signal.SIGKILL)

    config = dataclasses.replace(CONFIG, epochs=20)
    expected = train_child(JOBS[0].architecture, easy_subset, config, [7, 0])
    with TrainerPool([CPU], TrainJob(easy_subset, config, 7), on_epoch=kill_once) as pool:
        ((job, outcome),) = pool.run(JOBS[:1])
    assert kills
    assert without_seconds(outcome.result) == without_seconds(expected)


def test_a_trainer_out_of_memory_is_replaced_and_its_model_tried_again(easy_subset):
    """The kernel refuses it any more memory, as it does at the end of a machine's."""
    limited = []

    def no_more_memory(epoch):
        if epoch.epoch and not limited:
            limited.append(process_of(pool).pid)
            resource.prlimit(limited[0], resource.RLIMIT_AS, (2**20, 2**20))

    config = dataclasses.replace(CONFIG, epochs=20)
    expected = train_child(JOBS[0].architecture, easy_subset, config, [7, 0])
    with TrainerPool([CPU], TrainJob(easy_subset, config, 7), on_epoch=no_more_memory) as pool:
        ((job, outcome),) = pool.run(JOBS[:1])
        replaced = process_of(pool).pid not in limited
    assert replaced
    assert without_seconds(outcome.result) == without_seconds(expected)


def test_a_network_too_large_for_the_memory_fails_and_says_so(easy_subset):
    config = dataclasses.replace(CONFIG, width=4096)
    with TrainerPool([CPU], TrainJob(easy_subset, config, 7), retries=0) as pool:
        pool.trainers[0].prepared.result()
        process = psutil.Process(process_of(pool).pid)
        limit = process.memory_info().vms + 2**27
        resource.prlimit(process.pid, resource.RLIMIT_AS, (limit, limit))
        ((job, outcome),) = pool.run(JOBS[:1])
    assert outcome.result is None and "memory" in outcome.error.lower()


def test_a_trainer_that_dies_idle_costs_no_model(easy_subset):
    with TrainerPool([CPU], TrainJob(easy_subset, CONFIG, 7), retries=0) as pool:
        before = [outcome.result for _, outcome in pool.run(JOBS[:1])]
        process = process_of(pool)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        time.sleep(0.5)  # until the pool's own thread has seen it
        after = [outcome.result for _, outcome in pool.run(JOBS[:1])]
    assert without_seconds(after[0]) == without_seconds(before[0])


def test_a_trainer_that_hangs_in_training_is_replaced_and_its_model_tried_again(easy_subset):
    stopped = []

    def stop_once(epoch):
        if epoch.epoch and not stopped:
            stopped.append(process_of(pool))
            os.kill(stopped[0].pid, signal.SIGSTOP)

    expected = train_child(JOBS[0].architecture, easy_subset, CONFIG, [7, 0])
    with TrainerPool([CPU], TrainJob(easy_subset, CONFIG, 7), model_timeout=10, on_epoch=stop_once) as pool:
        ((job, outcome),) = pool.run(JOBS[:1])
    assert stopped and not stopped[0].is_alive()
    assert without_seconds(outcome.result) == without_seconds(expected)


def test_a_trainer_that_hangs_at_its_start_is_replaced_and_its_model_tried_again(easy_subset):
    """Though a model may take as long as it likes."""
    expected = train_child(JOBS[0].architecture, easy_subset, CONFIG, [7, 0])
    with TrainerPool([CPU], TrainJob(easy_subset, CONFIG, 7), start_timeout=10) as pool:
        stopped = process_of(pool)
        os.kill(stopped.pid, signal.SIGSTOP)
        assert not pool.trainers[0].prepared.done()
        ((job, outcome),) = pool.run(JOBS[:1])
    assert not stopped.is_alive()
    assert without_seconds(outcome.result) == without_seconds(expected)


def test_trainers_that_never_start_fail_their_model(easy_subset):
    with TrainerPool([CPU], TrainJob(easy_subset, CONFIG, 7), retries=1, start_timeout=0.1) as pool:
        ((job, outcome),) = pool.run(JOBS[:1])
    assert outcome.result is None and outcome.error == "not ready after 0.1 s (trainer on cpu)"


@pytest.mark.skipif(programs.on_gpu(), reason="there is a GPU")
def test_a_trainer_without_its_gpu_ends_the_search(easy_subset):
    with TrainerPool(["0"], TrainJob(easy_subset, CONFIG, 7)) as pool:
        with pytest.raises(DevicesError, match="no trainer can use GPU 0: Paddle sees no GPU there"):
            list(pool.run(JOBS[:1]))


@pytest.mark.parametrize(
    "module, function, instead, what",
    [
        (paddle, "ones", paddle.zeros, "a sum"),  # as the memory of a card where no kernel was launched
        (paddle.nn.functional, "conv2d", lambda images, weights: images, "a convolution"),
    ],
)
def test_arithmetic_is_checked(monkeypatch, module, function, instead, what):
    programs.check_arithmetic()
    monkeypatch.setattr(module, function, instead)
    with pytest.raises(ArithmeticError, match=f"{what} gives .* instead of"):
        programs.check_arithmetic()


@pytest.mark.parametrize(
    "deterministic, device, visible, flag", [(True, CPU, "", "1"), (False, "2", "2", "0")]
)
def test_what_a_trainer_starts_with(easy_subset, deterministic, device, visible, flag):
    names = ["CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "CUDA_MODULE_LOADING",
             "FLAGS_cudnn_deterministic", "CUBLAS_WORKSPACE_CONFIG"]  # fmt: skip
    with TrainerPool([device], TrainJob(easy_subset, CONFIG, 7), deterministic=deterministic) as pool:
        environment = pool.trainers[0].executor.submit(eval, "dict(__import__('os').environ)").result()
    assert [environment[name] for name in names] == [visible, "PCI_BUS_ID", "LAZY", flag, ":4096:8"]


@pytest.mark.slow
def test_memory_stays_flat_over_50_models(easy_subset):
    """Of a trainer, in bytes that are its own, after each of 50 architectures."""
    config = dataclasses.replace(CONFIG, num_stages=3, epochs=1)
    rng = np.random.RandomState(0)
    architectures = Architecture.of_batch(rng.randint(0, 10, (50, 8)), rng.randint(0, 2, (50, 12)))
    jobs = [Job(mid, architecture) for mid, architecture in enumerate(architectures)]
    with TrainerPool([CPU], TrainJob(easy_subset, config, 7)) as pool:
        used = []
        for job in jobs:
            ((_, outcome),) = pool.run([job])
            assert outcome.result
            used.append(psutil.Process(process_of(pool).pid).memory_info().rss)
    assert max(used[3:]) < 1.05 * used[2], used


def test_a_model_that_takes_too_long_fails(easy_subset):
    with TrainerPool([CPU], TrainJob(easy_subset, ENDLESS, 7), retries=1, model_timeout=1) as pool:
        ((job, outcome),) = pool.run(JOBS[:1])
        process = process_of(pool)
    assert outcome.result is None and "not done after 1 s" in outcome.error
    assert not process.is_alive()


def test_a_diverging_model_fails_at_once(easy_subset):
    config = dataclasses.replace(CONFIG, lr_max=1e30)
    with TrainerPool([CPU], TrainJob(easy_subset, config, 7)) as pool:
        ((job, outcome),) = pool.run(JOBS[:1])
    assert outcome.result is None and "finite" in outcome.error


def test_an_error_in_a_trainer_is_reported(easy_subset):
    with TrainerPool([CPU], TrainJob(easy_subset, CONFIG, 7), retries=0) as pool:
        ((job, outcome),) = pool.run([Job(0, Architecture((1, 1), (0, 0, 1)))])
    assert outcome.result is None and "adjvec" in outcome.error


def test_a_trainer_does_not_import_parl_with_the_main_module(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("""
import sys
import autodl_design.backend.parl_backend
from autodl_design.trainers.pool import TrainerPool

if __name__ == "__main__":
    with TrainerPool(["cpu"], None) as pool:
        modules = pool.trainers[0].executor.submit(eval, "set(__import__('sys').modules)").result()
    assert "paddle" in modules and "parl" not in modules
""")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, script], env=environment, check=True)


def test_a_signal_is_held_while_a_trainer_starts():
    go = threading.Event()
    sender = threading.Thread(target=lambda: go.wait() and os.kill(os.getpid(), signal.SIGINT))
    sender.start()  # before SIGINT is blocked, so that this thread can take it
    started = False
    with pytest.raises(KeyboardInterrupt):
        with _signals_held():
            go.set()
            sender.join()
            time.sleep(0.1)
            started = True
    assert started


def test_time_in_which_everything_stood_still_is_nobodys(monkeypatch):
    """Ctrl-Z and a laptop's sleep stop the trainers too."""
    now = 100.0
    monkeypatch.setattr(pool_module.time, "monotonic", lambda: now)
    clock = pool_module._Clock()
    now += 0.2
    clock.look()
    now += 3600
    clock.look()
    assert clock.seconds == pytest.approx(0.2 + clock.LONGEST)
