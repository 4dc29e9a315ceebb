"""Make the set of images on which child networks are trained.

    python dataset_maker.py                                                 # of CIFAR-10
    python dataset_maker.py --input_dir=shapes --data_path=shapes-subset    # of pictures of your own

--input_dir names the images: a directory with one folder of pictures for each class, or a data set in
another form that docs/images.md lists. Without it they are those of CIFAR-10: cifar/cifar-10-batches-py,
else from the archive cifar/cifar-10-python.tar.gz, else from a download. Where none of them can be had,
they are the handwritten digits that scikit-learn ships, so that everything also runs offline
(--source=digits asks for them).

--data_path then holds data_batch_0.pkl to data_batch_9.pkl, each a pickled dict in CIFAR-10's own format:
b'data' uint8 [n, 3 * S * S], of images of S x S pixels, and b'labels', a list of n ints. The first nine are
for training, the tenth for validation. One seed decides which image goes where.

- Of pictures of your own all are used: a tenth of each class, at least two, for validation, unless the data
  set says itself which these are.
- With --per_class=N, N images of each class are drawn, as many in each file: N / 10. So it is with CIFAR-10
  and the digits, where N is 100 unless you say something else (0: all).

With --validation_per_class=V, V further images of each class are for validation; after a draw they are in
validation.pkl, which is used instead of the tenth file. With --test_per_class=T, test.pkl holds T further
images of each class, which no search reads: retrain.py measures a finished network on them. batches.meta
holds the names of the classes and whether their images may be mirrored.

Other modules read these files with `load_subset`, and test.pkl with `load_test_images`. How images are read
is in autodl_design/image_data/.
"""

if __name__ == "__main__":
    from autodl_design.settings import interrupts

    interrupts.exit_at_once()


import dataclasses
import logging
import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from autodl_design.checked_io.messages import quoted
from autodl_design.image_data.batch import MAX_IMAGE_SIZE, MIN_IMAGE_SIZE, load_batch
from autodl_design.image_data.cifar import fetch_cifar, load_cifar
from autodl_design.image_data.cifar_archive import ARCHIVE_FOLDER
from autodl_design.image_data.class_names import META_NAME
from autodl_design.image_data.digits import digits_source, load_digits
from autodl_design.image_data.draw import draw
from autodl_design.image_data.errors import CifarUnavailableError, DatasetError
from autodl_design.image_data.places import user_path
from autodl_design.image_data.readers import open_source, reader_of
from autodl_design.image_data.source import TEST, VALIDATION, Source
from autodl_design.image_data.split import Split, UsableImages, split
from autodl_design.image_data.subset import (
    CHUNK_NAMES,
    DEFAULT_PATH,
    NUM_CHUNKS,
    TEST_NAME,
    VALIDATION_NAME,
    Subset,
    load_subset,
    load_test_images,
    meta,
)
from autodl_design.image_data.whole_directory import check_replaceable, write_directory
from autodl_design.settings import command_line
from autodl_design.settings.fields import Settings, SettingsError, setting
from autodl_design.settings.flags import define_flags, from_flags

