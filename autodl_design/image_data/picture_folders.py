"""Reads a directory with one folder for each class, in which the pictures of the class lie, at any depth.

    source = read(Path("shapes"), size=32)    # shapes/circle/1.png, shapes/square/more/a.jpg, ...

Above the classes there may be train/, val/ and test/, as ImageFolder has them. Links are followed; a
picture belongs to the class in whose folder the link lies. Files beside the folders are left out, and so is
what is hidden or the system's.
"""

import os
from pathlib import Path

import numpy as np

from autodl_design.checked_io.messages import quoted
from autodl_design.image_data.class_names import check_class_names
from autodl_design.image_data.errors import DatasetError
from autodl_design.image_data.pictures import DEFAULT_SIZE, Pictures
from autodl_design.image_data.places import is_clutter, shown, visible_names
from autodl_design.image_data.source import TEST, TRAIN, VALIDATION, Source, is_alphabet

PARTS = {
    "train": TRAIN, "training": TRAIN,
    "val": VALIDATION, "valid": VALIDATION, "validation": VALIDATION,
    "test": TEST, "testing": TEST,
}  # fmt: skip
OF_PART = {TRAIN: "train", VALIDATION: "val", TEST: "test"}
ADVICE = "put the pictures of each class into a folder of its own, or list them in a CSV file of path,label"


def matches(path: Path, names: list[str]) -> bool:
    return any(os.path.isdir(path / name) for name in names)


def read(path: Path, size: int | None) -> Source:
    """Raises DatasetError, which names the folder, where the classes cannot be told."""
    folders, beside = _folders_in(path)
    remarks = [f"{shown(beside, 3)} beside the folders"] if beside else []
    by_part = _by_part(path, folders) or {TRAIN: folders}
    names = [folder.name for folder in by_part[TRAIN]]
    class_names = check_class_names(names, len(names), f"--input_dir={path}")
    paths: list[Path] = []
    labels: list[int] = []
    part_of: list[int] = []
    num_clutter = 0
    for part, of_classes in sorted(by_part.items()):
        unknown = [quoted(os.fspath(f)) for f in of_classes if f.name not in class_names]
        if unknown:
            raise DatasetError(f"{shown(unknown)}: no such class in {path}/train")
        empty = set(class_names) - {folder.name for folder in of_classes}
        for folder in of_classes:
            found, clutter = files_below(folder)
            num_clutter += clutter
            if not found and part == TRAIN:
                raise DatasetError(f"{folder} holds no pictures: fill the folder or remove it")
            if not found:
                empty.add(folder.name)
            paths += found
            labels += [class_names.index(folder.name)] * len(found)
            part_of += [part] * len(found)
        if empty:
            remarks.append(f"{OF_PART[part]} lacks the classes {shown(sorted(empty))}")
    if num_clutter:
        remarks.append(f"{num_clutter} hidden or system files")
    pictures = Pictures(paths, size or DEFAULT_SIZE)
    return Source(
        "pictures",
        f"the pictures in {path}",
        pictures,
        np.array(labels, np.int64),
        np.array(part_of, np.uint8),
        class_names,
        pictures.size,
        not is_alphabet(class_names),
        tuple(remarks),
    )


def _folders_in(path: Path) -> tuple[list[Path], list[str]]:
    """The folders, and the names of the files beside them. Raises DatasetError where a link leads nowhere:
    it may be the folder of a class, on a disk that is not there now."""
    names = visible_names(path)
    places = [path / name for name in names]
    dangling = [os.fspath(p) for p in places if os.path.islink(p) and not os.path.exists(p)]
    if dangling:
        raise DatasetError(f"{shown(dangling)}: a link to something that is not there; mend or remove it")
    folders = [place for place in places if os.path.isdir(place)]
    return folders, [place.name for place in places if not os.path.isdir(place)]


def _by_part(path: Path, folders: list[Path]) -> dict[int, list[Path]] | None:
    """The folders of classes in train/, val/ and test/; None where the folders are those of classes. Raises
    DatasetError where they are neither."""
    named = [folder for folder in folders if folder.name.lower() in PARTS]
    if not named:
        if len(folders) < 2:
            raise DatasetError(
                f"--input_dir={path} holds one folder alone, {quoted(folders[0].name)}: for its folders as "
                f"classes say --input_dir={quoted(os.fspath(folders[0]))}, else {ADVICE}"
            )
        return None
    if len(named) < len(folders):
        # A class may well be called train, among apple, bear and others; then pictures lie in its folder.
        if len(named) == 1 and not _folders_in(named[0])[0]:
            return None
        others = [folder.name for folder in folders if folder not in named]
        parts = shown([folder.name for folder in named])
        raise DatasetError(
            f"--input_dir={path} holds {parts} beside {shown(others, 3)}: "
            "either all of its folders are classes, or all are train, val and test"
        )
    by_part: dict[int, list[Path]] = {}
    for folder in named:
        part = PARTS[folder.name.lower()]
        classes, _ = _folders_in(folder)
        if part in by_part:
            raise DatasetError(f"{folder}: --input_dir={path} has another folder for the same part")
        if not classes:
            raise DatasetError(f"{folder} holds no folders of classes: {ADVICE}")
        by_part[part] = classes
    if TRAIN not in by_part:
        raise DatasetError(f"--input_dir={path} holds {shown([f.name for f in named])} and no train folder")
    return by_part


def files_below(folder: Path) -> tuple[list[Path], int]:
    """All files, sorted, and how many were left out. No folder is read twice, so links may go round."""
    found, num_clutter = [], 0
    waiting, seen = [folder], set()
    try:
        while waiting:
            inner = waiting.pop()
            status = inner.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(inner) as entries:
                for entry in entries:
                    if is_clutter(entry.name):
                        num_clutter += 1
                    elif entry.is_dir():
                        waiting.append(inner / entry.name)
                    else:
                        found.append(inner / entry.name)
    except OSError as error:
        raise DatasetError(f"{inner} cannot be read: {error.strerror}") from error
    return sorted(found), num_clutter
