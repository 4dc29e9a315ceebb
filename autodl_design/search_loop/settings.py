"""All settings of a search. Each group of flags is a class; `AllSettings` holds one of each.

AllSettings(run=RunSettings(num_models=20), child=ChildSettings(width=8))
"""

import dataclasses
import math
from typing import Any

from autodl_design.policy.layout import count_parameters, steps_of
from autodl_design.search_loop.ladder import RUNS, Rung, ladder_of
from autodl_design.search_space.cells import OPERATION_NAMES
from autodl_design.search_space.child import CURVE_FROM, ChildSettings
from autodl_design.settings.fields import Settings, SettingsError, setting

# Values of many settings by name; a flag on the command line wins over them.
PRESETS: dict[str, dict[str, Any]] = {
    # A newcomer's run: real training at a size at which fourteen steps take minutes on two CPU cores.
    "quick": {"num_nodes": 4, "width": 8, "num_cells": 1, "epochs": 5, "num_models": 140},
    # Ten nodes, and the ranking closest to the default size's for its cost: see study/README.md.
    "small": {"width": 16, "num_cells": 1, "epochs": 2, "train_batch_size": 8, "num_models": 500},
    # The policy, the recipe and the size of the original AutoDL Design.
    "original": {
        "num_models": 10_000,
        "num_nodes": 10,
        "edge_probability": 0.5,
        "shared_heads": False,
        "learning_rate": 1e-3,
        "advantage_power": 3,
        "width": 64,
        "num_stages": 3,
        "num_cells": 3,
        "ratio": 4,
        "shortcut": False,
        "epochs": 20,
        "train_batch_size": 128,
        "lr_max": 0.1,
        "T_0": 200.0,
        "warmup": 0.0,
        "bn_shift": 0.0,
        "dropout_rate": 0.5,
    },
}
# Beyond these a policy fits no machine; the default one has 0.9 million parameters.
MOST_POLICY_PARAMETERS = 200_000_000
MOST_OUTPUTS = 500_000_000  # of all heads, over all steps and architectures of a batch


@dataclasses.dataclass(frozen=True)
class SearchSettings(Settings):
    """Agent and rewards"""

    agent: str = setting(
        "reinforce",
        "Who proposes architectures; regularised evolution, a predictor and random search are there to "
        "compare REINFORCE with.",
        choices=("reinforce", "evolution", "predictor", "random"),
    )
    cache: bool = setting(
        True, "Whether an architecture that describes a network already trained gets that one's accuracy."
    )
    failed_reward: float | None = setting(
        None,
        "Reward of a model that could not be trained; by default that of guessing, 1 / number of classes.",
        low=0,
        high=1,
    )
    params_penalty: float = setting(
        0.0, "Reward taken off for every million parameters of the network.", low=0, high=1e6
    )
    macs_penalty: float = setting(
        0.0,
        "Reward taken off for every million multiply-accumulate operations of the network for an image.",
        low=0,
        high=1e6,
        before=0.0,
    )
    stop_poor: bool = setting(
        False,
        "Whether the training of a model ends after a quarter or half of its epochs where its accuracy is "
        "below the median of models of earlier steps; never of the first 20 models. It needs 10 epochs.",
        before=False,
    )
    final_candidates: int = setting(
        0,
        "At the end, this many networks are trained three times more and ranked by their mean: the best by "
        "reward, and those that a regression on the search's own models ranks highest.",
        low=0,
        high=10_000,
        free=True,
        remembered=True,
    )
    ladder: str | None = setting(
        None,
        "In place of --final_candidates: at the end, networks are trained again at several sizes, fewer at "
        'each. "20x1 epochs=10, 4x2 width=64": 20 once for 10 epochs, the best 4 twice at width 64.',
        free=True,
        remembered=True,
    )


@dataclasses.dataclass(frozen=True)
class StepSettings(Settings):
    """Steps of an agent, and their seed"""

    batch_size: int = setting(
        10, "Architectures sampled for one update of the policy.", low=1, high=100_000
    )
    seed: int = setting(0, "Decides everything that is random.", low=0, high=2**32 - 1)


@dataclasses.dataclass(frozen=True)
class RunSettings(StepSettings):
    """Length and seed of a run"""

    num_models: int = setting(
        10_000,
        "How many models the search has, rounded up to whole steps of --batch_size.",
        low=1,
        high=10**9,
        free=True,
        remembered=True,
    )
    max_minutes: float | None = setting(
        None,
        "Minutes after which the search stops, with exit code 0; --resume goes on with it.",
        above=0,
        high=1e6,
        free=True,
    )

    @property
    def num_steps(self) -> int:
        return math.ceil(self.num_models / self.batch_size)

    @property
    def planned_models(self) -> int:
        """num_models, rounded up to whole steps."""
        return self.num_steps * self.batch_size


