"""The search: a REINFORCE agent proposes networks, trainers train them, their accuracy is the reward.

    python dataset_maker.py
    python main.py                  # the full size
    python main.py --preset=quick   # small
    python main.py --resume         # with the flags of the search in --log_dir: goes on with it

Prints every step's average accuracy and writes one JSON object a model to LOG_DIR/history.jsonl.
"""

import hashlib
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import numpy as np
from absl import app, flags

import autodl
import dataset_maker
from progress import Progress
from run_record import RunRecord, RunRecordError
from trainer_pool import DevicesError, Job, Outcome, TrainerPool, find_devices

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
FREE_FLAGS = {"num_models", "log_dir", "data_path", "trainers", "retries", "model_timeout", "resume"}


class SearchError(Exception):
    """A search that cannot go on; the text is for the user."""


class Stopped(BaseException):
    """SIGINT or SIGTERM."""

    def __init__(self, signal_number: int):
        super().__init__(signal_number)
        self.exit_code = 128 + signal_number


class Trainers(Protocol):
    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Outcome]]: ...


class TrainingReward:
    """The reward of an architecture is the accuracy of the network it describes, once trained. Models
    that the record knows, from before a search was interrupted, are not trained again."""

    def __init__(
        self, trainers: Trainers, record: RunRecord, progress: Progress, failed_reward: float
    ):
        self.trainers = trainers
        self.record = record
        self.progress = progress
        self.failed_reward = failed_reward

    def __call__(self, step: int, tokens: np.ndarray, adjvec: np.ndarray) -> np.ndarray:
        """Rewards [B] of a step's architectures, row by row; raises SearchError where all failed."""
        first_mid = step * len(tokens)
        jobs = [
            Job(first_mid + row, tokens[row].tolist(), adjvec[row].tolist())
            for row in range(len(tokens))
        ]
        for job, outcome in self.trainers.run(j for j in jobs if j.mid not in self.record.known):
            model = _model_record(step, job, outcome)
            self.record.append(model)
            self.progress.model_done(model)
        models = [self.record.known[job.mid] for job in jobs]
        if all(model["status"] == "failed" for model in models):
            raise SearchError(f"every model of step {step} failed; the last one: {models[-1]['reason']}")
        return np.array(
            [self.failed_reward if m["status"] == "failed" else m["accuracy"] for m in models]
        )


def _model_record(step: int, job: Job, outcome: Outcome) -> dict[str, Any]:
    result = outcome.result
    return {
        "mid": job.mid,
        "step": step,
        "tokens": job.tokens,
        "adjvec": job.adjvec,
        "accuracy": result and result.accuracy,
        "status": "ok" if result else "failed",
        "reason": outcome.error,
        "seconds": result and round(result.seconds, 3),
        "num_params": result and result.num_params,
    }


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"unknown argument {argv[1]}")
    if FLAGS.preset:
        for name, value in PRESETS[FLAGS.preset].items():
            FLAGS.set_default(name, value)  # what the command line says stays
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        train_and_search()
    except (SearchError, dataset_maker.DatasetError, RunRecordError, DevicesError) as error:
        sys.exit(f"main.py: {error}")
    except Stopped as stopped:
        print(f"main.py: stopped; the same command with --resume goes on (--log_dir={FLAGS.log_dir})")
        sys.exit(stopped.exit_code)


def _stop(signal_number: int, frame) -> None:
    raise Stopped(signal_number)


def train_and_search() -> None:
    config = autodl.child_config_from_flags()
    subset = dataset_maker.load_subset(FLAGS.data_path, FLAGS.chunk_size)
    devices = find_devices(FLAGS.trainers)
    record = RunRecord(FLAGS.log_dir, settings(subset), FLAGS.resume)
    num_steps = FLAGS.num_models // FLAGS.batch_size + 1
    with (
        Progress(num_steps * FLAGS.batch_size - len(record.known), config.early_stop) as progress,
        TrainerPool(
            devices,
            subset,
            config,
            FLAGS.seed,
            FLAGS.retries,
            FLAGS.model_timeout,
            progress.epoch_done,
        ) as pool,
    ):
        progress.print(f"{len(devices)} trainers on {', '.join(sorted(set(devices)))}")
        run_search(pool, record, progress, num_steps)


def settings(subset: dataset_maker.Subset) -> dict[str, Any]:
    """All that the results of a search depend on."""
    images = hashlib.sha256(b"".join(array.tobytes() for array in subset)).hexdigest()
    names = [flag.name for flag in FLAGS.get_key_flags_for_module("autodl")]
    return {"images": images, **{name: FLAGS[name].value for name in names if name not in FREE_FLAGS}}


def run_search(trainers: Trainers, record: RunRecord, progress: Progress, num_steps: int) -> None:
    """Run the search, from its last checkpoint if it has one, until `num_steps` are done."""
    agent = autodl.AutoDLAgent.from_flags(FLAGS.advantage_power)
    first_step = 0
    if record.checkpoint:
        first_step = record.checkpoint.step
        agent.load_state(record.checkpoint.state)
        progress.print(f"going on with step {first_step}; {len(record.known)} models are done")
    reward = TrainingReward(trainers, record, progress, FLAGS.failed_reward)

    def save(step: int, tokens: np.ndarray, adjvec: np.ndarray) -> None:
        record.save_step(step, agent.state(), tokens, adjvec)

    for done in autodl.search(agent, reward, FLAGS.batch_size, num_steps, first_step, save):
        now = time.strftime("%Y-%m-%d %H:%M:%S")
        average = done.rewards.mean()
        progress.print(f"[{now}] step = {done.step}, average accuracy = {average:.3f}")


if __name__ == "__main__":
    autodl.define_agent_flags()
    autodl.define_search_flags()
    flags.DEFINE_enum("preset", None, sorted(PRESETS), "Sizes of a run; single flags win over it.")
    app.run(main)
