"""Which cheap sizes of the child network rank networks as the default size does.

    python -m study.sizes --networks=mixed                    # the table
    python -m study.sizes --networks=sparse
    python -m study.sizes --networks=sparse --train=w16_c2_e5 --data_path=cifar/study    # another size

A size is named by its width, its cells a stage and its epochs of training; w64_c3_e20 is the default. The
epochs are those of a whole learning rate schedule, a tenth of it warm-up. Further parts, as in
w8_c1_e3_lr0.1_b16, are its highest learning rate and the images an update. All else is as in main.py, ten
nodes a cell included.

mixed: 24 networks, chosen before there was a search: nine random ones (an edge with probability 1/2), nine
sparse ones (0.15), six that a first search found; all on validation images. sparse: the 27 sparse networks
that study.finalists trained at the default size; its accuracies are on test images.

The table has a row a size, over the networks that were trained at it. tau: Kendall's tau-b between the
accuracies of one run and those at the default size (means over its runs), as a mean over the runs; +-: its
standard error, by bootstrap over the networks. drawn: the same over the networks that no recorded search
trained: a search chooses by accuracy at a cheap size, and the networks that it chose differ little there.
edges, parameters: the correlation of a network's accuracy, a mean over its runs, with how many of these it
has. seconds: the median time of a training on one core. mean, sd: of the accuracies of a run. The last row
is the default size itself.
"""

import dataclasses
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from autodl_design.image_data.subset import load_subset
from autodl_design.record.history import ModelRecord, RecordError
from autodl_design.search_space.child import ChildSettings
from autodl_design.settings import command_line
from autodl_design.settings.fields import Settings, SettingsError, setting
from autodl_design.settings.flags import define_flags, from_flags
from autodl_design.trainers.job import Job
from study import records
from study.records import (
    ERRORS,
    FULL_SIZE,
    SUFFIX,
    TrainingSettings,
    read_runs,
    read_searches,
    train_missing,
)
from study.statistics import accuracies_of, by_network, mean_accuracies, tau_and_error

DEFAULT = "w64_c3_e20"
NUMBER = r"([1-9]\d*)"
SIZE = rf"w{NUMBER}_c{NUMBER}_e{NUMBER}(?:_lr(\d+\.\d+))?(?:_b{NUMBER})?"


class Group(NamedTuple):
    """Networks by which sizes are compared."""

    folder: Path  # a file a size
    at_default: tuple[Path, ...]  # files of their trainings at the default size


GROUPS = {
    "mixed": Group(records.SIZES_MIXED, (records.SIZES_MIXED / f"{DEFAULT}{SUFFIX}",)),
    "sparse": Group(records.SIZES_SPARSE, (records.SMALL / FULL_SIZE, records.OWN_HEADS / FULL_SIZE)),
}


def config_of(size: str) -> ChildSettings:
    """Raises SettingsError where there is no such size."""
    match = re.fullmatch(SIZE, size)
    if not match:
        raise SettingsError(f"{size} is no size; one is {DEFAULT}")
    width, num_cells, epochs = map(int, match.groups()[:3])
    further = {"lr_max": float(match[4])} if match[4] else {}
    if match[5]:
        further["train_batch_size"] = int(match[5])
    return ChildSettings(width=width, num_cells=num_cells, epochs=epochs, **further)


def networks_of(group: Group) -> dict[str, list[ModelRecord]]:
    """The networks of a group by their ids: their trainings at the default size. Raises RecordError where
    there are fewer than two."""
    networks = by_network(run for path in group.at_default for run in read_runs(path))
    if len(networks) < 2:
        raise RecordError(f"{group.at_default[0]} has {len(networks)} networks; two are needed")
    return networks


def networks_of_searches() -> set[str]:
    """Ids of all networks that a recorded search trained."""
    archives = map(read_searches, (records.SMALL, records.OWN_HEADS, records.DENSE))
    return {
        model.network
        for archive in archives
        for seeds in archive.values()
        for models in seeds.values()
        for model in models
    }


def print_row(
    size: str, runs: list[ModelRecord], networks: dict[str, list[ModelRecord]], chosen: Iterable[str]
) -> None:
    """Of the trainings at a size, over the networks that have some."""
    own = by_network(run for run in runs if run.network in networks)
    names = list(own)
    accuracies = accuracies_of(runs, names)
    if len(names) < 2 or not len(accuracies):
        print(f"{size} has no complete run yet")
        return
    at_default = mean_accuracies({name: networks[name] for name in names})
    reference = np.array(list(at_default.values()))
    drawn = ~np.isin(names, list(chosen))
    taus = 4 * [np.nan]
    if size != DEFAULT:  # which is the reference
        taus = [
            *tau_and_error(accuracies, reference),
            *tau_and_error(accuracies[:, drawn], reference[drawn]),
        ]
    means = list(mean_accuracies(own).values())
    firsts = [networks[name][0] for name in names]
    edges = np.corrcoef(means, [sum(first.architecture.edges()) for first in firsts])[0, 1]
    parameters = np.corrcoef(means, [first.num_params for first in firsts])[0, 1]
    seconds = np.median([run.seconds for run in runs if run.network in own])
    print(
        f"{size:22} {len(names):8} {len(accuracies):4} {taus[0]:5.2f} {taus[1]:5.2f} {taus[2]:6.2f} "
        f"{taus[3]:5.2f} {edges:6.2f} {parameters:11.2f} {seconds:8.1f} {accuracies.mean():6.3f} "
        f"{accuracies.std(axis=1, ddof=1).mean():6.3f}"
    )


def print_table(group: Group, chosen: Iterable[str]) -> None:
    """chosen: networks that the column `drawn` leaves out."""
    networks = networks_of(group)
    drawn = len(networks.keys() - set(chosen))
    print(f"{len(networks)} networks, {drawn} of them drawn at random")
    print(f"{'size':22} networks runs   tau    +-  drawn    +-  edges  parameters  seconds   mean     sd")
    for path in sorted(group.folder.glob(f"*{SUFFIX}")):
        size = path.name.removesuffix(SUFFIX)
        if size != DEFAULT:
            print_row(size, read_runs(path), networks, chosen)
    print_row(DEFAULT, [run for runs in networks.values() for run in runs], networks, chosen)


@dataclasses.dataclass(frozen=True)
class SizesSettings(Settings):
    """Sizes of the child network"""

    networks: str = setting("mixed", "By which networks sizes are compared.", choices=tuple(GROUPS))
    train: str | None = setting(None, "A size at which the networks are trained; needs --data_path.")
    runs: int = setting(1, "Trainings of each network at that size.", low=1, high=100)


def main(arguments: list[str]) -> None:
    settings, training = from_flags(SizesSettings), from_flags(TrainingSettings)
    group = GROUPS[settings.networks]
    if settings.train:
        if not training.data_path:
            raise SettingsError("--train needs --data_path, where dataset_maker.py wrote the images")
        firsts = {name: runs[0] for name, runs in networks_of(group).items()}
        jobs = {name: Job(first.mid, first.architecture) for name, first in firsts.items()}
        path, config = group.folder / f"{settings.train}{SUFFIX}", config_of(settings.train)
        images = load_subset(training.data_path)
        train_missing(path, jobs, settings.runs, images, config, training.trainers)
    print_table(group, networks_of_searches())


if __name__ == "__main__":
    define_flags(SizesSettings, TrainingSettings)
    command_line.start(main, (SizesSettings, TrainingSettings), ERRORS)
