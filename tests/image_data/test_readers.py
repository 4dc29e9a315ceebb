"""Every form of a data set, read as dataset_maker.py and retrain.py read it, and what is wrong with one."""

import gzip
import io
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
from PIL import Image

from autodl_design.image_data import picture_table
from autodl_design.image_data.batch import parse_batch
from autodl_design.image_data.errors import DatasetError
from autodl_design.image_data.places import is_clutter, user_path
from autodl_design.image_data.readers import open_source
from autodl_design.image_data.source import TEST, TRAIN, VALIDATION

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (20, 28, 28), np.uint8)
LABELS = np.arange(20, dtype=np.uint8) % 2


def picture(path, value=None, kind="PNG"):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = (
        RNG.integers(0, 256, (9, 9, 3), np.uint8) if value is None else np.full((9, 9, 3), value, np.uint8)
    )
    Image.fromarray(pixels).save(path, kind)
    return path


def pictures(directory, **counts):
    for name, count in counts.items():
        for number in range(count):
            picture(directory / name / f"{number}.png")
    return directory


def number_of(source, part, name):
    return int((source.labels[source.of_part(part)] == source.class_names.index(name)).sum())


# --- Folders of pictures --------------------------------------------------------------------------


def test_classes_are_read_at_any_depth_and_links_are_followed(tmp_path):
    pictures(tmp_path / "in", cat=2, dog=1)
    pictures(tmp_path / "in" / "cat", more=1)
    pictures(tmp_path / "elsewhere", black=3)
    (tmp_path / "in" / "dog" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in" / "cat" / "loop").symlink_to(tmp_path / "in" / "cat")
    (tmp_path / "in" / "bird").symlink_to(tmp_path / "elsewhere" / "black")
    source = open_source(tmp_path / "in", 8)
    assert source.class_names == ("bird", "cat", "dog")
    assert [number_of(source, TRAIN, name) for name in source.class_names] == [3, 3, 4]
    assert all(source.images[k].shape == (192,) for k in range(10))


@pytest.mark.parametrize(
    ("name", "left_out"),
    [
        ("Thumbs.db", True), ("desktop.ini", True), (".DS_Store", True), ("a.png:Zone.Identifier", True),
        ("__MACOSX", True), (".ipynb_checkpoints", True), ("a.png", False), ("thumbs", False),
    ],
)  # fmt: skip
def test_what_systems_put_beside_pictures_is_left_out(name, left_out):
    assert is_clutter(name) == left_out


def test_clutter_and_files_beside_the_folders_are_told(tmp_path):
    pictures(tmp_path / "in", cat=3, dog=3)
    pictures(tmp_path / "in" / "__MACOSX", cat=3)
    (tmp_path / "in" / "cat" / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "in" / "cat" / "0.png:Zone.Identifier").write_bytes(b"x")
    (tmp_path / "in" / "README.txt").write_bytes(b"x")
    source = open_source(tmp_path / "in")
    assert source.class_names == ("cat", "dog") and len(source.labels) == 6
    assert source.remarks == ("README.txt beside the folders", "2 hidden or system files")


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Training", "validation", "testing")])
def test_the_parts_of_imagefolder(tmp_path, names):
    for name, count in zip(names, (5, 2, 3), strict=True):
        pictures(tmp_path / "in" / name, cat=count, dog=count + 1)
    source = open_source(tmp_path / "in")
    assert source.class_names == ("cat", "dog")
    counts = [
        [number_of(source, part, name) for name in ("cat", "dog")] for part in (TRAIN, VALIDATION, TEST)
    ]
    assert counts == [[5, 6], [2, 3], [3, 4]]


def test_a_class_that_one_part_lacks_is_named(tmp_path):
    pictures(tmp_path / "in" / "train", cat=3, dog=3)
    pictures(tmp_path / "in" / "test", cat=1)
    assert open_source(tmp_path / "in").remarks == ("test lacks the classes dog",)
    pictures(tmp_path / "in" / "test", bird=1)
    with pytest.raises(DatasetError, match="test/bird: no such class in .*/in/train"):
        open_source(tmp_path / "in")


def test_a_class_may_be_called_train(tmp_path):
    pictures(tmp_path / "in", apple=1, bear=1, train=1)
    assert open_source(tmp_path / "in").class_names == ("apple", "bear", "train")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: pictures(path, train=2, test=2), "holds no folders of classes: put the pictures"),
        (lambda path: pictures(path, val=2, test=2), "holds no folders of classes"),
        (lambda path: pictures(path, cat=2, train=2, test=2), "holds test, train beside cat: either all"),
        (lambda path: [pictures(path, cat=2), pictures(path / "train", cat=2)], "holds train beside cat"),
        (lambda path: pictures(path / "test", cat=2, dog=2), "holds test and no train folder"),
        (lambda path: [pictures(path / p, cat=1, dog=1) for p in ("train", "val", "valid")], "another"),
        (lambda path: pictures(path / "shapes", cat=1, dog=1), "one folder alone, shapes: .* say "),
        (lambda path: path.mkdir(), "in is empty"),
        (lambda path: path.write_text("x"), "in is not a CIFAR-10 batch or is damaged"),
        (lambda path: os.mkfifo(path), "holds no images in a known form, which are: NumPy's .npz; "),
        (lambda path: path.symlink_to("nowhere"), "is a link to something that is not there"),
        (lambda path: None, "in is not there"),
        (lambda path: (pictures(path, cat=1, dog=1) / "bird").symlink_to("/mnt/away"), "in/bird: a link"),
    ],
)  # fmt: skip
def test_folders_whose_classes_cannot_be_told(tmp_path, make, words):
    make(tmp_path / "in")
    with pytest.raises(DatasetError, match=words):
        open_source(tmp_path / "in")


