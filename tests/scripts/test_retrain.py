"""retrain.py as a user runs it, and retrain.retrain as a program calls it."""

import dataclasses
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time

import helpers
import numpy as np
import pytest
from helpers import ROOT
from PIL import Image

import export
import retrain
from autodl_design.checked_io.files import read_arrays, write_arrays
from autodl_design.retraining.plan import stretched
from autodl_design.retraining.settings import RetrainError, RetrainSettings
from autodl_design.search_space.architecture_file import read_architecture
from autodl_design.search_space.reference import Reference
from autodl_design.settings.fields import SettingsError
from autodl_design.trained_model.model_files import read_network
from export import ExportError, ExportSettings

MODEL_FILES = ("network.json", "weights.npz", "model.pdmodel", "model.pdiparams", "classes.txt")


@pytest.fixture
def config(best_json, digits_path, tmp_path) -> RetrainSettings:
    """Of a training of one epoch in a directory of its own."""
    values = {"architecture": best_json, "data_path": digits_path, "output_dir": tmp_path / "out"}
    return RetrainSettings(**{name: str(path) for name, path in values.items()}, epochs=1)


@pytest.fixture
def stopped(trained, tmp_path):
    """A copy of a training, to damage or to go on with."""
    directory = tmp_path / "stopped"
    shutil.copytree(trained.directory, directory)
    return directory


def command_of(*flags):
    return [sys.executable, "retrain.py", *map(str, flags)]


def run(*flags, **environment):
    return subprocess.run(
        command_of(*flags), cwd=ROOT, capture_output=True, text=True, env={**os.environ, **environment}
    )


def refused(result):
    """The one line that a command ended in."""
    assert result.returncode == 1, result.stderr
    assert result.stderr.startswith("retrain.py: ") and result.stderr.count("\n") == 1
    return result.stderr


# --- Training ---------------------------------------------------------------------------------------


def test_prints_every_epoch_and_learns(trained):
    epochs = re.findall(r"epoch (\d)/6: loss .*, validation accuracy (\d\.\d{3})", trained.output)
    assert [epoch for epoch, _ in epochs] == list("123456")
    best = max(float(accuracy) for _, accuracy in epochs)
    assert f"best validation accuracy {best:.3f}" in trained.output
    by_class = f"on the validation images: accuracy {best:.3f} +- 0.0"
    assert by_class in trained.output and "the largest class, would give 0.100" in trained.output
    assert "on the validation images: accuracy of each class: 0 " in trained.output
    assert best > 0.15


def test_one_call_from_python(config, capsys):
    result = retrain.retrain(config)
    epoch = re.search(r"epoch 1/1: .*, validation accuracy (\d\.\d{3})", capsys.readouterr().out)
    assert f"{result.accuracy:.3f}" == epoch[1]
    assert result.num_params > 100 and result.test_accuracy is None
    assert len(read_network(result.directory).class_names) == 10


def test_stopped_and_resumed_ends_with_the_same_model(trained, best_json, digits_path, tmp_path):
    first = [f"--architecture={best_json}", f"--data_path={digits_path}", "--epochs=6"]
    for epoch, flags in ((1, first), (2, ["--resume"]), (4, ["--resume"])):
        command = command_of(*flags, f"--output_dir={tmp_path}")
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for line in process.stdout:
            if line.startswith(f"epoch {epoch}/6"):
                break
        time.sleep(0.05)
        process.kill()
        process.wait()
        process.stdout.close()
    result = run("--resume", f"--output_dir={tmp_path}")
    assert result.returncode == 0, result.stderr
    assert "going on after epoch" in result.stdout
    for name in MODEL_FILES:
        assert (tmp_path / name).read_bytes() == (trained.directory / name).read_bytes()


def test_ctrl_c_names_the_command_that_goes_on(best_json, digits_path, tmp_path):
    directory = tmp_path / "a b"
    command = command_of(
        f"--architecture={best_json}", f"--data_path={digits_path}", f"--output_dir={directory}"
    )
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not process.stdout.readline().startswith("epoch 1/"):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate()
    assert process.returncode == 130 and not errors
    assert f"`python retrain.py --resume --output_dir='{directory}'` goes on" in output


