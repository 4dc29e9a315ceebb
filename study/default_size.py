r"""Which size of the child network gives good networks for their cost; hand-written networks beside them.

    python -m study.default_size                                             # the table
    python -m study.default_size --train=c1,w32 --data_path=cifar/sizes      # trains what is missing there
    python -m study.default_size --train=references --data_path=cifar/sizes

A size is a change to BASE, one cell a stage of width 64. Three kinds of networks are trained at each:
found ones, the finalists of two recorded searches of REINFORCE (made with wrong gradients of max pooling,
so such searches may find better ones now); sparse ones, drawn as a search begins, an edge with probability
0.15; and dense ones, with 0.5. References are those of retrain.py --reference, trained by the same code.

The images are drawn from the 4,000 anew, so that the test images of the study decide nothing here:

    python dataset_maker.py --seed=1 --validation_per_class=100 --test_per_class=166 \
        --output_dir=cifar/sizes

Accuracies are those on the 1,000 validation images after the last epoch, means over the networks of a kind
with their standard errors; "-" where not all of them are trained yet. seconds: of a training on one core, a
mean over the found and the sparse ones but for those that were interrupted, as are parameters and MACs
(multiply-accumulate operations for an image, in millions). What is random about a training follows from
the network's name and the run.
"""

import dataclasses
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from autodl_design.agents.random_search import random_architectures
from autodl_design.image_data.subset import Subset, load_subset
from autodl_design.search_loop.settings import PolicySettings
from autodl_design.search_space.architecture import Architecture
from autodl_design.search_space.architecture_file import ArchitectureError, read_architecture
from autodl_design.search_space.child import ChildSettings
from autodl_design.search_space.reference import REFERENCE_NAMES, Design, Reference, reference_recipe
from autodl_design.settings import command_line
from autodl_design.settings.fields import Settings, SettingsError, setting
from autodl_design.settings.flags import define_flags, from_flags
from study.records import ERRORS, FOLDER
from study.rows import chosen, read_rows, write_rows
from study.statistics import estimate_of, shown

BASE = ChildSettings(width=64, num_cells=1, ratio=4, epochs=20, train_batch_size=32)
SIZES: dict[str, dict[str, Any]] = {
    "c1": {},
    "c2": {"num_cells": 2},
    "c3": {"num_cells": 3},
    "w32": {"width": 32},
    "w96": {"width": 96},
    "r2": {"ratio": 2},
    "r1": {"ratio": 1},
    "w32_r2": {"width": 32, "ratio": 2},
    "w32_r1": {"width": 32, "ratio": 1},
    "b16": {"train_batch_size": 16},
    "b8": {"train_batch_size": 8},
    "e40": {"epochs": 40},
    "shift0": {"bn_shift": 0.0},
    "c2_shortcut": {"num_cells": 2, "shortcut": True},
}
WRITTEN = tuple(f"{name}-{width}" for name in REFERENCE_NAMES for width in (16, 32, 64))  # by hand
REFERENCES = "references"  # as --train names them
KINDS = ("found", "sparse", "dense")
OF_A_KIND = 2


class Training(NamedTuple):
    network: str  # sparse-1, or vgg-32 of width 32
    size: str  # "" of a reference
    run: int
    accuracy: float
    seconds: float  # NaN where it was interrupted
    num_params: int
    macs: int


class ToTrain(NamedTuple):
    network: str
    size: str
    run: int
    design: Design
    config: ChildSettings


def networks(folder: Path) -> dict[str, Architecture]:
    """By name; the folder has files of the found ones. Raises ArchitectureError."""
    policy, rng = PolicySettings(), np.random.default_rng(2)
    designs = {}
    for number in range(1, OF_A_KIND + 1):
        designs[f"found-{number}"] = read_architecture(folder / f"found_{number}.json").architecture
    for kind, probability in (("sparse", 0.15), ("dense", 0.5)):
        drawn = random_architectures(rng, OF_A_KIND, policy.num_nodes, policy.num_tokens, probability)
        for number, architecture in enumerate(Architecture.of_batch(*drawn), 1):
            designs[f"{kind}-{number}"] = architecture
    return designs


