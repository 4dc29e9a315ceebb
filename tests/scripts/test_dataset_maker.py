"""Runs the real dataset_maker.py on small CIFAR-10 batches made here, and on real ones if any."""

import functools
import hashlib
import http.server
import io
import os
import pickle
import shutil
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest

import autodl_design.image_data.cifar
import dataset_maker
from autodl_design.image_data import whole_directory
from autodl_design.image_data.digits import digits_source, load_digits
from dataset_maker import DatasetError, load_batch, load_subset, load_test_images

ROOT = Path(__file__).resolve().parents[2]
REAL_CIFAR = ROOT.parent / "shared" / "data" / "cifar-10-batches-py"


def run(*arguments, code=None, cwd=ROOT, **environment):
    """Run dataset_maker.py, or `code` in its place, with `arguments`."""
    start = [str(ROOT / "dataset_maker.py")] if code is None else ["-c", code]
    return subprocess.run(
        [sys.executable, *start, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", "no_proxy": "127.0.0.1", **environment},
    )


def with_url(url, md5=autodl_design.image_data.cifar.CIFAR10_MD5):
    """Code that runs dataset_maker.py with another address and checksum of the download."""
    return (
        "import dataset_maker\n"
        "from autodl_design.image_data import cifar\n"
        f"cifar.CIFAR10_URL, cifar.CIFAR10_MD5 = {url!r}, {md5!r}\n"
        "dataset_maker.run()"
    )


def assert_fails(result, *words):
    """One line on stderr that holds every word, and exit code 1."""
    assert result.returncode == 1, result
    lines = result.stderr.splitlines()
    assert len(lines) == 1 and all(str(word) in lines[0] for word in words), result.stderr


def write_batch(path, labels, images=None, protocol=2, seed=0):
    if images is None:
        images = np.random.default_rng(seed).integers(0, 256, [len(labels), 3072], np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps({b"data": images, b"labels": labels}, protocol))


@pytest.fixture
def cifar(tmp_path):
    """Two batches with 12 images a class in all."""
    for k in (1, 2):
        write_batch(tmp_path / "cifar" / f"data_batch_{k}", [i % 10 for i in range(60)], seed=k)
    return tmp_path / "cifar"


def small(input_dir, output_dir, *more):
    return run(f"--input_dir={input_dir}", f"--output_dir={output_dir}", "--chunk_size=10", *more)


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def check_subset(directory, chunk_size, validation_per_class=0, test_per_class=0):
    """What the user relies on: the format, the counts of each class, no image twice."""
    names = [f"data_batch_{k}.pkl" for k in range(10)]
    counts = dict.fromkeys(names, chunk_size // 10)
    if validation_per_class:
        counts["validation.pkl"] = validation_per_class
    if test_per_class:
        counts["test.pkl"] = test_per_class
    assert set(contents(directory)) == {*counts, "batches.meta"}
    rows = []
    for name, per_class in counts.items():
        with open(directory / name, "rb") as file:
            batch = pickle.load(file, encoding="bytes")
        images, labels = batch[b"data"], batch[b"labels"]
        assert images.dtype == np.uint8 and images.shape == (10 * per_class, 3072)
        assert isinstance(labels, list) and np.bincount(labels).tolist() == [per_class] * 10
        rows += [image.tobytes() for image in images]
    assert len(set(rows)) == len(rows)
    return rows


# --- The subset -----------------------------------------------------------------------------------


@pytest.mark.skipif(not REAL_CIFAR.is_dir(), reason="no CIFAR-10 batches in ../shared/data")
def test_real_cifar(tmp_path):
    result = run(
        f"--input_dir={REAL_CIFAR}", f"--output_dir={tmp_path / 'out'}", "--validation_per_class=20"
    )
    assert result.returncode == 0, result.stderr
    assert str(tmp_path / "out") in result.stdout and str(REAL_CIFAR) in result.stdout
    assert "10 classes: airplane, automobile, bird, cat" in result.stdout
    assert "10 per class in each, 100 per class over all" in result.stdout
    check_subset(tmp_path / "out", chunk_size=100, validation_per_class=20)

    originals = {}
    for path in REAL_CIFAR.glob("data_batch_*"):
        with open(path, "rb") as file:
            batch = pickle.load(file, encoding="bytes")
        originals.update(zip(map(bytes, batch[b"data"]), batch[b"labels"], strict=True))
    subset = load_subset(tmp_path / "out", 100)
    assert subset.train_images.shape == (900, 3072) and subset.train_images.dtype == np.uint8
    assert subset.validation_images.shape == (200, 3072) and subset.train_labels.dtype == np.int64
    for images, labels in (subset[:2], subset[2:4]):
        assert [originals[image.tobytes()] for image in images] == labels.tolist()


def test_digits(tmp_path):
    result = run("--source=digits", f"--output_dir={tmp_path / 'out'}")
    assert result.returncode == 0 and "digits" in result.stdout, result
    check_subset(tmp_path / "out", chunk_size=100)
    subset = load_subset(tmp_path / "out", 100)
    planes = subset.train_images.reshape(-1, 3, 32, 32)
    assert planes.min() == 0 and planes.max() == 255
    np.testing.assert_array_equal(planes[:, 0], planes[:, 2])
    # zeros are hollow, ones are not
    centre = planes[:, 0, 12:20, 14:18].mean(axis=(1, 2))
    assert centre[subset.train_labels == 0].mean() < 0.5 * centre[subset.train_labels == 1].mean()


def test_digits_have_the_size_that_is_asked_for():
    small, usual = (load_digits(size)[0].reshape(-1, 3, size, size) for size in (16, 32))
    np.testing.assert_array_equal(small, usual[:, :, ::2, ::2])
    with pytest.raises(DatasetError, match="--image_size=20: of the digits it must be a multiple of 8"):
        digits_source(20)


def test_the_seed_decides_the_draw(cifar, tmp_path):
    draws = {}
    for name, seed in (("a", 7), ("again", 7), ("other", 8)):
        assert small(cifar, tmp_path / name, f"--seed={seed}").returncode == 0
        draws[name] = contents(tmp_path / name)
        check_subset(tmp_path / name, chunk_size=10)
    assert draws["a"] == draws["again"]
    assert draws["a"].keys() == draws["other"].keys() and draws["a"] != draws["other"]


def test_a_repeated_image_is_drawn_once(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, [120, 3072], np.uint8)
    images[100:] = images[0:20]  # 10 distinct images a class are left
    write_batch(tmp_path / "cifar" / "data_batch_1", [i % 10 for i in range(120)], images)
    assert small(tmp_path / "cifar", tmp_path / "out").returncode == 0
    check_subset(tmp_path / "out", chunk_size=10)
    result = small(tmp_path / "cifar", tmp_path / "out", "--validation_per_class=1")
    assert_fails(result, "class 0 has 10 distinct images", "11 are needed", "copies")


def test_validation_file_is_held_out_and_goes_when_not_asked_for(cifar, tmp_path):
    assert small(cifar, tmp_path / "out", "--validation_per_class=2").returncode == 0
    rows = check_subset(tmp_path / "out", chunk_size=10, validation_per_class=2)
    subset = load_subset(tmp_path / "out", 10)
    assert [image.tobytes() for image in subset.train_images] == rows[:90]
    assert [image.tobytes() for image in subset.validation_images] == rows[100:]

    assert small(cifar, tmp_path / "out").returncode == 0
    assert check_subset(tmp_path / "out", chunk_size=10) == rows[:100]
    subset = load_subset(tmp_path / "out", 10)
    assert [image.tobytes() for image in subset.validation_images] == rows[90:100]


@pytest.mark.parametrize("validation", [0, 1])
def test_the_test_file_changes_no_other_file_and_is_read_by_itself(tmp_path, validation):
    labels = [*(i % 10 for i in range(160)), *([1] * 20)]
    images = np.random.default_rng(0).integers(0, 256, [len(labels), 3072], np.uint8)
    images[1:160:10] = images[0:160:10]  # what class 0 draws is not there for class 1 any more
    write_batch(tmp_path / "cifar" / "data_batch_1", labels, images)
    flags = [f"--validation_per_class={validation}", "--seed=3"]
    for name, more in (("without", []), ("with", ["--test_per_class=2"])):
        assert small(tmp_path / "cifar", tmp_path / name, *flags, *more).returncode == 0
    rows = check_subset(tmp_path / "with", 10, validation, test_per_class=2)
    files = contents(tmp_path / "with")
    del files["test.pkl"]
    assert files == contents(tmp_path / "without")

    subset = load_subset(tmp_path / "with")
    assert subset.sha256() == load_subset(tmp_path / "without").sha256()
    drawn, labels = load_test_images(tmp_path / "with")
    assert [image.tobytes() for image in drawn] == rows[-20:]
    assert np.bincount(labels).tolist() == [2] * 10
    assert load_test_images(tmp_path / "without") is None

    (tmp_path / "with" / "test.pkl").write_bytes(b"x")
    assert load_subset(tmp_path / "with").sha256() == subset.sha256()  # it never looks there
    with pytest.raises(DatasetError, match="test.pkl is not a CIFAR-10 batch"):
        load_test_images(tmp_path / "with")


def test_too_few_images_for_the_test_name_the_scarcest_class(tmp_path):
    write_batch(tmp_path / "cifar" / "data_batch_1", [i % 10 for i in range(124)] + [0])  # 4 to 9 have 12
    result = small(tmp_path / "cifar", tmp_path / "out", "--test_per_class=3")
    assert_fails(result, "class 4 has 12 images", "13 are needed", "--test_per_class")


# --- Bad input ------------------------------------------------------------------------------------


def truncate(path):
    path.write_bytes(path.read_bytes()[:1000])


def write_names(directory, names, key=b"label_names", name="batches.meta"):
    (directory / name).write_bytes(pickle.dumps({key: names}, 2))


def wrong_label(path):
    write_names(path.parent, [b"class %d" % k for k in range(10)])
    write_batch(path, [10] + [i % 10 for i in range(59)])


def too_few(path):
    path.unlink()


@pytest.mark.parametrize(
    "damage, words",
    [
        (truncate, ["data_batch_2", "damaged"]),
        (wrong_label, ["data_batch_2", "outside 0 to 9"]),
        (too_few, ["class 0 has 6 images", "10 are needed", "--per_class=0 uses all"]),
    ],
)
def test_bad_input_leaves_the_output_as_it_was(cifar, tmp_path, damage, words):
    assert small(cifar, tmp_path / "out").returncode == 0
    before = contents(tmp_path / "out")
    damage(cifar / "data_batch_2")
    assert_fails(small(cifar, tmp_path / "out"), *words)
    assert contents(tmp_path / "out") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cifar", "out"]  # no leftovers


@pytest.mark.parametrize("chunk_size, words", [(15, "must be a multiple of 10"), (0, "must be at least 1")])
def test_chunk_size_must_divide_into_classes(cifar, tmp_path, chunk_size, words):
    directories = f"--input_dir={cifar}", f"--output_dir={tmp_path / 'out'}"
    result = run(*directories, f"--chunk_size={chunk_size}")
    assert_fails(result, f"--chunk_size={chunk_size}: {words}")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "flag, words",
    [
        ("--chunk_size=1000000000", "class 0 has 12 images and 1000000000 are needed"),
        (f"--validation_per_class={10**12}", "class 0 has 12 images and 1000000000010 are needed"),
        (f"--chunk_size={10**30}", "at most 1,000,000,000,000"),
        (f"--validation_per_class=0x{'f' * 5000}", "4300 digits"),
        ("--validation_per_class=-1", "at least 0"),
    ],
)
def test_impossible_numbers_are_one_line(cifar, tmp_path, flag, words):
    assert_fails(small(cifar, tmp_path / "out", flag), words)


@pytest.mark.parametrize("flag", ["--input_dir=", "--output_dir="])
def test_empty_paths_are_refused(tmp_path, flag):
    assert_fails(run(flag), f"{flag.replace('output_dir', 'data_path')}: must be something")


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_only_regular_files_are_read(cifar, tmp_path, make):
    assert small(cifar, tmp_path / "out").returncode == 0
    (tmp_path / "out" / "data_batch_3.pkl").unlink()
    for name in ("data_batch_3.pkl", "validation.pkl"):
        make(tmp_path / "out" / name)
        with pytest.raises(DatasetError, match=f"{name} cannot be read: "):
            load_subset(tmp_path / "out", 10)
        shutil.copy(tmp_path / "out" / "data_batch_4.pkl", tmp_path / "new.pkl")
        os.rename(tmp_path / "out" / name, tmp_path / f"not {name}")
        os.rename(tmp_path / "new.pkl", tmp_path / "out" / name)
    (cifar / "data_batch_2").unlink()
    make(cifar / "data_batch_2")
    assert_fails(small(cifar, tmp_path / "new"), cifar / "data_batch_2", "cannot be read")
    assert not (tmp_path / "new").exists()


def test_unknown_flags_and_stray_arguments_fail(tmp_path):
    result = run("--output=x")
    assert result.returncode == 1 and "output" in result.stderr
    assert_fails(run(tmp_path), tmp_path)


class Call:
    """Pickles as a call of `function` with `arguments`, with a state to set on what it returns."""

    def __init__(self, function, *arguments, state=None):
        self.reduced = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.reduced


RECONSTRUCT = np.empty(0).__reduce__()[0]
# An array of objects made from raw bytes: reading one element would follow a pointer to nowhere.
POINTERS = Call(
    RECONSTRUCT,
    np.ndarray,
    (0,),
    b"b",
    state=(
        1,
        (100,),
        Call(np.dtype, "O", False, True, state=(3, "|", None, None, None, -1, -1, 0)),
        False,
        b"A" * 800,
    ),
)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_code_in_a_batch_does_not_run(tmp_path, protocol):
    trace = tmp_path / "ran"
    attacks = {
        "system": Call(os.system, f"touch {trace}"),
        "eval": Call(eval, f"open({str(trace)!r}, 'w')"),
        "save": Call(np.save, str(trace), [1]),
        "fromfile": Call(np.fromfile, __file__),
        "O": POINTERS,
    }
    for name, attack in attacks.items():
        for batch in (attack, {b"data": attack, b"labels": [1] * 100}, {b"x": attack}):
            path = tmp_path / "batch"
            path.write_bytes(pickle.dumps(batch, protocol))
            with pytest.raises(DatasetError, match=name) as error:
                load_batch(path)
            assert str(path) in str(error.value) and "\n" not in str(error.value)
    assert os.listdir(tmp_path) == ["batch"]


def test_malicious_batch_is_refused_by_the_command(cifar, tmp_path):
    trace = tmp_path / "ran"
    (cifar / "data_batch_2").write_bytes(pickle.dumps(Call(os.system, f"touch {trace}")))
    assert_fails(small(cifar, tmp_path / "out"), cifar / "data_batch_2", "system", "refused")
    assert not trace.exists() and not (tmp_path / "out").exists()


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("package", ["numpy.core", "numpy._core"])
@pytest.mark.filterwarnings("ignore:numpy.core:DeprecationWarning")
def test_batches_of_every_numpy_and_pickle_protocol(tmp_path, monkeypatch, protocol, package):
    """NumPy 1 and 2 differ in the package that a pickle names."""
    if protocol == 5:  # NumPy 1 lacks what it would take to write this one
        pytest.importorskip(f"{package}.numeric")
    scalar = np.int64(1).__reduce__()[0]
    from_buffer = np.zeros(1).__reduce_ex__(5)[0]
    monkeypatch.setattr(RECONSTRUCT, "__module__", f"{package}.multiarray")
    monkeypatch.setattr(scalar, "__module__", f"{package}.multiarray")
    monkeypatch.setattr(from_buffer, "__module__", f"{package}.numeric")
    images = np.random.default_rng(0).integers(0, 256, [4, 3072], np.uint8)
    labels = [0, 9, 3, 3]
    for layout in (images, np.asfortranarray(images)):
        for kind in (labels, np.array(labels, ">i2"), list(np.array(labels))):
            data = pickle.dumps({b"data": layout, b"labels": kind}, protocol)
            assert f"{package}.".encode() in data
            (tmp_path / "batch").write_bytes(data)
            loaded_images, loaded_labels = load_batch(tmp_path / "batch")
            np.testing.assert_array_equal(loaded_images, images)
            assert loaded_labels.dtype == np.int64 and loaded_labels.tolist() == labels


@pytest.mark.parametrize(
    "batch, message",
    [
        ([1, 2], "no dict"),
        ({b"data": np.zeros([2, 3072], np.uint8)}, "no dict"),
        ({b"data": np.zeros([2, 3072], np.int32), b"labels": [1, 2]}, r"int32 \[2, 3072\]"),
        ({b"data": np.zeros([2, 3072]), b"labels": [1, 2]}, "not of integers"),
        ({b"data": np.zeros([2, 784], np.uint8), b"labels": [1, 2]}, r"\[2, 784\]"),
        ({b"data": np.zeros([0, 3072], np.uint8), b"labels": []}, "no images"),
        ({b"data": [1, 2], b"labels": [1, 2]}, "not uint8"),
        ({b"data": np.zeros([2, 3072], np.uint8), b"labels": [1, 2, 3]}, "2 integers"),
        ({b"data": np.zeros([2, 3072], np.uint8), b"labels": [1, 2.0]}, "2 integers"),
        ({b"data": np.zeros([2, 3072], np.uint8), b"labels": [1, "cat"]}, "2 integers"),
        ({b"data": np.zeros([2, 3072], np.uint8), b"labels": [[1], [2, 3]]}, "not an array"),
        ({b"data": np.zeros([2, 3072], np.uint8), b"labels": [1, -1]}, "outside 0 to 9"),
    ],
)
def test_malformed_batches(tmp_path, batch, message):
    (tmp_path / "batch").write_bytes(pickle.dumps(batch))
    with pytest.raises(DatasetError, match=message) as error:
        load_batch(tmp_path / "batch")
    assert str(tmp_path / "batch") in str(error.value)


def test_a_subset_that_is_not_there_says_what_to_do(cifar, tmp_path):
    with pytest.raises(DatasetError, match=r"data_batch_0.pkl is missing.*dataset_maker\.py"):
        load_subset(tmp_path / "out", 10)
    assert small(cifar, tmp_path / "out").returncode == 0
    with pytest.raises(DatasetError, match=r"holds 10 images.*--chunk_size=20"):
        load_subset(tmp_path / "out", 20)
    (tmp_path / "out" / "data_batch_9.pkl").unlink()
    with pytest.raises(DatasetError, match=r"data_batch_9.pkl is missing.*dataset_maker\.py"):
        load_subset(tmp_path / "out", 10)


# --- Output ---------------------------------------------------------------------------------------


def test_unwritable_output(cifar, tmp_path):
    (tmp_path / "file").write_text("kept")
    for output in (tmp_path / "file", tmp_path / "file" / "out"):
        assert_fails(small(cifar, output), output, "Not a directory")
    assert (tmp_path / "file").read_text() == "kept"


def test_other_files_are_not_deleted(cifar, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("kept")
    assert_fails(small(cifar, tmp_path / "out"), tmp_path / "out", "thesis.tex")
    assert contents(tmp_path / "out") == {"thesis.tex": b"kept"}


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: path.symlink_to("/etc/passwd")])
def test_what_only_has_the_name_of_a_chunk_is_not_deleted(cifar, tmp_path, make):
    (tmp_path / "out").mkdir()
    make(tmp_path / "out" / "data_batch_0.pkl")
    before = os.lstat(tmp_path / "out" / "data_batch_0.pkl")
    assert_fails(small(cifar, tmp_path / "out"), tmp_path / "out", "data_batch_0.pkl")
    assert os.lstat(tmp_path / "out" / "data_batch_0.pkl") == before


