"""Which images are for training, validation and the test, and what is left out."""

import dataclasses

import numpy as np
import pytest

from autodl_design.image_data import split as split_module
from autodl_design.image_data.errors import DatasetError
from autodl_design.image_data.picture import PictureError
from autodl_design.image_data.source import TEST, TRAIN, VALIDATION, Source, parts
from autodl_design.image_data.split import load_split, split


class Images:
    """Image k has the value values[k] in all its pixels; None cannot be read."""

    def __init__(self, values):
        self.values = values

    def __len__(self):
        return len(self.values)

    def __getitem__(self, index):
        if self.values[index] is None:
            raise PictureError(f"{index}.png is not a picture of a known format")
        return np.frombuffer(int(self.values[index]).to_bytes(192, "little"), np.uint8)


def source_of(*counts, values=None, part=None):
    """So many images of each class."""
    labels = np.repeat(np.arange(len(counts)), counts)
    values = list(range(len(labels))) if values is None else values
    names = tuple(f"class {k}" for k in range(len(counts)))
    part = parts(len(labels)) if part is None else np.array(part, np.uint8)
    return Source("pictures", "here", Images(values), labels, part, names, 8)


def counts(source, indices):
    return np.bincount(source.labels[indices], minlength=len(source.class_names)).tolist()


def test_a_tenth_of_each_class_and_at_least_two(tmp_path):
    source = source_of(200, 44, 46, 30, 5, 3)
    result, images = split(source, seed=0)
    assert counts(source, result.validation) == [20, 4, 5, 3, 2, 2]
    assert counts(source, result.train) == [180, 40, 41, 27, 3, 1]
    assert sorted([*result.train, *result.validation]) == list(range(328)) and not len(result.test)
    assert images.copies == 0


def test_the_seed_decides():
    source = source_of(50, 50)
    first, again, other = (split(source, seed=seed)[0] for seed in (1, 1, 2))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert first.validation.tolist() != other.validation.tolist()


def test_sizes_may_be_asked_for():
    source = source_of(20, 30)
    result, _ = split(source, 0, validation_per_class=7, test_per_class=2)
    assert [counts(source, part) for part in result] == [[11, 21], [7, 7], [2, 2]]
    without, _ = split(source, 0, validation_per_class=7)
    assert set(without.validation) == set(result.validation)  # they do not depend on the test


@pytest.mark.parametrize("seed", range(10))
def test_copies_are_on_one_side_only(seed):
    values = [k % 25 for k in range(50)] + [k % 25 + 20 for k in range(50)]  # 20 - 24 in both classes
    source = source_of(50, 50, values=values)
    result, images = split(source, seed)
    drawn = [values[k] for k in np.concatenate(result)]
    assert sorted(drawn) == list(range(45)) and images.copies == 55


def test_parts_of_its_own_are_kept_whole_and_have_no_copies_in_training():
    part = [TRAIN] * 8 + [VALIDATION] * 2 + [TRAIN] * 8 + [TEST] * 2
    values = [*range(8), 0, 100, *range(10, 18), 200, 200]
    source = source_of(10, 10, values=values, part=part)
    result, images = split(source, seed=0)
    assert sorted(result.validation) == [8, 9] and sorted(result.test) == [18, 19]
    assert counts(source, result.train) == [7, 8] and images.copies == 1


def test_all_pictures_that_cannot_be_read_are_named_at_once():
    values = [None if k in (3, 25) else k for k in range(40)]
    source = source_of(20, 20, values=values)
    with pytest.raises(
        DatasetError, match="^2 pictures cannot be read: .*3.png.*; 25.png.*by dataset_maker.py --skip_bad$"
    ):
        split(source, seed=0)
    result, images = split(source, seed=0, skip_bad=True)
    assert sorted(np.concatenate(result)) == [k for k in range(40) if k not in (3, 25)]
    assert len(images.unreadable) == 2
    many = source_of(2000, 2000, values=[None] * 4000)
    with pytest.raises(
        DatasetError, match="^4,000 pictures cannot be read: .*; and 3,995 more; mend"
    ) as caught:
        split(many, seed=0)
    assert len(str(caught.value)) < 1000


def test_classes_that_are_too_small_are_named():
    with pytest.raises(
        DatasetError, match="class 1 has 2 distinct images and 3 are needed, .* 1 more class"
    ):
        split(source_of(9, 2, 1), seed=0)
    with pytest.raises(DatasetError, match="class 0 has 9 distinct images and 10 are needed"):
        split(source_of(9, 12), seed=0, validation_per_class=9)


def test_more_images_than_memory_has_room_for_are_refused_before_they_are_read(monkeypatch):
    monkeypatch.setattr(split_module, "MAX_BYTES", 40 * 192 - 1)
    with pytest.raises(DatasetError, match="lower --image_size, or draw fewer"):
        split(source_of(20, 20, values=[None] * 40), seed=0)


def test_load_split(monkeypatch):
    source = dataclasses.replace(source_of(30, 4), mirror=False)
    monkeypatch.setattr(split_module, "open_source", lambda path, size: source)
    subset, test = load_split("here", None, seed=0)
    assert (subset.train_counts.tolist(), subset.validation_counts.tolist()) == ([27, 2], [3, 2])
    assert test is None and not subset.mirror and not subset.balanced and subset.image_size == 8