@dataclasses.dataclass(frozen=True)
class FilesSettings(Settings):
    """Files, and values for many settings"""

    preset: str | None = setting(
        None,
        "Values for several flags at once; flags given win over it. quick: 4 nodes, width 8, 5 epochs; "
        "small: 10 nodes, width 16, 2 epochs; original: what the original AutoDL Design has.",
        choices=tuple(PRESETS),
        free=True,
    )
    log_dir: str = setting("log", "Directory of the search's files.", free=True)
    resume: bool = setting(False, "Go on with the search in --log_dir, under its settings.", free=True)
    data_path: str = setting(
        "cifar/pickle-cifar-10", "Where dataset_maker.py wrote the images.", free=True, remembered=True
    )
    chunk_size: int | None = setting(
        None,
        "Expected number of images in each of the ten files of --data_path; checked if given.",
        low=1,
        high=10**9,
        free=True,
    )


@dataclasses.dataclass(frozen=True)
class PolicySettings(Settings):
    """The policy and its learning"""

    num_nodes: int = setting(10, "Nodes in a cell.", low=1, high=200)
    num_tokens: int = setting(
        len(OPERATION_NAMES), "Operations to choose from: the first ones of the list.", low=1, high=1000
    )
    # Sparse cells train better than dense ones; heads that all nodes share, this rate and this power learn
    # within 50 updates: see study/README.md and study/replay.py.
    edge_probability: float = setting(
        0.15,
        "Probability of an edge in a random architecture, where any agent starts.",
        above=0,
        below=1,
        before=0.5,
    )
    shared_heads: bool = setting(
        True,
        "Whether all nodes of both cells share the policy's two heads, of tokens and of edges.",
        before=False,
    )
    hidden_size: int = setting(64, "Hidden size of the policy's LSTM.", low=1, high=10_000)
    num_layers: int = setting(2, "Layers of the policy's LSTM.", low=1, high=20)
    input_size: int | None = setting(
        None, "Width of the policy's input; by default as wide as the widest action.", low=1, high=10_000
    )
    learning_rate: float = setting(0.03, "Adam's learning rate for the policy.", above=0, below=1)
    bl_decay: float = setting(0.9, "Decay of the moving-average baseline.", low=0, below=1)
    advantage_power: int = setting(
        1, "The advantage is (reward - baseline) to this odd power.", low=1, high=99, odd=True
    )
    entropy_weight: float = setting(
        0.0, "Weight of the policy's entropy, in nats, in its loss.", low=0, high=1e6
    )

    def check_together(self) -> None:
        N, K = self.num_nodes, self.num_tokens
        if self.input_size is not None and self.input_size < max(N - 1, K):
            raise SettingsError(
                f"input_size {self.input_size} must be at least num_nodes - 1 and num_tokens"
            )
        D = self.input_size or max(N - 1, K)
        count = count_parameters(N, K, D, self.hidden_size, self.num_layers, self.shared_heads)
        if count > MOST_POLICY_PARAMETERS:
            raise SettingsError(
                f"the policy would have {count:,} parameters, more than {MOST_POLICY_PARAMETERS:,}: "
                "choose a smaller num_nodes, hidden_size, num_layers or input_size"
            )


def check_batch_size(run: StepSettings, policy: PolicySettings) -> None:
    """Raises SettingsError where no machine's memory holds what the policy computes for a batch."""
    N, K = policy.num_nodes, policy.num_tokens
    if run.batch_size * len(steps_of(N, K)) * max(N - 1, K) > MOST_OUTPUTS:
        raise SettingsError(f"batch_size {run.batch_size} is too large for {N} nodes")


@dataclasses.dataclass(frozen=True)
class EvolutionSettings(Settings):
    """Regularised evolution (--agent=evolution)"""

    # The paper's 100 and 25 are for 20,000 models. Of a search of 500, a fifth would be random, and an
    # architecture that was only lucky would have children for another fifth.
    population_size: int = setting(
        50,
        "Architectures that live at a time, the newest ones; the first ones are random.",
        low=1,
        high=100_000,
    )
    tournament_size: int = setting(
        10,
        "Members of the population that are drawn for each child; the best of them is its parent.",
        low=1,
        high=10_000,
    )


@dataclasses.dataclass(frozen=True)
class PredictorSettings(Settings):
    """Regression on counts (--agent=predictor)"""

    first_random: int = setting(
        50, "Random architectures before the first prediction.", low=1, high=100_000
    )
    pool_size: int = setting(
        1000,
        "Candidates for each batch: half of them random, half mutations of the best models.",
        low=2,
        high=1_000_000,
    )
    num_parents: int = setting(20, "Best models whose mutations are candidates.", low=1, high=100_000)
    random_share: float = setting(
        0.2, "Share of each batch that is random, whatever is predicted.", low=0, high=1
    )


