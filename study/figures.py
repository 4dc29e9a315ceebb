"""Figures of the study's page that the tables of study.compare_agents, finalists and sizes do not have.

    python -m study.figures    # from the records, under a minute

Standard errors are over the ten best models of a search, over the searches of an agent, or over networks;
those of tau by bootstrap over the networks.

    ten best again  means of the three further runs of a search's ten best models
    kept            how much of the ten best models' lead over the mean of the last 400 is still there then
    predicted       tau of a ridge regression's predictions in ten-fold cross-validation with the accuracies
                    of a search, from how many of each operation and how many edges a cell has (counts),
                    or from which operation each node has and which edges there are (where)
    touched         trainings with wrong gradients: at least two max poolings of 8 or more channels whose
                    results have one shape (study/records/README.md)
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold, cross_val_predict

from autodl_design.record.history import ModelRecord
from autodl_design.record.log_dir import FINAL_NAME
from autodl_design.report_page.statistics import trained
from autodl_design.search_space.cells import OPERATION_NAMES
from autodl_design.search_space.child import ChildSettings
from study import records
from study.finalists import drawn, final_candidates
from study.records import (
    ARCHIVE,
    FULL_SIZE,
    RETRAINED,
    SMALL,
    SUFFIX,
    child_config_of,
    read_runs,
    read_searches,
)
from study.sizes import DEFAULT, GROUPS, config_of, networks_of, networks_of_searches
from study.statistics import (
    accuracies_of,
    between_and_noise,
    estimate_of,
    mean_accuracies,
    shown,
    tau_and_error,
    tau_b,
    welch,
)

SEARCHED = "w16_c1_e2_b8"  # the size of the searches
THREE_CELLS = "w16_c3_e10"
MAX_POOLING = [place for place, name in enumerate(OPERATION_NAMES) if name.startswith("maxpool")]
SPARSE_EDGES = 30  # of 90; networks drawn with an edge probability of 1/2 have more, those of 0.15 fewer


# --- Searches -----------------------------------------------------------------------------------------


def ten_best(models: list[ModelRecord], again: list[ModelRecord]) -> tuple[np.ndarray, np.ndarray]:
    """Accuracies of the final candidates in the search [10] and in their further runs [10, 3]."""
    chosen = {run.mid for run in again}
    accuracies = [model.accuracy for model in models if model.mid in chosen]
    return np.array(accuracies), np.array([run.accuracy for run in again]).reshape(10, 3)


def show_searches() -> None:
    further = read_searches(SMALL, FINAL_NAME)
    for agent, seeds in read_searches(SMALL).items():
        pairs = [ten_best(models, further[agent][seed]) for seed, models in seeds.items()]
        late = np.array([np.mean([model.accuracy for model in models[-400:]]) for models in seeds.values()])
        first, again = (np.array([some.mean() for some in column]) for column in zip(*pairs, strict=True))
        edges = np.array(
            [[sum(model.architecture.edges()) for model in models] for models in seeds.values()]
        )
        pooling = [
            np.isin([model.architecture.tokens for model in models[-100:]], MAX_POOLING).mean()
            for models in seeds.values()
        ]
        print(f"{agent}, {len(seeds)} searches")
        print(f"  ten best {shown(estimate_of(first))}, again {shown(estimate_of(again))}")
        print(f"  kept {', '.join(f'{share:.2f}' for share in (again - late) / (first - late))}")
        first_edges, last_edges = edges[:, :100].mean(), edges[:, -100:].mean()
        print(f"  edges of the first hundred {first_edges:.1f}, of the last {last_edges:.1f}")
        print(f"  max pooling in the last hundred: {min(pooling):.2f} to {max(pooling):.2f} of operations")
        if agent == "random":
            taus = np.array([predicted(models) for models in seeds.values()])
            for name, values in zip(("counts", "where"), taus.T, strict=True):
                print(f"  predicted from {name}: tau {shown(estimate_of(values))}")


def predicted(models: list[ModelRecord]) -> list[float]:
    """Taus, from counts and from where."""
    count = len(models)
    accuracies = [model.accuracy for model in models]
    tokens = np.array([model.architecture.tokens for model in models])
    operations = np.eye(len(OPERATION_NAMES))[tokens].reshape(count, 2, -1, len(OPERATION_NAMES))
    edges = np.array([model.architecture.adjvec for model in models]).reshape(count, 2, -1)
    where = np.concatenate([operations.reshape(count, -1), edges.reshape(count, -1)], axis=1)
    counts = np.concatenate([operations.sum(axis=2).reshape(count, -1), edges.sum(axis=2)], axis=1)
    ridge, folds = RidgeCV(np.logspace(-1, 5, 25)), KFold(10, shuffle=True, random_state=0)
    return [tau_b(cross_val_predict(ridge, x, accuracies, cv=folds), accuracies) for x in (counts, where)]


# --- Networks of both groups of study.sizes -----------------------------------------------------------


class Networks:
    """Those that were trained at the default size and at cheap sizes."""

    def __init__(self) -> None:
        groups = {name: networks_of(group) for name, group in GROUPS.items()}
        self.trainings = groups["mixed"] | groups["sparse"]
        self.at_default = mean_accuracies(self.trainings)
        self.runs = {
            size: [
                run
                for group in GROUPS.values()
                if (path := group.folder / f"{size}{SUFFIX}").exists()
                for run in read_runs(path)
            ]
            for size in (SEARCHED, "w16_c1_e10", THREE_CELLS)
        }
        searched = networks_of_searches()
        self.chosen = [name for name in groups["sparse"] if name in searched]
        edges = {name: sum(runs[0].architecture.edges()) for name, runs in self.trainings.items()}
        unchosen = [name for name in self.trainings if name not in searched]
        self.dense = [name for name in unchosen if edges[name] > SPARSE_EDGES]
        self.sparse = [name for name in unchosen if edges[name] <= SPARSE_EDGES]
        # In the sparse group some were drawn with fewer edges.
        usual = {candidate.network for candidate in (*drawn(3, 0.15), *drawn(1, 0.15))}
        self.usual = [name for name in self.sparse if name in usual or name in groups["mixed"]]
        self.finalists: dict[str, list[str]] = {}  # by agent
        for best, *_ in final_candidates(SMALL):
            self.finalists.setdefault(best.origin, []).append(best.network)
        self.own_heads = [best.network for best, *_ in final_candidates(records.OWN_HEADS)]

    def default(self, names: Iterable[str]) -> np.ndarray:
        return np.array([self.at_default[name] for name in names])


def show_ranking(networks: Networks) -> None:
    groups = {
        "chosen by a search": networks.chosen,
        "drawn, sparse": networks.sparse,
        "drawn, edge probability 0.15": networks.usual,
        "drawn, edge probability 0.5": networks.dense,
    }
    for size, runs in networks.runs.items():
        print(f"tau of {size} with the default size")
        for group, names in groups.items():
            trained_there = {run.network for run in runs}
            own = [name for name in names if name in trained_there]
            # Runs one by one: some groups have two runs of some networks and one of others.
            accuracies = accuracies_of(runs, own)
            tau, error = tau_and_error(accuracies, networks.default(own))
            print(f"  {group}, {len(own)} networks: {tau:.2f} +- {error:.2f}")
    accuracies = accuracies_of(networks.runs[SEARCHED], networks.chosen)
    _, noise = between_and_noise(accuracies)
    print(
        f"the chosen ones at {SEARCHED}: sd of their means over {len(accuracies)} runs "
        f"{accuracies.mean(axis=0).std(ddof=1):.3f}, noise of one run {noise:.3f}"
    )


def show_default_size(networks: Networks) -> None:
    agents = [*networks.finalists["reinforce"], *networks.finalists["evolution"], *networks.own_heads]
    groups = {
        "finalists of REINFORCE": networks.finalists["reinforce"],
        "finalists of both agents, and that of heads of its own": agents,
        "finalists of random search": networks.finalists["random"],
        "drawn, edge probability 0.15": networks.usual,
        "drawn, fewer edges": [name for name in networks.sparse if name not in networks.usual],
        "drawn, edge probability 0.5": networks.dense,
    }
    for group, names in groups.items():
        print(f"{group}, {len(names)}: {shown(estimate_of(networks.default(names)))}")
    pairs = [
        ("finalists of REINFORCE", "drawn, edge probability 0.15"),
        ("finalists of both agents, and that of heads of its own", "drawn, edge probability 0.15"),
        ("finalists of both agents, and that of heads of its own", "finalists of random search"),
    ]
    for some, others in pairs:
        values, other_values = networks.default(groups[some]), networks.default(groups[others])
        difference = estimate_of(values) - estimate_of(other_values)
        print(f"{some}, less {others}: {shown(difference)}, {welch(values, other_values)}")
    runs = [run for own in networks.trainings.values() for run in own]
    trained_thrice = {name for name, own in networks.trainings.items() if len(own) == 3}
    for group, names in {"finalists": networks.chosen, "drawn": networks.sparse}.items():
        own = [name for name in names if name in trained_thrice]
        between, noise = between_and_noise(accuracies_of(runs, own))
        print(f"{len(own)} {group}, trained 3 times each: sd between them {between:.3f}, noise {noise:.3f}")


def show_candidates(networks: Networks) -> None:
    at_three_cells = {run.network: run.accuracy for run in networks.runs[THREE_CELLS] if run.run == 1}
    print(f"the ten best models of each search at {THREE_CELLS}")
    means: dict[str, list[float]] = {}
    for search in final_candidates(SMALL):
        mean = float(np.mean([at_three_cells[candidate.network] for candidate in search]))
        means.setdefault(search[0].origin, []).append(mean)
    for agent, values in means.items():
        print(f"  {agent}: {shown(estimate_of(values))}")


# --- Records ------------------------------------------------------------------------------------------


def is_touched(model: ModelRecord, config: ChildSettings) -> bool:
    """Whether oneDNN's wrong gradients of max pooling had a part in this training."""
    cells = model.architecture.cells()
    shapes: Counter[tuple[int, int]] = Counter()  # channels and image size of results, of max poolings
    channels = config.width
    for stage in range(config.num_stages):
        for cell in range(config.num_cells):
            reduces = stage > 0 and cell == 0
            for operation, inputs in zip(*cells[reduces], strict=True):
                if OPERATION_NAMES.index(operation) in MAX_POOLING:
                    inner = channels // config.ratio * (2 if reduces and inputs else 1)
                    shapes[inner, stage] += 1
            channels *= 2 if reduces else 1
    return any(count > 1 and inner >= 8 for (inner, _), count in shapes.items())


