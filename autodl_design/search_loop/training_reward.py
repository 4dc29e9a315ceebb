"""From architectures to rewards: train what was not trained before, and keep a record of it.

reward = TrainingReward(record, progress, ChildSettings(), 0, accuracy_less_size(0.0, 0.0))
reward.trainers = trainers
rewards = reward(step, tokens, adjvec)
"""

import inspect
from collections.abc import Callable

import numpy as np

from autodl_design.record.best import best_by_reward
from autodl_design.record.history import ModelRecord
from autodl_design.record.search_record import SearchRecord
from autodl_design.search_loop.best_file import write_best
from autodl_design.search_loop.progress import Progress
from autodl_design.search_loop.stop_poor import hurdles_of
from autodl_design.search_space.architecture import Architecture
from autodl_design.search_space.child import ChildSettings
from autodl_design.search_space.image_origin import ImageOrigin
from autodl_design.trainers.job import Job, Outcome, Trainers

# What the agent is to maximise, as a function of a network's accuracy, its number of parameters and its
# MACs (multiply-accumulate operations for an image), or of the first two of them. Not of time, which
# differs from run to run: a resumed search would not be the same search any more.
RewardOf = Callable[..., float]
DEFAULT_REWARD = "accuracy_less_parameters"  # how files name the default one, from before it knew MACs


class SearchError(Exception):
    """A search that cannot go on; the text is for the user."""


def name_of(reward_of: RewardOf) -> str:
    """By which a resumed search knows that it has the reward it began with: an attribute `name`, or what a
    function that depends on nothing else was defined as. Raises SearchError where there is neither."""
    name = getattr(reward_of, "name", None)
    if isinstance(name, str) and name:
        return name
    if inspect.isfunction(reward_of) and reward_of.__name__ != "<lambda>":
        if not (reward_of.__closure__ or reward_of.__defaults__ or reward_of.__kwdefaults__):
            return reward_of.__name__
    raise SearchError(
        "the reward is a lambda, an object, or a function with values of its own, which a resumed search "
        'could not tell from another: give it a name that says which it is, as in reward_of.name = "half"'
    )


def accuracy_less_size(params_penalty: float, macs_penalty: float) -> RewardOf:
    """What every million parameters and every million MACs cost."""

    def accuracy_less_size(accuracy: float, num_params: int, macs: int) -> float:
        return accuracy - params_penalty * num_params / 1e6 - macs_penalty * macs / 1e6

    return accuracy_less_size


def reward_from(reward_of: RewardOf, accuracy: float, num_params: int, macs: int) -> float:
    """Where accuracy and parameters are enough for `reward_of` to be called, it does not get the MACs."""
    try:
        inspect.signature(reward_of).bind(accuracy, num_params)
    except TypeError:
        return float(reward_of(accuracy, num_params, macs))
    except ValueError:  # a function in C may not say what it takes
        pass
    return float(reward_of(accuracy, num_params))


