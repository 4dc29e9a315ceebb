"""Whether models guess, and the flags that help: rewards that are all at chance teach an agent nothing.

line = guessing_line("the first 10", models, read_settings(log_dir))
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from autodl_design.record.history import ModelRecord
from autodl_design.record.reading import chance_of, count_of

# Of a model. Trained on 72 images of CIFAR-10, of four classes, 20 networks of the quick size had a mean
# accuracy of 0.29 after the 10 updates of five epochs, and of 0.59 after 207 by the flags named here.
ENOUGH_UPDATES = 200
SMALL_BATCH = 8


def guessing_line(which: str, models: Sequence[ModelRecord], settings: Mapping[str, Any]) -> str | None:
    """A warning where most of the models guess; None where they do not, or where the settings, which a file
    holds, do not say what guessing is. which: what to call the models."""
    chance, num_images = chance_of(settings), count_of(settings, "validation_images")
    accuracies = [model.accuracy for model in models if model.trained and model.accuracy is not None]
    if not chance or not num_images or not accuracies:
        return None
    noise = math.sqrt(chance * (1 - chance) / num_images)
    guessing = sum(accuracy < chance + 2 * noise for accuracy in accuracies)
    if 2 * guessing <= len(accuracies):
        return None
    return (
        f"{guessing} of {which} models guess (accuracy within two standard errors of chance, "
        f"{chance:.3f}): {_advice(settings)}"
    )


def _advice(settings: Mapping[str, Any]) -> str:
    epochs, batch_size = count_of(settings, "epochs"), count_of(settings, "train_batch_size")
    num_images = count_of(settings, "training_images")
    if not (epochs and batch_size and num_images):  # as in searches of earlier versions
        return "they need more updates, as by more --epochs or a smaller --train_batch_size"
    updates = epochs * (num_images // batch_size)
    if updates >= ENOUGH_UPDATES:
        return f"try more --epochs than {epochs}, or a larger --width"
    batch_size = min(batch_size, SMALL_BATCH)
    an_epoch = max(num_images // batch_size, 1)
    epochs = max(epochs, math.ceil(ENOUGH_UPDATES / an_epoch))
    return (
        f"{updates} a model are too few updates; a search with --epochs={epochs} "
        f"--train_batch_size={batch_size} makes {epochs * an_epoch}"
    )