def test_a_home_directory_is_not_guessed(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatasetError, match="no folder here is called ~.* say /home/me/shapes"):
        user_path("~/shapes")
    (tmp_path / "~").mkdir()
    assert str(user_path("~/shapes")) == "~/shapes"


def test_letters_are_not_mirrored(tmp_path):
    assert open_source(pictures(tmp_path / "shapes", circle=1, square=1)).mirror
    assert not open_source(pictures(tmp_path / "letters", A=1, b=1)).mirror


# --- A table --------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["", "path,label\n", "\ufeffPath, Label\r\n"])
def test_a_table_of_pictures(tmp_path, header):
    here = picture(tmp_path / "a b" / "1.png")
    picture(tmp_path / "2.png")
    (tmp_path / "labels.csv").write_text(f'{header}"a b/1.png",cat\n2.png,"dog, big"\n\n{here},cat\n')
    source = open_source(tmp_path / "labels.csv", 8)
    assert source.class_names == ("cat", "dog, big") and source.labels.tolist() == [0, 1, 0]
    assert (source.images[0] == source.images[2]).all()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"1.png,cat\n2.png\n", "line 2 is not path,label"),
        (b"1.png,cat,dog\n", "line 1 is not path,label"),
        (b"1.png,\n", "line 1 is not path,label"),
        (b'"1.png,cat\n', "line 1 is damaged"),
        (b"x" * 200_000 + b",cat\n", "line 1 is damaged"),
        (b"\xff.png,cat\n", "is not UTF-8"),
        (b"", "2 to 1,000 classes, not 0"),
        (b"1.png,cat\n", "2 to 1,000 classes, not 1"),
        (b"1.png,a\x1b[2J\n2.png,b\n", "cannot be the name of a class"),
    ],
)
def test_bad_tables(tmp_path, content, words):
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(DatasetError, match=words):
        open_source(tmp_path / "labels.csv")


def test_a_table_of_too_many_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr(picture_table, "MAX_PICTURES", 2)
    (tmp_path / "labels.csv").write_text("path,label\n1.png,a\n2.png,b\n3.png,a\n")
    with pytest.raises(DatasetError, match="names more than 2 pictures"):
        open_source(tmp_path / "labels.csv")


