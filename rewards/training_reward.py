"""From architectures to rewards: train what was not trained before, and keep a record of it.

    reward = TrainingReward(trainers, record, progress)
    rewards = reward(step, tokens, adjvec)

Another reward is another `reward_of`.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import numpy as np
from absl import flags

from autodl import child_config_from_flags
from record.files import JsonLinesWriter, read_json_lines
from record.progress import Progress
from record.search_record import RunRecord, mean_of_runs
from search_space.architecture_file import write_architecture
from search_space.network_id import network_id
from trainers.job import Job, Outcome

FLAGS = flags.FLAGS

FINAL_RUNS = 3  # of each of --final_candidates


class SearchError(Exception):
    """A search that cannot go on; the text is for the user."""


class Trainers(Protocol):
    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Outcome]]: ...


def reward_of(model: dict[str, Any]) -> float:
    """What the agent is to maximise: a function of the record of a model that could be trained."""
    return model["accuracy"] - FLAGS.params_penalty * model["num_params"] / 1e6


class TrainingReward:
    """The reward of an architecture is that of the network it describes, once trained.

    LOG_DIR/best.json holds the architecture of the highest reward so far.

    Models that the record knows, from before a search was interrupted, are not trained again. Nor, if
    `cache`, are architectures that describe a network already trained; they get its accuracy.
    """

    def __init__(self, trainers: Trainers, record: RunRecord, progress: Progress):
        self.trainers = trainers
        self.record = record
        self.progress = progress
        self.trained: dict[str, int] = {}  # mids of the networks that were trained, by network_id
        for model in record.known.values():
            self._remember(model)
        self.best: dict[str, Any] | None = None
        for model in best_models(record, 1):
            self._keep_best(model)

    def __call__(self, step: int, tokens: np.ndarray, adjvec: np.ndarray) -> np.ndarray:
        """Rewards [B] of a step's architectures, row by row; raises SearchError where all failed."""
        first_mid = step * len(tokens)
        jobs = [
            Job(first_mid + row, tokens[row].tolist(), adjvec[row].tolist())
            for row in range(len(tokens))
        ]
        waiting = [job for job in jobs if job.mid not in self.record.known]
        networks = {job.mid: network_id(job.tokens, job.adjvec, FLAGS.num_stages) for job in waiting}
        while waiting:
            # Of those that describe one network only the first is trained; the others then find it, or,
            # if it failed, take their turn.
            unknown: dict[str | int, Job] = {}
            for job in waiting:
                network = networks[job.mid]
                if FLAGS.cache and network in self.trained:
                    self._done(_cached_record(step, job, self.record.known[self.trained[network]]))
                else:
                    unknown.setdefault(network if FLAGS.cache else job.mid, job)
            for job, outcome in self.trainers.run(unknown.values()):
                self._done({**_model_record(step, job, outcome), "network": networks[job.mid]})
            waiting = [job for job in waiting if job.mid not in self.record.known]
        models = [self.record.known[job.mid] for job in jobs]
        if all(model["status"] == "failed" for model in models):
            raise SearchError(
                f"every model of step {step} failed; the last one: {models[-1]['reason']}. To try "
                f"them again take their lines out of {self.record.history_path} and --resume"
            )
        return np.array([model["reward"] for model in models])

    def _done(self, model: dict[str, Any]) -> None:
        self.record.append(model)
        self._remember(model)
        if model["status"] == "ok" and (self.best is None or model["reward"] > self.best["reward"]):
            self._keep_best(model)
        self.progress.model_done(model)

    def _remember(self, model: dict[str, Any]) -> None:
        if model["status"] == "ok":
            self.trained[model["network"]] = model["mid"]

    def _keep_best(self, model: dict[str, Any]) -> None:
        self.best = model
        path = self.record.directory / "best.json"
        write_architecture(path, model, child_config_from_flags(), FLAGS.seed)


def _model_record(step: int, job: Job, outcome: Outcome) -> dict[str, Any]:
    result = outcome.result
    model = {
        "mid": job.mid,
        "step": step,
        "tokens": job.tokens,
        "adjvec": job.adjvec,
        "accuracy": result and result.accuracy,
        "reward": FLAGS.failed_reward,
        "status": "ok" if result else "failed",
        "reason": outcome.error,
        "seconds": result and round(result.seconds, 3),
        "num_params": result and result.num_params,
    }
    if result:
        model["reward"] = reward_of(model)
    return model


def _cached_record(step: int, job: Job, trained: dict[str, Any]) -> dict[str, Any]:
    return {
        **trained,
        "mid": job.mid,
        "step": step,
        "tokens": job.tokens,
        "adjvec": job.adjvec,
        "status": "cached",
        "reason": f"the network of model {trained['mid']}",
        "seconds": 0.0,
    }


def best_models(record: RunRecord, count: int) -> list[dict[str, Any]]:
    """Those of the highest reward, the best first."""
    trained = [model for model in record.known.values() if model["status"] == "ok"]
    return sorted(trained, key=lambda model: (-model["reward"], model["mid"]))[:count]


def train_candidates(trainers: Trainers, record: RunRecord, progress: Progress) -> None:
    """Train the best models of a search again, FINAL_RUNS times from other random numbers, and rank them by
    the mean: the accuracy that made them the best of many is partly luck."""
    path = record.directory / "final_candidates.jsonl"
    known = read_json_lines(path) if path.exists() else []
    accuracies = {(run["mid"], run["run"]): run["accuracy"] for run in known}
    file = JsonLinesWriter(path)
    candidates = best_models(record, FLAGS.final_candidates)
    jobs = [
        Job(model["mid"], model["tokens"], model["adjvec"], run)
        for model in candidates
        for run in range(1, FINAL_RUNS + 1)
        if (model["mid"], run) not in accuracies
    ]
    for job, outcome in trainers.run(jobs):
        model = {**_model_record(record.known[job.mid]["step"], job, outcome), "run": job.run}
        file.append(model)
        progress.model_done(model)
        accuracies[job.mid, job.run] = model["accuracy"]

    ranking = []
    for model in candidates:
        runs = [accuracies[model["mid"], run] for run in range(1, FINAL_RUNS + 1)]
        ranking.append((*mean_of_runs(runs), model))
    progress.print(f"The {len(ranking)} best, by their mean accuracy over {FINAL_RUNS} more runs:")
    for mean, told, model in sorted(ranking, key=lambda entry: -entry[0]):
        progress.print(
            f"  model {model['mid']}: mean {mean:.3f} ({told}); in the search {model['accuracy']:.3f}"
        )
