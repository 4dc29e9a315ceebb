"""The tables of study/tabular.py's searches: agents side by side, and how sure their differences are.

    python -m study.tabular_tables > study/printed/tabular.txt

Means over the seeds with their standard errors, in percent. Then differences in percentage points, with
Welch's t of the two agents' searches; "all" is the mean over the data sets of nas-bench-graph, and its t is
that mean over its standard error (hundreds of searches: as good as normal).
"""

import dataclasses
from collections import defaultdict
from pathlib import Path

import numpy as np
from scipy.stats import ttest_ind

from autodl_design.settings import command_line
from autodl_design.settings.fields import Settings, setting
from autodl_design.settings.flags import define_flags, from_flags
from study.records import ERRORS, FOLDER
from study.rows import read_rows
from study.statistics import mean_and_error
from study.tabular import AGENTS, COUNTS, NAMES, Result

PAIRS = (
    ("reinforce", "random"),
    ("reinforce", "evolution"),
    ("reinforce", "predictor"),
    ("evolution", "random"),
)
SHOWN = {  # of the searches with this reward: what is shown
    "test": ("best_test", "the agent sees test accuracies; the best of them (the published way)"),
    "validation": (
        "test_of_best_validation",
        "the agent sees validation accuracies; test accuracy of the best",
    ),
}
FURTHER = {
    "last_reward": "mean accuracy of the last 100 proposals",
    "networks": "different networks in a search",
    "proposals": "proposals in a search",
}

Values = dict[str, dict[str, np.ndarray]]  # benchmark -> agent -> [seeds]; accuracies in percent


@dataclasses.dataclass(frozen=True)
class TablesSettings(Settings):
    """The tables"""

    results: str = setting(str(FOLDER / "tabular.csv.gz"), "What study.tabular --output has written.")


def values_of(results: list[Result], reward: str, count: str, field: str) -> Values:
    """Of the benchmarks in their order, those without such searches left out."""
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for result in results:
        if (result.reward, result.count) == (reward, count):
            value = getattr(result, field)
            values[result.benchmark][result.agent].append(value if isinstance(value, int) else 100 * value)
    return {
        name: {agent: np.array(some) for agent, some in values[name].items()}
        for name in NAMES
        if name in values
    }


def print_means(values: Values) -> None:
    agents = [agent for agent in AGENTS if any(agent in by_agent for by_agent in values.values())]
    _print_row("", agents, 18)
    for name, by_agent in values.items():
        _print_row(name, [_mean(by_agent[agent]) if agent in by_agent else "" for agent in agents], 18)


def _print_row(name: str, cells: list[str], width: int) -> None:
    print(f"{name:25}" + "".join(cell.rjust(width) for cell in cells))


def _mean(values: np.ndarray) -> str:
    mean, error = mean_and_error(values)
    return f"{mean:.2f} +- {error:.2f}"


def print_differences(values: Values) -> None:
    pairs = [pair for pair in PAIRS if all(set(pair) <= by_agent.keys() for by_agent in values.values())]
    _print_row("", [f"{one} - {other}" for one, other in pairs], 26)
    for name, by_agent in values.items():
        cells = []
        for one, other in pairs:
            t, _ = ttest_ind(by_agent[one], by_agent[other], equal_var=False)
            cells.append(f"{by_agent[one].mean() - by_agent[other].mean():+.2f}  t {t:+5.1f}")
        _print_row(name, cells, 26)
    graphs = [by_agent for name, by_agent in values.items() if name.startswith("nas-bench-graph")]
    if len(graphs) > 1:
        cells = []
        for one, other in pairs:
            mean = np.mean([by_agent[one].mean() - by_agent[other].mean() for by_agent in graphs])
            errors = [mean_and_error(by_agent[agent])[1] for by_agent in graphs for agent in (one, other)]
            error = np.sum(np.square(errors)) ** 0.5 / len(graphs)
            cells.append(f"{mean:+.2f}  t {mean / error:+5.1f}")
        _print_row(f"all {len(graphs)} of nas-bench-graph", cells, 26)


def main(arguments: list[str]) -> None:
    results = read_rows(Path(from_flags(TablesSettings).results), Result)
    for count in COUNTS:
        for reward, (field, text) in SHOWN.items():
            if values := values_of(results, reward, count, field):
                print(f"\n{text}; {count} count\n")
                print_means(values)
                print()
                print_differences(values)
        for field, text in FURTHER.items():
            if field == count == "proposals":
                continue  # all are equal
            if values := values_of(results, "validation", count, field):
                print(f"\n{text}; the agent sees validation accuracies; {count} count\n")
                print_means(values)


if __name__ == "__main__":
    define_flags(TablesSettings)
    command_line.start(main, (TablesSettings,), ERRORS)
