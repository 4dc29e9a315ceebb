"""The search: a REINFORCE agent proposes networks, trainers train them, their accuracy is the reward.

    python dataset_maker.py
    python main.py                  # the full size
    python main.py --preset=quick   # small
    python main.py --resume         # with the flags of the search in --log_dir: goes on with it

Prints every step's average accuracy and writes one JSON object a model to LOG_DIR/history.jsonl.
"""

import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from absl import app, flags

import autodl
import dataset_maker
from record.progress import Progress
from record.search_record import RunRecord, RunRecordError
from record.step_log import StepLog
from rewards.training_reward import SearchError, Trainers, TrainingReward, train_candidates
from trainers.devices import CPU, DevicesError, find_devices
from trainers.pool import TrainerPool

FLAGS = flags.FLAGS

# A newcomer's run: real training at a size at which ten steps take minutes on two CPU cores.
PRESETS = {
    "quick": {
        "num_nodes": 4,
        "width": 8,
        "num_cells": 1,
        "early_stop": 5,
        "T_0": 5.0,
        "num_models": 99,
    },
}
# Flags that change how far, where or how fast a search goes, and no result.
FREE_FLAGS = {
    "num_models", "final_candidates", "resume", "log_dir", "data_path",
    "trainers", "cluster", "retries", "model_timeout",
}  # fmt: skip
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(BaseException):
    """SIGINT or SIGTERM."""

    def __init__(self, signal_number: int):
        super().__init__(signal_number)
        self.exit_code = 128 + signal_number


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"unknown argument {argv[1]}")
    if FLAGS.preset:
        for name, value in PRESETS[FLAGS.preset].items():
            FLAGS.set_default(name, value)  # what the command line says stays
    for number in STOP_SIGNALS:
        signal.signal(number, _stop)
    try:
        train_and_search()
    except (SearchError, dataset_maker.DatasetError, RunRecordError, DevicesError) as error:
        sys.exit(f"main.py: {error}")
    except OSError as error:  # a disk that is full, mostly
        sys.exit(f"main.py: --log_dir={FLAGS.log_dir}: {error.strerror or error}; --resume goes on later")
    except Stopped as stopped:
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # once is enough
        print(f"main.py: stopped; the same command with --resume goes on (--log_dir={FLAGS.log_dir})")
        sys.exit(stopped.exit_code)


def _stop(signal_number: int, frame) -> None:
    raise Stopped(signal_number)


def train_and_search() -> None:
    config = autodl.child_config_from_flags()
    subset = dataset_maker.load_subset(FLAGS.data_path, FLAGS.chunk_size)
    new_trainers = trainers_from_flags()
    record = RunRecord(FLAGS.log_dir, settings(subset), FLAGS.resume)
    num_steps = FLAGS.num_models // FLAGS.batch_size + 1
    with (
        Progress(num_steps * FLAGS.batch_size - len(record.known), config.early_stop) as progress,
        new_trainers(
            subset,
            config,
            FLAGS.seed,
            FLAGS.retries,
            FLAGS.model_timeout,
            progress.epoch_done,
        ) as trainers,
    ):
        progress.print(trainers.description)
        run_search(trainers, record, progress, num_steps)
        if FLAGS.final_candidates:
            train_candidates(trainers, record, progress)


def trainers_from_flags() -> Callable[..., Any]:
    """A TrainerPool or its like, but for its arguments from `subset` on; raises DevicesError."""
    if FLAGS.cluster:
        from trainers.ray_cluster import RayTrainers, connect  # Ray is an optional extra

        return partial(RayTrainers, connect(FLAGS.cluster))
    devices = find_devices(FLAGS.trainers)
    if FLAGS.amp and CPU in devices:
        raise DevicesError("--amp needs GPUs, and these trainers have none: leave it out")
    return partial(TrainerPool, devices)


def settings(subset: dataset_maker.Subset) -> dict[str, Any]:
    """All that the results of a search depend on."""
    flags_of_search = FLAGS.get_key_flags_for_module("autodl")
    values = {flag.name: flag.value for flag in flags_of_search if flag.name not in FREE_FLAGS}
    return {"images": subset.sha256(), **values}


def make_agent() -> autodl.AutoDLAgent | autodl.RandomAgent:
    if FLAGS.agent == "random":
        return autodl.RandomAgent.from_flags()
    return autodl.AutoDLAgent.from_flags(FLAGS.advantage_power)


def run_search(trainers: Trainers, record: RunRecord, progress: Progress, num_steps: int) -> None:
    """Run the search, from its last checkpoint if it has one, until `num_steps` are done."""
    agent = make_agent()
    first_step = 0
    if record.checkpoint:
        first_step = record.checkpoint.step
        agent.load_state(record.checkpoint.state)
        progress.print(f"going on with step {first_step}; {len(record.known)} models are done")
    reward = TrainingReward(trainers, record, progress)
    step_log = StepLog(record.directory, first_step)

    def save(step: int, tokens: np.ndarray, adjvec: np.ndarray) -> None:
        record.save_step(step, agent.state(), tokens, adjvec)

    started = time.monotonic()
    for done in autodl.search(agent, reward, FLAGS.batch_size, num_steps, first_step, save):
        first_mid = done.step * FLAGS.batch_size
        models = [record.known[first_mid + row] for row in range(FLAGS.batch_size)]
        row = step_row(done, models)
        step_log.add({**row, "seconds": round(time.monotonic() - started, 3)})
        started = time.monotonic()
        line = f"step = {done.step}, average accuracy = {row['mean_accuracy']:.3f}"
        if FLAGS.params_penalty:
            line += f", average reward = {row['mean_reward']:.3f}"
        progress.print(f"[{time.strftime('%Y-%m-%d %H:%M:%S')}] {line}")


def step_row(done: autodl.SearchStep, models: list[dict[str, Any]]) -> dict[str, float]:
    """What the log of steps says of a step and its models, but for the time it took."""
    accuracies = [model["accuracy"] for model in models if model["status"] != "failed"]
    status = Counter(model["status"] for model in models)
    return {
        "step": done.step,
        "mean_accuracy": np.mean(accuracies),
        "best_accuracy": max(accuracies),
        "accuracy_spread": np.std(accuracies),
        "mean_reward": done.rewards.mean(),
        **(done.learned._asdict() if done.learned else {}),
        "cached": status["cached"],
        "failed": status["failed"],
    }


if __name__ == "__main__":
    autodl.define_agent_flags()
    autodl.define_search_flags()
    flags.DEFINE_enum("preset", None, sorted(PRESETS), "Sizes of a run; single flags win over it.")
    app.run(main)
