"""Classify pictures with a model that retrain.py wrote.

    python predict.py --model=retrained PICTURE ...
    python predict.py --format=csv --output=classes.csv FOLDER          # all pictures in it, at any depth
    find . -name '*.jpg' | python predict.py -                          # paths from standard input
    python predict.py --labels=labels.csv                               # path,label in each line

Pictures may have any size and any format that autodl_design/image_data/picture.py lists. Prints the three
likeliest classes of each. One that cannot be read gets a line on standard error and makes the exit code 1;
the others are classified all the same.

Where the classes are known, by --labels or since the pictures lie in folders that are called as the
classes, the accuracy follows, that of each class, and what is taken for what.
"""

if __name__ == "__main__":
    from autodl_design.settings import interrupts

    interrupts.exit_at_once()


import contextlib
import csv
import dataclasses
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TextIO

import numpy as np

from autodl_design.checked_io.files import write_whole
from autodl_design.checked_io.messages import printable, quoted
from autodl_design.image_data import picture_table
from autodl_design.image_data.errors import DatasetError
from autodl_design.image_data.picture import PictureError, load_picture
from autodl_design.image_data.picture_folders import files_below
from autodl_design.settings import command_line
from autodl_design.settings.fields import Settings, SettingsError, setting
from autodl_design.settings.flags import define_flags, from_flags
from autodl_design.trained_model.evaluation import Evaluation
from autodl_design.trained_model.model_files import ModelError, Network, read_network, read_weights

if TYPE_CHECKING:
    from autodl_design.trained_model.inference import Classifier

AT_ONCE = 100  # pictures in memory
SHOWN = 3  # classes of a picture
STANDARD_INPUT = "-"
MAX_LINE = 2**16  # bytes of a path there; Linux opens none of more than 4,096


@dataclasses.dataclass(frozen=True)
class PredictSettings(Settings):
    """The model, and what is printed"""

    model: str = setting("retrained", "Directory of the model: --output_dir of retrain.py.")
    format: str = setting(
        "text",
        "csv has a line a picture: path, label, predicted class, its probability, and that of each class; "
        "json has the same as an object a line.",
        choices=("text", "csv", "json"),
    )
    output: str | None = setting(None, "File for that; by default standard output.")
    labels: str | None = setting(
        None, "CSV file with path,label in each line: pictures, and the classes that they have."
    )
    confusion: str | None = setting(
        None, "PNG file for a picture of what is taken for what, where the classes are known."
    )


class PicturesError(Exception):
    """Pictures that are not there or cannot be read; the text is for the user."""


class Named(NamedTuple):
    """A picture before it is read."""

    path: str
    label: int | None  # its class, if it is known


class Classified(NamedTuple):
    path: str
    label: int | None
    probabilities: np.ndarray  # float32 [K]


ERRORS = (ModelError, PicturesError, DatasetError, SettingsError)


def main(places: list[str]) -> None:
    config = from_flags(PredictSettings)
    if not places and not config.labels:
        raise PicturesError("name pictures or folders to classify: `python predict.py PICTURE ...`")
    try:
        all_read = predict(config, places)
    except OSError as error:
        raise PicturesError(f"{error.filename or config.output}: {error.strerror or error}") from error
    if not all_read:
        sys.exit(1)


def predict(config: PredictSettings, places: list[str]) -> bool:
    """Whether all pictures could be read."""
    directory = Path(config.model)
    network = read_network(directory)
    found = find(config, places, network.class_names)
    pictures = list(islice(found, picture_table.MAX_PICTURES + 1))
    if len(pictures) > picture_table.MAX_PICTURES:
        raise PicturesError(f"more than {picture_table.MAX_PICTURES:,} pictures: classify them in parts")
    text: TextIO = io.StringIO() if config.output else sys.stdout
    write = WRITERS[config.format](text, network.class_names)
    labels, predicted, num_classified = [], [], 0
    for picture in classify(directory, network, pictures):
        write(picture)
        num_classified += 1
        if picture.label is not None:
            labels.append(picture.label)
            predicted.append(int(picture.probabilities.argmax()))
    if isinstance(text, io.StringIO):
        assert config.output
        write_whole(Path(config.output), text.getvalue().encode(errors="surrogateescape"))
    if labels:
        evaluate(config, Evaluation.of(network.class_names, labels, predicted))
    elif config.confusion:
        raise PicturesError("--confusion: the classes of the pictures are not known; see --labels")
    return num_classified == len(pictures)


def evaluate(config: PredictSettings, evaluation: Evaluation) -> None:
    """Print it, apart from what another program may read on standard output."""
    aside = sys.stdout if config.output or config.format == "text" else sys.stderr
    for line in evaluation.lines():
        print(line, file=aside)
    if config.confusion:
        from autodl_design.pictures.confusion_picture import draw_confusion  # imports matplotlib
        from autodl_design.pictures.figures import png

        figure = draw_confusion(evaluation.counts, evaluation.class_names)
        write_whole(Path(config.confusion), png(figure))


# --- Pictures ---------------------------------------------------------------------------------------


