"""dataset_maker.py on other images than CIFAR-10: pictures in folders, CIFAR-100, other sizes."""

import dataclasses
import hashlib
import json
import os
import pickle
import subprocess
import sys
import zlib

import numpy as np
import pytest
from helpers import ROOT
from PIL import Image, ImageDraw

import dataset_maker
from autodl_design.image_data.picture import load_picture
from autodl_design.image_data.split import load_split
from autodl_design.image_data.subset import CHUNK_NAMES
from autodl_design.settings.fields import SettingsError
from dataset_maker import DatasetError, SubsetSettings, load_subset, load_test_images, make_subset

SHAPES = ("circle", "square", "triangle")


def draw_shape(name, rng):
    """An RGB picture of 48 x 40 pixels."""
    fill, background = (tuple(map(int, rng.integers(low, low + 128, 3))) for low in (128, 0))
    picture = Image.new("RGB", (48, 40), background)
    x, y, r = (int(n) for n in rng.integers((14, 14, 8), (34, 26, 13)))
    box = [x - r, y - r, x + r, y + r]
    pen = ImageDraw.Draw(picture)
    if name == "circle":
        pen.ellipse(box, fill)
    elif name == "square":
        pen.rectangle(box, fill)
    else:
        pen.polygon([(x, y - r), (x - r, y + r), (x + r, y + r)], fill)
    return picture


def save_as_kind(picture, path, kind):
    """Save in one of the ways in which people have pictures -> the path."""
    if kind == "jpeg":
        path = path.with_suffix(".jpg")
        picture.save(path, quality=95)
    elif kind == "palette":
        path = path.with_suffix(".gif")
        picture.quantize(16).save(path)
    elif kind == "alpha":
        path = path.with_suffix(".png")
        picture.putalpha(255)
        picture.save(path)
    elif kind == "16-bit grey":
        path = path.with_suffix(".tif")
        grey = np.asarray(picture.convert("L")).astype(np.uint16) * 257
        Image.fromarray(grey).save(path)
    else:
        path = path.with_suffix(".png")
        picture.save(path)
    return path


KINDS = ("png", "jpeg", "palette", "alpha", "16-bit grey")


def make_shapes(directory, per_class):
    rng = np.random.default_rng(0)
    for name in SHAPES:
        (directory / name).mkdir(parents=True)
        for k in range(per_class):
            save_as_kind(draw_shape(name, rng), directory / name / f"{k:03d}", KINDS[k % len(KINDS)])
    return directory


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    """12 pictures for each of three classes."""
    return make_shapes(tmp_path_factory.mktemp("shapes") / "shapes", 12)


def config(shapes, tmp_path, **more):
    return SubsetSettings(**{
        "input_dir": str(shapes), "data_path": str(tmp_path / "out"), "chunk_size": 3, **more
    })  # fmt: skip


