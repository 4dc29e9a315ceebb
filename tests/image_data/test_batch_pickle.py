"""Hostile and damaged batches: nothing runs, memory and time are bounded, the user gets one line."""

import pickle
import subprocess
import sys
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest

from autodl_design.image_data.batch import load_batch, parse_batch
from autodl_design.image_data.batch_pickle import BatchPickleError, read_pickle
from autodl_design.image_data.class_names import load_class_names
from autodl_design.image_data.errors import DatasetError
from checks.hostile.pickles import (
    SYSTEM,
    array,
    batch,
    good_batches,
    hostile_batches,
    hostile_metas,
    python2_batch,
)

ROOT = Path(__file__).resolve().parents[2]
GOOD, HOSTILE, METAS = good_batches(), hostile_batches(size=2000), hostile_metas()
PIXELS = array(bytes(3072), 1, 3072)

# Loads a file and prints its peak of memory beyond what the imports took, as the system accounts it.
PEAK = """
import sys
from autodl_design.image_data.batch import load_batch
from autodl_design.image_data.class_names import load_class_names
from autodl_design.image_data.errors import DatasetError
def status(name):
    for line in open("/proc/self/status"):
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
before = status("VmRSS")
try:
    load_batch(sys.argv[1])
    print("loaded", status("VmHWM") - before)
except DatasetError:
    print("refused", status("VmHWM") - before)
"""


def peak(path):
    """-> ("loaded" or "refused", bytes)"""
    command = [sys.executable, "-c", PEAK, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr
    outcome, size = done.stdout.split()
    return outcome, int(size)


def fuzz(count, seed, timeout):
    command = [
        sys.executable,
        str(ROOT / "tests/support/fuzz_batches.py"),
        f"--count={count}",
        f"--seed={seed}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.split()[2]) > count // 100, done.stdout  # some load, too


@pytest.mark.parametrize("name", GOOD)
def test_every_form_loads(name):
    content, images, labels = GOOD[name]
    loaded_images, loaded_labels = parse_batch(content, "batch")
    np.testing.assert_array_equal(loaded_images, images)
    assert loaded_images.dtype == np.uint8 and loaded_images.flags.writeable
    assert loaded_labels.dtype == np.int64 and loaded_labels.tolist() == labels


def test_the_look_alike_of_python_2_is_a_pickle():
    """Stock pickle reads the same from the batches that the tests make by hand."""
    images = np.random.default_rng(0).integers(0, 256, [300, 3072], np.uint8)
    labels = [index % 10 for index in range(300)]
    content = python2_batch(images, labels)
    stock, ours = pickle.loads(content, encoding="bytes"), read_pickle(content)
    assert stock.keys() == ours.keys() == {b"data", b"labels", b"batch_label", b"filenames"}
    np.testing.assert_array_equal(stock[b"data"], ours[b"data"])
    np.testing.assert_array_equal(ours[b"data"], images)
    assert all(stock[key] == ours[key] for key in stock if key != b"data")


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_batches_are_refused(name):
    with pytest.raises(DatasetError) as refusal:
        parse_batch(HOSTILE[name], "/x/batch")
    message = str(refusal.value)
    assert message.startswith("/x/batch") and message.isprintable() and len(message) < 300


@pytest.mark.parametrize("name", METAS)
def test_hostile_names_of_classes_are_refused(tmp_path, name):
    (tmp_path / "batches.meta").write_bytes(METAS[name])
    tracemalloc.start()
    with pytest.raises(DatasetError) as refusal:
        load_class_names(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(refusal.value).isprintable() and len(str(refusal.value)) < 400
    assert peak < 64_000_000


def test_an_unknown_escape_is_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_pickle(b"S'a\\z'\n.") == b"a\\z"


def test_only_plain_types_come_out():
    content = pickle.dumps(
        {
            b"list": [1, b"b", "s", {"k": [2]}, None, True, 0.5, (1, 2)],
            "array": np.arange(6, dtype=">i4").reshape(2, 3),
            b"scalar": np.uint8(200),
        },
        4,
    )
    value = read_pickle(content)
    assert value[b"list"] == [1, b"b", "s", {"k": [2]}, "NoneType", "bool", "float", "tuple"]
    assert value[b"scalar"] == 200 and type(value[b"scalar"]) is int
    np.testing.assert_array_equal(value["array"], np.arange(6).reshape(2, 3))
    with pytest.raises(BatchPickleError, match="asks for collections.OrderedDict; refused"):
        read_pickle(b"\x80\x02ccollections\nOrderedDict\n)R.")


def test_names_in_messages_are_escaped_and_short():
    name = b"\x1b[31mred\r" + b"a" * 600
    with pytest.raises(DatasetError) as refusal:
        parse_batch(batch(PIXELS, b"cos\n" + name + b"\n"), "batch")
    message = str(refusal.value)
    assert "os.\\x1b[31mred\\raaa" in message and message.isprintable()
    assert message.count("a" * 100) == 1 and len(message) < 300


def test_nothing_is_called(tmp_path):
    trace = tmp_path / "ran"
    path = tmp_path / "batch"
    path.write_bytes(
        batch(PIXELS, SYSTEM + b"U%ctouch %s\x85R" % (6 + len(str(trace)), str(trace).encode()))
    )
    with pytest.raises(DatasetError, match="os.system; refused"):
        load_batch(path)
    assert not trace.exists()


@pytest.mark.parametrize(
    "name",
    [
        "empty dicts",
        "dicts of one",
        "deep tuples",
        "views",
        "Nones",
        "many encodings",
        "wide text",
        "texts",
    ],
)
def test_memory_of_hostile_batches(tmp_path, name):
    path = tmp_path / "batch"
    content = (
        hostile_batches(size=2_000_000).get(name) or hostile_batches(size=2_000_000)[f"{name} in labels"]
    )
    path.write_bytes(content)
    outcome, size = peak(path)
    assert outcome == "refused" and size < 64_000_000 + 3 * len(content)


def test_memory_of_large_batches(tmp_path):
    """Those of Python 3's protocol 2 hold the images as a text, twice its size when it is decoded."""
    images = np.full([20_000, 3072], 65, np.uint8)  # ASCII: the file has no byte more than the images
    values = {b"data": images, b"labels": [1] * len(images)}
    for protocol in (2, 4, 5):
        path = tmp_path / "batch"
        path.write_bytes(pickle.dumps(values, protocol))
        outcome, size = peak(path)
        assert outcome == "loaded" and size < 64_000_000 + 3 * path.stat().st_size, protocol


def test_a_file_of_any_size_is_answered(tmp_path):
    path = tmp_path / "batch"
    with open(path, "wb") as file:
        file.truncate(2**40)
    with pytest.raises(DatasetError, match="has 1099511627776 bytes"):
        load_batch(path)


def test_fuzz():
    fuzz(count=40_000, seed=0, timeout=100)


@pytest.mark.slow
def test_fuzz_long():
    for seed in range(1, 11):
        fuzz(count=100_000, seed=seed, timeout=600)
