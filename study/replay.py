"""Agents on a surrogate of child training: a search of 500 models in seconds.

    python -m study.replay --agent=reinforce --learning_rate=0.005 --num_models=500 --seeds=10

Takes main.py's flags of the agents; --agent=tpe is that of study/tpe_agent.py. After every hundred
models it prints two means over the seeds, with their standard errors: the accuracy of what the agent
proposed among them, and that of the model that looked best so far. Both are without noise; the agent sees
accuracies with noise. "sd" counts in standard deviations of random architectures from their mean. The
errors are those over the seeds on one surrogate; how far the surrogate is from training is not in them.

The surrogate is a regression on recorded architectures, as NAS-Bench-301 is (Zela et al. 2022, "Surrogate
NAS benchmarks"). Its trees average recorded accuracies, so it predicts nothing above them, and its
predictions vary less than the true accuracies do. The first line says how good it is: Kendall's tau
between recorded accuracies of each search and what a surrogate of the other searches predicts. An agent
that is tuned here has to be confirmed by real training on other seeds.
"""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor

import autodl
import main as search_script
from autodl_design.agents.random_search import random_architectures
from autodl_design.record.history import ModelRecord
from autodl_design.report_page.statistics import trained
from autodl_design.search_loop.settings import (
    PRESETS,
    AllSettings,
    EvolutionSettings,
    PolicySettings,
    PredictorSettings,
    RunSettings,
    SearchSettings,
)
from autodl_design.search_space.architecture import Architecture
from autodl_design.search_space.cells import OPERATION_NAMES, Cell
from autodl_design.settings import command_line
from autodl_design.settings.fields import Settings, SettingsError, setting
from autodl_design.settings.flags import define_flags, from_flags
from study.compare_agents import WINDOW
from study.records import ERRORS, SMALL, read_searches
from study.statistics import mean_and_error, tau_b


@dataclasses.dataclass(frozen=True)
class ReplaySettings(Settings):
    """The replays"""

    agent: str = setting(
        "reinforce", "Who proposes.", choices=("reinforce", "evolution", "predictor", "random", "tpe")
    )
    histories: str = setting(
        str(SMALL), "Directories of searches.zip to which the surrogate is fitted, separated by commas."
    )
    seeds: int = setting(5, "Searches, from --seed on.", low=2, high=1000)
    noise: float = setting(
        0.02, "Standard deviation of the accuracy between trainings of one network.", low=0, high=1
    )


GROUPS = (ReplaySettings, RunSettings, PolicySettings, EvolutionSettings, PredictorSettings)


def features(architecture: Architecture) -> np.ndarray:
    """What an accuracy is predicted from, [F]. For either cell, how often each operation occurs: in all
    nodes, in nodes that feed no other, in nodes that no other feeds, and weighted with the nodes' depths;
    and how many nodes of these kinds, edges and layers there are."""
    return np.concatenate([_cell_features(cell) for cell in architecture.cells()])


def _cell_features(cell: Cell) -> np.ndarray:
    depths = cell.depths
    operation = np.array([OPERATION_NAMES.index(name) for name in cell.operations])
    one_hot = np.eye(len(OPERATION_NAMES))[operation]  # [N, 10]
    is_leaf = np.isin(np.arange(len(depths)), cell.leaves)
    num_inputs = np.array([len(inputs) for inputs in cell.inputs])
    weights = np.array([np.ones(len(depths)), is_leaf, num_inputs == 0, depths])
    counts = [is_leaf.sum(), (num_inputs == 0).sum(), num_inputs.sum(), max(depths), sum(depths)]
    return np.concatenate([(weights @ one_hot).ravel(), counts])


class Surrogate:
    """Fitted to models that were trained, all of them of one number of nodes."""

    def __init__(self, models: Sequence[ModelRecord]):
        self.trees = ExtraTreesRegressor(300, min_samples_leaf=3, max_features=0.5, random_state=0)
        inputs = [features(model.architecture) for model in models]
        self.trees.fit(inputs, [model.accuracy for model in models])

    def mean(self, tokens: np.ndarray, adjvec: np.ndarray) -> np.ndarray:
        """Expected accuracies [B] of architectures tokens [B, 2N], adjvec [B, N(N-1)]."""
        return self.trees.predict(list(map(features, Architecture.of_batch(tokens, adjvec))))


class SurrogateReward:
    """As rewards.TrainingReward: a network that was evaluated before has the same accuracy again."""

    def __init__(self, surrogate: Surrogate, noise: float, num_stages: int, seed: int):
        self.surrogate = surrogate
        self.noise = noise
        self.num_stages = num_stages
        self.rng = np.random.default_rng([seed, 1])
        self.known: dict[str, float] = {}
        self.expected: list[float] = []  # of all proposals, without noise
        self.seen: list[float] = []

    def __call__(self, step: int, tokens: np.ndarray, adjvec: np.ndarray) -> np.ndarray:
        expected = self.surrogate.mean(tokens, adjvec)
        runs = expected + self.rng.normal(0, self.noise, len(expected))
        rewards = [
            self.known.setdefault(architecture.network_id(self.num_stages), run)
            for architecture, run in zip(Architecture.of_batch(tokens, adjvec), runs, strict=True)
        ]
        self.expected += expected.tolist()
        self.seen += rewards
        return np.array(rewards)