def test_pictures_become_a_subset(shapes, tmp_path, capsys):
    make_subset(config(shapes, tmp_path, image_size=20, validation_per_class=2))
    assert "36 images" in capsys.readouterr().out
    subset = load_subset(tmp_path / "out")
    assert (subset.class_names, subset.image_size) == (SHAPES, 20)
    assert subset.train_images.shape == (27, 3 * 20 * 20) and subset.validation_images.shape == (6, 1200)
    assert np.bincount(subset.train_labels).tolist() == [9, 9, 9]
    with open(tmp_path / "out" / "batches.meta", "rb") as file:
        meta = pickle.load(file)
    assert meta == {b"label_names": [b"circle", b"square", b"triangle"], b"num_cases_per_batch": 3,
                    b"num_vis": 1200, b"mirror": 1}  # fmt: skip
    # A triangle has its point at the top, and a square more corners than a circle.
    by_class = [subset.train_images[subset.train_labels == k].reshape(-1, 3, 20, 20) for k in range(3)]
    upper, lower = (
        [(images.max(axis=1)[:, rows] > 128).mean() for images in by_class]
        for rows in (slice(0, 8), slice(8, 20))
    )
    assert upper[2] < upper[0] < upper[1] and lower[2] > 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_picture_gives_the_same_pixels(kind, tmp_path):
    rng = np.random.default_rng(1)
    pictures = [draw_shape("square", rng).convert("L").convert("RGB") for _ in range(20)]
    for name, part in (("a", pictures[:10]), ("b", pictures[10:])):
        (tmp_path / "in" / name).mkdir(parents=True)
        for k, picture in enumerate(part):
            save_as_kind(picture.copy(), tmp_path / "in" / name / str(k), kind)
    make_subset(config(tmp_path / "in", tmp_path, chunk_size=2, image_size=16))
    subset = load_subset(tmp_path / "out")
    scaled = [np.asarray(p.resize((16, 16), Image.Resampling.BOX)).transpose(2, 0, 1) for p in pictures]
    for row, label in zip(subset.train_images, subset.train_labels, strict=True):
        candidates = scaled[10 * label : 10 * label + 10]
        assert min(np.abs(row.reshape(3, 16, 16) - s.astype(int)).mean() for s in candidates) < 4


def test_size_and_chunk_have_defaults(tmp_path):
    make_subset(SubsetSettings(str(make_shapes(tmp_path / "in", 100)), str(tmp_path / "out")))
    subset = load_subset(tmp_path / "out")
    assert subset.image_size == 32 and len(subset.train_images) == 9 * 3 * 10


def test_the_draw_follows_from_the_seed(shapes, tmp_path):
    def files(seed):
        make_subset(config(shapes, tmp_path, seed=seed))
        return [(tmp_path / "out" / name).read_bytes() for name in CHUNK_NAMES]

    first = files(1)
    assert files(1) == first != files(2)


def all_of(shapes, tmp_path, **more):
    return SubsetSettings(str(shapes), str(tmp_path / "out"), **more)


def test_all_pictures_are_used(shapes, tmp_path, capsys):
    make_subset(all_of(shapes, tmp_path))
    subset = load_subset(tmp_path / "out")
    assert subset.train_counts.tolist() == [10, 10, 10] and subset.validation_counts.tolist() == [2, 2, 2]
    assert subset.balanced and subset.mirror and sorted(os.listdir(tmp_path / "out")) == [
        "batches.meta", *CHUNK_NAMES
    ]  # fmt: skip
    assert capsys.readouterr().out.splitlines()[2:] == [
        f"Wrote {tmp_path / 'out'}: 30 images to train on, 10 per class, and 6 for validation",
        "Mirrored at random in training: yes",
    ]


def test_classes_may_differ_in_size_and_bad_pictures_be_skipped(tmp_path, capsys):
    make_shapes(tmp_path / "in", 30)
    for picture in sorted((tmp_path / "in" / "square").iterdir())[10:]:
        picture.unlink()
    first, second, third, *_ = sorted((tmp_path / "in" / "circle").iterdir())
    first.write_bytes(b"no picture")
    (tmp_path / "in" / "circle" / "gone.png").symlink_to("nowhere")
    third.write_bytes(second.read_bytes())
    with pytest.raises(
        DatasetError, match="^2 pictures cannot be read: .*gone.png.* by dataset_maker.py --skip_bad$"
    ):
        make_subset(all_of(tmp_path / "in", tmp_path))
    assert not (tmp_path / "out").exists()
    make_subset(all_of(tmp_path / "in", tmp_path, skip_bad=True, test_per_class=1, mirror=False))
    subset, (_, labels) = load_subset(tmp_path / "out"), load_test_images(tmp_path / "out")
    assert subset.train_counts.tolist() == [24, 7, 26] and subset.validation_counts.tolist() == [3, 2, 3]
    assert labels.tolist() in ([0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0])
    assert not subset.balanced and not subset.mirror
    out = capsys.readouterr().out
    assert "57 images to train on, 7 to 26 per class, and 8 for validation" in out
    assert "Mirrored at random in training: no" in out
    assert "Left out: copies of other images: 1; pictures that cannot be read: 2" in out


