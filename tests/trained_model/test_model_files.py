"""The files of a model, damaged and hostile ones: what they say is checked before it costs anything, and
nothing in them is run."""

import hashlib
import json
import os
import resource
import shutil
import time

import numpy as np
import pytest
from helpers import ROOT, run
from PIL import Image

from autodl_design.backend.paddle_backend import paddle
from autodl_design.backend.programs import static, static_programs
from autodl_design.checked_io.files import read_arrays, write_arrays
from autodl_design.trained_model import inference
from autodl_design.trained_model.model_files import ModelError, read_network, read_weights, write_model


@pytest.fixture
def copy(trained, tmp_path):
    """A copy of a model, to damage."""
    return shutil.copytree(trained.directory, tmp_path / "copy")


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (50, 40)).save(path)
    return path


def read(directory):
    """As predict.py does."""
    network = read_network(directory)
    with inference.Classifier(network) as classifier:
        classifier.load(read_weights(directory, classifier.shapes))
        return classifier(np.zeros((1, 3 * network.image_size**2), np.uint8))


def refused(directory):
    """The reason for which the model cannot be read; it names the directory."""
    with pytest.raises(ModelError) as raised:
        read(directory)
    text = str(raised.value)
    assert str(directory) in text and "\n" not in text
    return text


def made_earlier(directory):
    """As earlier versions wrote it."""
    network = json.loads((directory / "network.json").read_text())
    checksums = {
        name: hashlib.sha256((directory / name).read_bytes()).hexdigest()
        for name in ("model.pdmodel", "model.pdiparams", "classes.txt")
    }
    description = {"image_size": network["images"]["image_size"], "sha256": checksums}
    (directory / "model.json").write_text(json.dumps(description))
    numbers, arrays = read_arrays(directory / "checkpoint.npz")
    del numbers["images"]
    numbers["options"] |= {"data_path": "cifar/mine", "input_dir": None}
    write_arrays(directory / "checkpoint.npz", numbers, arrays)
    for name in ("network.json", "weights.npz"):
        (directory / name).unlink()


def cut(path):
    path.write_bytes(path.read_bytes()[:-3])


