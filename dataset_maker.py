"""Make the small image set on which child networks are trained: ten files of 10 images a class.

    python dataset_maker.py

The images come from the CIFAR-10 batches in --input_dir, else from cifar-10-python.tar.gz beside
it, else from a download of that archive. Without any of them the handwritten digits that
scikit-learn ships stand in, so that everything also runs offline (--source=digits asks for them).

--output_dir then holds data_batch_0.pkl to data_batch_9.pkl, each a pickled dict in CIFAR-10's own
format: b'data' uint8 [chunk_size, 3072] and b'labels', a list of chunk_size ints. The first nine
are for training, the tenth for validation. With --validation_per_class=V, validation.pkl holds V
further images a class, which are used instead of the tenth file. One seed decides what is drawn.

Other modules read these files with `load_subset`. How images are read is in image_data/.
"""

import logging
import os
import pickle
import sys
from pathlib import Path

import numpy as np
from absl import app, flags

from image_data.batch import NUM_CLASSES, load_batch
from image_data.cifar import list_batches, load_cifar
from image_data.cifar_archive import ARCHIVE_FOLDER
from image_data.digits import load_digits
from image_data.errors import CifarUnavailableError, DatasetError
from image_data.subset import CHUNK_NAMES, NUM_CHUNKS, VALIDATION_NAME, Subset, load_subset
from image_data.whole_directory import check_replaceable, write_directory

__all__ = [
    "CifarUnavailableError",
    "DatasetError",
    "Subset",
    "draw",
    "load_batch",
    "load_cifar",
    "load_digits",
    "load_subset",
    "make_subset",
    "write_directory",
]

PICKLE_PROTOCOL = 4  # fixed: every Python writes the same bytes (NumPy 1 and 2 differ in a name)
MAX_COUNT = 10**100  # of images; Python does not print numbers of any length


def draw(
    images: np.ndarray, labels: np.ndarray, chunk_size: int, validation_per_class: int, seed: int
) -> tuple[list[np.ndarray], np.ndarray]:
    """Choose the images of the subset, no image twice, as many of each class in every file.

    Returns the indices of the ten chunks (chunk_size each, a multiple of the classes) and those of
    the validation file (validation_per_class a class). Raises DatasetError where a class has too
    few images.
    """
    per_class = chunk_size // NUM_CLASSES
    needed = NUM_CHUNKS * per_class + validation_per_class
    # Unlike default_rng's, RandomState's numbers are the same in every version of NumPy.
    rng = np.random.RandomState(seed)
    drawn = []  # of each class, the indices of its images
    seen = set()
    for label in range(NUM_CLASSES):
        chosen = []
        for index in rng.permutation(np.flatnonzero(labels == label)):
            if len(chosen) == needed:
                break
            image = images[index].tobytes()
            if image not in seen:
                seen.add(image)
                chosen.append(index)
        if len(chosen) < needed:
            raise DatasetError(
                f"class {label} has {len(chosen)} distinct images and {needed} are needed: give more "
                "batches in --input_dir, or lower --chunk_size or --validation_per_class"
            )
        drawn.append(chosen)
    chunks = np.split(np.array(drawn, np.int64), per_class * np.arange(1, NUM_CHUNKS + 1), axis=1)
    *chunks, validation = [rng.permutation(chunk.ravel()) for chunk in chunks]
    return chunks, validation


def _check_apart(input_dir: Path, output_dir: Path) -> None:
    """The subset must not become a batch of its own source. Raises DatasetError."""
    real_input, real_output = os.path.realpath(input_dir), os.path.realpath(output_dir)
    if os.path.commonpath([real_input, real_output]) in (real_input, real_output):
        raise DatasetError(
            f"--output_dir={output_dir} and --input_dir={input_dir} must not be, or lie in, one another"
        )