def test_parts_of_their_own_become_those_of_the_subset(tmp_path):
    make_shapes(tmp_path / "in" / "train", 15)
    for name, numbers in (("val", (3, 7)), ("test", (0, 8, 9))):
        for path in [*(tmp_path / "in" / "train").glob("*/*")]:
            if int(path.stem) in numbers:
                new = tmp_path / "in" / name / path.parent.name
                new.mkdir(parents=True, exist_ok=True)
                path.rename(new / path.name)
    for more, num_train in (({}, 30), ({"per_class": 10}, 27)):
        make_subset(all_of(tmp_path / "in", tmp_path, **more))
        subset, (images, labels) = load_subset(tmp_path / "out"), load_test_images(tmp_path / "out")
        assert len(subset.train_images) == num_train and np.bincount(labels).tolist() == [3, 3, 3]
        assert subset.validation_counts.tolist() == [2, 2, 2]
        expected = load_picture(tmp_path / "in" / "test" / "circle" / "000.png", 32).tobytes()
        assert expected in [image.tobytes() for image in images]
    with pytest.raises(DatasetError, match="--test_per_class: the pictures in .* have such images"):
        make_subset(all_of(tmp_path / "in", tmp_path, test_per_class=1))


def test_the_same_split_as_for_a_training(shapes, tmp_path):
    make_subset(all_of(shapes, tmp_path, seed=5))
    subset, (trained, _) = load_subset(tmp_path / "out"), load_split(shapes, None, seed=5)
    assert subset.validation_images.tobytes() == trained.validation_images.tobytes()
    assert subset.train_images.tobytes() == trained.train_images.tobytes()


@pytest.mark.parametrize(("more", "words"), [
    ({"per_class": 20}, "class circle has 12 images and 20 are needed: --per_class=10 would do"),
    ({"per_class": 10, "test_per_class": 3}, "13 are needed: lower .* or say --per_class=0 to use all"),
    ({"chunk_size": 4}, "must be a multiple of 3, the number of classes; 3 would do"),
    ({"validation_per_class": 12}, "class circle has 12 distinct images and 13 are needed"),
])  # fmt: skip
def test_too_few_pictures_name_a_value_that_works(more, words, shapes, tmp_path):
    with pytest.raises(DatasetError, match=words):
        make_subset(all_of(shapes, tmp_path, **more))


@pytest.mark.parametrize(("more", "words"), [
    ({"per_class": 25}, "--per_class=25: must be a multiple of ten, such as 20"),
    ({"per_class": 5}, "--per_class=5: must be a multiple of ten, such as 10"),
    ({"per_class": 10, "chunk_size": 3}, "say the same"),
])  # fmt: skip
def test_settings_that_contradict(more, words):
    with pytest.raises(SettingsError, match=words):
        SubsetSettings(**more)


@pytest.mark.parametrize("changed", [
    {b"num_cases_per_batch": [3] * 9}, {b"num_cases_per_batch": [b"3"] * 10},
    {b"num_cases_per_batch": [4] * 10}, {b"mirror": 2}, {b"mirror": [1]},
])  # fmt: skip
def test_a_subset_that_is_not_as_its_meta_says(changed, shapes, tmp_path):
    make_subset(all_of(shapes, tmp_path))
    path = tmp_path / "out" / "batches.meta"
    path.write_bytes(pickle.dumps(pickle.loads(path.read_bytes()) | changed))
    with pytest.raises(DatasetError, match="batches.meta: b'|holds 4 images|not the chunk size 4"):
        load_subset(tmp_path / "out")


