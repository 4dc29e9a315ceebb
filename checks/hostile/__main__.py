"""Hostile files, odd flags and faults, given to the real commands: does each end as the README promises?

    python -m checks.hostile                            # all: up to an hour
    python -m checks.hostile --groups=flags,states
    python -m checks.hostile --sample=20                # every 20th of each group

As promised means: the right exit code, one line of plain text on standard error and no traceback, files
as they were, and no more than 2 GB of memory and two minutes. Prints each case that did not end so, and a
table. Exit code 1 where there is one. Some cases mount small file systems, for which the user must be root.
"""

import dataclasses
import functools
import importlib
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from autodl_design.settings import command_line
from autodl_design.settings.fields import Settings, SettingsError, setting
from autodl_design.settings.flags import define_flags, from_flags
from checks import ROOT
from checks.hostile import flags as odd_flags
from checks.hostile import images, models, pairs, searches, server, stops, tampered
from checks.hostile.case import Case, run

AT_ONCE = 2
GROUPS = (
    "batches",
    "archives",
    "places",
    "pictures",
    "report",
    "search",
    "flags",
    "states",
    "models",
    "server",
    "stops",
    "pairs",
    "tampered",
)
SHARED = ("digits", "log", "pseudo", "model")  # directories that no case may change
# The groups that need none of the things that cases share, and the scripts that the forks of a group run.
WITHOUT_BASE = {"batches", "archives", "places", "pictures", "stops", "pairs"}
FORKED = {
    "stops": ["main"],
    "pairs": ["main"],
    "tampered": ["main", "report", "predict", "export", "retrain"],
}


def make_base(base: Path) -> None:
    """What the cases share: images, a search, one without trainers, a model, a picture."""
    Image.new("RGB", (40, 50), (200, 10, 10)).save(base / "picture.png")
    search = ["main.py", *odd_flags.TINY, f"--data_path={base}/digits", f"--log_dir={base}/log"]
    retrain = [
        "--architecture={base}/log/best.json",
        "--data_path={base}/digits",
        "--output_dir={base}/model",
    ]
    for command in (
        ["dataset_maker.py", "--source=digits", f"--output_dir={base}/digits"],
        search,
        ["-m", "checks.hostile.pseudo_search", *odd_flags.TINY, f"--log_dir={base}/pseudo"],
        ["retrain.py", "--epochs=1", *(flag.replace("{base}", str(base)) for flag in retrain)],
        ["predict.py", f"--model={base}/model", f"{base}/picture.png"],
    ):
        subprocess.run([sys.executable, *command], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def all_cases(base: Path, with_base: bool) -> list[Case]:
    found = [*images.cases(), *pairs.cases()]
    if with_base:
        found += [
            *searches.cases(base), *odd_flags.flag_cases(), *odd_flags.environment_cases(),
            *models.cases(base), *tampered.cases(base),
        ]  # fmt: skip
    return found


def untouched(*directories: Path) -> dict[Path, tuple[int, int]]:
    """Sizes and times of all files that no case may touch."""
    passed = {"__pycache__", ".git", ".pytest_cache", ".ruff_cache", ".venv"}
    files = (path for directory in directories for path in directory.rglob("*"))
    return {
        path: (path.stat().st_size, path.stat().st_mtime_ns)
        for path in files
        if not passed & set(path.parts) and path.is_file()
    }


def run_cases(base: Path, cases: list[Case], tried: Counter, failed: Counter) -> None:
    def one(numbered: tuple[int, Case]) -> str | None:
        number, case = numbered
        here = base / "cases" / str(number)
        try:
            return run(case, here, base)
        finally:
            shutil.rmtree(here, ignore_errors=True)

    numbered = list(enumerate(cases))
    for number, case in numbered:
        if case.forked:  # while this process has one thread
            count(case.group, case.name, one((number, case)), tried, failed)
    others = [(number, case) for number, case in numbered if not case.forked]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for (_, case), fault in zip(others, pool.map(one, others), strict=True):
            count(case.group, case.name, fault, tried, failed)


def count(group: str, name: str, fault: str | None, tried: Counter, failed: Counter) -> None:
    tried[group] += 1
    failed[group] += fault is not None
    if fault is not None:
        print(f"not as promised: {group}: {name!r}: {fault}", flush=True)


@dataclasses.dataclass(frozen=True)
class HostileSettings(Settings):
    """Hostile inputs"""

    groups: str = setting(",".join(GROUPS), "Which groups of cases, separated by commas.")
    sample: int = setting(1, "Only every so-many-th case of a group.", low=1)


def main(arguments: list[str]) -> None:
    settings = from_flags(HostileSettings)
    groups = settings.groups.split(",")
    if unknown := set(groups) - set(GROUPS):
        raise SettingsError(f"--groups: {', '.join(sorted(unknown))}: choose from {', '.join(GROUPS)}")
    tried, failed = Counter(), Counter()
    with tempfile.TemporaryDirectory(prefix="hostile") as directory:
        base = Path(directory)
        for name in ("home", "cases"):
            (base / name).mkdir()
        with_base = not WITHOUT_BASE.issuperset(groups)
        if with_base:
            make_base(base)
        for script in dict.fromkeys(script for group in groups for script in FORKED.get(group, ())):
            importlib.import_module(script)  # once, for all forks
        watch = functools.partial(untouched, ROOT, *(base / name for name in SHARED))
        before = watch()
        cases = all_cases(base, with_base)
        chosen = [
            case for group in groups for case in [c for c in cases if c.group == group][:: settings.sample]
        ]
        if "stops" in groups:
            for name, fault in stops.faults(base, settings.sample).items():
                count("stops", name, fault, tried, failed)
        run_cases(base, chosen, tried, failed)
        if "server" in groups:
            for name, fault in server.faults(base).items():
                count("server", name, fault, tried, failed)
        after = watch()
        touched = [path for path in before.keys() | after.keys() if before.get(path) != after.get(path)]
        for path in touched:
            print(f"not as promised: {path} was touched")
    print("| group | tried | as promised | not |")
    print("|---|---|---|---|")
    for group in (group for group in GROUPS if tried[group]):
        print(f"| {group} | {tried[group]} | {tried[group] - failed[group]} | {failed[group] or 'none'} |")
    total, bad = tried.total(), failed.total() + len(touched)
    print(f"| all | {total} | {total - failed.total()} | {bad or 'none'} |")
    sys.exit(bad > 0)


if __name__ == "__main__":
    define_flags(HostileSettings)
    command_line.start(main, (HostileSettings,), (SettingsError,))
