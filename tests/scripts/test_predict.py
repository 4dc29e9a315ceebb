"""predict.py as a user runs it."""

import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from helpers import ROOT
from PIL import Image

from autodl_design.image_data.subset import load_subset


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "predict.py", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


@pytest.fixture
def copy(trained, tmp_path):
    """A copy of a model, to damage."""
    directory = tmp_path / "copy"
    shutil.copytree(trained.directory, directory)
    return directory


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (50, 40)).save(path)
    return path


def test_classifies_pictures_as_in_validation(trained, digits_path, tmp_path):
    """More than are in memory at once."""
    subset = load_subset(digits_path, 100)
    paths = []
    for i, pixels in enumerate(subset.validation_images):
        paths.append(tmp_path / f"{i:03d}.png")
        Image.fromarray(pixels.reshape(3, 32, 32).transpose(1, 2, 0)).save(paths[-1])
    result = run(f"--model={trained.directory}", *paths, paths[0])
    assert result.returncode == 0, result.stderr
    lines = re.findall(r"\.png: (\d) \d\.\d\d, \d \d\.\d\d, \d \d\.\d\d$", result.stdout, re.MULTILINE)
    assert len(lines) == 101 and lines[100] == lines[0]
    accuracy = np.mean([int(name) for name in lines[:100]] == subset.validation_labels)
    assert f"best validation accuracy {accuracy:.3f}" in trained.output


def test_a_bad_picture_is_named_and_the_others_are_classified(trained, picture):
    result = run(f"--model={trained.directory}", "none.png", picture, "README.md")
    assert result.returncode == 1
    assert result.stdout.startswith(f"{picture}: ") and result.stdout.count("\n") == 1
    complaints = result.stderr.splitlines()
    assert complaints[0] == "predict.py: none.png: No such file or directory"
    assert complaints[1].startswith("predict.py: README.md is not a picture") and len(complaints) == 2


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "name the pictures to classify"),
        (
            ["--model=tests", "a.png"],
            "tests/network.json is missing: name a directory that retrain.py wrote",
        ),
    ],
)
def test_a_mistake_gets_one_line(arguments, complaint):
    result = run(*arguments)
    assert result.returncode == 1
    assert complaint in result.stderr and result.stderr.count("\n") == 1


def test_a_model_in_a_directory_of_any_name_and_any_locale(copy, picture, tmp_path):
    directory = copy.rename(tmp_path / "ö 猫")
    shutil.copy(picture, tmp_path / "ö.png")
    strict = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    result = run(f"--model={directory}", tmp_path / "ö.png", **strict)
    assert result.returncode == 0, result.stderr