def test_all_of_cifar10_and_its_test_batch(config, digits_path, tmp_path, capsys):
    cifar = tmp_path / "cifar"
    cifar.mkdir()
    for i in range(3):
        name = "test_batch" if i == 0 else f"data_batch_{i}"
        shutil.copy(digits_path / f"data_batch_{i}.pkl", cifar / name)
    result = retrain.retrain(dataclasses.replace(config, input_dir=str(cifar)))
    output = capsys.readouterr().out
    assert "180 training images, 20 validation images" in output
    assert f"accuracy on 100 test images: {result.test_accuracy:.4f}\n" in output

    (cifar / "test_batch").write_bytes(b"x")
    elsewhere = dataclasses.replace(config, input_dir=str(cifar), output_dir=str(tmp_path / "other"))
    with pytest.raises(retrain.DatasetError, match="test_batch"):
        retrain.retrain(elsewhere)
    assert "epoch" not in capsys.readouterr().out  # at the start, not after the training


def test_the_test_file_beside_the_images_of_the_search(config, digits_path, tmp_path, capsys):
    without = retrain.retrain(config)
    data_path = shutil.copytree(digits_path, tmp_path / "data")
    shutil.copy(digits_path / "data_batch_0.pkl", data_path / "test.pkl")
    capsys.readouterr()
    result = retrain.retrain(
        dataclasses.replace(config, data_path=str(data_path), output_dir=str(tmp_path / "with"))
    )
    assert f"accuracy on 100 test images: {result.test_accuracy:.4f}\n" in capsys.readouterr().out
    assert result.accuracy == without.accuracy  # they decide nothing
    for name in MODEL_FILES[1:]:  # network.json has the path
        assert (result.directory / name).read_bytes() == (without.directory / name).read_bytes()

    with open(data_path / "test.pkl", "wb") as file:
        pickle.dump({b"data": np.zeros([1, 3 * 16 * 16], np.uint8), b"labels": [0]}, file)
    elsewhere = dataclasses.replace(config, data_path=str(data_path), output_dir=str(tmp_path / "other"))
    with pytest.raises(retrain.DatasetError, match="test.pkl holds images of another size"):
        retrain.retrain(elsewhere)


