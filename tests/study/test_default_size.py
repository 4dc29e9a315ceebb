"""Networks at several sizes, and hand-written ones beside them."""

import math
import shutil

import pytest
from helpers import CONFIG

from autodl_design.record.history import RecordError
from autodl_design.search_space.reference import Reference
from autodl_design.settings.fields import SettingsError
from study.default_size import (
    DefaultSizeSettings,
    ToTrain,
    Training,
    networks,
    print_table,
    read_trainings,
    to_train,
    train_missing,
)
from study.records import FOLDER
from study.rows import write_rows

RECORDED = FOLDER / "default_size"


def test_networks_are_the_same_ones_each_time():
    first, again = networks(RECORDED), networks(RECORDED)
    assert first == again and len(set(first.values())) == len(first) == 6
    edges = {name: sum(architecture.edges()) for name, architecture in first.items()}
    assert max(edges["sparse-1"], edges["sparse-2"]) < min(edges["dense-1"], edges["dense-2"])


def test_what_is_asked_for_is_trained_once(easy_subset, tmp_path, capsys):
    path = tmp_path / "trainings.csv.gz"
    architecture = networks(RECORDED)["sparse-1"]
    todo = [
        ToTrain("vgg-8", "", 1, Reference.of("vgg"), CONFIG),
        ToTrain("sparse-1", "c1", 1, architecture, CONFIG),
    ]
    train_missing(path, todo[:1], easy_subset)
    train_missing(path, todo, easy_subset)
    assert capsys.readouterr().out.count(": ") == 2
    trainings = read_trainings(path)
    assert [training[:3] for training in trainings] == [("sparse-1", "c1", 1), ("vgg-8", "", 1)]
    assert all(training.num_params > 0 and training.macs > 0 for training in trainings)


def test_names_and_kinds_choose_what_is_trained():
    settings = DefaultSizeSettings(train="w32_r2,references", kinds="found", runs=2)
    todo = to_train(settings, RECORDED)
    assert len(todo) == 2 * (2 + 9) and len({one[:3] for one in todo}) == len(todo)
    assert todo[0].network == "found-1" and (todo[0].config.width, todo[0].config.ratio) == (32, 2)
    for wrong in ({"train": "w33"}, {"train": "c1", "kinds": "best"}):
        with pytest.raises(SettingsError, match="there are"):
            to_train(DefaultSizeSettings(**wrong), RECORDED)


def test_the_table_has_means_of_complete_kinds(capsys):
    def training(network, size, accuracy, seconds=10.0):
        return Training(network, size, 1, accuracy, seconds, 1000, 2_000_000)

    print_table(
        [
            training("found-1", "c1", 0.5),
            training("found-2", "c1", 0.6, math.nan),
            training("sparse-1", "c1", 0.4, 20.0),
            training("vgg-32", "", 0.55),
        ]
    )
    _, of_size, _, _, reference = capsys.readouterr().out.splitlines()
    assert of_size.split() == ["c1", "0.550", "+-", "0.050", "-", "-", "15", "1,000", "2.0"]
    assert reference.split() == ["vgg-32", "0.550", "1", "10", "1,000", "2.0"]


def test_a_file_that_is_none_is_named(tmp_path):
    path = tmp_path / "trainings.csv.gz"
    shutil.copy(RECORDED / "trainings.csv.gz", path)
    held = path.read_bytes()
    write_rows(path, Training, read_trainings(path))
    assert path.read_bytes() == held
    for content in (b"text", path.read_bytes()[:50]):
        path.write_bytes(content)
        with pytest.raises(RecordError, match="trainings.csv.gz cannot be read"):
            read_trainings(path)