# --- Arrays ---------------------------------------------------------------------------------------


def npz(path, compressed=False, **arrays):
    (np.savez_compressed if compressed else np.savez)(path, **arrays)
    return path


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(
    "layout",
    [
        lambda grey: grey,
        lambda grey: grey[..., None],
        lambda grey: grey[:, None],
        lambda grey: grey.reshape(len(grey), -1),
        lambda grey: np.repeat(grey[..., None], 3, axis=3),
        lambda grey: np.repeat(grey[:, None], 3, axis=1),
        lambda grey: np.asfortranarray(grey),
    ],
)
def test_arrays_of_every_layout(tmp_path, layout, compressed):
    source = open_source(npz(tmp_path / "a.npz", compressed, x=layout(GREY), y=LABELS[:, None]))
    assert source.image_size == 28 and source.labels.tolist() == LABELS.tolist()
    for k, grey in enumerate(GREY):
        assert source.images[k].tobytes() == grey.tobytes() * 3


def test_rows_as_cifar_has_them(tmp_path):
    rows = RNG.integers(0, 256, (4, 3072), np.uint8)
    source = open_source(npz(tmp_path / "a.npz", x=rows, y=[3, 5, 3, 5]))
    assert source.class_names == ("3", "5") and source.mirror
    assert source.stack(np.arange(4)).tobytes() == rows.tobytes()


def test_the_names_of_keras(tmp_path):
    parts = {"x_train": GREY, "y_train": LABELS, "x_test": GREY[:3], "y_test": LABELS[:3]}
    source = open_source(npz(tmp_path / "mnist.npz", **parts), 14)
    assert [len(source.of_part(part)) for part in (TRAIN, VALIDATION, TEST)] == [20, 0, 3]
    assert source.image_size == 14 and source.images[22].shape == (588,) and not source.mirror


def test_arrays_that_are_not_square_are_squeezed(tmp_path):
    source = open_source(npz(tmp_path / "a.npz", x=np.full((2, 10, 30, 3), 7, np.uint8), y=[0, 1]))
    assert source.image_size == 32 and (source.images[1] == 7).all()


class Trap:
    def __reduce__(self):
        return os.system, ("touch ran",)


def archive_of(header=None, size=100, **options):
    """An .npz whose x says of itself what `header` says and holds `size` zeros."""
    buffer, array = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(
        array, header or {"descr": "|u1", "fortran_order": False, "shape": (4, 5, 5)}
    )
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, **options) as members:
        members.writestr("x.npy", array.getvalue() + bytes(size))
        labels = io.BytesIO()
        np.save(labels, np.arange(4))
        members.writestr("y.npy", labels.getvalue())
    return buffer.getvalue()


def said(shape, descr="|u1"):
    return {"descr": descr, "fortran_order": False, "shape": shape}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (archive_of(said((2**31, 2**31, 9))), "has more than 536,870,912 bytes"),
        (archive_of(said((-4, 5, 5))), "has more than|damaged"),
        (archive_of(said((4, 5, 6))), "damaged"),
        (archive_of(said((4, 5, 4))), "damaged"),
        (archive_of(said((4,), "|O"), 32), "x is object"),
        (archive_of(said((4, 5, 5), "<f4"), 400), "x is float32, and images are uint8"),
        (archive_of(said((4, 5, 5), "<u2"), 200), "images are uint16"),
        (archive_of()[:-30], "is of an unusual kind"),
        (archive_of().replace(b"x.npy", b"z.npy"), "holds y, z, not x and y"),
        (archive_of()[:-6] + b"\xff\xff\xff\x7f\0\0", "unusual kind|damaged"),
        (archive_of()[:-10] + b"\xff\xff\xff\x7f" + archive_of()[-6:], "unusual kind"),
        (b"PK" * 100, "unusual kind"),
        (b"", "it has 0 bytes"),
    ],
)
def test_hostile_npz_files(tmp_path, content, words):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DatasetError, match=words) as refusal:
        open_source(tmp_path / "a.npz")
    assert str(refusal.value).isprintable() and len(str(refusal.value)) < 500