def test_the_output_is_kept_apart_from_the_input(cifar, tmp_path):
    before = contents(cifar)
    (tmp_path / "link").symlink_to(cifar)
    for output in (cifar, cifar / "data_batch_9", tmp_path / "link" / "x", tmp_path):
        for source in ("auto", "digits"):
            assert_fails(small(cifar, output, f"--source={source}"), "--data_path", "--input_dir")
    assert contents(cifar) == before


def old_directory(tmp_path):
    dataset_maker.write_directory(tmp_path / "out", [("a", b"old")])
    return tmp_path / "out"


def with_rename_of_new(monkeypatch, act):
    """No exchange in one step, and in the place of the second of two renames `act`."""
    rename = Path.rename
    monkeypatch.setattr(whole_directory, "_exchange", lambda one, other: False)
    monkeypatch.setattr(Path, "rename", lambda p, to: act() if p.name == "new" else rename(p, to))


def test_a_directory_is_replaced_in_one_step(tmp_path, monkeypatch):
    out = old_directory(tmp_path)
    monkeypatch.setattr(Path, "rename", None)  # two renames are two steps
    dataset_maker.write_directory(out, [("a", b"new")], ("a",))
    assert contents(out) == {"a": b"new"} and os.listdir(tmp_path) == ["out"]


