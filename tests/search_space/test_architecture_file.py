"""best.json: what is written is read again, and anything else is refused."""

import dataclasses
import json
import os

import numpy as np
import pytest

from autodl_design.search_space.architecture import Architecture
from autodl_design.search_space.architecture_file import (
    ArchitectureError,
    FoundArchitecture,
    read_architecture,
    write_architecture,
)
from autodl_design.search_space.child import ChildSettings
from autodl_design.search_space.image_origin import ImageOrigin

IMAGES = ImageOrigin("12ab", ("ö", "b"), 32, "data_path", "cifar/mine", "/home/me/cifar/mine")
FOUND = FoundArchitecture(
    Architecture.of([1, 8, 3, 0], [1, 0]),
    ChildSettings(width=8),
    mid=12,
    seed=3,
    accuracy=0.5,
    num_params=12345,
    accuracy_of="the mean of 3 runs",
    images=IMAGES,
)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "best.json"
    write_architecture(path, FOUND)
    return path


def test_reads_what_it_wrote(path):
    assert read_architecture(path) == FOUND


def test_reads_files_of_early_versions(path):
    content = json.loads(path.read_text())
    for name in ("images", "accuracy_of"):
        del content[name]
    path.write_text(json.dumps(content))
    assert read_architecture(path) == dataclasses.replace(FOUND, images=None, accuracy_of="one run")


def test_images_are_found_where_they_were_or_from_here(tmp_path, monkeypatch):
    (tmp_path / "there/mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "there")
    origin = dataclasses.replace(IMAGES, path="mine", absolute_path=str(tmp_path / "there/mine"))
    monkeypatch.chdir("/")
    assert origin.find() == str(tmp_path / "there/mine")
    (tmp_path / "there").rename(tmp_path / "moved")
    with pytest.raises(FileNotFoundError, match="no longer in .*: say where by --data_path"):
        origin.find()
    monkeypatch.chdir(tmp_path / "moved")
    assert origin.find() == "mine"


def test_writes_numbers_of_numpy(path):
    before = path.read_bytes()
    numbers = {name: np.int64(getattr(FOUND, name)) for name in ("mid", "seed", "num_params")}
    architecture = Architecture.of(*map(np.array, FOUND.architecture))
    found = dataclasses.replace(FOUND, **numbers, architecture=architecture, accuracy=np.float32(0.5))
    write_architecture(path, found)
    assert path.read_bytes() == before


def test_shows_operations_and_edges_by_name(path):
    content = json.loads(path.read_text())
    assert content["normal_cell"] == [
        {"operation": "conv_3x3", "inputs": []},
        {"operation": "avgpool_3x3", "inputs": [0]},
    ]
    assert content["reduction_cell"][1] == {"operation": "conv_1x1", "inputs": []}


def changed(**fields):
    return lambda content: json.dumps({**content, **fields})


def recipe(**fields):
    return lambda content: json.dumps({**content, "recipe": {**content["recipe"], **fields}})


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda content: json.dumps(content)[:-20], "is not JSON"),
        (lambda content: json.dumps([1]), "best.json"),
        (lambda content: json.dumps({"version": 1, "tokens": content["tokens"]}), "'adjvec' is missing"),
        (changed(seed=-1), "seed is out of bounds"),
        (changed(seed=2**32), "seed is out of bounds"),
        (changed(mid=-1), "mid is out of bounds"),
        (changed(accuracy=1.5), "accuracy is out of bounds"),
        (changed(accuracy=float("nan")), "accuracy is out of bounds"),
        (changed(version=2), "version 2, not 1"),
        (changed(tokens=[1, 8, 3, 10]), "tokens must lie in 0 .. 9"),
        (changed(tokens=[1, 8, 3, "x"]), "tokens is not a list of whole numbers"),
        (changed(tokens=[1, 8, 3, 0.0]), "tokens is not a list of whole numbers"),
        (changed(adjvec=[True, 0]), "adjvec is not a list of whole numbers"),
        (changed(adjvec={}), "adjvec is not a list of whole numbers"),
        (changed(mid="12"), "mid is not a number"),
        (changed(accuracy=None), "accuracy is not a number"),
        (changed(version=["x" * 10_000]), "version ['xxx"),
        (recipe(T_0=10**400), "T_0 cannot be 1000"),
        (recipe(width=10**12), "width cannot be 1000000000000"),
        (recipe(num_cells=10**6), "num_cells cannot be 1000000"),
        (recipe(**{"x\x1b[2J" * 1000: 1}), "recipe has not the fields of this version"),
        (lambda content: "[" * 200_000, "nested too deeply"),
        (lambda content: '{"a":' * 200_000, "nested too deeply"),
        (lambda content: "1" + "0" * 10_000, "is not JSON"),
        (lambda content: " " * 2**24 + "{}", "too long"),
        (changed(adjvec=[1]), "need an adjvec of 2"),
        (changed(adjvec=[0, 0]), "normal_cell is not the one of tokens and adjvec"),
        (changed(recipe={"width": 8}), "recipe has not the fields of this version"),
        (recipe(width="8"), "width cannot be '8'"),
        (recipe(width=8.5), "width cannot be 8.5"),
        (recipe(width=10), "width 10 must be a multiple of ratio 4"),
        (recipe(num_cells=0), "num_cells cannot be 0"),
        (recipe(lr_max=float("nan")), "lr_max cannot be nan"),
        (recipe(T_0=1.0, warmup=2.0), "warmup 2 must be less than T_0 1"),
        (changed(recipe=[1]), "recipe is not an object"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(path, change, complaint):
    path.write_text(change(json.loads(path.read_text())))
    with pytest.raises(ArchitectureError) as raised:
        read_architecture(path)
    assert complaint in str(raised.value) and str(path) in str(raised.value)
    assert str(raised.value).isprintable() and len(str(raised.value)) < 600


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ArchitectureError, match="none.json: No such file"):
        read_architecture(tmp_path / "none.json")


def test_what_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path, complaint in [(tmp_path, "Is a directory"), (tmp_path / "fifo", "is not a regular file")]:
        with pytest.raises(ArchitectureError, match=complaint):
            read_architecture(path)