def test_an_npz_header_that_is_nested_too_deeply(tmp_path):
    header = b"\x93NUMPY\x01\0" + struct.pack("<H", 9000) + b"-" * 9000
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as members:
        for name in ("x.npy", "y.npy"):
            members.writestr(name, header)
    with pytest.raises(DatasetError, match="x is damaged"):
        open_source(tmp_path / "a.npz")


def test_a_pickle_in_an_npz_is_not_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trap = np.empty(2, object)
    trap[:] = Trap()
    for name in ("x", "y"):
        npz("a.npz", **{"x": GREY[:2], "y": [0, 1], name: trap})
        with pytest.raises(DatasetError, match=f"{name} is object"):
            open_source(tmp_path / "a.npz")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": GREY, "y": LABELS[:5]}, r"labels are uint8 \[5\], not 20 numbers"),
        ({"x": GREY, "y": np.eye(20, dtype=int)}, r"labels are int64 \[20, 20\]"),
        ({"x": GREY, "y": -LABELS.astype(int)}, "numbers from 0 on"),
        ({"x": GREY, "y": np.zeros(20, int)}, "2 to 1,000 classes, not 1"),
        ({"x": np.uint8(3), "y": np.int64(1)}, r"images are uint8 \[\]"),
        ({"x": GREY[:0], "y": LABELS[:0]}, r"images are uint8 \[0, 28, 28\]"),
        ({"x": GREY[:, :, :27].reshape(20, -1), "y": LABELS}, r"images are uint8 \[20, 756\]"),
        ({"x_train": GREY, "y_train": LABELS, "x_test": GREY[:2], "y_test": [1, 7]}, "has the label 7"),
    ],
)
def test_arrays_that_are_no_images_or_labels(tmp_path, arrays, words):
    with pytest.raises(DatasetError, match=words):
        open_source(npz(tmp_path / "a.npz", **arrays))


def idx(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def mnist(directory, pack=lambda content: content, end=""):
    directory.mkdir()
    for name, count in (("train", 20), ("t10k", 3)):
        (directory / f"{name}-images-idx3-ubyte{end}").write_bytes(pack(idx(GREY[:count])))
        (directory / f"{name}-labels-idx1-ubyte{end}").write_bytes(pack(idx(LABELS[:count])))
    return directory


@pytest.mark.parametrize(("pack", "end"), [(bytes, ""), (gzip.compress, ".gz")])
def test_idx_files(tmp_path, pack, end):
    source = open_source(mnist(tmp_path / "in", pack, end))
    assert [len(source.of_part(part)) for part in (TRAIN, VALIDATION, TEST)] == [20, 0, 3]
    assert source.images[19].tobytes() == GREY[19].tobytes() * 3 and source.labels[:3].tolist() == [0, 1, 0]
    assert source.image_size == 28 and not source.mirror


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("train-labels-idx1-ubyte", idx(LABELS)[:-1], "its length is not what it says"),
        ("train-labels-idx1-ubyte", idx(LABELS) + b"x", "its length is not what it says"),
        ("train-labels-idx1-ubyte", idx(GREY), "does not begin as such"),
        ("train-labels-idx1-ubyte", b"", "is no IDX file"),
        ("train-images-idx3-ubyte", struct.pack(">HBB3I", 0, 8, 3, *[2**32 - 1] * 3), "says that it has"),
        ("train-images-idx3-ubyte", struct.pack(">HBB3I", 0, 8, 3, 20, 0, 0), "images are uint8"),
        (
            "train-images-idx3-ubyte",
            struct.pack(">HBB3I", 0, 8, 3, 0, 2**32 - 1, 2**32 - 1),
            "is no IDX file or is damaged",
        ),
        ("emnist-train-images-idx3-ubyte", idx(GREY), "holds two data sets"),
    ],
)
def test_bad_idx_files(tmp_path, name, content, words):
    (mnist(tmp_path / "in") / name).write_bytes(content)
    with pytest.raises(DatasetError, match=words):
        open_source(tmp_path / "in")


