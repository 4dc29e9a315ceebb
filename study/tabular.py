"""The agents, unchanged, on tables of networks that others have trained: a search takes a second.

    pip install -r requirements/bench.txt
    python -m study.tabular --benchmark=nas-bench-graph:cora --agent=reinforce,random --seeds=5
    python -m study.tabular --output=study/records/tabular.csv.gz   # all there is, two hours of one core
    python -m study.tabular_tables                                                      # shows that file

study/tabular_benchmarks.py says what the tables are and how architectures are mapped to them. A search is
520 evaluations in steps of 10, 2 % of the networks of nas-bench-graph, as Qin et al. 2022 have it.

--reward=test is the published way: the agent sees test accuracies, and the result is the best it has seen.
--reward=validation keeps the test out of the search: the result is the test accuracy of the network whose
validation accuracy is best.

--count=proposals: what is proposed again counts again. --count=networks: it does not, as it costs no
training in main.py; a search goes on until it has seen 520 different networks, at most ten times as long.
Half of an architecture means nothing to the tables, so agents that change little at a time propose much of
what they have proposed before.

The flags of the agents are those of main.py, with DEFAULTS. These were chosen by the best validation
accuracy on citeseer, the mean of 20 seeds: for REINFORCE (proposals) from learning rates of 0.01, 0.03 and
0.1 with either kind of heads, for evolution (mean of both counts) from populations of 20, 50 and 100 with
tournaments of 2, 3, 5 and 10. The predictor was not tuned here.
"""

import dataclasses
import math
from collections.abc import Hashable
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import autodl
from autodl_design.search_loop.settings import (
    AllSettings,
    EvolutionSettings,
    PolicySettings,
    PredictorSettings,
)
from autodl_design.settings import command_line
from autodl_design.settings.fields import Settings, SettingsError, setting
from autodl_design.settings.flags import FLAGS, define_flags, from_flags
from main import make_agent
from study.records import ERRORS
from study.rows import chosen, read_rows, write_rows
from study.tabular_benchmarks import NAMES, Benchmark, BenchmarkError, Trained, open_benchmark

AGENTS = ("reinforce", "evolution", "predictor", "random")
REWARDS = ("test", "validation")
COUNTS = ("proposals", "networks")
BATCH_SIZE = 10
GROUPS = (PolicySettings, EvolutionSettings, PredictorSettings)  # of the agents' settings
DEFAULTS: dict[str, Any] = {
    "edge_probability": 0.5,
    "shared_heads": False,
    "learning_rate": 0.03,
    "advantage_power": 1,
    "population_size": 20,
    "tournament_size": 2,
}
LAST = 100  # proposals, whose mean shows what an agent has learnt


@dataclasses.dataclass(frozen=True)
class TabularSettings(Settings):
    """The searches"""

    benchmark: str = setting("all", f"All, or some of them, separated by commas: {', '.join(NAMES)}.")
    agent: str = setting("all", f"All, or some of them: {', '.join(AGENTS)}.")
    reward: str = setting("all", "Which accuracy the agent sees: all, or test or validation.")
    count: str = setting("all", "What counts as an evaluation: all, or proposals or networks.")
    evaluations: int = setting(520, "Evaluations of a search.", low=10, high=100_000)
    seeds: int = setting(50, "Searches of each agent, from seed 0 on.", low=1, high=10_000)
    output: str | None = setting(
        None, "A .csv.gz file that gets one row a search. Rows of other searches in it stay."
    )


class Result(NamedTuple):
    """Of one search. Accuracies lie between 0 and 1; validation ones are NaN where a table has one accuracy
    of each network only."""

    benchmark: str
    reward: str  # which accuracy the agent sees, of REWARDS
    count: str  # what counts as an evaluation, of COUNTS
    agent: str
    seed: int
    best_test: float  # that was seen
    best_validation: float
    test_of_best_validation: float
    last_reward: float  # mean of the last LAST proposals
    proposals: int
    networks: int  # different ones among them


