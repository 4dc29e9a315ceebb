"""What each search did, and the budget: figures of study/README.md and study/dense_cells.md that
the table of study.comparison does not have.

    python -m study.study_searches

Read from study/records, in less than a minute. Standard errors are over the ten best models of a
search, or over the searches of an agent.

    ten best again  means of the three further runs of a search's ten best models
    noise           standard deviation between runs of one network
    few edges       Kendall's tau-b of the order by edges, fewest first, with that by accuracy
    predicted       the same of a ridge regression's predictions in ten-fold cross-validation, from how many
                    of each operation and how many edges a cell has (counts), from which operation each
                    node has and which edges there are (where), or from all of these (both)
    core-hours      by the seconds that the trainings themselves took
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold, cross_val_predict

from autodl_design.record.best import FINAL_NAME
from autodl_design.record.history import ModelRecord
from autodl_design.report_page.statistics import trained
from autodl_design.search_space.cells import OPERATION_NAMES
from study import proxy
from study.cheap_sizes import OWN_HEADS, SUFFIX
from study.comparison import RETRAINED, estimate_of
from study.full_size import CHEAP_SIZES, TRAINED
from study.records import RESULTS, read_runs, read_searches
from study.study_sizes import MAX_POOLING, shown, tau_of

DENSE = RESULTS.parent / "small_dense"
THREE_CELLS = RESULTS.parent / "small_three_cells"


def show(name: str, values: ArrayLike) -> None:
    print(f"{name}: {shown(estimate_of(values))}")


def hours(runs: Iterable[ModelRecord]) -> float:
    return sum(run.seconds for run in trained(runs)) / 3600


def max_pooling(models: list[ModelRecord]) -> float:
    """Its share of their operations."""
    return np.isin([model.architecture.tokens for model in models], MAX_POOLING).mean()


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
    _, noise = proxy.between_and_noise(trained_again.T)
    print(f"  noise {noise:.3f}")
    accuracies = [model.accuracy for model in models]
    print(f"  sd of the first hundred {np.std(accuracies[:100], ddof=1):.3f}")
    edges = np.array([sum(model.architecture.edges()) for model in models])
    parameters = np.array([model.num_params for model in models])
    for name, values in (("edges", edges), ("parameters", parameters)):
        correlation = np.corrcoef(values, accuracies)[0, 1]
        first, last = values[:100].mean(), values[-100:].mean()
        print(f"  {name}: {first:.1f} -> {last:.1f}, correlation {correlation:.2f}")
    print(f"  max pooling: {max_pooling(models[-100:]):.2f} of the operations of the last hundred")
    median = np.median([model.seconds for model in trained(models)])
    print(f"  {hours(models):.2f} core-hours, median {median:.1f} s")


def show_predicted(models: list[ModelRecord]) -> None:
    count = len(models)
    accuracies = [model.accuracy for model in models]
    tokens = np.array([model.architecture.tokens for model in models])
    operations = np.eye(len(OPERATION_NAMES))[tokens].reshape(count, 2, -1, len(OPERATION_NAMES))
    edges = np.array([model.architecture.adjvec for model in models]).reshape(count, 2, -1)
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
    edges = np.array([[sum(model.architecture.edges()) for model in models] for models, _ in searches])
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


def show_begun_searches() -> None:
    """Those at three cells a stage, by fifties; so far they have no final candidates."""
    for agent, seeds in read_searches(THREE_CELLS).items():
        for seed, models in seeds.items():
            print(f"{THREE_CELLS.name}, {agent}-{seed}")
            for start in range(0, len(models), 50):
                some = models[start : start + 50]
                edges = np.mean([sum(model.architecture.edges()) for model in some])
                print(
                    f"  models {start + 1} to {start + len(some)}: mean accuracy "
                    f"{np.mean([model.accuracy for model in some]):.3f}, edges {edges:.1f}, "
                    f"max pooling {max_pooling(some):.2f} of the operations"
                )
            print(f"  {hours(models):.2f} core-hours")


def show_budget() -> None:
    """Not of the searches, which show their own."""
    of_proxy = proxy.read_all_runs(proxy.RESULTS, proxy.read_architectures(proxy.RESULTS))
    print(f"proxy study: {sum(map(hours, of_proxy.values())):.2f} core-hours")
    for path in sorted(CHEAP_SIZES.glob(f"*{SUFFIX}")):
        runs = read_runs(path)
        print(f"cheap_sizes/{path.name}: {len(runs)} trainings, {hours(runs):.2f} core-hours")
    for directory in (DENSE, OWN_HEADS, RESULTS):
        further = read_searches(directory, FINAL_NAME).values()
        print(
            f"{directory.name}: final candidates "
            f"{sum(hours(runs) for seeds in further for runs in seeds.values()):.2f}, best models again "
            f"{hours(read_runs(directory / RETRAINED)):.2f}, default size "
            f"{hours(read_runs(directory / TRAINED)):.2f} core-hours"
        )


if __name__ == "__main__":
    show_searches()
    show_begun_searches()
    show_budget()