def test_pictures_in_the_place_of_a_subset(shapes):
    with pytest.raises(
        DatasetError, match="is no subset but two .*: run `python dataset_maker.py --input_dir="
    ):
        load_subset(shapes)


def test_a_folder_of_other_things_is_only_missing(tmp_path):
    (tmp_path / "pickle-cifar-10").mkdir()
    (tmp_path / "pickle-cifar-10" / "data_batch_0.pkl").write_bytes(b"x")
    with pytest.raises(
        DatasetError, match="/data_batch_0.pkl is missing: run `python dataset_maker.py --data"
    ):
        load_subset(tmp_path)


def test_a_missing_subset_names_a_command_that_makes_it(tmp_path):
    with pytest.raises(DatasetError, match="run `python dataset_maker.py --data_path='.*/not there'`"):
        load_subset(tmp_path / "not there")


# --- What is wrong is named in one line -------------------------------------------------------------


def bomb(path):
    """A PNG of 100,000 x 100,000 pixels in a few bytes."""

    def chunk(kind, data):
        content = kind + data
        return len(data).to_bytes(4, "big") + content + zlib.crc32(content).to_bytes(4, "big")

    header = (100_000).to_bytes(4, "big") * 2 + bytes([1, 0, 0, 0, 0])
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)


def every_picture(damage):
    """Do it to all pictures of circles, since only those that are drawn are read."""
    return lambda path: [damage(picture) for picture in sorted((path / "circle").iterdir())]


def without(path):
    for picture in (path / "circle").iterdir():
        picture.unlink()


@pytest.mark.parametrize(
    "damage, words",
    [
        (every_picture(lambda picture: picture.write_bytes(b"no picture")), "circle/0.* is not a picture"),
        (every_picture(lambda picture: os.truncate(picture, 300)), "circle/0.* damaged"),
        (every_picture(bomb), "circle/0.* has more than .* pixels"),
        (lambda path: os.mkfifo(path / "square" / "pipe.png"), "square/pipe.png: is not a regular file"),
        (lambda path: (path / "square" / "x.png").symlink_to("/dev/zero"), "square/x.png: is not a reg"),
        (without, "circle holds no pictures"),
        (lambda path: (path / "empty").mkdir(), "in/empty holds no pictures"),
        (lambda path: [picture.unlink() for picture in sorted((path / "circle").iterdir())[:3]],
         "class circle has 9 images and 10 are needed"),
        (lambda path: [(path / str(k)).mkdir() for k in range(1001)], "2 to 1,000 classes, not 1,004"),
        (lambda path: (path / "circle").rename(path / "a\x1b[2Jb"), "'a.x1b.2Jb' cannot be the name"),
        (every_picture(lambda picture: Image.new("RGB", (9, 9)).save(picture)),
         "class circle has 1 distinct images .copies of others do not count. and 10 are"),
    ],
)  # fmt: skip
def test_bad_folders_of_pictures(damage, words, tmp_path):
    make_shapes(tmp_path / "in", 12)
    damage(tmp_path / "in")
    with pytest.raises(DatasetError, match=words) as caught:
        make_subset(config(tmp_path / "in", tmp_path))
    assert "\n" not in str(caught.value) and str(caught.value).isprintable()
    assert not (tmp_path / "out").exists()


def test_one_folder_is_no_set_of_classes(tmp_path):
    (tmp_path / "in" / "circle").mkdir(parents=True)
    with pytest.raises(
        DatasetError,
        match="holds one folder alone, circle: .* say --input_dir=.*circle",
    ):
        make_subset(config(tmp_path / "in", tmp_path))


@pytest.mark.parametrize("setting, words", [
    ({"chunk_size": 4}, "--chunk_size=4: must be a multiple of 3, the number of classes"),
    ({"chunk_size": 3 * 10**6}, "class circle has 12 images and 10000000 are needed"),
])  # fmt: skip
def test_settings_that_do_not_fit_the_pictures(setting, words, shapes, tmp_path):
    with pytest.raises(DatasetError, match=words):
        make_subset(config(shapes, tmp_path, **setting))