def run_search(
    name: str, benchmark: Benchmark, reward: str, count: str, settings: AllSettings, evaluations: int
) -> Result:
    """A search with one seed; `settings` are those of the agent."""
    seen: list[Trained] = []
    networks: dict[Hashable, Trained] = {}

    def evaluate(step: int, tokens: np.ndarray, adjvec: np.ndarray) -> np.ndarray:
        batch = [benchmark.look_up(*row) for row in zip(tokens.tolist(), adjvec.tolist(), strict=True)]
        seen.extend(batch)
        networks.update((trained.network, trained) for trained in batch)
        return np.array([getattr(trained, reward) for trained in batch])

    steps = math.ceil(evaluations / BATCH_SIZE)
    most = steps if count == "proposals" else 10 * steps
    for _ in autodl.search(make_agent(settings), evaluate, BATCH_SIZE, most):
        if count == "networks" and len(networks) >= evaluations:
            break
    counted = seen if count == "proposals" else list(networks.values())
    test = np.array([trained.test for trained in counted[:evaluations]])
    validation = np.array([trained.validation for trained in counted[:evaluations]], float)  # None: NaN
    return Result(
        name,
        reward,
        count,
        settings.search.agent,
        settings.run.seed,
        test.max(),
        validation.max(),
        np.nan if np.isnan(validation).any() else test[validation.argmax()],
        np.mean([getattr(trained, reward) for trained in seen[-LAST:]]),
        len(seen),
        len(networks),
    )


def settings_of(agent: str, benchmark: Benchmark, seed: int, **values: Any) -> AllSettings:
    """values: settings of the agents by name, in the place of DEFAULTS. Raises SettingsError."""
    values = {**DEFAULTS, **values, "num_nodes": benchmark.num_nodes, "num_tokens": benchmark.num_tokens}
    return AllSettings.of(agent=agent, seed=seed, batch_size=BATCH_SIZE, **values)


def main(arguments: list[str]) -> None:
    config = from_flags(TabularSettings)
    if FLAGS["num_nodes"].present or FLAGS["num_tokens"].present:
        raise SettingsError("--num_nodes and --num_tokens are those of the benchmark")
    fields = (field for group in GROUPS for field in dataclasses.fields(group))
    values = {field.name: FLAGS[field.name].value for field in fields}
    names, rewards = chosen("benchmark", config.benchmark, NAMES), chosen("reward", config.reward, REWARDS)
    counts, agents = chosen("count", config.count, COUNTS), chosen("agent", config.agent, AGENTS)
    output = Path(config.output) if config.output else None
    earlier = read_rows(output, Result) if output and output.exists() else []
    kept = {result[:5]: result for result in earlier}
    print(HEADING)
    for name in names:
        benchmark = open_benchmark(name)
        for reward, count, agent in product(rewards, counts, agents):
            if reward == "validation" and name == "nas-bench-201":
                continue  # it has one accuracy of each network
            results = []
            for seed in range(config.seeds):
                settings = settings_of(agent, benchmark, seed, **values)
                results.append(run_search(name, benchmark, reward, count, settings, config.evaluations))
            print_means(results)
            if output:
                kept |= {result[:5]: result for result in results}
                write_rows(output, Result, kept.values())


HEADING = (
    "benchmark                  reward      count      agent      best test  best validation  its test"
    "  last 100  proposals  networks"
)


def print_means(results: list[Result]) -> None:
    first = results[0]
    test, validation, its_test, last, proposals, networks = np.mean(
        [result[5:] for result in results], axis=0
    )
    print(
        f"{first.benchmark:25}  {first.reward:10}  {first.count:9}  {first.agent:9}  {test:9.2%}"
        f"  {validation:15.2%}  {its_test:8.2%}  {last:8.2%}  {proposals:9.0f}  {networks:8.0f}",
        flush=True,
    )


if __name__ == "__main__":
    define_flags(TabularSettings, *GROUPS, **DEFAULTS)
    command_line.start(main, (TabularSettings, *GROUPS), (BenchmarkError, *ERRORS))
