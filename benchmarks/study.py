"""Figures of results/search_study.md that the tables of the other benchmarks do not have.

    python -m benchmarks.study

Read from the records in results/, in less than a minute. Standard errors are over the architectures of the
proxy study, over the ten best models of a search, or over the searches of an agent. Where a line says no
more, these names mean:

    ten best again  means of the three further runs of a search's ten best models
    noise           standard deviation between runs of one network
    few edges       Kendall's tau-b of the order by edges, fewest first, with that by accuracy
    predicted       the same of a ridge regression's predictions in ten-fold cross-validation, from how many
                    of each operation and how many edges a cell has (counts), from which operation each
                    node has and which edges there are (where), or from all of these (both)
"""

from collections import defaultdict

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import kendalltau
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold, cross_val_predict

from benchmarks import cheap_sizes, proxy
from benchmarks.comparison import mean_and_error
from benchmarks.full_size import drawn, final_candidates
from benchmarks.histories import RESULTS, read_runs, read_searches
from record.best import FINAL_NAME
from record.history import ModelRecord
from search_space.cells import OPERATION_NAMES
from search_space.child import ChildConfig

NUM_STAGES = ChildConfig().num_stages
OWN_HEADS = RESULTS.parent / "small_own_heads"
DENSE = RESULTS.parent / "small_dense"
SIZES = ("w16_c1_e2_b8", "w16_c1_e10", "w16_c3_e10")
MAX_POOLING = [place for place, name in enumerate(OPERATION_NAMES) if name.startswith("maxpool")]


def show(name: str, values: ArrayLike) -> None:
    mean, error = mean_and_error(np.array(values))
    print(f"{name}: {mean:.3f} +- {error:.3f}")


def tau_of(x: ArrayLike, y: ArrayLike) -> float:
    return kendalltau(x, y).statistic


def show_proxy_study() -> None:
    architectures = proxy.read_architectures(proxy.RESULTS)
    kinds = np.array([architecture.kind for architecture in architectures])
    runs = {
        path.stem: proxy.read_runs(path, architectures) for path in sorted(proxy.RESULTS.glob("w*.jsonl"))
    }
    accuracies = {size: proxy.accuracies_of(some, len(kinds)).mean(axis=0) for size, some in runs.items()}
    default = accuracies.pop(proxy.DEFAULT)
    for kind in ("random", "sparse", "found"):
        show(kind, default[kinds == kind])
    standardised = [(some - some.mean()) / some.std() for some in accuracies.values()]
    rules = {
        "few edges": [-sum(architecture.adjvec) for architecture in architectures],
        "parameters": [run.num_params for run in runs[proxy.DEFAULT]],
        "cheap sizes together": np.mean(standardised, axis=0),
    }
    for name, values in rules.items():
        print(f"{name}: tau {tau_of(values, default):.2f}")
    for kind in ("random", "sparse"):
        own = kinds == kind
        tau = tau_of(accuracies["w16_c1_e2_b8"][own], default[own])
        print(f"{kind}: tau {tau:.2f}, sd at the default size {default[own].std(ddof=1):.3f}")


def show_taus(default: np.ndarray, at_sizes: dict[str, np.ndarray]) -> None:
    """Of accuracies at cheap sizes, [runs, networks] each, with those at the default size [networks]."""
    n = len(default)
    print(f"over {n} networks")
    for size, runs in at_sizes.items():
        tau, error = proxy.tau_and_error(runs, default, np.ones((n, n), bool))
        print(f"  {size}: tau {tau:.2f} +- {error:.2f}")
    one, three = (at_sizes[size].mean(axis=0) for size in ("w16_c1_e10", "w16_c3_e10"))

    def difference(places: np.ndarray) -> float:
        some = default[places]
        return tau_of(three[places], some) - tau_of(one[places], some)

    resampled = np.random.default_rng(0).integers(0, n, (1000, n))
    error = np.std([difference(places) for places in resampled])
    print(f"  three cells less one, ten epochs: tau {difference(np.arange(n)):+.2f} +- {error:.2f}")


def runs_at(size: str) -> list[ModelRecord]:
    return read_runs(RESULTS.parent / "cheap_sizes" / f"{size}.jsonl.gz")


def show_correlations(
    firsts: list[ModelRecord], random: np.ndarray, at_sizes: dict[str, np.ndarray]
) -> None:
    """Of the accuracies at some sizes, [networks] each, with counts of what a network has. The networks by
    their first training at the default size; random: which of them were drawn at random."""
    counts = {
        "edges": np.array([sum(first.adjvec) for first in firsts]),
        "parameters": np.array([first.num_params for first in firsts]),
        "max pooling": np.array([np.isin(first.tokens, MAX_POOLING).sum() for first in firsts]),
    }
    groups = {"all": random | True, "finalists": ~random, "random": random}
    for size, accuracies in at_sizes.items():
        for group, own in groups.items():
            some = accuracies[own]
            shown = ", ".join(
                f"{name} {np.corrcoef(count[own], some)[0, 1]:.2f}" for name, count in counts.items()
            )
            print(f"{size}, {own.sum()} {group}: mean {some.mean():.3f}, correlations: {shown}")