def test_a_failed_rename_brings_the_old_directory_back(tmp_path, monkeypatch):
    def fail():
        raise OSError(28, "No space left on device")

    out = old_directory(tmp_path)
    with_rename_of_new(monkeypatch, fail)
    with pytest.raises(DatasetError, match="No space left"):
        dataset_maker.write_directory(out, [("a", b"new")], ("a",))
    assert contents(out) == {"a": b"old"} and os.listdir(tmp_path) == ["out"]


def test_a_kill_between_two_renames_is_undone_at_the_next_start(tmp_path, monkeypatch):
    out = old_directory(tmp_path)
    if (child := os.fork()) == 0:
        with_rename_of_new(monkeypatch, lambda: os._exit(9))
        dataset_maker.write_directory(out, [("a", b"new")], ("a",))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9 and not out.exists()
    with pytest.raises(DatasetError, match="holds something else"):  # and nothing is written
        whole_directory.check_replaceable(out, ())
    assert contents(out) == {"a": b"old"}


# --- Archive and download -------------------------------------------------------------------------


def make_archive(path, cifar, *more):
    """CIFAR-10's archive of the batches in `cifar`, and further (TarInfo, bytes) members."""
    with tarfile.open(path, "w:gz") as archive:
        archive.add(cifar, "cifar-10-batches-py")
        for member, content in more:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def test_archive_is_unpacked(cifar, tmp_path):
    readme = tarfile.TarInfo("cifar-10-batches-py/readme.html")
    make_archive(tmp_path / "cifar-10-python.tar.gz", cifar, (readme, b"<p>"))
    result = small(tmp_path / "cifar-10-batches-py", tmp_path / "out", "--source=cifar")
    assert result.returncode == 0, result.stderr
    assert contents(tmp_path / "cifar-10-batches-py") == contents(cifar)
    check_subset(tmp_path / "out", chunk_size=10)


