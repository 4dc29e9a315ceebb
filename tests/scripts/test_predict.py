"""predict.py as a user runs it."""

import csv
import io
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


def run(*arguments, stdin=None, **environment):
    return subprocess.run(
        [sys.executable, "predict.py", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        input=stdin,
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
        ([], "name pictures or folders to classify"),
        (["--format=xml", "a.png"], "must be text or csv or json"),
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


# --- Folders, lists, formats and labels -------------------------------------------------------------


@pytest.fixture(scope="module")
def folders(digits_path, tmp_path_factory):
    """The validation images as pictures in a folder for each class, one level deeper than need be."""
    folder = tmp_path_factory.mktemp("pictures")
    subset = load_subset(digits_path)
    for i, (pixels, label) in enumerate(
        zip(subset.validation_images, subset.validation_labels, strict=True)
    ):
        place = folder / str(label) / "more"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.reshape(3, 32, 32).transpose(1, 2, 0)).save(place / f"{i:03d}.png")
    (folder / "3/Thumbs.db").write_bytes(b"x")
    (folder / "3/.hidden").write_bytes(b"x")
    return folder


def test_a_folder_of_classes_gives_the_accuracy(trained, folders, tmp_path):
    picture = tmp_path / "confusion.png"
    result = run(f"--model={trained.directory}", f"--confusion={picture}", folders)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert len(lines) == 100 + 3 + 11
    accuracy = re.match(
        r"accuracy (0\.\d{3}) \+- 0\.0\d\d on 100 images; saying always 0, .* give 0\.100", lines[100]
    )
    assert f"best validation accuracy {accuracy[1]}" in trained.output
    assert re.match(r"accuracy of each class: 0 [01]\.\d\d of 10, 1 ", lines[101])
    matrix = np.array([line.split()[1:] for line in lines[104:]], int)
    assert matrix.sum() == 100 and matrix.trace() == round(100 * float(accuracy[1]))
    assert Image.open(picture).size[0] > 300


def test_csv_and_json_hold_the_same(trained, folders, tmp_path):
    in_csv = run(f"--model={trained.directory}", "--format=csv", folders / "3", folders / "4/more/000.png")
    assert in_csv.returncode == 1 and "000.png: No such file" in in_csv.stderr
    rows = list(csv.DictReader(in_csv.stdout.splitlines()))
    output = tmp_path / "classes.json"
    in_json = run(f"--model={trained.directory}", "--format=json", f"--output={output}", folders / "3")
    assert in_json.returncode == 0 and not in_json.stdout
    objects = [json.loads(line) for line in output.read_text().splitlines()]
    assert len(rows) == len(objects) == 10
    for row, content in zip(rows, objects, strict=True):
        assert row["path"] == content["path"] and content["label"] is None and not row["label"]
        assert row["predicted"] == content["predicted"]
        shares = {name: float(row[name]) for name in "0123456789"}
        assert shares == pytest.approx(content["probabilities"], abs=1e-6)
        assert max(shares, key=shares.get) == row["predicted"]
        assert float(row["probability"]) == max(shares.values())


def test_paths_come_from_standard_input(trained, folders):
    paths = sorted(folders.rglob("*.png"))[:3]
    result = run(f"--model={trained.directory}", "-", stdin="".join(f"{path}\n" for path in paths) + "\n")
    assert result.returncode == 0, result.stderr
    assert [line.split(": ")[0] for line in result.stdout.splitlines()] == list(map(str, paths))
    assert run(f"--model={trained.directory}", "-", stdin="").returncode == 0


def test_labels_from_a_file(trained, folders):
    table = folders / "labels.csv"
    paths = sorted(folders.rglob("*.png"))[:4]
    lines = [f"{path.relative_to(folders)},{name}" for path, name in zip(paths, "0017", strict=True)]
    table.write_text("path,label\n" + "\n".join(lines))
    result = run(f"--model={trained.directory}", f"--labels={table}", "--format=csv")
    assert result.returncode == 0
    assert [row["label"] for row in csv.DictReader(result.stdout.splitlines())] == list("0017")
    assert "on 4 images; saying always 0, the largest class, would give 0.500" in result.stderr
    table.write_text("none.png,cat\x1b[2J")
    result = run(f"--model={trained.directory}", f"--labels={table}")
    assert result.returncode == 1 and result.stderr.count("\n") == 1 and "\x1b" not in result.stderr
    assert "is no class of the model" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["EMPTY"], "holds no pictures"),
        (["--confusion=EMPTY/x.png", "PICTURE"], "the classes of the pictures are not known"),
        (["--labels=none.csv"], "none.csv cannot be read: No such file"),
        (["--output=/none/classes.csv", "PICTURE"], "/none/classes.csv: No such file or directory"),
        (["--output=EMPTY", "PICTURE"], "Is a directory"),
    ],
)
def test_a_mistake_in_places_gets_one_line(trained, picture, tmp_path, arguments, complaint):
    empty = tmp_path / "empty"
    empty.mkdir()
    arguments = [a.replace("EMPTY", str(empty)).replace("PICTURE", str(picture)) for a in arguments]
    result = run(f"--model={trained.directory}", *arguments)
    assert result.returncode == 1
    assert complaint in result.stderr and result.stderr.count("\n") == 1


def test_standard_input_that_is_no_list_is_refused_before_it_takes_the_memory(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a.png\n" + bytes(10**6))))
    paths = predict.listed_paths()
    assert next(paths) == "a.png"
    with pytest.raises(predict.PicturesError, match="standard input is no list of paths"):
        next(paths)


def test_standard_input_that_cannot_be_read_is_named(monkeypatch, tmp_path):
    with open(tmp_path / "file", "w") as file:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(io.FileIO(file.fileno()))))
        with pytest.raises(predict.PicturesError, match="standard input: Bad file descriptor"):
            next(predict.listed_paths())


def test_a_list_without_end_is_refused(trained, monkeypatch):
    monkeypatch.setattr("autodl_design.image_data.picture_table.MAX_PICTURES", 3)
    endless = io.TextIOWrapper(io.BytesIO(b"a.png\n" * 1000))
    monkeypatch.setattr("sys.stdin", endless)
    config = predict.PredictSettings(model=str(trained.directory))
    with pytest.raises(predict.PicturesError, match="more than 3 pictures"):
        predict.predict(config, ["-"])