__all__ = [
    "CifarUnavailableError",
    "DatasetError",
    "Subset",
    "SubsetSettings",
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
CIFAR10_PATH = f"cifar/{ARCHIVE_FOLDER}"  # where it is looked for and unpacked
DRAWN_PER_CLASS = 100  # of CIFAR-10 and the digits
MAX_IMAGES = 10**12
MAX_FILE_BYTES = 10**9  # of images in one file; a larger one could not be read


@dataclasses.dataclass(frozen=True)
class SubsetSettings(Settings):
    """The subset of images"""

    input_dir: str | None = setting(
        None,
        "The images: one folder of pictures a class, batches, or another form of docs/images.md. By "
        f"default CIFAR-10 in {CIFAR10_PATH}, which is fetched if need be.",
    )
    data_path: str = setting(
        DEFAULT_PATH,
        "Directory to write the subset to (--output_dir is the same).",
        alias="output_dir",
    )
    per_class: int | None = setting(
        None,
        "Images to draw of each class, a multiple of ten, for ten files of equal size; 0: all, which is "
        f"the default, except for batches as CIFAR-10's and the digits: {DRAWN_PER_CLASS}.",
        low=0,
        high=MAX_IMAGES,
    )
    chunk_size: int | None = setting(
        None,
        "The same as images in each of the ten files, a multiple of the number of classes.",
        low=1,
        high=MAX_IMAGES,
    )
    validation_per_class: int = setting(
        0,
        "Images a class for validation, beside those that are drawn; 0: a tenth.",
        low=0,
        high=MAX_IMAGES,
    )
    test_per_class: int = setting(
        0,
        "Images a class of test.pkl, which no search reads and retrain.py does; 0: no such file.",
        low=0,
        high=MAX_IMAGES,
    )
    seed: int = setting(0, "Decides which image goes where.", low=0, high=2**32 - 1)
    source: str = setting(
        "auto",
        "cifar: fetch CIFAR-10 where --input_dir is missing, and never take the digits; digits: take them.",
        choices=("auto", "cifar", "digits"),
    )
    image_size: int | None = setting(
        None,
        "Pixels a side to which pictures are scaled; by default 32. Arrays keep their size without this "
        "flag, batches always.",
        low=MIN_IMAGE_SIZE,
        high=MAX_IMAGE_SIZE,
    )
    mirror: bool | None = setting(
        None,
        "Mirror images at random in training; by default yes, except for letters and digits: the digits, "
        "MNIST's kind, and classes that are called by one letter or digit each.",
    )
    skip_bad: bool = setting(False, "Leave out pictures that cannot be read, in place of an error.")

    def check_together(self) -> None:
        if "\0" in (self.input_dir or "") + self.data_path:
            raise SettingsError("--input_dir and --data_path cannot hold the character NUL")
        if self.per_class and self.per_class % NUM_CHUNKS:
            near = max(self.per_class // NUM_CHUNKS, 1) * NUM_CHUNKS
            raise SettingsError(f"--per_class={self.per_class}: must be a multiple of ten, such as {near}")
        if self.per_class is not None and self.chunk_size:
            raise SettingsError("--per_class and --chunk_size say the same: leave one of them out")


def make_subset(config: SubsetSettings) -> None:
    """Write the subset to `data_path`, which is left as it was on a DatasetError."""
    input_dir, data_path = user_path(config.input_dir or CIFAR10_PATH), user_path(config.data_path)
    subset_names = (*CHUNK_NAMES, VALIDATION_NAME, TEST_NAME, META_NAME)
    # Before anything is downloaded or read:
    if config.input_dir and config.source == "auto":
        reader_of(input_dir)
    _check_apart(input_dir, data_path)
    check_replaceable(data_path, subset_names)

    source = _load(config, input_dir)
    if config.mirror is not None:
        source = dataclasses.replace(source, mirror=config.mirror)
    _check_own_parts(source, config)
    per_class = _per_class(source, config)
    further = config.validation_per_class, config.test_per_class
    sizes: int | list[int]
    if per_class:
        files, images = draw(source, per_class, config.seed, *further, config.skip_bad)
        sizes = len(files[CHUNK_NAMES[0]])
    else:
        part, images = split(source, config.seed, *further, config.skip_bad)
        files = _files_of_all(part)
        sizes = [len(files[name]) for name in CHUNK_NAMES]
    _check_file_sizes(source, files)
    write_directory(data_path, _contents(source, files, sizes, config.seed), subset_names)
    _report(source, files, images, config, data_path, per_class)


def _check_apart(input_dir: Path, data_path: Path) -> None:
    """The subset must not become a batch of its own source. Raises DatasetError."""
    real_input, real_output = os.path.realpath(input_dir), os.path.realpath(data_path)
    if os.path.commonpath([real_input, real_output]) in (real_input, real_output):
        raise DatasetError(
            f"--data_path={data_path} and --input_dir={input_dir}: neither may be the other or lie in it"
        )


def _load(config: SubsetSettings, input_dir: Path) -> Source:
    """Raises DatasetError where the images cannot be had."""
    if config.source == "digits":
        return digits_source(config.image_size)
    if config.input_dir is None or config.source == "cifar":
        try:
            fetch_cifar(input_dir)
        except CifarUnavailableError as error:
            if config.source == "cifar":
                raise
            print(f"{error}: scikit-learn's handwritten digits stand in for it (--source=digits)")
            return digits_source(config.image_size)
    return open_source(input_dir, config.image_size)


def _check_own_parts(source: Source, config: SubsetSettings) -> None:
    """Raises DatasetError where a flag asks for a part that the images have already."""
    flags = {VALIDATION: "validation_per_class", TEST: "test_per_class"}
    for part, flag in flags.items():
        if getattr(config, flag) and source.kind != "cifar" and len(source.of_part(part)):
            raise DatasetError(f"--{flag}: {source.origin} have such images of their own; leave it out")


def _per_class(source: Source, config: SubsetSettings) -> int:
    """Images to draw of each class; 0 where all are used. Raises DatasetError."""
    num_classes = len(source.class_names)
    if config.chunk_size and config.chunk_size % num_classes:
        near = max(config.chunk_size // num_classes, 1) * num_classes
        raise DatasetError(
            f"--chunk_size={config.chunk_size}: must be a multiple of {num_classes}, the number of "
            f"classes; {near} would do"
        )
    if config.chunk_size:
        return NUM_CHUNKS * config.chunk_size // num_classes
    if config.per_class is not None:
        return config.per_class
    return DRAWN_PER_CLASS if source.kind in ("cifar", "digits") else 0


def _files_of_all(part: Split) -> dict[str, np.ndarray]:
    """The images of each file, by index: those for training in the first nine files."""
    if len(part.train) < NUM_CHUNKS - 1:
        raise DatasetError(
            f"there are {len(part.train)} images to train on, and at least {NUM_CHUNKS - 1} are needed"
        )
    chunks = [*np.array_split(part.train, NUM_CHUNKS - 1), part.validation]
    return dict(zip(CHUNK_NAMES, chunks, strict=True)) | ({TEST_NAME: part.test} if len(part.test) else {})


def _check_file_sizes(source: Source, files: dict[str, np.ndarray]) -> None:
    """Raises DatasetError where a file would be too large to be read."""
    largest = max(map(len, files.values())) * 3 * source.image_size**2
    if largest > MAX_FILE_BYTES:
        raise DatasetError(
            f"a file of the subset would have {largest / 1e9:.1f} GB, more than {MAX_FILE_BYTES / 1e9:.0f} "
            "GB: lower --image_size, --per_class, --validation_per_class or --test_per_class"
        )


def _contents(
    source: Source, files: dict[str, np.ndarray], sizes: int | list[int], seed: int
) -> Iterator[tuple[str, bytes]]:
    """Names and contents, one after another, since all of them take much memory."""
    for name, indices in files.items():
        yield (
            name,
            _pickled({
                b"batch_label": f"{name}, drawn from {source.kind} with seed {seed}".encode(),
                b"labels": source.labels[indices].tolist(),
                b"data": source.stack(indices),
            }),
        )  # fmt: skip
    row_length = 3 * source.image_size**2
    yield META_NAME, _pickled(meta(source.class_names, sizes, row_length, source.mirror))


def _pickled(content: dict[bytes, Any]) -> bytes:
    return pickle.dumps(content, protocol=PICKLE_PROTOCOL)


def _report(
    source: Source,
    files: dict[str, np.ndarray],
    images: UsableImages,
    config: SubsetSettings,
    data_path: Path,
    per_class: int,
) -> None:
    """What is used and what is not."""
    names, size = source.class_names, source.image_size
    print(f"Source: {source.origin}, {len(source.labels)} images; seed {config.seed}")
    print(f"{len(names)} classes: {quoted(', '.join(names))}; {size} x {size} pixels")
    if per_class:
        print(
            f"Wrote {data_path}: {NUM_CHUNKS} files of {len(files[CHUNK_NAMES[0]])} images, "
            f"{per_class // NUM_CHUNKS} per class in each, {per_class} per class over all"
        )
    else:
        train = np.concatenate([files[name] for name in CHUNK_NAMES[:-1]])
        counts = np.bincount(source.labels[train], minlength=len(names)).tolist()
        of_classes = f"{min(counts)} to {max(counts)}" if min(counts) < max(counts) else counts[0]
        print(
            f"Wrote {data_path}: {len(train)} images to train on, {of_classes} per class, and "
            f"{len(files[CHUNK_NAMES[-1]])} for validation"
        )
    for name in (VALIDATION_NAME, TEST_NAME):
        if name in files:
            print(f"and {name}: {len(files[name])} further images")
    print(f"Mirrored at random in training: {'yes' if source.mirror else 'no'}")
    num_used, num_bad = sum(map(len, files.values())), len(images.unreadable)
    not_used = {
        "not drawn": len(source.labels) - num_used - images.copies - num_bad,
        "copies of other images": images.copies,
        "pictures that cannot be read": num_bad,
    }
    left_out = [f"{what}: {count}" for what, count in not_used.items() if count]
    if left_out or source.remarks:
        print(f"Left out: {'; '.join([*left_out, *source.remarks])}")


def main(arguments: list[str]) -> None:
    logging.getLogger("httpx").setLevel(logging.WARNING)  # absl would print its every request
    try:
        make_subset(from_flags(SubsetSettings))
    except MemoryError as error:
        raise DatasetError("there is too little memory for these images") from error


def run() -> None:
    define_flags(SubsetSettings)  # not at import: the modules that read the subset have flags of their own
    command_line.start(main, (SubsetSettings,), (SettingsError, DatasetError, OSError))


if __name__ == "__main__":
    run()