def test_dangerous_archives_are_refused(cifar, tmp_path):
    link = tarfile.TarInfo("cifar-10-batches-py/data_batch_3")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    device = tarfile.TarInfo("cifar-10-batches-py/data_batch_3")
    device.type = tarfile.FIFOTYPE
    up = tarfile.TarInfo("../evil")
    hidden_up = tarfile.TarInfo("cifar-10-batches-py/../../evil")
    absolute = tarfile.TarInfo(str(tmp_path / "evil"))
    where = tmp_path / "a" / "b"
    where.mkdir(parents=True)
    for member in (link, device, up, hidden_up, absolute):
        make_archive(where / "cifar-10-python.tar.gz", cifar, (member, b""))
        with pytest.raises(DatasetError, match=member.name):
            dataset_maker.load_cifar(where / "batches")
    assert_fails(
        small(where / "batches", tmp_path / "out", "--source=cifar"), "cifar-10-python.tar.gz", "evil"
    )
    assert os.listdir(where) == ["cifar-10-python.tar.gz"] and os.listdir(tmp_path / "a") == ["b"]
    assert not (tmp_path / "evil").exists() and not (tmp_path / "out").exists()


def test_truncated_archive(cifar, tmp_path):
    archive = tmp_path / "cifar-10-python.tar.gz"
    make_archive(archive, cifar)
    archive.write_bytes(archive.read_bytes()[:20_000])
    assert_fails(small(tmp_path / "batches", tmp_path / "out", "--source=cifar"), archive, "damaged")
    assert not (tmp_path / "batches").exists()