def config_of_record(path: Path) -> ChildSettings:
    if path.name in (ARCHIVE, RETRAINED):
        return child_config_of(path.parent)
    return config_of(DEFAULT if path.name == FULL_SIZE else path.name.removesuffix(SUFFIX))


def show_records() -> None:
    """Those from before the mend. The sum counts each training once: the random architectures with which
    evolution begins are those of the random search of the same seed, and stand in the records of both."""
    seconds: dict[tuple, float] = {}
    print(f"{'record':40} trainings  touched  core-hours")
    paths = sorted([*records.FOLDER.rglob(ARCHIVE), *records.FOLDER.rglob(f"*{SUFFIX}")])
    for path in (path for path in paths if path.parent not in records.QUICK.values()):
        runs, config = trained(records.read_all(path)), config_of_record(path)
        touched = sum(is_touched(run, config) for run in runs)
        hours = sum(run.seconds for run in runs) / 3600
        print(f"{str(path.relative_to(records.FOLDER)):40} {len(runs):9} {touched:8} {hours:11.2f}")
        seconds |= {(run.network, run.accuracy, run.seconds): run.seconds for run in runs}
    print(f"{'all, each training once':40} {len(seconds):9} {'':8} {sum(seconds.values()) / 3600:11.2f}")


if __name__ == "__main__":
    show_searches()
    both = Networks()
    show_ranking(both)
    show_default_size(both)
    show_candidates(both)
    show_records()
