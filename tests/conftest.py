"""Data and trained models that tests of several files read, made once."""

import contextlib
import gc
import io
import os
import signal
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from helpers import ROOT, TINY, run
from model_records import ADJVEC, TOKENS
from PIL import Image

from autodl_design.search_space.architecture import Architecture
from autodl_design.search_space.architecture_file import FoundArchitecture, write_architecture
from autodl_design.search_space.child import ChildSettings
from dataset_maker import Subset, SubsetSettings, make_subset

# On a machine without CUDA, builds of Paddle for GPUs warn on standard error that they miss it; see
# autodl_design/backend/paddle_backend.py. The commands that tests run inherit this.
os.environ["GLOG_minloglevel"] = "2"
# The tests that run at a time take all cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell lets its background jobs, and so all commands that they start, ignore Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What a machine may lack and `make setup-all` cannot install: the only skips that --skip-nothing lets pass.
BEYOND_INSTALLING = ("there is a GPU", "for CPUs", "no CIFAR-10 batches", "no paddle2onnx for this Python")


def pytest_addoption(parser):
    parser.addoption("--skip-nothing", action="store_true", help="a test that is skipped fails")


def pytest_xdist_auto_num_workers(config):
    """One more than there are cores that the user may have: some tests wait."""
    return len(os.sched_getaffinity(0)) + 1


def fail_if_skipped(config, report):
    """A test, or a whole file, whose optional part is missing would be green for ever."""
    if config.getoption("--skip-nothing") and report.skipped and not hasattr(report, "wasxfail"):
        *_, reason = report.longrepr
        if not any(allowed in reason for allowed in BEYOND_INSTALLING):
            report.outcome, report.longrepr = "failed", f"{report.nodeid}: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    return fail_if_skipped(item.config, (yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    return fail_if_skipped(collector.config, (yield))


def pytest_collection_finish():
    """Paddle, PyTorch and Ray are imported now. Whenever a network is built, the garbage collector would go
    through all that they hold."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def digits_path(tmp_path_factory) -> Path:
    """The offline stand-in."""
    path = tmp_path_factory.mktemp("data") / "digits"
    make_subset(SubsetSettings(source="digits", data_path=str(path)))
    return path


@pytest.fixture(scope="session")
def easy_subset() -> Subset:
    """Ten classes that differ in their hue: learnt within a few epochs."""
    rng = np.random.default_rng(0)

    def draw(n: int):
        labels = np.arange(n) % 10
        hue = 2 * np.pi * (labels[:, None] / 10 + np.arange(3) / 3)
        images = 128 + 80 * np.cos(hue)[:, :, None] + rng.normal(0, 30, (n, 3, 32 * 32))
        return images.clip(0, 255).astype(np.uint8).reshape(n, -1), labels

    return Subset(*draw(160), *draw(50), tuple("0123456789"))


class Trained(NamedTuple):
    directory: Path
    output: str  # what was printed


@pytest.fixture(scope="session")
def best_json(tmp_path_factory) -> Path:
    """A small architecture's file, as a search writes it."""
    path = tmp_path_factory.mktemp("architecture") / "best.json"
    config = ChildSettings(width=8, num_stages=2, num_cells=1, epochs=2, T_0=2.0, warmup=0.5)
    found = FoundArchitecture(Architecture.of(TOKENS, ADJVEC), config, 0, 0, accuracy=0.5, num_params=12345)
    write_architecture(path, found)
    return path


@pytest.fixture(scope="session")
def trained(best_json, digits_path, tmp_path_factory) -> Trained:
    """What `python retrain.py --epochs=6` makes of it, in this process."""
    from retrain import RetrainSettings, retrain  # imports Paddle, which most files do not need

    directory = tmp_path_factory.mktemp("retrained")
    paths = {"architecture": best_json, "data_path": digits_path, "output_dir": directory}
    with contextlib.redirect_stdout(io.StringIO()) as output:
        retrain(RetrainSettings(**{name: str(path) for name, path in paths.items()}, epochs=6))
    return Trained(directory, output.getvalue())


@pytest.fixture(scope="session")
def searched(tmp_path_factory) -> Path:
    """A folder with the images of a user's own, of three classes, and a search on them."""
    folder = tmp_path_factory.mktemp("searched")
    rng = np.random.default_rng(0)
    for number, name in enumerate(("circle", "it's a box", "ö")):
        (folder / "my shapes" / name).mkdir(parents=True)
        for k in range(20):
            pixels = (rng.integers(0, 100, (20, 20, 3)) + 50 * number).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "my shapes" / name / f"{k}.png")
    commands = [
        ["dataset_maker.py", "--input_dir=my shapes", "--output_dir=my subset", "--chunk_size=6"],
        ["main.py", "--data_path=my subset", "--log_dir=my log", "--agent=random", *TINY, "--num_stages=1"],
    ]
    for script, *flags in commands:
        result = run(ROOT / script, *flags, cwd=folder)
        assert result.returncode == 0, result.stderr
    return folder
