"""predict.py as a user runs it, and the files of a model."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from helpers import ROOT
from PIL import Image

import predict
from autodl_design.image_data.subset import load_subset
from autodl_design.trained_model.model_files import ModelError, read_model


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
        (["--model=tests", "a.png"], "tests/model.json is missing: name a directory that retrain.py wrote"),
    ],
)
def test_a_mistake_gets_one_line(arguments, complaint):
    result = run(*arguments)
    assert result.returncode == 1
    assert complaint in result.stderr and result.stderr.count("\n") == 1


def test_a_model_of_other_bytes_never_reaches_paddle(copy, picture):
    """Which would crash on it."""
    (copy / "model.pdmodel").write_bytes(np.random.default_rng(0).bytes(20_000))
    result = run(f"--model={copy}", picture)
    assert result.returncode == 1
    assert f"{copy / 'model.pdmodel'} is damaged: `python retrain.py --resume`" in result.stderr
    assert result.stderr.count("\n") == 1


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def changed(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def emptied(path):
    path.write_bytes(b"")


def made_binary(path):
    path.write_bytes(bytes(range(256)))


def lengthened(path):
    path.write_bytes(path.read_bytes() + b"x\n")


def removed(path):
    path.unlink()


def made_a_directory(path):
    path.unlink()
    path.mkdir()


def made_a_fifo(path):
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("name", ["model.pdmodel", "model.pdiparams", "classes.txt", "model.json"])
@pytest.mark.parametrize(
    "harm", [cut, changed, emptied, made_binary, lengthened, removed, made_a_directory, made_a_fifo]
)
def test_a_model_that_is_not_as_written_is_refused(copy, name, harm):
    if (name, harm) == ("model.json", cut):
        pytest.skip("its last character is the end of the line")
    harm(copy / name)
    with pytest.raises(ModelError) as raised:
        read_model(copy)
    assert str(copy) in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "description",
    [
        5,
        [],
        {},
        {"image_size": 32},
        {"image_size": 32, "sha256": []},
        {"image_size": 32, "sha256": {"model.pdmodel": 5}},
        {"image_size": 32, "sha256": None},
        {"image_size": "32", "sha256": {}},
        {"image_size": 0, "sha256": {}},
        {"image_size": 10**9, "sha256": {}},
    ],
)
def test_a_description_that_is_none_is_refused(copy, description):
    (copy / "model.json").write_text(json.dumps(description))
    with pytest.raises(ModelError, match="model.json is damaged"):
        read_model(copy)


def test_a_model_in_a_directory_of_any_name_and_any_locale(copy, picture, tmp_path):
    directory = copy.rename(tmp_path / "ö 猫")
    shutil.copy(picture, tmp_path / "ö.png")
    strict = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    result = run(f"--model={directory}", tmp_path / "ö.png", **strict)
    assert result.returncode == 0, result.stderr


def test_a_model_that_does_not_fit_its_description_gets_one_line(trained):
    model = read_model(trained.directory)
    pictures = np.zeros((2, 3, 32, 32), np.float32)
    assert predict.load_predictor(model)(pictures).shape == (2, 10)
    for other, pixels in [
        (dataclasses.replace(model, class_names=("a", "b")), pictures),
        (model, np.zeros((2, 3, 64, 64), np.float32)),
    ]:
        with pytest.raises(ModelError, match="has other images or classes"):
            predict.load_predictor(other)(pixels)
    program = model.program.replace(b"conv2d", b"conv9d")
    with pytest.raises(ModelError, match="Paddle cannot read the model"):
        predict.load_predictor(predict.TrainedModel(program, model.parameters, model.class_names, 32))