def show_sparse_networks() -> None:
    networks = cheap_sizes.read_networks([str(RESULTS), str(OWN_HEADS)])
    at_default = {name: np.mean([run.accuracy for run in runs]) for name, runs in networks.items()}
    few_edges = tau_of([-sum(runs[0].adjvec) for runs in networks.values()], list(at_default.values()))
    print(f"few edges: tau {few_edges:.2f} over {len(networks)} networks at the default size")

    # By which w16_c3_e10 was chosen: random networks, and finalists by the searches' own procedure.
    searches = [*final_candidates(RESULTS, NUM_STAGES), *final_candidates(OWN_HEADS, NUM_STAGES)]
    finalists = {search[0].network for search in searches}
    random_tokens = [candidate.job.tokens for candidate in drawn(3, 0.15, NUM_STAGES)]
    random = {name for name, runs in networks.items() if runs[0].tokens in random_tokens}
    first = [name for name in networks if name in finalists | random]

    def at_sizes(names: list[str]) -> dict[str, np.ndarray]:
        return {size: cheap_sizes.accuracies_of(runs_at(size), names) for size in SIZES}

    def default(names: list[str]) -> np.ndarray:
        return np.array([at_default[name] for name in names])

    for names in (first, list(networks)):
        show_taus(default(names), at_sizes(names))
    means = {size: runs.mean(axis=0) for size, runs in at_sizes(first).items()}
    show_correlations(
        [networks[name][0] for name in first],
        np.array([name in random for name in first]),
        {**means, "default size": default(first)},
    )


def show_candidates() -> None:
    """Of each agent's searches in the comparison."""
    accuracies = {run.network: run.accuracy for run in runs_at("w16_c3_e10") if run.run == 1}
    of_agents = defaultdict(list)
    for search in final_candidates(RESULTS, NUM_STAGES):
        of_agents[search[0].origin].append([accuracies[candidate.network] for candidate in search])
    for agent, searches in of_agents.items():
        show(f"{agent}, final candidates at w16_c3_e10", np.mean(searches, axis=1))
        show(f"{agent}, the best of a search's there", np.max(searches, axis=1))


def ten_best(models: list[ModelRecord], again: list[ModelRecord]) -> tuple[np.ndarray, np.ndarray]:
    """Accuracies of the final candidates in the search [10] and in their further runs [10, 3]."""
    chosen = {run.mid for run in again}
    accuracies = [model.accuracy for model in models if model.mid in chosen]
    return np.array(accuracies), np.array([run.accuracy for run in again]).reshape(10, 3)


def show_search(models: list[ModelRecord], again: list[ModelRecord]) -> None:
    best, trained_again = ten_best(models, again)
    show("  ten best", best)
    show("  ten best again", trained_again.mean(axis=1))
    print(f"  the best of them {trained_again.mean(axis=1).max():.3f}")
    print(f"  noise {trained_again.var(axis=1, ddof=1).mean() ** 0.5:.3f}")
    accuracies = [model.accuracy for model in models]
    print(f"  sd of the first hundred {np.std(accuracies[:100], ddof=1):.3f}")
    edges = np.array([sum(model.adjvec) for model in models])
    parameters = np.array([model.num_params for model in models])
    for name, values in (("edges", edges), ("parameters", parameters)):
        correlation = np.corrcoef(values, accuracies)[0, 1]
        first, last = values[:100].mean(), values[-100:].mean()
        print(f"  {name}: {first:.1f} -> {last:.1f}, correlation {correlation:.2f}")
    max_pooling = np.isin([model.tokens for model in models[-100:]], MAX_POOLING).mean()
    print(f"  max pooling: {max_pooling:.2f} of the operations of the last hundred")
    seconds = [model.seconds for model in models if model.status == "ok"]
    print(f"  {sum(seconds) / 3600:.2f} core-hours, median {np.median(seconds):.1f} s")


def show_predicted(models: list[ModelRecord]) -> None:
    count = len(models)
    accuracies = [model.accuracy for model in models]
    tokens = np.array([model.tokens for model in models])
    operations = np.eye(len(OPERATION_NAMES))[tokens].reshape(count, 2, -1, len(OPERATION_NAMES))
    edges = np.array([model.adjvec for model in models]).reshape(count, 2, -1)
    where = np.concatenate([operations.reshape(count, -1), edges.reshape(count, -1)], axis=1)
    counts = np.concatenate([operations.sum(axis=2).reshape(count, -1), edges.sum(axis=2)], axis=1)
    print(f"  few edges: tau {tau_of(-edges.sum(axis=(1, 2)), accuracies):.2f}")
    inputs = {"counts": counts, "where": where, "both": np.concatenate([counts, where], axis=1)}
    for name, values in inputs.items():
        ridge, folds = RidgeCV(np.logspace(-1, 5, 25)), KFold(10, shuffle=True, random_state=0)
        predicted = cross_val_predict(ridge, values, accuracies, cv=folds)
        print(f"  predicted from {name}: tau {tau_of(predicted, accuracies):.2f}")


def show_over_searches(searches: list[tuple[list[ModelRecord], list[ModelRecord]]]) -> None:
    pairs = [ten_best(*search) for search in searches]
    show("  ten best", [best.mean() for best, _ in pairs])
    show("  ten best again", [again.mean() for _, again in pairs])
    show("  the best of them", [again.mean(axis=1).max() for _, again in pairs])
    edges = np.array([[sum(model.adjvec) for model in models] for models, _ in searches])
    print(f"  edges: {edges[:, :100].mean():.1f} -> {edges[:, -100:].mean():.1f}")


def show_searches() -> None:
    for directory in (DENSE, OWN_HEADS, RESULTS):
        further = read_searches(directory, FINAL_NAME)
        for agent, seeds in read_searches(directory).items():
            for seed, models in seeds.items():
                print(f"{directory.name}, {agent}-{seed}")
                show_search(models, further[agent][seed])
                if agent == "random":
                    show_predicted(models)
            if len(seeds) > 1:
                print(f"{directory.name}, {agent}, over {len(seeds)} searches")
                show_over_searches([(models, further[agent][seed]) for seed, models in seeds.items()])


if __name__ == "__main__":
    show_proxy_study()
    show_sparse_networks()
    show_candidates()
    show_searches()