def test_a_file_that_could_not_be_read_is_not_written(shapes, tmp_path, monkeypatch):
    monkeypatch.setattr(dataset_maker, "MAX_FILE_BYTES", 100_000)
    with pytest.raises(DatasetError, match="lower --image_size, --per_class"):
        make_subset(config(shapes, tmp_path, image_size=224))
    assert not (tmp_path / "out").exists()


def test_hidden_files_and_files_beside_the_folders_are_left_out(tmp_path):
    make_shapes(tmp_path / "in", 10)
    (tmp_path / "in" / ".git").mkdir()
    (tmp_path / "in" / "README.txt").write_text("shapes")
    (tmp_path / "in" / "circle" / ".DS_Store").write_bytes(b"x")
    make_subset(config(tmp_path / "in", tmp_path))
    assert load_subset(tmp_path / "out").class_names == SHAPES


# --- Batches ----------------------------------------------------------------------------------------


def write_pickle(path, content):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(pickle.dumps(content, 2))


def noise(count, row_length=3072, seed=0):
    return np.random.RandomState(seed).randint(0, 256, (count, row_length)).astype(np.uint8)


def test_the_ten_files_are_the_same_bytes_in_all_versions(tmp_path):
    """The checksum is of the files that the first version with ten classes and 32 pixels wrote."""
    for k in (1, 2):
        labels = [i % 10 for i in range(600)]
        write_pickle(tmp_path / "in" / f"data_batch_{k}", {b"data": noise(600, seed=k), b"labels": labels})
    make_subset(SubsetSettings(str(tmp_path / "in"), str(tmp_path / "out")))
    content = b"".join((tmp_path / "out" / name).read_bytes() for name in CHUNK_NAMES)
    assert hashlib.sha256(content).hexdigest() == (
        "8a804b44a8cc5aaeb2cf88ccc9b642bc8a4d9edb60c23f68e6727da42ee0d8c4"
    )


