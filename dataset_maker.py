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

import dataclasses
import logging
import os
import pickle
from pathlib import Path

import numpy as np

from image_data.batch import NUM_CLASSES, load_batch
from image_data.cifar import list_batches, load_cifar
from image_data.cifar_archive import ARCHIVE_FOLDER
from image_data.digits import load_digits
from image_data.errors import CifarUnavailableError, DatasetError
from image_data.subset import CHUNK_NAMES, NUM_CHUNKS, VALIDATION_NAME, Subset, load_subset
from image_data.whole_directory import check_replaceable, write_directory
from settings import command
from settings.fields import Settings, SettingsError, setting
from settings.flags import define_flags, from_flags

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
    "make_subset",
    "write_directory",
]

PICKLE_PROTOCOL = 4  # fixed: every Python writes the same bytes (NumPy 1 and 2 differ in a name)
MAX_IMAGES = 10**12


@dataclasses.dataclass(frozen=True)
class SubsetConfig(Settings):
    """The subset of images"""

    input_dir: str = setting(f"cifar/{ARCHIVE_FOLDER}", "Directory of CIFAR-10's batches.")
    output_dir: str = setting("cifar/pickle-cifar-10", "Directory to write the subset to.")
    chunk_size: int = setting(100, "Images a file, a multiple of the 10 classes.", high=MAX_IMAGES)
    validation_per_class: int = setting(
        0, "Images a class of validation.pkl; 0: no such file.", low=0, high=MAX_IMAGES
    )
    seed: int = setting(0, "Decides the draw.", low=0, high=2**32 - 1)
    source: str = setting(
        "auto",
        "Where the images come from; auto: CIFAR-10, and the digits only if it cannot be had.",
        choices=("auto", "cifar", "digits"),
    )

    def check_together(self) -> None:
        if self.chunk_size <= 0 or self.chunk_size % NUM_CLASSES:
            raise SettingsError(f"--chunk_size={self.chunk_size}: must be a multiple of {NUM_CLASSES}")
        if "\0" in self.input_dir + self.output_dir:
            raise SettingsError("--input_dir and --output_dir cannot hold the character NUL")


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


def make_subset(config: SubsetConfig) -> None:
    """Draw the subset and write it to `output_dir`, which is left as it was on a DatasetError."""
    input_dir, output_dir = Path(config.input_dir), Path(config.output_dir)
    subset_names = (*CHUNK_NAMES, VALIDATION_NAME)
    # Before anything is downloaded or read:
    if config.source != "digits":
        list_batches(input_dir)
    _check_apart(input_dir, output_dir)
    check_replaceable(output_dir, subset_names)

    source, images, labels = _load(config.source, input_dir)
    chunks, validation = draw(
        images, labels, config.chunk_size, config.validation_per_class, config.seed
    )
    batches = dict(zip(CHUNK_NAMES, chunks, strict=True))
    if config.validation_per_class:
        batches[VALIDATION_NAME] = validation
    files = {
        name: pickle.dumps(
            {
                b"batch_label": f"{name}, drawn from {source} with seed {config.seed}".encode(),
                b"labels": labels[indices].tolist(),
                b"data": images[indices],
            },
            protocol=PICKLE_PROTOCOL,
        )
        for name, indices in batches.items()
    }
    write_directory(output_dir, files, subset_names)

    origin = f"CIFAR-10 in {input_dir}" if source == "cifar" else "scikit-learn's digits"
    per_class = config.chunk_size // NUM_CLASSES
    print(f"Source: {origin}, {len(images)} images; seed {config.seed}")
    print(
        f"Wrote {output_dir}: {NUM_CHUNKS} files of {config.chunk_size} images, "
        f"{per_class} per class in each, {config.chunk_size} per class over all"
    )
    if config.validation_per_class:
        print(f"and {VALIDATION_NAME}: {config.validation_per_class} further images per class")


def _check_apart(input_dir: Path, output_dir: Path) -> None:
    """The subset must not become a batch of its own source. Raises DatasetError."""
    real_input, real_output = os.path.realpath(input_dir), os.path.realpath(output_dir)
    if os.path.commonpath([real_input, real_output]) in (real_input, real_output):
        raise DatasetError(
            f"--output_dir={output_dir} and --input_dir={input_dir}: neither may be the other or lie in it"
        )


def _load(source: str, input_dir: Path) -> tuple[str, np.ndarray, np.ndarray]:
    """-> the source that was used, images uint8 [n, 3072], labels int64 [n]."""
    if source != "digits":
        try:
            return "cifar", *load_cifar(input_dir)
        except CifarUnavailableError as error:
            if source == "cifar":
                raise
            print(f"{error}: scikit-learn's handwritten digits stand in for it (--source=digits)")
    return "digits", *load_digits()


def main(arguments: list[str]) -> None:
    logging.getLogger("httpx").setLevel(logging.WARNING)  # absl would print its every request
    try:
        make_subset(from_flags(SubsetConfig))
    except MemoryError as error:
        raise DatasetError("there is too little memory for these images") from error


def run() -> None:
    define_flags(SubsetConfig)  # not at import: the modules that read the subset have flags of their own
    command.run(main, (SubsetConfig,), (SettingsError, DatasetError, OSError))


if __name__ == "__main__":
    run()