def find(config: PredictSettings, places: list[str], class_names: tuple[str, ...]) -> Iterator[Named]:
    """The pictures that the arguments and --labels name. Raises PicturesError or DatasetError."""
    index_of = {name: label for label, name in enumerate(class_names)}
    for place in places:
        if place == STANDARD_INPUT:
            yield from (Named(path, None) for path in listed_paths())
        elif os.path.isdir(place):
            yield from in_folder(place, index_of)
        else:
            yield Named(place, None)
    if config.labels:
        table = Path(config.labels)
        for path, label in picture_table.rows_of(table):
            if label not in index_of:
                raise PicturesError(f"{table}: {quoted(label)} is no class of the model in {config.model}")
            yield Named(os.fspath(table.parent / path), index_of[label])


def listed_paths() -> Iterator[str]:
    """Raises PicturesError where standard input is no list."""
    if sys.stdin is None:
        return
    try:
        while line := sys.stdin.buffer.readline(MAX_LINE + 1):
            if len(line) > MAX_LINE:
                raise PicturesError(
                    f"standard input is no list of paths: a line has more than {MAX_LINE:,} bytes"
                )
            if path := os.fsdecode(line.rstrip(b"\r\n")):
                yield path
    except OSError as error:
        raise PicturesError(f"standard input: {error.strerror or error}") from error


def in_folder(folder: str, index_of: dict[str, int]) -> Iterator[Named]:
    """A picture's class is the first folder on its way that is called as one. Raises DatasetError."""
    paths, _ = files_below(Path(folder))
    if not paths:
        raise PicturesError(f"{quoted(folder)} holds no pictures")
    for path in paths:
        between = path.relative_to(folder).parts[:-1]
        label = next((index_of[name] for name in between if name in index_of), None)
        yield Named(os.fspath(path), label)


def classify(directory: Path, network: Network, pictures: Iterable[Named]) -> Iterator[Classified]:
    """Those that can be read; the others get a line on standard error. Raises ModelError."""
    waiting = iter(pictures)
    with contextlib.ExitStack() as stack:
        classifier = None
        while batch := list(islice(waiting, AT_ONCE)):
            read, images = read_pictures(batch, network.image_size)
            if read:
                classifier = classifier or stack.enter_context(opened(directory, network))
                for picture, probabilities in zip(read, classifier(images), strict=True):
                    yield Classified(*picture, probabilities)


def read_pictures(pictures: list[Named], size: int) -> tuple[list[Named], np.ndarray]:
    """Those that can be read, and their pixels, uint8 [n, 3 * size * size]."""
    read, images = [], []
    for picture in pictures:
        try:
            images.append(load_picture(picture.path, size).ravel())
            read.append(picture)
        except PictureError as error:
            print(f"predict.py: {error}", file=sys.stderr)
    return read, np.array(images, np.uint8)


@contextlib.contextmanager
def opened(directory: Path, network: Network) -> Iterator["Classifier"]:
    """The network with its weights. Raises ModelError."""
    # Its Paddle takes seconds, which a wrong command line need not wait for.
    from autodl_design.trained_model.inference import Classifier

    with Classifier(network) as classifier:
        classifier.load(read_weights(directory, classifier.shapes))
        yield classifier


# --- Formats ----------------------------------------------------------------------------------------


class TextWriter:
    def __init__(self, file: TextIO, class_names: tuple[str, ...]):
        self.file, self.class_names = file, class_names

    def __call__(self, picture: Classified) -> None:
        likeliest = np.argsort(-picture.probabilities)[:SHOWN]
        classes = ", ".join(f"{self.class_names[k]} {picture.probabilities[k]:.2f}" for k in likeliest)
        print(printable(f"{picture.path}: {classes}"), file=self.file, flush=True)


class CsvWriter:
    def __init__(self, file: TextIO, class_names: tuple[str, ...]):
        self.writer, self.class_names = csv.writer(file, lineterminator="\n"), class_names
        self.writer.writerow(["path", "label", "predicted", "probability", *class_names])

    def __call__(self, picture: Classified) -> None:
        label = "" if picture.label is None else self.class_names[picture.label]
        shares = [f"{share:.6f}" for share in picture.probabilities]
        best = int(picture.probabilities.argmax())
        self.writer.writerow(
            [printable(picture.path), label, self.class_names[best], shares[best], *shares]
        )


class JsonWriter:
    def __init__(self, file: TextIO, class_names: tuple[str, ...]):
        self.file, self.class_names = file, class_names

    def __call__(self, picture: Classified) -> None:
        shares = [round(float(share), 6) for share in picture.probabilities]
        best = int(picture.probabilities.argmax())
        content = {
            "path": picture.path,
            "label": None if picture.label is None else self.class_names[picture.label],
            "predicted": self.class_names[best],
            "probability": shares[best],
            "probabilities": dict(zip(self.class_names, shares, strict=True)),
        }
        print(json.dumps(content), file=self.file)


WRITERS: dict[str, Callable[[TextIO, tuple[str, ...]], Callable[[Classified], None]]] = {
    "text": TextWriter,
    "csv": CsvWriter,
    "json": JsonWriter,
}


if __name__ == "__main__":
    define_flags(PredictSettings)
    command_line.start(main, (PredictSettings,), ERRORS, arguments="PICTURE, FOLDER or - ...")