def test_cifar100(tmp_path):
    labels = [i % 100 for i in range(1000)]
    coarse = [label // 5 for label in labels]
    batch = {b"data": noise(1000), b"fine_labels": labels, b"coarse_labels": coarse}
    write_pickle(tmp_path / "in" / "train", batch)
    write_pickle(tmp_path / "in" / "test", batch)
    names = [f"fine {k}".encode() for k in range(100)]
    write_pickle(tmp_path / "in" / "meta", {b"fine_label_names": names, b"coarse_label_names": [b"c"] * 20})
    make_subset(SubsetSettings(str(tmp_path / "in"), str(tmp_path / "out"), chunk_size=100))
    subset = load_subset(tmp_path / "out")
    assert subset.class_names == tuple(f"fine {k}" for k in range(100))
    assert np.bincount(subset.train_labels).tolist() == [9] * 100


@pytest.mark.parametrize("size", [8, 31, 224])
def test_batches_of_other_sizes_keep_theirs(size, tmp_path):
    batch = {b"data": noise(40, 3 * size**2), b"labels": [i % 2 for i in range(40)]}
    write_pickle(tmp_path / "in" / "data_batch_1", batch)
    settings = SubsetSettings(str(tmp_path / "in"), str(tmp_path / "out"), chunk_size=2)
    make_subset(settings)
    subset = load_subset(tmp_path / "out")
    assert subset.image_size == size and subset.class_names == ("0", "1")
    with pytest.raises(DatasetError, match=f"--image_size=12: .* {size} pixels"):
        make_subset(dataclasses.replace(settings, image_size=12))


@pytest.mark.parametrize("row_length", [3 * 7 * 7, 3 * 225 * 225, 3 * 8 * 9, 1024])
def test_rows_that_are_no_images_are_refused(row_length, tmp_path):
    write_pickle(tmp_path / "batch", {b"data": np.zeros((1, row_length), np.uint8), b"labels": [0]})
    with pytest.raises(DatasetError, match="S from 8 to 224"):
        dataset_maker.load_batch(tmp_path / "batch")


@pytest.mark.parametrize("names, words", [
    (b"airplane", "has no list b.label_names. of the names"),
    ([b"airplane", 3], "something of type int cannot be the name"),
    ([b"airplane", b"\xff", b"\xfe"], "names two classes alike"),
    ([b"cat", b"cat"], "names two classes alike"),
    ([b"cat"], "2 to 1,000 classes, not 1"),
    ([b"cat", b"a\nb"], "cannot be the name"),
    ([b"cat", b"dog"], "a label lies outside 0 to 1"),
])  # fmt: skip
def test_bad_names_of_classes(names, words, tmp_path):
    batch = {b"data": noise(40), b"labels": [i % 3 for i in range(40)]}
    write_pickle(tmp_path / "in" / "data_batch_1", batch)
    write_pickle(tmp_path / "in" / "batches.meta", {b"label_names": names})
    with pytest.raises(DatasetError, match=words):
        make_subset(SubsetSettings(str(tmp_path / "in"), str(tmp_path / "out"), chunk_size=3))


def test_images_of_two_sizes_are_refused(shapes, tmp_path):
    make_subset(config(shapes, tmp_path))
    other = tmp_path / "other"
    make_subset(config(shapes, tmp_path, image_size=16, data_path=str(other)))
    os.replace(other / "data_batch_4.pkl", tmp_path / "out" / "data_batch_4.pkl")
    with pytest.raises(DatasetError, match="data_batch_4.pkl holds images of another size"):
        load_subset(tmp_path / "out")


def test_digits_bring_their_names(digits_path):
    assert load_subset(digits_path).class_names == tuple("0123456789")


def test_a_subset_without_names_numbers_its_classes(digits_path, tmp_path):
    for name in CHUNK_NAMES:
        (tmp_path / name).write_bytes((digits_path / name).read_bytes())
    assert load_subset(tmp_path).class_names == tuple("0123456789")


# --- From pictures to a search ----------------------------------------------------------------------


def main_py(*arguments):
    command = [sys.executable, "main.py", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_a_search_on_own_pictures(shapes, tmp_path):
    make_subset(config(shapes, tmp_path, image_size=12))
    flags = f"--data_path={tmp_path / 'out'}", f"--log_dir={tmp_path / 'log'}", "--preset=quick"
    result = main_py(*flags, "--num_models=1", "--early_stop=1", "--batch_size=2", "--train_batch_size=9")
    assert result.returncode == 0, result.stderr
    assert json.loads((tmp_path / "log" / "search.json").read_text())["num_classes"] == 3
    models = [json.loads(line) for line in (tmp_path / "log" / "history.jsonl").read_text().splitlines()]
    assert len(models) == 2 and all(model["status"] == "ok" for model in models)
    assert all(abs(3 * model["accuracy"] - round(3 * model["accuracy"])) < 0.01 for model in models)  # of 3


@pytest.mark.parametrize("flag, words", [
    ("--num_stages=5", "num_stages 5 is too large for images of 12 pixels"),
    ("--chunk_size=30", "holds 3 images and not the chunk size 30"),
])  # fmt: skip
def test_what_does_not_fit_the_images_is_said_at_the_start(flag, words, shapes, tmp_path):
    make_subset(config(shapes, tmp_path, image_size=12))
    flags = f"--data_path={tmp_path / 'out'}", f"--log_dir={tmp_path / 'log'}", "--train_batch_size=9"
    result = main_py(*flags, flag)
    assert result.returncode == 1 and len(result.stderr.splitlines()) == 1 and words in result.stderr
    assert not (tmp_path / "log").exists()