def test_dead_network_falls_back_to_digits(tmp_path):
    code = with_url("http://127.0.0.1:9/cifar-10-python.tar.gz")
    directories = [f"--input_dir={tmp_path / 'none'}", f"--output_dir={tmp_path / 'out'}"]
    assert_fails(
        run(*directories, "--source=cifar", code=code, HOME=str(tmp_path)),
        tmp_path / "none",
        "cannot be downloaded",
    )
    assert_fails(run(*directories, code=code, HOME=str(tmp_path)), tmp_path / "none", "is not there")
    # From a place without CIFAR-10: only without --input_dir do the digits stand in for it.
    elsewhere = {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "cwd": tmp_path}
    result = run(directories[1], code=code, **elsewhere)
    assert result.returncode == 0, result.stderr
    assert "cannot be downloaded" in result.stdout and "digits stand in" in result.stdout
    check_subset(tmp_path / "out", chunk_size=100)


def test_an_input_directory_of_something_else_is_an_error(cifar, tmp_path):
    (tmp_path / "in").mkdir()
    assert_fails(small(tmp_path / "in", tmp_path / "out"), tmp_path / "in", "is empty")
    (tmp_path / "in" / "README").write_text("nothing")
    assert_fails(small(tmp_path / "in", tmp_path / "out"), "no images in a known form", "data_batch_*")