@dataclasses.dataclass(frozen=True)
class TrainersSettings(Settings):
    """Trainers"""

    trainers: str = setting(
        "auto",
        "Where models are trained: auto, cpu:2 for two trainers on CPUs, gpu:1,2 for GPUs 1 and 2, gpu:1x3 "
        "for three trainers on GPU 1.",
        free=True,
    )
    cluster: str | None = setting(
        None, "Train on a Ray cluster: ray, HOST:6379 or ray://HOST:10001.", free=True
    )
    retries: int = setting(
        2, "How many times a model whose trainer was lost is tried again.", low=0, high=1000, free=True
    )
    model_timeout: float = setting(
        float("inf"),
        "Seconds after which a model's trainer counts as lost.",
        above=0,
        may_be_infinite=True,
        free=True,
    )
    start_timeout: float = setting(
        300.0,
        "Seconds after which a trainer on this machine that is not ready to train counts as lost.",
        above=0,
        free=True,
    )
    deterministic: bool = setting(
        True, "Whether trainers on GPUs compute the same bits twice; without that they may be faster."
    )


@dataclasses.dataclass(frozen=True)
class AllSettings:
    """Raises SettingsError where the groups do not fit each other."""

    search: SearchSettings = SearchSettings()
    run: RunSettings = RunSettings()
    files: FilesSettings = FilesSettings()
    trainers: TrainersSettings = TrainersSettings()
    policy: PolicySettings = PolicySettings()
    evolution: EvolutionSettings = EvolutionSettings()
    predictor: PredictorSettings = PredictorSettings()
    child: ChildSettings = ChildSettings()

    def __post_init__(self) -> None:
        if self.policy.num_tokens > len(OPERATION_NAMES):
            raise SettingsError(
                f"num_tokens {self.policy.num_tokens}: there are {len(OPERATION_NAMES)} operations"
            )
        mutates = self.search.agent in ("evolution", "predictor")
        if mutates and self.policy.num_nodes == self.policy.num_tokens == 1:
            raise SettingsError(
                f"--agent={self.search.agent}: one node and one operation leave nothing to change"
            )
        check_batch_size(self.run, self.policy)
        if self.search.stop_poor and self.child.epochs < CURVE_FROM:
            raise SettingsError(
                f"--stop_poor: a training of {self.child.epochs} epochs is evaluated at its end only; give "
                f"{CURVE_FROM} --epochs or more, or leave --stop_poor out"
            )
        if self.search.ladder and self.search.final_candidates:
            raise SettingsError("--ladder and --final_candidates: name one of them")
        _ = self.rungs

    @property
    def rungs(self) -> list[Rung]:
        """What is trained again after the search. Raises SettingsError where --ladder is none."""
        if self.search.ladder:
            return ladder_of(self.search.ladder, self.child, PRESETS)
        count = self.search.final_candidates
        return [Rung(count, RUNS, "", self.child)] if count else []

    @classmethod
    def of(cls, preset: str | None = None, **values: Any) -> "AllSettings":
        """Settings by the names of their flags: AllSettings.of(preset="quick", log_dir="log")."""
        values = {**PRESETS.get(preset or "", {}), "preset": preset, **values}
        groups: list[Any] = []
        for group in cls.classes():
            names = {field.name for field in dataclasses.fields(group)}
            groups.append(group(**{name: values.pop(name) for name in names & values.keys()}))
        if values:
            raise SettingsError(f"there is no setting {min(values)}")
        return cls(*groups)

    @classmethod
    def classes(cls) -> tuple[type[Settings], ...]:
        return tuple(type(getattr(cls, field.name)) for field in dataclasses.fields(cls))

    @property
    def groups(self) -> tuple[Settings, ...]:
        return tuple(getattr(self, field.name) for field in dataclasses.fields(self))

    def of_results(self) -> dict[str, Any]:
        """The settings on which results depend, by name."""
        return {
            field.name: getattr(group, field.name)
            for group in self.groups
            for field in dataclasses.fields(group)
            if not field.metadata["free"]
            and (group is not self.evolution or self.search.agent == "evolution")
            and (group is not self.predictor or self.search.agent == "predictor")
        }

    def to_remember(self) -> dict[str, Any]:
        """Free settings that a resumed search keeps unless the command line changes them."""
        return {
            field.name: getattr(group, field.name)
            for group in self.groups
            for field in dataclasses.fields(group)
            if field.metadata["remembered"]
        }

    @classmethod
    def kept_names(cls) -> set[str]:
        """The settings that a resumed search takes from the one before: those on which results depend, and
        those to remember."""
        return {
            field.name
            for group in cls.classes()
            for field in dataclasses.fields(group)
            if not field.metadata["free"] or field.metadata["remembered"]
        }

    @classmethod
    def of_earlier_searches(cls) -> dict[str, Any]:
        """The values, in searches made before some settings existed, of these settings."""
        return {
            field.name: field.metadata["before"]
            for group in cls.classes()
            for field in dataclasses.fields(group)
            if field.metadata["before"] is not dataclasses.MISSING
        }
