import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dataset_maker import Subset

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def digits_path(tmp_path_factory) -> Path:
    """The offline stand-in, as a user makes it."""
    path = tmp_path_factory.mktemp("data") / "digits"
    command = [sys.executable, "dataset_maker.py", "--source=digits", f"--output_dir={path}"]
    subprocess.run(command, cwd=ROOT, check=True)
    return path


@pytest.fixture(scope="session")
def easy_subset() -> Subset:
    """Ten classes told apart by their hue: learnt within a few epochs."""
    rng = np.random.default_rng(0)

    def draw(n: int):
        labels = np.arange(n) % 10
        hue = 2 * np.pi * (labels[:, None] / 10 + np.arange(3) / 3)
        images = 128 + 80 * np.cos(hue)[:, :, None] + rng.normal(0, 30, (n, 3, 32 * 32))
        return images.clip(0, 255).astype(np.uint8).reshape(n, -1), labels

    return Subset(*draw(160), *draw(50), tuple("0123456789"))
