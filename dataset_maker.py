"""Make the small image set on which child networks are trained: ten files of 10 images a class.

    python dataset_maker.py                                               # of CIFAR-10
    python dataset_maker.py --input_dir=shapes --data_path=shapes-subset    # of pictures of your own

The images come from --input_dir. It holds the batches of CIFAR-10 or CIFAR-100, or one folder for each
class, called as the class is, with pictures in it, which are scaled to --image_size. Where it does not
exist, the images come from cifar-10-python.tar.gz beside it, else from a download of that archive, and
where neither can be had, from the handwritten digits that scikit-learn ships, so that everything also runs
offline (--source=digits asks for them).

--data_path then holds data_batch_0.pkl to data_batch_9.pkl, each a pickled dict in CIFAR-10's own format:
b'data' uint8 [chunk_size, 3 * S * S], of images of S x S pixels, and b'labels', a list of chunk_size ints.
The first nine are for training, the tenth for validation. With --validation_per_class=V, validation.pkl
holds V further images a class, which are used instead of the tenth file. With --test_per_class=T, test.pkl
holds T further images a class, which no search reads: retrain.py measures a finished network on them.
batches.meta holds the names of the classes. One seed decides what is drawn; the other files are the same
with test.pkl and without it.

Other modules read these files with `load_subset`, and test.pkl with `load_test_images`. How images are read
is in image_data/.
"""

import dataclasses
import logging
import os
import pickle
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from autodl_design.checked_io.messages import quoted
from autodl_design.image_data.batch import MAX_IMAGE_SIZE, MIN_IMAGE_SIZE, load_batch
from autodl_design.image_data.cifar import load_cifar
from autodl_design.image_data.cifar_archive import ARCHIVE_FOLDER
from autodl_design.image_data.class_names import META_NAME, meta
from autodl_design.image_data.digits import load_digits
from autodl_design.image_data.errors import CifarUnavailableError, DatasetError
from autodl_design.image_data.source import Source, digits_source, holds_pictures, open_source
from autodl_design.image_data.subset import (
    CHUNK_NAMES,
    NUM_CHUNKS,
    TEST_NAME,
    VALIDATION_NAME,
    Subset,
    load_subset,
    load_test_images,
)
from autodl_design.image_data.whole_directory import check_replaceable, write_directory
from autodl_design.settings import command_line
from autodl_design.settings.fields import Settings, SettingsError, setting
from autodl_design.settings.flags import define_flags, from_flags

__all__ = [
    "CifarUnavailableError",
    "DatasetError",
    "Subset",
    "SubsetConfig",
    "draw",
    "load_batch",
    "load_cifar",
    "load_digits",
    "load_subset",
    "load_test_images",
    "make_subset",
    "write_directory",
]

PICKLE_PROTOCOL = 4  # fixed: every Python writes the same bytes (NumPy 1 and 2 differ in a name)
FURTHER_NAMES = (VALIDATION_NAME, TEST_NAME)  # of the files that are there only when asked for
MAX_IMAGES = 10**12
MAX_CHUNK_BYTES = 10**9  # of images in one file; a larger one could not be read