def make_subset(
    input_dir: Path,
    output_dir: Path,
    chunk_size: int,
    validation_per_class: int,
    seed: int,
    source: str,
) -> None:
    """Draw the subset and write it to `output_dir`, which is left as it was on a DatasetError.

    `source` is "cifar", "digits" or "auto": CIFAR-10 if it can be had, else the digits.
    """
    subset_names = (*CHUNK_NAMES, VALIDATION_NAME)
    # Before anything is downloaded or read:
    if source != "digits":
        list_batches(input_dir)
    _check_apart(input_dir, output_dir)
    check_replaceable(output_dir, subset_names)
    if source == "auto":
        try:
            images, labels = load_cifar(input_dir)
            source = "cifar"
        except CifarUnavailableError as error:
            print(f"{error}: scikit-learn's handwritten digits stand in for it (--source=digits)")
            images, labels = load_digits()
            source = "digits"
    else:
        images, labels = load_cifar(input_dir) if source == "cifar" else load_digits()

    chunks, validation = draw(images, labels, chunk_size, validation_per_class, seed)
    batches = dict(zip(CHUNK_NAMES, chunks, strict=True))
    if validation_per_class:
        batches[VALIDATION_NAME] = validation
    files = {
        name: pickle.dumps(
            {
                b"batch_label": f"{name}, drawn from {source} with seed {seed}".encode(),
                b"labels": labels[indices].tolist(),
                b"data": images[indices],
            },
            protocol=PICKLE_PROTOCOL,
        )
        for name, indices in batches.items()
    }
    write_directory(output_dir, files, subset_names)

    origin = f"CIFAR-10 in {input_dir}" if source == "cifar" else "scikit-learn's digits"
    print(f"Source: {origin}, {len(images)} images; seed {seed}")
    print(
        f"Wrote {output_dir}: {NUM_CHUNKS} files of {chunk_size} images, "
        f"{chunk_size // NUM_CLASSES} per class in each, {chunk_size} per class over all"
    )
    if validation_per_class:
        print(f"and {VALIDATION_NAME}: {validation_per_class} further images per class")


def define_flags() -> None:
    """Not at import: the modules that read the subset have flags of their own."""
    flags.DEFINE_string("input_dir", f"cifar/{ARCHIVE_FOLDER}", "directory of CIFAR-10's batches")
    flags.DEFINE_string("output_dir", "cifar/pickle-cifar-10", "directory to write the subset to")
    for name in ("input_dir", "output_dir"):
        flags.register_validator(name, lambda path: path and "\0" not in path, "must be a path")
    flags.DEFINE_integer(
        "chunk_size", 100, "images per file, a multiple of the 10 classes", upper_bound=MAX_COUNT
    )
    flags.register_validator(
        "chunk_size", lambda size: size > 0 and size % NUM_CLASSES == 0, "must be a multiple of 10"
    )
    flags.DEFINE_integer(
        "validation_per_class",
        0,
        "images per class of validation.pkl; 0: none",
        lower_bound=0,
        upper_bound=MAX_COUNT,
    )
    flags.DEFINE_integer("seed", 0, "decides the draw", lower_bound=0, upper_bound=2**32 - 1)
    flags.DEFINE_enum(
        "source",
        "auto",
        ["auto", "cifar", "digits"],
        "where the images come from; auto: CIFAR-10, and the digits only if it cannot be had",
    )


def main(argv: list[str]) -> int:
    args = flags.FLAGS
    logging.getLogger("httpx").setLevel(logging.WARNING)  # absl would print its every request
    try:
        if len(argv) > 1:
            raise DatasetError(f"unexpected argument {argv[1]!r}: see --help")
        make_subset(
            Path(args.input_dir),
            Path(args.output_dir),
            args.chunk_size,
            args.validation_per_class,
            args.seed,
            args.source,
        )
    except (DatasetError, OSError) as error:
        print(f"dataset_maker: {error}", file=sys.stderr)
        return 1
    except MemoryError:
        print("dataset_maker: there is too little memory for these images", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    define_flags()
    app.run(main)