def to_train(settings: "DefaultSizeSettings", folder: Path) -> list[ToTrain]:
    """Raises SettingsError, ArchitectureError."""
    kinds = chosen("kinds", settings.kinds, KINDS)
    sizes = chosen("train", settings.train or "all", (*SIZES, REFERENCES))
    with_references = REFERENCES in sizes
    sizes = [size for size in sizes if size != REFERENCES]
    designs = networks(folder) if sizes else {}
    todo = [
        ToTrain(name, size, 1, architecture, dataclasses.replace(BASE, **SIZES[size]))
        for size in sizes
        for name, architecture in designs.items()
        if name.split("-")[0] in kinds
    ]
    for name in WRITTEN if with_references else ():
        reference, width = name.split("-")
        config = dataclasses.replace(reference_recipe(), width=int(width), epochs=BASE.epochs)
        todo.append(ToTrain(name, "", 1, Reference.of(reference), config))
    return [one._replace(run=run) for run in range(1, settings.runs + 1) for one in todo]


def train(one: ToTrain, subset: Subset) -> Training:
    from nn_paddle import train_child  # Paddle, which reading does without

    seed = [zlib.crc32(one.network.encode()), one.run]
    result = train_child(one.design, subset, one.config, seed)
    return Training(*one[:3], result.accuracy, result.seconds, result.num_params, result.macs)


def train_missing(path: Path, todo: list[ToTrain], subset: Subset) -> None:
    """The file gets each training as soon as it is done; another process may add others to it meanwhile."""
    for number, one in enumerate(todo, 1):
        if one[:3] in {training[:3] for training in read_trainings(path)}:
            continue
        training = train(one, subset)
        write_rows(path, Training, [*read_trainings(path), training])
        print(f"{number} of {len(todo)}: {one.network} {one.size} {training.accuracy:.3f}", flush=True)


def read_trainings(path: Path) -> list[Training]:
    """None where there is no file. Raises RecordError where it cannot be read."""
    return read_rows(path, Training) if path.exists() else []


def print_table(trainings: list[Training]) -> None:
    print(f"{'size':14}" + "".join(f"{kind:>16}" for kind in KINDS) + "   seconds  parameters    MACs")
    for size in SIZES:
        of_size = [training for training in trainings if training.size == size]
        by_kind = {kind: [t for t in of_size if t.network.startswith(kind)] for kind in KINDS}
        if of_size:
            print(
                f"{size:14}"
                + "".join(f"{cell(by_kind[kind]):>16}" for kind in KINDS)
                + costs(by_kind["found"] + by_kind["sparse"])
            )
    print(f"\n{'reference':14}{'accuracy':>16}{'runs':>6}   seconds  parameters    MACs")
    for name in WRITTEN:
        runs = [training for training in trainings if training.network == name]
        if runs:
            estimate = estimate_of([run.accuracy for run in runs])
            accuracy = shown(estimate) if len(runs) > 1 else f"{estimate.mean:.3f}"
            print(f"{name:14}{accuracy:>16}{len(runs):6}" + costs(runs))


def cell(trainings: list[Training]) -> str:
    """Of one kind at one size: over its networks, of their means over the runs."""
    names = sorted({training.network for training in trainings})
    if len(names) < OF_A_KIND:
        return "-"
    means = [np.mean([t.accuracy for t in trainings if t.network == name]) for name in names]
    return shown(estimate_of(means))


def costs(trainings: list[Training]) -> str:
    if not trainings:
        return ""
    num_params, macs = np.mean([(t.num_params, t.macs) for t in trainings], axis=0)
    known = [t.seconds for t in trainings if not np.isnan(t.seconds)]
    seconds = np.mean(known) if known else np.nan
    return f"{seconds:10.0f}{num_params:12,.0f}{macs / 1e6:8.1f}"


@dataclasses.dataclass(frozen=True)
class DefaultSizeSettings(Settings):
    """Sizes for good networks"""

    results: str = setting(str(FOLDER / "default_size"), "Directory of the trainings and of found_N.json.")
    train: str | None = setting(
        None, f"What is to be trained: all, or some of {', '.join((*SIZES, REFERENCES))}, with commas."
    )
    kinds: str = setting("all", f"All, or some networks, at these sizes: {', '.join(KINDS)}.")
    runs: int = setting(1, "Trainings of each.", low=1, high=100)
    data_path: str | None = setting(None, "The images; with --train what is missing is trained.")


def main(arguments: list[str]) -> None:
    settings = from_flags(DefaultSizeSettings)
    folder = Path(settings.results)
    path = folder / "trainings.csv.gz"
    if settings.train:
        if not settings.data_path:
            raise SettingsError("--train needs --data_path, where dataset_maker.py wrote the images")
        train_missing(path, to_train(settings, folder), load_subset(settings.data_path))
    print_table(read_trainings(path))


if __name__ == "__main__":
    define_flags(DefaultSizeSettings)
    command_line.start(main, (DefaultSizeSettings,), (ArchitectureError, *ERRORS))