def changed(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def emptied(path):
    path.write_bytes(b"")


def made_binary(path):
    path.write_bytes(bytes(range(256)))


def lengthened(path):
    path.write_bytes(path.read_bytes() + b"x\n")


def enlarged(path):
    """To 50 GB, which take no space on the disk."""
    os.truncate(path, 50_000_000_000)


def removed(path):
    path.unlink()


def made_a_directory(path):
    path.unlink()
    path.mkdir()


def made_a_fifo(path):
    path.unlink()
    os.mkfifo(path)


HARMS = [cut, changed, emptied, made_binary, lengthened, enlarged, removed, made_a_directory, made_a_fifo]


@pytest.mark.parametrize("name", ["network.json", "weights.npz"])
@pytest.mark.parametrize("harm", HARMS)
def test_a_model_that_is_not_as_written_is_refused(copy, name, harm):
    (copy / "checkpoint.npz").unlink()
    harm(copy / name)
    refused(copy)


def test_a_model_of_an_earlier_version_is_read_from_its_checkpoint(copy):
    expected = read(copy)
    made_earlier(copy)
    np.testing.assert_array_equal(read(copy), expected)
    (copy / "checkpoint.npz").unlink()
    assert "has to be trained again by retrain.py" in refused(copy)


# A checksum that nobody reads any more, and bytes after the last array, do no harm.
EARLIER_HARMS = [("model.json", harm) for harm in HARMS if harm is not changed]
EARLIER_HARMS += [("checkpoint.npz", harm) for harm in HARMS if harm is not lengthened]


@pytest.mark.parametrize(("name", "harm"), EARLIER_HARMS)
def test_an_earlier_model_that_is_not_as_written_is_refused(copy, name, harm):
    made_earlier(copy)
    harm(copy / name)
    refused(copy)


def test_an_accuracy_of_an_earlier_model_that_no_float_holds(copy):
    made_earlier(copy)
    numbers, arrays = read_arrays(copy / "checkpoint.npz")
    write_arrays(copy / "checkpoint.npz", numbers | {"best_accuracy": 10**400}, arrays)
    assert "no whole model of an earlier version" in refused(copy)


def test_the_description_of_an_earlier_version_is_removed_and_no_other_file(copy, trained):
    network = read_network(copy)
    with inference.Classifier(network) as classifier:
        weights = read_weights(copy, classifier.shapes)
    for content, is_left in (
        ('{"image_size": 32, "sha256": {}}', False),
        ('{"base_code": {}}', True),
        ("x", True),
    ):
        (copy / "model.json").write_text(content)
        write_model(copy, network, weights)
        assert (copy / "model.json").exists() == is_left
    (copy / "model.json").unlink()
    (copy / "model.json").mkdir()
    write_model(copy, network, weights)
    assert (copy / "network.json").read_bytes() == (trained.directory / "network.json").read_bytes()


@pytest.mark.parametrize("harm", [made_binary, removed, made_a_fifo, made_a_directory])
def test_what_is_for_other_programs_is_not_read(copy, harm):
    expected = read(copy)
    for name in ("model.pdmodel", "model.pdiparams", "classes.txt"):
        harm(copy / name)
    np.testing.assert_array_equal(read(copy), expected)


def program_of(operation, **attributes):
    """A .pdmodel file, from pixels to probabilities, that runs one more operation."""
    with static_programs(), paddle.utils.unique_name.guard():
        program = static.Program()
        with static.program_guard(program, static.Program()):
            pixels = static.data("pixels", [-1, 3, 32, 32])
            features = paddle.mean(paddle.flatten(pixels, 1), 1, keepdim=True)
            output = paddle.nn.functional.softmax(paddle.concat([features] * 10, 1))
        program = static.normalize_program(program, [pixels], [output])
        block = program.global_block()
        name, other = features.name, block.create_var(name="other", dtype="float32")
        ends = {
            "save": ({"X": name}, {}),
            "save_combine": ({"X": name}, {"Y": other}),
            "fill_constant": ({}, {"Out": other}),
        }
        inputs, outputs = ends[operation]
        place = next(i for i, op in enumerate(block.ops) if name in op.output_arg_names) + 1
        block._insert_op(place, type=operation, inputs=inputs, outputs=outputs, attrs=attributes)
        return program.desc.serialize_to_string()


def hostile_programs(victim):
    yield program_of("save", file_path=str(victim), overwrite=True)
    yield program_of("save_combine", file_path=str(victim), overwrite=True)
    yield program_of("fill_constant", shape=[10**9], value=1.0, dtype=5)
    yield b""
    yield b"\0"


def test_a_program_in_a_model_is_not_run(copy, picture, tmp_path):
    """It could write to any file, take all memory or end the process by a signal."""
    victim = tmp_path / "mine/thesis.txt"
    victim.parent.mkdir()
    victim.write_text("precious")
    expected = read(copy)
    earlier = shutil.copytree(copy, tmp_path / "earlier")
    for program in hostile_programs(victim):
        for directory in (copy, earlier):
            (directory / "model.pdmodel").write_bytes(program)
        if (earlier / "network.json").exists():
            made_earlier(earlier)
        description = json.loads((earlier / "model.json").read_text())
        description["sha256"]["model.pdmodel"] = hashlib.sha256(program).hexdigest()
        (earlier / "model.json").write_text(json.dumps(description))
        for directory in (copy, earlier):
            np.testing.assert_array_equal(read(directory), expected)
    result = run("predict.py", f"--model={earlier}", picture)
    assert result.returncode == 0 and "\x1b" not in result.stdout and not result.stderr
    assert victim.read_text() == "precious"


def with_fields(**fields):
    return lambda content: {**content, **fields}


def with_images(**fields):
    return lambda content: {**content, "images": {**content["images"], **fields}}


def with_recipe(**fields):
    return lambda content: {**content, "recipe": {**content["recipe"], **fields}}


def without(name):
    return lambda content: {key: value for key, value in content.items() if key != name}


def large_cells(content):
    """Of 200 nodes a cell, as many as a search may have."""
    node = {"operation": "conv_1x1", "inputs": []}
    cells = {"tokens": [0] * 400, "adjvec": [0] * 200 * 199}
    cells |= {"normal_cell": [node] * 200, "reduction_cell": [node] * 200}
    return {**content, **cells, "recipe": {**content["recipe"], "num_cells": 100}}


@pytest.mark.parametrize(
    "change",
    [
        lambda content: 5,
        lambda content: [],
        lambda content: {},
        lambda content: [[]] * 1000,
        *map(without, ("version", "images", "tokens", "recipe", "weights_sha256", "accuracy")),
        *(
            with_images(image_size=size)
            for size in (10_000, 225, 7, 0, -32, 33.0, "32", True, None, 10**400)
        ),
        *(with_images(class_names=names) for names in ([], ["a"], "ab", 5, ["a"] * 10, [["a"], ["b"]])),
        with_images(class_names=["a\x1b[2J", "b"]),
        with_images(class_names=["a", "b"]),  # of ten
        with_images(class_names=[str(k) for k in range(100_000)]),
        *(with_images(**{name: 5}) for name in ("sha256", "flag", "path", "absolute_path", "unknown")),
        *(with_fields(accuracy=value) for value in (float("nan"), 2.0, "x", None)),
        *(with_fields(tokens=tokens) for tokens in ([99, 0, 0, 0], [0, 0], "x", [0.0] * 4)),
        with_fields(version=2),
        with_fields(weights_sha256=5),
        *(with_recipe(width=width) for width in (4096, 16, 10**12, "8")),
        *(with_recipe(num_stages=stages) for stages in (1, 5)),
        with_recipe(num_cells=100),
        with_recipe(bn_shift=float("nan")),
        with_recipe(unknown=1),
        large_cells,
    ],
)
def test_a_description_that_is_not_the_weights_is_refused(copy, change):
    """At little cost, whatever it says."""
    path = copy / "network.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    refused(copy)
    assert time.process_time() - started < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # KB


@pytest.mark.parametrize(
    "kind", ["nan", "float64", "pickled", "missing", "surplus", "reshaped", "compressed"]
)
def test_weights_of_another_kind_are_refused(copy, kind):
    """With their checksum made right."""
    path = copy / "weights.npz"
    with np.load(path) as file:
        arrays = dict(file)
    name, array = "weight_0", arrays["weight_0"]
    new = {
        "nan": np.full_like(array, np.nan),
        "float64": array.astype(np.float64),
        "pickled": np.array([print], object),
        "reshaped": array.reshape(-1),
    }
    if kind == "missing":
        del arrays[name]
    elif kind == "surplus":
        arrays["other"] = array
    elif kind in new:
        arrays[name] = new[kind]
    (np.savez_compressed if kind == "compressed" else np.savez)(path, **arrays)
    description = json.loads((copy / "network.json").read_text())
    description["weights_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (copy / "network.json").write_text(json.dumps(description))
    assert "weights.npz is damaged" in refused(copy)


def test_hostile_names_of_models_are_shown_plainly(tmp_path):
    result = run("predict.py", f"--model={tmp_path}/\x1b[2J", ROOT / "README.md")
    assert result.returncode == 1 and result.stderr.count("\n") == 1 and "\x1b" not in result.stderr
