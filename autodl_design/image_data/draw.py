"""Draws as many images of each class for each of the ten files of a subset.

files, images = draw(source, per_class=100, seed=0)
"""

from itertools import islice

import numpy as np

from autodl_design.image_data.errors import DatasetError
from autodl_design.image_data.source import TEST, TRAIN, VALIDATION, Source
from autodl_design.image_data.split import UsableImages, check_size
from autodl_design.image_data.subset import CHUNK_NAMES, NUM_CHUNKS, TEST_NAME, VALIDATION_NAME

DISTINCT = "distinct images (copies of others do not count)"


def draw(
    source: Source,
    per_class: int,
    seed: int,
    validation_per_class: int = 0,
    test_per_class: int = 0,
    skip_bad: bool = False,
) -> tuple[dict[str, np.ndarray], UsableImages]:
    """The images of each file, by index, none twice; per_class is a multiple of ten. Validation and test
    images of the source's own are used as they are, except CIFAR's test images, which are in no file.

    Those of test.pkl are drawn last, so that the others do not depend on them. Also returns what was left
    out. Raises DatasetError where a class has too few images or, without skip_bad, where a picture that was
    drawn cannot be read.
    """
    num_classes = len(source.class_names)
    further = validation_per_class, test_per_class
    needed = per_class + sum(further)
    counts = np.bincount(source.labels[source.of_part(TRAIN)], minlength=num_classes)
    scarcest = int(counts.argmin())
    if counts[scarcest] < needed:  # before pictures are read
        raise _too_few(source, scarcest, int(counts[scarcest]), "images", further, needed)
    check_size(needed * num_classes, source.image_size)

    images = UsableImages(source)
    own = {TEST: np.array([], np.int64), VALIDATION: np.array([], np.int64)}
    if source.kind != "cifar":
        for part in own:
            own[part] = np.array([*images.among(source.of_part(part), keep_copies=True)], np.int64)
    # Unlike default_rng's, RandomState's numbers are the same in every version of NumPy.
    rng = np.random.RandomState(seed)
    of_train = source.part == TRAIN
    streams = [
        images.among(rng.permutation(np.flatnonzero(of_train & (source.labels == label))))
        for label in range(num_classes)
    ]

    def take(count: int, already: int) -> np.ndarray:
        """The next ones of each class, [classes, count]."""
        taken = [list(islice(stream, count)) for stream in streams]
        images.check(skip_bad)
        for label, indices in enumerate(taken):
            if len(indices) < count:
                raise _too_few(source, label, already + len(indices), DISTINCT, further, needed)
        return np.array(taken, np.int64)

    before_test = per_class + validation_per_class
    ends = per_class // NUM_CHUNKS * np.arange(1, NUM_CHUNKS + 1)
    parts = np.split(take(before_test, 0), ends, axis=1)
    parts.append(take(test_per_class, before_test))
    *chunks, validation, test = [rng.permutation(part.ravel()) for part in parts]
    files = dict(zip(CHUNK_NAMES, chunks, strict=True))
    files[VALIDATION_NAME] = np.concatenate([own[VALIDATION], validation])
    files[TEST_NAME] = np.concatenate([own[TEST], test])
    return {name: indices for name, indices in files.items() if len(indices)}, images


def _too_few(
    source: Source, label: int, count: int, what: str, further: tuple[int, int], needed: int
) -> DatasetError:
    """With a value that works, as far as this class is concerned."""
    left = (count - sum(further)) // NUM_CHUNKS * NUM_CHUNKS
    if left >= NUM_CHUNKS:
        advice = f"--per_class={left} would do"
    elif sum(further):
        advice = "lower --validation_per_class or --test_per_class, or say --per_class=0 to use all images"
    else:
        advice = "--per_class=0 uses all images"
    name = source.class_names[label]
    return DatasetError(f"class {name} has {count} {what} and {needed} are needed: {advice}")