def test_idx_files_of_which_one_is_missing(tmp_path):
    (mnist(tmp_path / "in") / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DatasetError, match="images or labels are missing"):
        open_source(tmp_path / "in")


# --- CIFAR in other forms -------------------------------------------------------------------------


def binary(directory, files, num_labels, names):
    rows = {}
    directory.mkdir()
    for k, name in enumerate(files):
        records = np.random.default_rng(k).integers(0, 256, (30, num_labels + 3072), np.uint8)
        records[:, :num_labels] = (np.arange(30) % 10)[:, None]
        records[:, 0] //= num_labels  # of two labels the second, fine one counts
        (directory / name).write_bytes(records.tobytes())
        rows[name] = records[:, num_labels:]
    (directory / names).write_text("".join(f"class {k}\n" for k in range(10)) + "\n")
    return rows


@pytest.mark.parametrize(
    ("files", "num_labels", "names"),
    [
        (["data_batch_1.bin", "data_batch_2.bin", "test_batch.bin"], 1, "batches.meta.txt"),
        (["train.bin", "test.bin"], 2, "fine_label_names.txt"),
    ],
)
def test_the_binary_version_of_cifar(tmp_path, files, num_labels, names):
    rows = binary(tmp_path / "in", files, num_labels, names)
    source = open_source(tmp_path / "in")
    assert source.kind == "cifar" and source.class_names == tuple(f"class {k}" for k in range(10))
    assert source.images.tobytes() == b"".join(rows[name].tobytes() for name in files)
    assert source.labels.tolist() == [k % 10 for k in range(30)] * len(files)
    assert source.of_part(TEST).tolist() == list(range(30 * len(files) - 30, 30 * len(files)))


@pytest.mark.parametrize("content", [b"", bytes(3072), bytes(3074)])
def test_a_damaged_binary_batch(tmp_path, content):
    binary(tmp_path / "in", ["data_batch_1.bin"], 1, "batches.meta.txt")
    (tmp_path / "in" / "data_batch_1.bin").write_bytes(content)
    with pytest.raises(DatasetError, match="data_batch_1.bin is no binary CIFAR batch or is damaged"):
        open_source(tmp_path / "in")


IMAGES = RNG.integers(0, 256, (4, 3, 10, 10), np.uint8)


@pytest.mark.parametrize("key", [bytes, bytes.decode])
@pytest.mark.parametrize("labels", [[0, 1, 0, 1], np.array([[0], [1], [0], [1]]), np.array([0, 1, 0, 1])])
@pytest.mark.parametrize(
    "layout", [lambda x: x, lambda x: x.reshape(4, -1), lambda x: x.transpose(0, 2, 3, 1)]
)
def test_batches_that_other_tools_saved(key, labels, layout):
    content = pickle.dumps({key(b"data"): layout(IMAGES), key(b"labels"): labels})
    images, found = parse_batch(content, "batch")
    assert images.tobytes() == IMAGES.tobytes() and found.tolist() == [0, 1, 0, 1]


def test_one_batch_is_a_data_set(tmp_path):
    (tmp_path / "mine.pkl").write_bytes(pickle.dumps({"data": IMAGES, "labels": [0, 1, 0, 1]}))
    source = open_source(tmp_path / "mine.pkl")
    assert source.class_names == ("0", "1") and source.image_size == 10 and len(source.labels) == 4


def test_the_test_images_of_cifar_100(tmp_path):
    for name, count in (("train", 6), ("test", 4)):
        batch = {
            b"data": RNG.integers(0, 256, (count, 3072), np.uint8),
            b"fine_labels": [0, 1] * (count // 2),
        }
        (tmp_path / name).write_bytes(pickle.dumps(batch))
    (tmp_path / "train:Zone.Identifier").write_bytes(b"x")
    source = open_source(tmp_path)
    assert source.of_part(TEST).tolist() == [6, 7, 8, 9]