def test_a_reference_is_trained_resumed_used_and_exported_as_a_found_network_is(
    digits_path, tmp_path, capsys
):
    config = RetrainSettings(
        reference="resnet8",
        width=4,
        epochs=2,
        data_path=str(digits_path),
        output_dir=str(tmp_path / "whole"),
    )
    whole = retrain.retrain(config)
    assert capsys.readouterr().out.startswith("5214 parameters, ")
    network = read_network(whole.directory)
    assert network.design == Reference("resnet8") and network.accuracy == whole.accuracy

    stopped = dataclasses.replace(config, output_dir=str(tmp_path / "stopped"))
    with pytest.MonkeyPatch.context() as patch:
        train_epoch, epochs = retrain.ChildTraining.train_epoch, []

        def interrupted(self):
            epochs.append(1)
            if len(epochs) == 2:
                raise KeyboardInterrupt
            return train_epoch(self)

        patch.setattr(retrain.ChildTraining, "train_epoch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            retrain.retrain(stopped)
    with pytest.raises(RetrainError, match="--reference=vgg has another architecture or recipe"):
        retrain.retrain(dataclasses.replace(stopped, reference="vgg", resume=True))
    resumed = RetrainSettings(output_dir=stopped.output_dir, resume=True, epochs=2)
    with pytest.raises(RetrainError, match="--num_cells=2: a reference has no cells"):
        retrain.retrain(dataclasses.replace(resumed, num_cells=2))
    retrain.retrain(resumed)
    for name in MODEL_FILES:
        assert (tmp_path / "stopped" / name).read_bytes() == (whole.directory / name).read_bytes()

    picture = tmp_path / "a.png"
    Image.new("RGB", (20, 20), (200, 10, 90)).save(picture)
    predicted = helpers.run("predict.py", f"--model={whole.directory}", picture)
    assert predicted.returncode == 0 and predicted.stdout.startswith(f"{picture}: "), predicted.stderr
    with pytest.raises(ExportError, match="the model is the reference resnet8"):
        export.export(ExportSettings(model=str(whole.directory), output=str(tmp_path / "my_network.py")))
    assert not (tmp_path / "my_network.py").exists()


def test_a_reference_has_flags_of_its_own(config):
    with pytest.raises(RetrainError, match="--architecture and --reference: name one of them"):
        retrain.retrain(dataclasses.replace(config, reference="vgg"))
    with pytest.raises(RetrainError, match="--num_cells=2: a reference has no cells"):
        retrain.retrain(dataclasses.replace(config, architecture=None, reference="vgg", num_cells=2))
    with pytest.raises(RetrainError, match="such as log/best.json, or a --reference, such as vgg"):
        retrain.retrain(dataclasses.replace(config, architecture=None))
    with pytest.raises(SettingsError, match="reference cannot be 'alexnet': it must be vgg or conv5 or"):
        RetrainSettings(reference="alexnet")


# --- The right images -------------------------------------------------------------------------------


@pytest.fixture
def copied(searched, tmp_path, monkeypatch):
    """A copy of it, which lies at another place, as the working directory."""
    shutil.copytree(searched, tmp_path / "copied")
    monkeypatch.chdir(tmp_path / "copied")
    return tmp_path / "copied"


def of_the_search(searched, **values):
    values = {
        "architecture": str(searched / "my log/best.json"),
        "epochs": 1,
        "train_batch_size": 8,
        **values,
    }
    return RetrainSettings(**values)


def test_the_images_of_the_search_are_taken_from_anywhere(searched, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    retrain.retrain(of_the_search(searched, output_dir="out", epochs=2))
    assert "3 classes: circle, it's a box, ö\n" in capsys.readouterr().out
    images = read_network(tmp_path / "out").images
    assert images.class_names == ("circle", "it's a box", "ö")
    assert images.absolute_path == str(searched / "my subset")

    monkeypatch.chdir("/")
    again = RetrainSettings(output_dir=str(tmp_path / "out"), resume=True, epochs=2)
    retrain.retrain(again)
    assert "going on after epoch 2" in capsys.readouterr().out


def test_images_that_are_no_longer_those_of_the_search_are_refused(searched, copied, digits_path, capsys):
    best = json.loads((copied / "my log/best.json").read_text())
    best["images"]["absolute_path"] = str(copied / "my subset")
    (copied / "my log/best.json").write_text(json.dumps(best))
    shutil.rmtree(copied / "my subset")
    with pytest.raises(
        RetrainError, match="the images are no longer in .*my subset: say where by --data_path"
    ):
        retrain.retrain(of_the_search(copied))

    shutil.copytree(digits_path, copied / "my subset")
    with pytest.raises(
        RetrainError, match="no longer holds the images of the search .3 classes: circle"
    ) as raised:
        retrain.retrain(of_the_search(copied))
    assert f"say --data_path='{copied / 'my subset'}'" in str(raised.value)
    assert not (copied / "retrained").exists()

    retrain.retrain(of_the_search(copied, data_path="my subset", train_batch_size=32))
    output = capsys.readouterr().out
    assert "not the images of the search, which had 3 classes: circle, it's a box, ö\n" in output
    assert "10 classes: 0, 1, 2" in output
    assert read_network(copied / "retrained").class_names == tuple("0123456789")


def test_images_at_another_place_are_those_of_the_search(searched, copied, capsys):
    retrain.retrain(of_the_search(searched, data_path=str(copied / "my subset")))
    assert "not the images of the search" not in capsys.readouterr().out


def test_a_training_of_an_earlier_version_goes_on(config, digits_path, tmp_path, monkeypatch):
    """Its checkpoint has the place of the images among the options."""
    result = retrain.retrain(config)
    path = result.directory / "checkpoint.npz"
    numbers, arrays = read_arrays(path)
    del numbers["images"]
    numbers["options"] |= {"data_path": digits_path.name, "input_dir": None}
    write_arrays(path, numbers, arrays)
    before = (result.directory / "weights.npz").read_bytes()
    monkeypatch.chdir(digits_path.parent)
    retrain.retrain(dataclasses.replace(config, resume=True, data_path=None))
    assert (result.directory / "weights.npz").read_bytes() == before
    assert read_network(result.directory).images.absolute_path == str(digits_path)


def test_a_search_goes_on_from_anywhere(copied, tmp_path):
    """On its images, in their old place or where their path leads from here."""

    def go_on(num_models, working_directory):
        command = [sys.executable, ROOT / "main.py", "--resume", f"--log_dir={copied / 'my log'}"]
        command += [f"--num_models={num_models}"]
        result = subprocess.run(command, cwd=working_directory, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr

    go_on(6, tmp_path)
    settings = json.loads((copied / "my log/search.json").read_text())
    settings["absolute_data_path"] = str(tmp_path / "none")
    settings["data_path"] = "my subset"
    (copied / "my log/search.json").write_text(json.dumps(settings))
    go_on(8, copied)
    assert len((copied / "my log/history.jsonl").read_text().splitlines()) == 8


def test_messages_name_flags_that_there_are(searched, tmp_path):
    small = of_the_search(searched, train_batch_size=99, output_dir=str(tmp_path / "out"))
    with pytest.raises(SettingsError, match="train_batch_size 99 is more than the 54 training images"):
        retrain.retrain(small)
    assert "train_batch_size" in {field.name for field in dataclasses.fields(RetrainSettings)}


# --- Going on ---------------------------------------------------------------------------------------


def test_a_training_is_not_overwritten(config, stopped):
    advice = f"go on with it by `python retrain.py --resume --output_dir={stopped}`"
    with pytest.raises(RetrainError, match=advice):
        retrain.retrain(dataclasses.replace(config, output_dir=str(stopped)))


def test_a_flag_that_contradicts_the_training_is_named(config, trained):
    line = refused(run("--resume", f"--output_dir={trained.directory}", "--epochs=8"))
    assert f"--epochs=8: the training in {trained.directory} has 6" in line
    as_it_was = dataclasses.replace(config, output_dir=str(trained.directory), resume=True, epochs=6)
    for name, value in {"seed": 1, "width": 16, "num_cells": 2}.items():
        with pytest.raises(RetrainError, match=f"--{name}={value}: the training in .* has"):
            retrain.retrain(dataclasses.replace(as_it_was, **{name: value}))


def test_another_architecture_or_other_images_are_refused(config, stopped, digits_path, tmp_path):
    def same(**changes):
        values = {"resume": True, "output_dir": str(stopped), "epochs": 6, **changes}
        return dataclasses.replace(config, **values)

    other = tmp_path / "other.json"
    content = json.loads(open(config.architecture).read())
    content["recipe"]["lr_max"] = 0.01
    other.write_text(json.dumps(content))
    with pytest.raises(RetrainError, match="other.json has another architecture or recipe"):
        retrain.retrain(same(architecture=str(other)))

    images = tmp_path / "images"
    shutil.copytree(digits_path, images)
    shutil.copy(images / "data_batch_1.pkl", images / "data_batch_0.pkl")
    with pytest.raises(RetrainError, match="images holds other images"):
        retrain.retrain(same(data_path=str(images)))


def test_going_on_needs_no_architecture_file(config, tmp_path):
    architecture = tmp_path / "moved.json"
    shutil.copy(config.architecture, architecture)
    first = dataclasses.replace(config, architecture=str(architecture))
    retrain.retrain(first)
    architecture.unlink()
    names = ",".join("abcdefghij")
    again = dataclasses.replace(config, architecture=None, resume=True, classes=names)
    retrain.retrain(again)
    assert read_network(tmp_path / "out").class_names == tuple("abcdefghij")


def changed(name):
    """Changes of a checkpoint's numbers and arrays."""

    def lacks_an_array(numbers, arrays):
        del arrays["now.bn_0.mean"]

    def has_a_strange_array(numbers, arrays):
        arrays["now.strange"] = np.zeros(3)

    def has_an_array_of_another_kind(numbers, arrays):
        arrays["strange"] = np.zeros(3)

    def has_another_shape(numbers, arrays):
        arrays["best.bn_0.mean"] = np.zeros(3, np.float32)

    def has_another_dtype(numbers, arrays):
        arrays["now.bn_0.mean"] = arrays["now.bn_0.mean"].astype(np.float64)

    def is_not_finite(numbers, arrays):
        arrays["now.bn_0.mean"] = np.full_like(arrays["now.bn_0.mean"], np.nan)

    def lacks_the_plan(numbers, arrays):
        del numbers["plan"]

    def lacks_the_seed(numbers, arrays):
        del numbers["plan"]["seed"]

    def has_a_strange_token(numbers, arrays):
        numbers["plan"]["tokens"][0] = "conv"

    def has_a_strange_recipe(numbers, arrays):
        numbers["plan"]["config"]["width"] = 10**12

    def lacks_an_option(numbers, arrays):
        del numbers["options"]["classes"]

    def lacks_the_place_of_the_images(numbers, arrays):
        del numbers["images"]["path"]

    def has_a_strange_place_of_the_images(numbers, arrays):
        numbers["images"]["absolute_path"] = 5

    def has_a_strange_option(numbers, arrays):
        numbers["options"]["chunk_size"] = "many"

    def has_too_many_epochs(numbers, arrays):
        numbers["epoch"] = 7

    def has_no_number_of_epochs(numbers, arrays):
        numbers["epoch"] = None

    def has_no_best_accuracy(numbers, arrays):
        numbers["best_accuracy"] = float("nan")

    def has_no_generator(numbers, arrays):
        numbers["rng"] = {"state": 1}

    def has_a_strange_generator(numbers, arrays):
        numbers["rng"]["state"]["state"] = 10**60

    return locals()[name]


@pytest.mark.parametrize("change", [name for name in changed.__code__.co_varnames if name != "name"])
def test_a_checkpoint_that_is_not_as_written_is_refused(config, stopped, change):
    path = stopped / "checkpoint.npz"
    numbers, arrays = read_arrays(path)
    changed(change)(numbers, arrays)
    write_arrays(path, numbers, arrays)
    before = path.read_bytes()
    config = dataclasses.replace(config, output_dir=str(stopped), epochs=6, resume=True)
    with pytest.raises(RetrainError, match="checkpoint.npz is damaged") as raised:
        retrain.retrain(config)
    assert "remove it, and the training starts again" in str(raised.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"x" * 100, "a directory", "a FIFO", "cut", "changed"])
def test_a_damaged_checkpoint_gets_one_line(config, stopped, content):
    path = stopped / "checkpoint.npz"
    written = bytearray(path.read_bytes())
    path.unlink()
    if content == "a directory":
        path.mkdir()
    elif content == "a FIFO":
        os.mkfifo(path)
    elif content == "cut":
        path.write_bytes(written[: len(written) // 2])
    elif content == "changed":
        written[len(written) // 2] ^= 1
        path.write_bytes(written)
    else:
        path.write_bytes(content)
    with pytest.raises(RetrainError, match="checkpoint.npz"):
        retrain.retrain(dataclasses.replace(config, output_dir=str(stopped), epochs=6, resume=True))


# --- Mistakes ---------------------------------------------------------------------------------------


def test_a_mistake_gets_one_line(tmp_path):
    directory = tmp_path / "none"
    line = refused(run("--resume", f"--output_dir={directory}"))
    advice = "name a file such as log/best.json, or a --reference, such as vgg"
    assert line == f"retrain.py: --architecture is missing: {advice}\n"
    assert not directory.exists()


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("none.json", "none.json: No such file"),
        (__file__, "test_retrain.py is not JSON"),
        ("/", "/: Is a directory"),
        ("/dev/zero", "/dev/zero: is not a regular file"),
    ],
)
def test_what_holds_no_architecture_is_refused(config, path, complaint):
    with pytest.raises(retrain.ArchitectureError, match=complaint):
        retrain.retrain(dataclasses.replace(config, architecture=path))


def test_settings_that_do_not_fit_are_named(config, tmp_path):
    for changes, complaint in [
        ({"width": 6}, "width 6 must be a multiple of ratio 4"),
        ({"width": 10**12}, "width cannot be 1000000000000"),
        ({"num_cells": 10**6}, "num_cells cannot be 1000000"),
    ]:
        with pytest.raises(SettingsError, match=complaint):
            retrain.retrain(dataclasses.replace(config, **changes))
    architecture = tmp_path / "large.json"
    content = json.loads(open(config.architecture).read())
    content["recipe"]["train_batch_size"] = 901
    architecture.write_text(json.dumps(content))
    with pytest.raises(SettingsError, match="train_batch_size 901 is more than the 900 training images"):
        retrain.retrain(dataclasses.replace(config, architecture=str(architecture)))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("classes", "complaint"),
    [
        ("cat,dog", "--classes has 2 names, and there are 10 classes"),
        ("a,b,c,d,e,f,g,h,i,", "cannot be the name of a class"),
        ("a,b,c,d,e,f,g,h,i,a", "--classes names two classes alike"),
        ("a,b,c,d,e,f,g,h,i,\x1b[2J", "cannot be the name of a class"),
        ("a,b,c,d,e,f,g,h,i,x\ny", "cannot be the name of a class"),
    ],
)
def test_names_that_do_not_fit_are_refused(config, classes, complaint, tmp_path):
    with pytest.raises(retrain.DatasetError, match=complaint):
        retrain.retrain(dataclasses.replace(config, classes=classes))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["network.json", "weights.npz", "model.pdmodel", "classes.txt", "lock"])
def test_what_stands_in_the_place_of_a_file_is_found_before_the_training(config, tmp_path, name, capsys):
    (tmp_path / "out" / name).mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        retrain.retrain(config)
    assert "epoch" not in capsys.readouterr().out


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_names_in_any_locale(best_json, digits_path, tmp_path, locale):
    """Also where Python takes nothing but ASCII for text."""
    directory = tmp_path / "ö 猫"
    names = ("ä", "ö", "猫", *"defghij")
    flags = [f"--architecture={best_json}", f"--data_path={digits_path}", f"--output_dir={directory}"]
    strict = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": locale}
    result = run(*flags, "--epochs=1", f"--classes={','.join(names)}", **strict)
    assert result.returncode == 0, result.stderr
    assert read_network(directory).class_names == names


def test_standard_output_that_cannot_be_written_is_known_at_the_start(best_json, digits_path, tmp_path):
    flags = [f"--architecture={best_json}", f"--data_path={digits_path}", f"--output_dir={tmp_path}"]
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            command_of(*flags), cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
        )
    assert "standard output: No space left on device" in refused(result)


def test_a_second_process_is_refused(config, tmp_path):
    with retrain.opened(tmp_path / "out"):
        with pytest.raises(RetrainError, match="another process is training in"):
            retrain.retrain(config)


def test_onnx_is_missed_at_the_start(config, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "paddle2onnx", None)  # as if it were not installed
    with pytest.raises(retrain.OnnxError, match="requirements/onnx.txt"):
        retrain.retrain(dataclasses.replace(config, onnx=True))
    assert not (tmp_path / "out").exists()


def test_the_recipe_is_stretched(best_json):
    recipe = read_architecture(best_json).config
    longer = stretched(recipe, RetrainSettings(epochs=20))
    assert (longer.epochs, longer.T_0, longer.warmup) == (20, 20.0, 5.0)
    assert dataclasses.replace(longer, epochs=2, T_0=2.0, warmup=0.5) == recipe
