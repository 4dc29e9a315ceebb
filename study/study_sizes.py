"""How sizes of the child network rank architectures: figures of study/README.md that the tables of
study.proxy, cheap_sizes and full_size do not have.

    python -m study.study_sizes

Read from study/records. tau: Kendall's tau-b with the accuracies at the default size; its error,
and that of a difference of two, by bootstrap over the architectures. Other errors are standard errors, over
the architectures of a group or over the searches of an agent. few edges: tau of the order by edges, fewest
first.
"""

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from autodl_design.record.history import ModelRecord
from autodl_design.report_page.statistics import Estimate
from autodl_design.search_space.cells import OPERATION_NAMES
from autodl_design.search_space.child import ChildConfig
from study import cheap_sizes, proxy
from study.cheap_sizes import OWN_HEADS, SUFFIX
from study.comparison import estimate_of
from study.full_size import CHEAP_SIZES, drawn, final_candidates
from study.records import RESULTS, read_runs

NUM_STAGES = ChildConfig().num_stages
SMALL = "w16_c1_e2_b8"  # the size of the searches
THREE_CELLS = "w16_c3_e10"
SIZES = (SMALL, "w16_c1_e10", THREE_CELLS)
AT_DEFAULT = "default size"
MAX_POOLING = [place for place, name in enumerate(OPERATION_NAMES) if name.startswith("maxpool")]


def shown(some: Estimate) -> str:
    return f"{some.mean:.3f} +- {some.error:.3f}"


def tau_of(x: ArrayLike, y: ArrayLike) -> float:
    x, y = np.array(x), np.array(y)
    return proxy.tau_b(x, y, np.ones((len(x), len(x)), bool))


def show_proxy_study() -> None:
    architectures = proxy.read_architectures(proxy.RESULTS)
    kinds = np.array([architecture.kind for architecture in architectures])
    runs = proxy.read_all_runs(proxy.RESULTS, architectures)
    accuracies = {size: proxy.accuracies_of(some, len(kinds)).mean(axis=0) for size, some in runs.items()}
    default = accuracies.pop(proxy.DEFAULT)
    print(f"The {len(kinds)} architectures of the proxy study")
    for kind in ("random", "sparse", "found"):
        own = kinds == kind
        taus = {size: tau_of(values[own], default[own]) for size, values in accuracies.items()}
        lowest, highest = min(taus.values()), max(taus.values())
        print(
            f"  {kind}: {shown(estimate_of(default[own]))} at the {AT_DEFAULT}, sd "
            f"{default[own].std(ddof=1):.3f}; tau of {SMALL} {taus[SMALL]:.2f}, of all cheap sizes "
            f"{lowest:.2f} to {highest:.2f}"
        )
    standardised = [(some - some.mean()) / some.std() for some in accuracies.values()]
    rules = {
        "few edges": [-sum(studied.architecture.edges()) for studied in architectures],
        "parameters": [run.num_params for run in runs[proxy.DEFAULT]],
        "cheap sizes together": np.mean(standardised, axis=0),
    }
    for name, values in rules.items():
        print(f"  {name}: tau {tau_of(values, default):.2f}")


class SparseNetworks:
    """Those of study.full_size: their accuracies, means over the runs, at the default size and at the
    cheap SIZES, and what they are."""

    def __init__(self) -> None:
        self.trainings = cheap_sizes.read_networks([str(RESULTS), str(OWN_HEADS)])
        self.runs = {size: read_runs(CHEAP_SIZES / f"{size}{SUFFIX}") for size in SIZES}
        searches = final_candidates(RESULTS, NUM_STAGES)
        self.candidates: dict[str, list[list[str]]] = defaultdict(list)  # agent -> searches -> networks
        for search in searches:
            self.candidates[search[0].origin].append([candidate.network for candidate in search])
        # The finalists of the searches' own procedure; the others were chosen at THREE_CELLS.
        self.of_agents = [
            search[0].network
            for search in [*searches, *final_candidates(OWN_HEADS, NUM_STAGES)]
            if search[0].origin != "random"
        ]
        self.of_random_search = [search[0] for search in self.candidates["random"]]
        sparse = [*drawn(3, 0.15, NUM_STAGES), *drawn(1, 0.15, NUM_STAGES)]
        # Operations are drawn before edges, so that those with fewer edges have the same ones.
        tokens = [candidate.job.architecture.tokens for candidate in sparse]
        drawn_ones = [
            name for name, runs in self.trainings.items() if runs[0].architecture.tokens in tokens
        ]
        sparse_ones = {candidate.network for candidate in sparse}
        self.drawn_sparse = [name for name in drawn_ones if name in sparse_ones]
        self.drawn_with_fewer_edges = [name for name in drawn_ones if name not in sparse_ones]

    def firsts(self, names: Iterable[str]) -> list[ModelRecord]:
        return [self.trainings[name][0] for name in names]

    def at_cheap(self, size: str, names: list[str]) -> np.ndarray:
        """[runs, networks]"""
        return cheap_sizes.accuracies_of(self.runs[size], names)

    def at_default(self, names: Iterable[str]) -> np.ndarray:
        """[networks]"""
        return np.array([np.mean([run.accuracy for run in self.trainings[name]]) for name in names])

    def at_all(self, names: list[str]) -> dict[str, np.ndarray]:
        """[networks] each."""
        cheap = {size: self.at_cheap(size, names).mean(axis=0) for size in SIZES}
        return {**cheap, AT_DEFAULT: self.at_default(names)}