def tpe_maker() -> Callable[[AllSettings], autodl.Agent]:
    """Raises SettingsError without Optuna, which no other agent needs."""
    try:
        from study.tpe_agent import TpeAgent
    except ImportError as error:
        raise SettingsError(
            f"--agent=tpe needs `pip install -r requirements/bench.txt` ({error})"
        ) from error

    def make(settings: AllSettings) -> TpeAgent:
        policy = settings.policy
        return TpeAgent(policy.num_nodes, policy.num_tokens, settings.run.seed, policy.edge_probability)

    return make


def replay(
    make: Callable[[AllSettings], autodl.Agent],
    settings: AllSettings,
    surrogate: Surrogate,
    noise: float,
    seed: int,
) -> SurrogateReward:
    """A whole search; what it proposed and saw."""
    settings = dataclasses.replace(settings, run=dataclasses.replace(settings.run, seed=seed))
    reward = SurrogateReward(surrogate, noise, settings.child.num_stages, seed)
    num_steps = settings.run.num_steps
    for _ in autodl.search(make(settings), reward, settings.run.batch_size, num_steps):
        pass
    return reward


def curves(reward: SurrogateReward) -> tuple[np.ndarray, np.ndarray]:
    """After every WINDOW models: the mean of what was proposed in them; the expected accuracy of the model
    that looked best so far."""
    expected, seen = np.array(reward.expected), np.array(reward.seen)
    ends = range(WINDOW, len(expected) + 1, WINDOW)
    means = [expected[end - WINDOW : end].mean() for end in ends]
    return np.array(means), np.array([expected[seen[:end].argmax()] for end in ends])


def fit_of_others(searches: list[list[ModelRecord]]) -> float:
    """Mean over the searches of the tau that the top of the file describes; NaN for a single one."""
    taus = []
    for left_out in searches if len(searches) > 1 else []:
        others = [model for search in searches if search is not left_out for model in search]
        columns = zip(*((*model.architecture, model.accuracy) for model in left_out), strict=True)
        tokens, adjvec, accuracy = map(np.array, columns)
        taus.append(tau_b(Surrogate(others).mean(tokens, adjvec), accuracy))
    return float(np.mean(taus)) if taus else float("nan")


def main(arguments: list[str]) -> None:
    config, run, policy, evolution, predictor = map(from_flags, GROUPS)
    is_tpe = config.agent == "tpe"  # which main.py does not have
    search = SearchSettings(agent="random" if is_tpe else config.agent)
    settings = AllSettings(search, run, policy=policy, evolution=evolution, predictor=predictor)
    make = tpe_maker() if is_tpe else search_script.make_agent
    archives = [read_searches(Path(directory)) for directory in config.histories.split(",")]
    searches = [
        trained(models) for by_agent in archives for seeds in by_agent.values() for models in seeds.values()
    ]
    models = [model for search in searches for model in search]
    N, K = policy.num_nodes, policy.num_tokens
    if any(model.architecture.num_nodes != N for model in models):
        raise SettingsError(f"--num_nodes={N}, but --histories={config.histories} has other cells")
    if run.num_models < WINDOW:
        raise SettingsError(f"--num_models must be at least {WINDOW}")

    surrogate = Surrogate(models)
    rng = np.random.default_rng(2**32)
    expected = surrogate.mean(*random_architectures(rng, 1000, N, K, policy.edge_probability))
    print(f"a surrogate of {len(models)} models; tau on searches left out: {fit_of_others(searches):.2f}")
    print(f"random architectures: mean {expected.mean():.4f}, sd {expected.std():.4f}")
    replays = [
        curves(replay(make, settings, surrogate, config.noise, run.seed + number))
        for number in range(config.seeds)
    ]
    mean, error = mean_and_error(np.array(replays))  # [2, windows] each
    print("models  proposed  +-        sd    best    +-")
    for index in range(mean.shape[1]):
        (proposed, best), (proposed_error, best_error) = mean[:, index], error[:, index]
        sd = (proposed - expected.mean()) / expected.std()
        print(
            f"{WINDOW * (index + 1):6}  {proposed:.4f}    {proposed_error:.4f}  {sd:5.2f}"
            f"  {best:.4f}  {best_error:.4f}"
        )


if __name__ == "__main__":
    define_flags(*GROUPS, num_models=PRESETS["small"]["num_models"])
    command_line.start(main, GROUPS, ERRORS)