def test_a_silent_network_is_given_up(monkeypatch):
    monkeypatch.setattr(autodl_design.image_data.cifar, "PROBE_SECONDS", 0.5)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with http.server.socketserver.TCPServer(("127.0.0.1", 0), None) as server:  # never answers
        fault = autodl_design.image_data.cifar._network_fault(
            f"http://127.0.0.1:{server.server_address[1]}/x"
        )
    assert fault


@pytest.fixture
def web(tmp_path):
    """A web server of the directory tmp_path/web -> (directory, address)."""
    (tmp_path / "web").mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *unused):
            pass

    handler = functools.partial(Handler, directory=tmp_path / "web")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield tmp_path / "web", f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_download(cifar, tmp_path, web):
    directory, address = web
    archive = directory / "cifar-10-python.tar.gz"
    make_archive(archive, cifar)
    url = f"{address}/{archive.name}"
    home = tmp_path / "home"  # where Paddle keeps what it downloads
    home.mkdir()
    arguments = [f"--input_dir={tmp_path / 'in'}", f"--output_dir={tmp_path / 'out'}"]
    arguments += ["--chunk_size=10", "--source=cifar"]

    result = run(*arguments, code=with_url(url), HOME=str(home))
    assert_fails(result, "wrong checksum", url, "c58f30108f718f92721af3b95e74349a")
    assert not (tmp_path / "out").exists() and not (tmp_path / "in").exists()

    md5 = hashlib.md5(archive.read_bytes()).hexdigest()
    result = run(*arguments, code=with_url(url, md5), HOME=str(home))
    assert result.returncode == 0, result.stderr
    assert "CIFAR-10" in result.stdout and contents(tmp_path / "in") == contents(cifar)
    check_subset(tmp_path / "out", chunk_size=10)

    # From now on without the network: first from Paddle's cache, then from --input_dir.
    gone = with_url(f"{address}/gone", md5)
    shutil.rmtree(tmp_path / "in")
    for _ in range(2):
        result = run(*arguments, "--source=cifar", code=gone, HOME=str(home))
        assert result.returncode == 0, result.stderr
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()

    shutil.rmtree(tmp_path / "in")
    result = run(*arguments, "--source=cifar", code=gone, HOME=str(home))
    assert_fails(result, "cannot be downloaded", "HTTP status 404")