def show_noise(networks: SparseNetworks) -> None:
    """Of the trainings at the default size."""
    runs = [run for own in networks.trainings.values() for run in own]
    names = sorted({run.network for run in runs if run.run > 1})
    accuracies = cheap_sizes.accuracies_of(runs, names)
    between, noise = proxy.between_and_noise(accuracies)
    tau, error = proxy.tau_and_error(accuracies[1:], accuracies[0])
    print(
        f"{len(names)} sparse networks at the {AT_DEFAULT}, trained {len(accuracies)} times each\n"
        f"  sd between networks {between:.3f}, between trainings of one {noise:.3f}\n"
        f"  the further trainings with the first: tau {tau:.2f} +- {error:.2f}"
    )


def show_taus(networks: SparseNetworks, names: list[str]) -> None:
    n, default = len(names), networks.at_default(names)
    for size in SIZES:
        tau, error = proxy.tau_and_error(networks.at_cheap(size, names), default)
        print(f"  {size}: tau {tau:.2f} +- {error:.2f}")
    one, three = (networks.at_cheap(size, names).mean(axis=0) for size in ("w16_c1_e10", THREE_CELLS))

    def difference(places: np.ndarray) -> float:
        some = default[places]
        return tau_of(three[places], some) - tau_of(one[places], some)

    error = np.nanstd([difference(places) for places in np.random.default_rng(0).integers(0, n, (1000, n))])
    print(f"  three cells less one, ten epochs: tau {difference(np.arange(n)):+.2f} +- {error:.2f}")


def show_sparse_networks(networks: SparseNetworks) -> None:
    names = list(networks.trainings)
    few_edges = tau_of(
        [-sum(first.architecture.edges()) for first in networks.firsts(names)], networks.at_default(names)
    )
    print(f"The {len(names)} sparse networks at the {AT_DEFAULT}\n  few edges: tau {few_edges:.2f}")
    drawn_ones = networks.drawn_sparse + networks.drawn_with_fewer_edges
    # The finalists of the other two random searches came later.
    choosing = [*networks.of_agents, networks.of_random_search[0], *drawn_ones]
    of_groups = {
        "all": names,
        f"those by which {THREE_CELLS} was chosen": [name for name in names if name in choosing],
        "the others": [name for name in names if name not in choosing],
    }
    for group, own in of_groups.items():
        print(f"Over {len(own)} networks, {group}")
        show_taus(networks, own)
    groups = {
        "agents' finalists": networks.of_agents,
        "random search's finalists": networks.of_random_search,
        "drawn with an edge probability of 0.15": networks.drawn_sparse,
        "drawn with fewer edges": networks.drawn_with_fewer_edges,
        "all finalists": networks.of_agents + networks.of_random_search,
        "all drawn": drawn_ones,
    }
    for group, own in groups.items():
        print(f"{group}, {len(own)} networks: mean accuracy, and its correlation with counts")
        firsts = networks.firsts(own)
        counts = {
            "edges": [sum(first.architecture.edges()) for first in firsts],
            "parameters": [first.num_params for first in firsts],
            "max pooling": [np.isin(first.architecture.tokens, MAX_POOLING).sum() for first in firsts],
        }
        for size, accuracies in networks.at_all(own).items():
            line = f"  {size}: {shown(estimate_of(accuracies))}"
            if len(own) > 5:
                for name, count in counts.items():
                    line += f", {name} {np.corrcoef(count, accuracies)[0, 1]:.2f}"
            print(line)


def show_candidates(networks: SparseNetworks) -> None:
    at_three_cells = {run.network: run.accuracy for run in networks.runs[THREE_CELLS] if run.run == 1}
    print(f"Final candidates at {THREE_CELLS}")
    means: dict[str, list[float]] = {}
    for agent, searches in networks.candidates.items():
        accuracies = [[at_three_cells[name] for name in search] for search in searches]
        means[agent] = np.mean(accuracies, axis=1).tolist()
        chosen = [max(search, key=at_three_cells.get) for search in searches]
        gain = networks.at_default(chosen) - networks.at_default(search[0] for search in searches)
        print(
            f"  {agent}: mean {shown(estimate_of(means[agent]))}, best of a search "
            f"{shown(estimate_of(np.max(accuracies, axis=1)))}; finalists chosen by it gain "
            f"{shown(estimate_of(gain))} at the {AT_DEFAULT}"
        )
    random = means.pop("random")
    agents = [mean for agent in means.values() for mean in agent]
    print(f"  agents less random search: mean {shown(estimate_of(agents) - estimate_of(random))}")


if __name__ == "__main__":
    show_proxy_study()
    sparse_networks = SparseNetworks()
    show_noise(sparse_networks)
    show_sparse_networks(sparse_networks)
    show_candidates(sparse_networks)
