"""Models that guess are named, with flags that help."""

import re

import pytest
from model_records import FAILED, model

from autodl_design.search_loop.guessing import ENOUGH_UPDATES, guessing_line

# The example of the issue: 72 training images of four classes, five epochs of batches of 32.
SETTINGS = {
    "num_classes": 4, "validation_images": 40, "training_images": 72, "epochs": 5, "train_batch_size": 32,
}  # fmt: skip


def models(*accuracies):
    return [model(mid, accuracy) for mid, accuracy in enumerate(accuracies)]


def line(found, **settings):
    return guessing_line("the first 4", found, {**SETTINGS, **settings})


def test_most_models_at_chance_are_named_with_flags_that_help():
    said = line(models(0.25, 0.25, 0.3, 0.6))
    assert said.startswith("3 of the first 4 models guess ") and "chance, 0.250" in said
    assert "10 a model are too few updates" in said
    epochs, batch_size, updates = map(
        int, re.search(r"--epochs=(\d+) --train_batch_size=(\d+) makes (\d+)$", said).groups()
    )
    assert updates == epochs * (72 // batch_size) >= ENOUGH_UPDATES


def test_models_that_do_not_guess_are_not():
    assert line(models(0.25, 0.25, 0.6, 0.6)) is None
    assert line([*models(0.6), *(model(mid, **FAILED) for mid in range(1, 4))]) is None
    assert line([]) is None


def test_where_there_are_updates_enough_other_flags_are_named():
    assert line(models(0.25), epochs=100).endswith("try more --epochs than 100, or a larger --width")


def test_a_batch_is_not_made_larger():
    assert "--train_batch_size=4 " in line(models(0.25), train_batch_size=4, epochs=1)


@pytest.mark.parametrize("value", [None, "10", True, 0, 1, -3, 2.5, [10], 10**400])
def test_settings_of_a_file_may_say_anything(value):
    for name in SETTINGS:
        said = line(models(0.25), **{name: value})
        assert said is None or "\n" not in said
    assert "more --epochs or a smaller" in line(models(0.25), training_images=None)