@dataclasses.dataclass(frozen=True)
class SubsetConfig(Settings):
    """The subset of images"""

    input_dir: str = setting(
        f"cifar/{ARCHIVE_FOLDER}",
        "Directory of the images: the batches of CIFAR-10 or CIFAR-100, or one folder of pictures a class.",
    )
    data_path: str = setting(
        "cifar/pickle-cifar-10",
        "Directory to write the subset to (--output_dir is the same).",
        alias="output_dir",
    )
    chunk_size: int | None = setting(
        None,
        "Images in each of the ten files, a multiple of the number of classes; by default 10 a class.",
        low=1,
        high=MAX_IMAGES,
    )
    validation_per_class: int = setting(
        0, "Images a class of validation.pkl; 0: no such file.", low=0, high=MAX_IMAGES
    )
    test_per_class: int = setting(
        0,
        "Images a class of test.pkl, which no search reads and retrain.py does; 0: no such file.",
        low=0,
        high=MAX_IMAGES,
    )
    seed: int = setting(0, "Decides the draw.", low=0, high=2**32 - 1)
    source: str = setting(
        "auto",
        "Where the images come from; auto: --input_dir, else CIFAR-10, else the digits; cifar: never the "
        "digits.",
        choices=("auto", "cifar", "digits"),
    )
    image_size: int | None = setting(
        None,
        "Pixels a side to which pictures are scaled; by default 32. Other images keep their size.",
        low=MIN_IMAGE_SIZE,
        high=MAX_IMAGE_SIZE,
    )

    def check_together(self) -> None:
        if "\0" in self.input_dir + self.data_path:
            raise SettingsError("--input_dir and --data_path cannot hold the character NUL")


