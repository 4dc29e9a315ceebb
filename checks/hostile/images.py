"""dataset_maker.py: batches, archives, folders of pictures, and places to write to."""

import os
from pathlib import Path

from PIL import Image

from checks.hostile.archives import BATCHES, DAMAGED, REFUSED
from checks.hostile.case import Case
from checks.hostile.data_sets import hostile_data_sets
from checks.hostile.pickles import hostile_batches, hostile_metas
from checks.hostile.pictures import hostile_pictures

MAKE = ["dataset_maker.py", "--source=cifar", "--input_dir={here}/in", "--output_dir={here}/out"]


def with_batches(here: Path, changed: dict[str, bytes] | None = None) -> None:
    (here / "in").mkdir()
    for name, content in {**BATCHES, **(changed or {})}.items():
        (here / "in" / name).write_bytes(content)


def with_archive(here: Path, content: bytes) -> None:
    (here / "cifar-10-python.tar.gz").write_bytes(content)


def with_something(here: Path, name: str, make) -> None:
    with_batches(here)
    path = here / name
    if path.is_file():
        path.unlink()
    path.parent.mkdir(exist_ok=True)
    make(path)


def with_files(here: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = here / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def link_nowhere(path: Path) -> None:
    path.symlink_to("/mnt/not-there")


def kept_directory(path: Path) -> None:
    path.mkdir()
    (path / "mine").write_text("mine")


def kept_file(path: Path) -> None:
    path.write_text("mine")


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def with_pictures(here: Path, name: str, content: bytes | None = None, make=None) -> None:
    for label in ("cat", "dog"):
        (here / "in" / label).mkdir(parents=True)
        for number in range(10):
            Image.new("RGB", (40, 40), (number, len(label), ord(label[0]))).save(
                here / "in" / label / f"{number}.png"
            )
    path = here / "in" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    make(path) if make else path.write_bytes(content)


def cases() -> list[Case]:
    def batch(content):
        return lambda here: with_batches(here, {"data_batch_3": content})

    def names(content):
        return lambda here: with_batches(here, {"batches.meta": content})

    def archive(content):
        return lambda here: with_archive(here, content)

    def something(name, make):
        return lambda here: with_something(here, name, make)

    def pictures(*arguments, **more):
        return lambda here: with_pictures(here, *arguments, **more)

    found = [
        Case("batches", name, MAKE, batch(content)) for name, content in hostile_batches(20_000).items()
    ]
    found += [
        Case("batches", f"batches.meta: {name}", MAKE, names(content))
        for name, content in hostile_metas().items()
    ]
    found += [Case("archives", name, MAKE, archive(content)) for name, content in DAMAGED.items()]
    found += [Case("archives", name, MAKE, archive(content)) for name, (content, _) in REFUSED.items()]
    for make in (os.mkfifo, os.mkdir, device):
        found.append(
            Case("archives", f"{make.__name__} as archive", MAKE, something("in/../x", make), (0, 1))
        )
        for name in ("in/data_batch_2", "out", "out/data_batch_0.pkl"):
            if (make, name) != (os.mkdir, "out"):
                found.append(Case("places", f"{make.__name__} as {name}", MAKE, something(name, make)))
    found += [
        Case("places", "files of one's own in --output_dir", MAKE, something("out/mine", kept_file)),
        Case(
            "places", "directory data_batch_0.pkl", MAKE, something("out/data_batch_0.pkl", kept_directory)
        ),
        Case("places", "output is input", [*MAKE, "--output_dir={here}/in"], with_batches),
        Case("places", "output in input", [*MAKE, "--output_dir={here}/in/data_batch_9"], with_batches),
        Case("places", "output above input", [*MAKE, "--output_dir={here}"], with_batches),
        Case("places", "name of 300 characters", [*MAKE, "--output_dir={here}/" + 300 * "a"], with_batches),
        Case("places", "input of 300 characters", [*MAKE, "--input_dir={here}/" + 300 * "a"]),
        Case("places", "path of 5,000 characters", [*MAKE, "--input_dir={here}" + 2500 * "/a"]),
        Case("places", "escapes in names", [*MAKE, "--input_dir={here}/\x1b[2J\nx"]),
        Case("places", "output under a file", [*MAKE, "--output_dir=/dev/null/x"], with_batches),
        Case("places", "chunk_size 10**9", [*MAKE, "--chunk_size=1000000000"], with_batches),
        Case("places", "chunk_size 10**30", [*MAKE, f"--chunk_size={10**30}"], with_batches),
        Case("places", "validation 10**12", [*MAKE, f"--validation_per_class={10**12}"], with_batches),
        Case("places", "no space", MAKE, with_batches, shell='ulimit -f 10; exec "$@"'),
        Case("places", "loop of links", MAKE, lambda here: (here / "in").symlink_to(here / "in")),
    ]
    small = [*MAKE, "--source=auto", "--chunk_size=2"]
    found += [
        Case("pictures", name, small, pictures("cat/4.png", content))
        for name, content in hostile_pictures().items()
    ]
    png = b"\x89PNG\r\n\x1a\n"
    for name, content in {
        "cat/3.png": b"",
        "cat/4.png": b"no picture",
        "cat/5.jpg": b"\xff\xd8\xff\xe0" + bytes(99),
        "dog/0.png": png + bytes(2000),
        "dog/1.gif": b"GIF89a" + b"\xff" * 20,
        "dog/2.tif": b"II*\0" + b"\xff" * 50,
        "dog/3.bmp": b"BM" + bytes(60),
    }.items():
        found.append(Case("pictures", f"damaged {name}", small, pictures(name, content), (0, 1)))
    for name, (path, files) in hostile_data_sets().items():
        command = [*MAKE, "--source=auto", f"--input_dir={{here}}/in/{path}"]
        found.append(Case("pictures", name, command, lambda here, files=files: with_files(here, files)))
    auto = [*MAKE, "--source=auto"]
    found += [
        Case("pictures", "a link to nowhere as class", auto, pictures("bird", make=link_nowhere)),
        Case("pictures", "a link to nowhere as picture", auto, pictures("cat/x.png", make=link_nowhere)),
        Case("places", "no such directory", [*auto, "--input_dir={here}/im"], with_batches),
        Case("places", "a home directory", [*auto, "--input_dir=~/in"], with_batches),
        Case("places", "output in a home directory", [*MAKE, "--output_dir=~/out"], with_batches),
        Case("places", "an empty directory", auto, lambda here: (here / "in").mkdir()),
    ]
    for name, make in (("fifo", os.mkfifo), ("directory", os.mkdir), ("device", device)):
        found.append(
            Case("pictures", f"{name} as picture", small, pictures("cat/2.png", make=make), (0, 1))
        )
        found.append(Case("pictures", f"{name} as class", small, pictures("bird", make=make), (0, 1)))
    found += [
        Case("pictures", "escapes in a class", small, pictures("\x1b[31m\n/0.png", b"x"), (0, 1)),
        Case(
            "pictures",
            "bytes that are no text",
            small,
            pictures(os.fsdecode(b"\xff\xfe/0.png"), b"x"),
            (0, 1),
        ),
        Case("pictures", "image_size 10**6", [*small, "--image_size=1000000"], pictures("a.txt", b"")),
        Case(
            "pictures",
            "link to itself",
            small,
            pictures("cat/l", make=lambda p: p.symlink_to(p.parent)),
            (0, 1),
        ),
        Case("pictures", "empty folders", small, lambda here: (here / "in/cat").mkdir(parents=True)),
        Case("pictures", "batches beside folders", small, pictures("data_batch_1", b"x")),
    ]
    return found
