"""Damaged and hostile archives, given to the functions that dataset_maker.py calls."""

import os
import tracemalloc

import pytest

from autodl_design.image_data.cifar import load_cifar
from autodl_design.image_data.errors import DatasetError
from checks.hostile.archives import BATCHES, DAMAGED, LAST, PACKED, REFUSED, packed


def load(tmp_path, content):
    """load_cifar of a directory that is not there, with an archive of this content beside it."""
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(content)
    return load_cifar(tmp_path / "in")


def test_a_whole_archive_is_unpacked(tmp_path, capsys):
    images, labels = load(tmp_path, PACKED)
    assert images.shape == (100, 3072) and labels.tolist() == [i % 10 for i in range(20)] * 5
    assert {path.name: path.read_bytes() for path in (tmp_path / "in").iterdir()} == BATCHES
    assert "Warning" not in capsys.readouterr().out


def test_an_archive_with_fewer_batches_is_warned_of(tmp_path, capsys):
    images, _ = load(tmp_path, packed(LAST))
    assert len(images) == 80
    assert "cifar-10-python.tar.gz is not all of CIFAR-10: it lacks data_batch_5" in capsys.readouterr().out


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_archives(tmp_path, name):
    with pytest.raises(DatasetError, match="is no .tar.gz archive or is damaged .*: delete it") as error:
        load(tmp_path, DAMAGED[name])
    assert str(error.value).isprintable() and os.listdir(tmp_path) == ["cifar-10-python.tar.gz"]


@pytest.mark.parametrize("name", REFUSED)
def test_refused_archives(tmp_path, name):
    content, message = REFUSED[name]
    with pytest.raises(DatasetError, match=message) as error:
        load(tmp_path, content)
    assert str(error.value).isprintable() and os.listdir(tmp_path) == ["cifar-10-python.tar.gz"]


def test_bombs_stay_small(tmp_path):
    """Every refusal comes before the bytes, so the memory of all of them together stays small."""
    tracemalloc.start()
    for content in (REFUSED["3 GB"][0], REFUSED["33 MB"][0], DAMAGED["long header"], DAMAGED["long name"]):
        with pytest.raises(DatasetError):
            load(tmp_path, content)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_something_else_in_the_place_of_the_archive(tmp_path, make):
    make(tmp_path / "cifar-10-python.tar.gz")
    with pytest.raises(DatasetError, match="cifar-10-python.tar.gz cannot be read: "):
        load_cifar(tmp_path / "in")
    assert os.listdir(tmp_path) == ["cifar-10-python.tar.gz"]
