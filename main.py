"""The search: a REINFORCE agent proposes networks, trainers train them, their accuracy is the reward.

    python dataset_maker.py
    python main.py                  # hours on a GPU
    python main.py --preset=quick   # minutes on a laptop

Prints every step's average accuracy and writes one JSON object a model to LOG_DIR/history.jsonl.
"""

import sys
import time

import numpy as np
from absl import app, flags

import autodl
import dataset_maker
import run_record
import trainer_pool
from progress import Progress

FLAGS = flags.FLAGS

# A newcomer's run: real training at a size at which ten steps take minutes on two CPU cores.
PRESETS = {
    "quick": {
        "num_nodes": 4,
        "width": 8,
        "num_cells": 1,
        "early_stop": 8,
        "T_0": 8.0,
        "num_models": 99,
    },
}


class SearchError(Exception):
    """A search that cannot go on; the text is for the user."""


class TrainingReward:
    """The reward of an architecture is the accuracy of the network it describes, once trained."""

    def __init__(
        self,
        pool: trainer_pool.TrainerPool,
        history: run_record.History,
        progress: Progress,
        failed_reward: float,
    ):
        self.pool = pool
        self.history = history
        self.progress = progress
        self.failed_reward = failed_reward

    def __call__(self, step: int, tokens: np.ndarray, adjvec: np.ndarray) -> np.ndarray:
        """Rewards [B] of a step's architectures, row by row; raises SearchError where all failed."""
        first_mid = step * len(tokens)
        jobs = [
            trainer_pool.Job(first_mid + row, tokens[row].tolist(), adjvec[row].tolist())
            for row in range(len(tokens))
        ]
        rewards = np.full(len(tokens), self.failed_reward)
        failures = []
        for job, outcome in self.pool.run(jobs):
            accuracy = outcome.result.accuracy if outcome.result else None
            if outcome.result:
                rewards[job.mid - first_mid] = accuracy
            else:
                failures.append(outcome.error)
            self.history.append(
                {
                    "mid": job.mid,
                    "step": step,
                    "tokens": job.tokens,
                    "adjvec": job.adjvec,
                    "accuracy": accuracy,
                    "status": "ok" if outcome.result else "failed",
                    "reason": outcome.error,
                    "seconds": outcome.result and round(outcome.result.seconds, 3),
                    "num_params": outcome.result and outcome.result.num_params,
                }
            )
            self.progress.model_done(step, job.mid, accuracy, outcome.error)
        if len(failures) == len(jobs):
            raise SearchError(f"every model of step {step} failed; the last one: {failures[-1]}")
        return rewards


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"unknown argument {argv[1]}")
    if FLAGS.preset:
        for name, value in PRESETS[FLAGS.preset].items():
            FLAGS.set_default(name, value)  # what the command line says stays
    try:
        run()
    except (
        SearchError,
        dataset_maker.DatasetError,
        run_record.RunRecordError,
        trainer_pool.DevicesError,
    ) as error:
        sys.exit(f"main.py: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def run() -> None:
    config = autodl.child_config_from_flags()
    subset = dataset_maker.load_subset(FLAGS.data_path, FLAGS.chunk_size)
    devices = trainer_pool.find_devices(FLAGS.trainers)
    history = run_record.History(FLAGS.log_dir)
    steps = FLAGS.num_models // FLAGS.batch_size + 1
    with (
        Progress(steps * FLAGS.batch_size, config.early_stop) as progress,
        trainer_pool.TrainerPool(
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
        agent = autodl.AutoDLAgent.from_flags(advantage_power=FLAGS.advantage_power)
        reward = TrainingReward(pool, history, progress, FLAGS.failed_reward)
        for done in autodl.search(agent, FLAGS.batch_size, reward):
            now = time.strftime("%Y-%m-%d %H:%M:%S")
            average = done.rewards.mean()
            progress.print(f"[{now}] step = {done.step}, average accuracy = {average:.3f}")
            if done.step + 1 == steps:
                break


if __name__ == "__main__":
    autodl.define_agent_flags()
    autodl.define_search_flags()
    flags.DEFINE_enum("preset", None, sorted(PRESETS), "Sizes of a run; single flags win over it.")
    app.run(main)