def draw(
    source: Source, chunk_size: int, validation_per_class: int, test_per_class: int, seed: int
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Choose the images of the subset, no image twice, as many of each class in every file.

    Returns the indices of the ten chunks (chunk_size each, a multiple of the classes), those of the
    validation file (validation_per_class a class) and those of the test file (test_per_class a class),
    which is drawn last, so that the others do not depend on it. Raises DatasetError where a class has
    too few images.
    """
    per_class = chunk_size // len(source.class_names)
    before_test = NUM_CHUNKS * per_class + validation_per_class
    # Unlike default_rng's, RandomState's numbers are the same in every version of NumPy.
    rng = np.random.RandomState(seed)
    seen: set[bytes] = set()

    def unseen(indices: np.ndarray) -> Iterator[int]:
        for index in indices:
            image = source.images[index].tobytes()
            if image not in seen:
                seen.add(image)
                yield index

    streams = [
        unseen(rng.permutation(np.flatnonzero(source.labels == label)))
        for label in range(len(source.class_names))
    ]

    def take(count: int, already: int) -> np.ndarray:
        """The next ones of each class, [classes, count]."""
        taken = [list(islice(stream, count)) for stream in streams]
        for name, indices in zip(source.class_names, taken, strict=True):
            if len(indices) < count:
                there_are = f"{already + len(indices)} distinct images"
                raise _too_few(name, there_are, before_test + test_per_class)
        return np.array(taken, np.int64)

    parts = np.split(take(before_test, 0), per_class * np.arange(1, NUM_CHUNKS + 1), axis=1)
    parts.append(take(test_per_class, before_test))
    *chunks, validation, test = [rng.permutation(part.ravel()) for part in parts]
    return chunks, validation, test


def _too_few(class_name: str, there_are: str, needed: int) -> DatasetError:
    return DatasetError(
        f"class {class_name} has {there_are} and {needed} are needed: put more into --input_dir, or lower "
        "--chunk_size, --validation_per_class or --test_per_class"
    )


def make_subset(config: SubsetConfig) -> None:
    """Draw the subset and write it to `data_path`, which is left as it was on a DatasetError."""
    input_dir, data_path = Path(config.input_dir), Path(config.data_path)
    subset_names = (*CHUNK_NAMES, VALIDATION_NAME, TEST_NAME, META_NAME)
    # Before anything is downloaded or read:
    if config.source != "digits":
        holds_pictures(input_dir)
    _check_apart(input_dir, data_path)
    check_replaceable(data_path, subset_names)

    source = _load(config)
    class_names, num_classes, size = source.class_names, len(source.class_names), source.image_size
    chunk_size = config.chunk_size or 10 * num_classes
    further = config.validation_per_class, config.test_per_class
    _check_sizes(source, chunk_size, *further)
    chunks, *others = draw(source, chunk_size, *further, config.seed)
    batches = dict(zip(CHUNK_NAMES, chunks, strict=True))
    batches |= {name: indices for name, indices in zip(FURTHER_NAMES, others, strict=True) if len(indices)}
    contents = {
        name: {
            b"batch_label": f"{name}, drawn from {source.kind} with seed {config.seed}".encode(),
            b"labels": source.labels[indices].tolist(),
            b"data": np.stack([source.images[index] for index in indices]),
        }
        for name, indices in batches.items()
    }
    contents[META_NAME] = meta(class_names, chunk_size, 3 * size**2)
    files = ((name, pickle.dumps(content, protocol=PICKLE_PROTOCOL)) for name, content in contents.items())
    write_directory(data_path, files, subset_names)

    origins = {"cifar": f"the batches in {input_dir}", "pictures": f"the pictures in {input_dir}"}
    origin = origins.get(source.kind, "scikit-learn's digits")
    per_class = chunk_size // num_classes
    print(f"Source: {origin}, {len(source.images)} images; seed {config.seed}")
    print(f"{num_classes} classes: {quoted(', '.join(class_names))}; {size} x {size} pixels")
    print(
        f"Wrote {data_path}: {NUM_CHUNKS} files of {chunk_size} images, "
        f"{per_class} per class in each, {NUM_CHUNKS * per_class} per class over all"
    )
    for name, count in zip(FURTHER_NAMES, further, strict=True):
        if count:
            print(f"and {name}: {count} further images per class")


def _check_apart(input_dir: Path, data_path: Path) -> None:
    """The subset must not become a batch of its own source. Raises DatasetError."""
    real_input, real_output = os.path.realpath(input_dir), os.path.realpath(data_path)
    if os.path.commonpath([real_input, real_output]) in (real_input, real_output):
        raise DatasetError(
            f"--data_path={data_path} and --input_dir={input_dir}: neither may be the other or lie in it"
        )


def _load(config: SubsetConfig) -> Source:
    """Raises DatasetError where the images cannot be had."""
    if config.source == "digits":
        return digits_source()
    try:
        return open_source(Path(config.input_dir), config.image_size)
    except CifarUnavailableError as error:
        if config.source == "cifar":
            raise
        print(f"{error}: scikit-learn's handwritten digits stand in for it (--source=digits)")
        return digits_source()


def _check_sizes(source: Source, chunk_size: int, validation_per_class: int, test_per_class: int) -> None:
    """Before the pictures are read. Raises DatasetError, which names the class with the fewest images."""
    num_classes = len(source.class_names)
    if chunk_size % num_classes:
        raise DatasetError(
            f"--chunk_size={chunk_size}: must be a multiple of {num_classes}, the number of classes"
        )
    per_class = chunk_size // num_classes
    needed = NUM_CHUNKS * per_class + validation_per_class + test_per_class
    counts = np.bincount(source.labels, minlength=num_classes)
    scarcest = int(counts.argmin())
    if counts[scarcest] < needed:
        raise _too_few(source.class_names[scarcest], f"{counts[scarcest]} images", needed)
    most_images = max(chunk_size, num_classes * max(validation_per_class, test_per_class))
    largest_file = most_images * 3 * source.image_size**2
    if largest_file > MAX_CHUNK_BYTES:
        raise DatasetError(
            f"a file of the subset would have {largest_file / 1e9:.1f} GB, more than "
            f"{MAX_CHUNK_BYTES / 1e9:.0f} GB: lower --chunk_size, --validation_per_class, --test_per_class "
            "or --image_size"
        )


def main(arguments: list[str]) -> None:
    logging.getLogger("httpx").setLevel(logging.WARNING)  # absl would print its every request
    try:
        make_subset(from_flags(SubsetConfig))
    except MemoryError as error:
        raise DatasetError("there is too little memory for these images") from error


def run() -> None:
    define_flags(SubsetConfig)  # not at import: the modules that read the subset have flags of their own
    command_line.start(main, (SubsetConfig,), (SettingsError, DatasetError, OSError))


if __name__ == "__main__":
    run()