class TrainingReward:
    """The reward of an architecture is that of the network it describes, once trained.

    LOG_DIR/best.json holds the best architecture so far, with `config`, `seed` and `images`.

    Models that the record knows, from before a search was interrupted, are not trained again. If `cache`,
    an architecture that describes a network already trained is not trained either; it gets that network's
    accuracy. A model that could not be trained has the reward `failed_reward`. stop_poor: see stop_poor.py.
    """

    trainers: Trainers  # to be set before the first call

    def __init__(
        self,
        record: SearchRecord,
        progress: Progress,
        config: ChildSettings,
        seed: int,
        reward_of: RewardOf,
        failed_reward: float = 0.1,
        cache: bool = True,
        images: ImageOrigin | None = None,
        stop_poor: bool = False,
    ):
        self.record = record
        self.progress = progress
        self.config = config
        self.seed = seed
        self.reward_of = reward_of
        self.failed_reward = failed_reward
        self.cache = cache
        self.images = images
        self.stop_poor = stop_poor
        self.trained: dict[str, int] = {}  # mids of the networks that have a result, by network_id
        for model in record.known.values():
            self._remember(model)
        self.best: ModelRecord | None = None
        for model in best_by_reward(record.known.values(), 1):
            self.best = model
        self.write_best()

    def __call__(self, step: int, tokens: np.ndarray, adjvec: np.ndarray) -> np.ndarray:
        """Rewards [B] of a step's architectures, row by row; raises SearchError where all failed."""
        architectures = Architecture.of_batch(tokens, adjvec)
        models = self.record.known.values()
        hurdles = hurdles_of(models, step, self.config) if self.stop_poor else ()
        jobs = [
            Job(mid, architecture, hurdles=hurdles)
            for mid, architecture in enumerate(architectures, step * len(tokens))
        ]
        networks = {job.mid: job.architecture.network_id(self.config.num_stages) for job in jobs}
        while waiting := [job for job in jobs if job.mid not in self.record.known]:
            for job, outcome in self.trainers.run(self._to_train(step, waiting, networks)):
                self._done(self.model_record(step, job, outcome)._replace(network=networks[job.mid]))
        of_step = [self.record.known[job.mid] for job in jobs]
        if all(model.failed for model in of_step):
            raise SearchError(
                f"every model of step {step} failed; the last one: {of_step[-1].reason}. To try "
                f"them again take their lines out of {self.record.files.history} and --resume"
            )
        return np.array([model.reward for model in of_step])

    def _to_train(self, step: int, waiting: list[Job], networks: dict[int, str]) -> list[Job]:
        """The first job of each network that nobody has trained yet. The others are done where the network
        is known; else they wait until the first one of theirs is trained, or failed."""
        if not self.cache:
            return waiting
        first: dict[str, Job] = {}
        for job in waiting:
            network = networks[job.mid]
            if network in self.trained:
                self._done(_cached_record(step, job, self.record.known[self.trained[network]]))
            else:
                first.setdefault(network, job)
        return list(first.values())

    def _done(self, model: ModelRecord) -> None:
        self.record.append(model)
        self._remember(model)
        if model.trained and (self.best is None or model.reward > self.best.reward):
            self.best = model
            self.write_best()
        self.progress.model_done(model)

    def _remember(self, model: ModelRecord) -> None:
        if (model.trained or model.stopped) and model.network:
            self.trained[model.network] = model.mid

    def write_best(self) -> None:
        write_best(self.record, self.config, self.seed, self.images)

    def model_record(self, step: int, job: Job, outcome: Outcome) -> ModelRecord:
        return model_record(step, job, outcome, self.reward_of, self.failed_reward)


def model_record(
    step: int, job: Job, outcome: Outcome, reward_of: RewardOf, failed_reward: float
) -> ModelRecord:
    """Of a model that was trained or could not be trained."""
    failed = ModelRecord(
        mid=job.mid,
        step=step,
        architecture=job.architecture,
        accuracy=None,
        reward=failed_reward,
        status="failed",
        reason=outcome.error,
        seconds=None,
        num_params=None,
    )
    if (result := outcome.result) is None:
        return failed
    accuracy, status, reason = result.accuracy, "ok", None
    if hurdle := result.stopped:
        accuracy, status = min(max(accuracy + hurdle.gain, 0.0), 1.0), "stopped"
        reason = f"after epoch {hurdle.epoch} with {result.accuracy:.3f}, below {hurdle.accuracy:.3f}"
    return failed._replace(
        accuracy=accuracy,
        reward=reward_from(reward_of, accuracy, result.num_params, result.macs),
        status=status,
        reason=reason,
        seconds=round(result.seconds, 3),
        num_params=result.num_params,
        macs=result.macs,
        curve=result.curve or None,
    )


def _cached_record(step: int, job: Job, trained: ModelRecord) -> ModelRecord:
    return trained._replace(
        mid=job.mid,
        step=step,
        architecture=job.architecture,
        status="cached",
        reason=f"the network of model {trained.mid}",
        seconds=0.0,
    )
