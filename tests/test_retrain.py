"""retrain.py and predict.py as a user runs them."""

import re
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import ROOT
from model_records import model
from PIL import Image

from dataset_maker import load_subset
from search_space.architecture_file import write_architecture
from search_space.child import ChildConfig

MODEL = model(0, 0.5, tokens=[1, 8, 3, 0], adjvec=[1, 0])
CONFIG = ChildConfig(width=8, num_stages=2, num_cells=1, early_stop=2, T_0=2.0, warmup=0.5)


@pytest.fixture(scope="module")
def flags(digits_path, tmp_path_factory):
    path = tmp_path_factory.mktemp("architecture") / "best.json"
    write_architecture(path, MODEL, CONFIG, seed=0)
    classes = ",".join("0123456789")
    return [f"--architecture={path}", f"--data_path={digits_path}", "--epochs=6", f"--classes={classes}"]


def run(script, *arguments):
    command = [sys.executable, script, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.fixture(scope="module")
def trained(flags, tmp_path_factory):
    """Output directory and what was printed."""
    directory = tmp_path_factory.mktemp("retrained")
    result = run("retrain.py", *flags, f"--output_dir={directory}")
    assert result.returncode == 0, result.stderr
    return directory, result.stdout


def test_tells_every_epoch_and_learns(trained):
    _, output = trained
    accuracies = re.findall(r"epoch (\d)/6: loss .*, validation accuracy (\d\.\d{3})", output)
    assert [epoch for epoch, _ in accuracies] == list("123456")
    best = max(float(accuracy) for _, accuracy in accuracies)
    assert f"best validation accuracy {best:.3f}" in output
    assert best > 0.15


def test_model_classifies_pictures_as_in_validation(trained, digits_path, tmp_path):
    directory, output = trained
    subset = load_subset(digits_path, 100)
    paths = []
    for i, pixels in enumerate(subset.validation_images):
        paths.append(tmp_path / f"{i:03d}.png")
        Image.fromarray(pixels.reshape(3, 32, 32).transpose(1, 2, 0)).save(paths[-1])
    result = run("predict.py", f"--model={directory}", *paths)
    assert result.returncode == 0, result.stderr
    first = re.findall(r"\.png: (\d) \d\.\d\d, \d \d\.\d\d, \d \d\.\d\d$", result.stdout, re.MULTILINE)
    accuracy = np.mean([int(name) for name in first] == subset.validation_labels)
    assert f"best validation accuracy {accuracy:.3f}" in output


def test_stopped_and_resumed_ends_with_the_same_model(trained, flags, tmp_path):
    flags = [*flags, f"--output_dir={tmp_path}"]
    for epoch in (2, 4):
        process = subprocess.Popen(
            [sys.executable, "retrain.py", *flags, "--resume"], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        for line in process.stdout:
            if line.startswith(f"epoch {epoch}/"):
                break
        time.sleep(0.05)
        process.kill()
        process.wait()
        process.stdout.close()
    result = run("retrain.py", *flags, "--resume")
    assert result.returncode == 0, result.stderr
    assert "going on after epoch" in result.stdout
    for name in ("model.pdiparams", "model.pdmodel"):
        assert (tmp_path / name).read_bytes() == (trained[0] / name).read_bytes()


def test_refuses_to_overwrite(trained, flags):
    result = run("retrain.py", *flags, f"--output_dir={trained[0]}")
    assert result.returncode == 1
    assert "holds a training: go on with it by --resume" in result.stderr


def test_all_of_cifar10_and_its_test_batch(flags, digits_path, tmp_path):
    cifar = tmp_path / "cifar"
    cifar.mkdir()
    for i in range(3):
        name = "test_batch" if i == 0 else f"data_batch_{i}"
        (cifar / name).write_bytes((digits_path / f"data_batch_{i}.pkl").read_bytes())
    result = run(
        "retrain.py", *flags, f"--cifar_dir={cifar}", "--epochs=1", f"--output_dir={tmp_path / 'out'}"
    )
    assert result.returncode == 0, result.stderr
    assert len(re.findall(r"accuracy on .*test_batch: \d\.\d{4}", result.stdout)) == 1


@pytest.mark.parametrize(
    ("script", "arguments", "complaint"),
    [
        ("retrain.py", ["--architecture=none.json"], "retrain.py: none.json: No such file"),
        ("retrain.py", ["--architecture=README.md"], "retrain.py: README.md is not JSON"),
        ("predict.py", ["--model=tests", "a.png"], "predict.py: tests/model.pdmodel is missing"),
    ],
)
def test_a_mistake_gets_one_line(script, arguments, complaint):
    result = run(script, *arguments)
    assert result.returncode == 1
    assert result.stderr.startswith(complaint) and result.stderr.count("\n") == 1


def test_a_width_that_does_not_divide_gets_one_line(flags, tmp_path):
    result = run("retrain.py", *flags, f"--output_dir={tmp_path}", "--width=6")
    assert result.returncode == 1
    assert result.stderr == "retrain.py: recipe: width 6 must be a multiple of ratio 4\n"


def test_a_file_that_is_no_picture_gets_one_line(trained, tmp_path):
    damaged = tmp_path / "damaged.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(damaged)
    content = bytearray(damaged.read_bytes())
    content[2000:2010] = bytes(10)
    damaged.write_bytes(content)
    pictures = {"README.md": "is no picture", "none.png": "No such file", damaged: "damaged.png: "}
    for path, complaint in pictures.items():
        result = run("predict.py", f"--model={trained[0]}", path)
        assert result.returncode == 1
        assert complaint in result.stderr and result.stderr.count("\n") == 1


def test_a_damaged_model_gets_one_line(trained, tmp_path):
    for name in ("model.pdmodel", "model.pdiparams", "classes.txt"):
        content = (trained[0] / name).read_bytes()
        (tmp_path / name).write_bytes(content[:5000])
    picture = tmp_path / "a.png"
    Image.new("RGB", (50, 40)).save(picture)
    result = run("predict.py", f"--model={tmp_path}", picture)
    assert result.returncode == 1
    assert result.stderr == f"predict.py: {tmp_path}: the model is damaged; let retrain.py write it anew\n"


def test_names_of_too_few_classes_are_refused(flags, tmp_path):
    result = run("retrain.py", *flags, "--classes=cat,dog", f"--output_dir={tmp_path}")
    assert result.returncode == 1
    expected = "--classes has 2 names, and there are 10 classes"
    assert expected in result.stderr and "Traceback" not in result.stderr
    assert not list(tmp_path.iterdir())
