"""export.py: the file of PyTorch or Paddle computes what our network does, and can be trained on."""

import dataclasses
import importlib.util
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from helpers import run
from PIL import Image

import export
from autodl_design.agents.random_search import random_architecture
from autodl_design.image_data.subset import load_subset
from autodl_design.search_space.architecture import Architecture
from autodl_design.search_space.architecture_file import read_architecture
from autodl_design.search_space.child import ChildSettings
from autodl_design.search_space.image_origin import ImageOrigin
from autodl_design.trained_model.inference import Classifier
from autodl_design.trained_model.model_files import Network, read_network, read_weights, write_model
from export import ExportError, ExportSettings

FRAMEWORKS = ("torch", "paddle")
NAMES = ('it\'s "a" box', 'x"""', "back\\slash", "ö")  # which must not end the text that they stand in


def network_of(architecture, size=16, **values):
    config = ChildSettings(**{"width": 8, "num_cells": 1, "num_stages": 2, "ratio": 2, **values})
    return Network(
        architecture, config, ImageOrigin("0", NAMES, size, "data_path", "x", "/x"), accuracy=0.5
    )


def drawn_weights(shapes, rng):
    """As after some training: statistics and shifts of every value, outputs that are near to no bound."""

    def draw(name, shape):
        if name.endswith(("scale", "variance")):
            return rng.uniform(0.5, 1.5, shape)
        fan_in = np.prod(shape[1:]) if len(shape) > 2 else 10 * shape[0]
        return rng.normal(0, 0.1 if len(shape) == 1 else np.sqrt(2 / fan_in), shape)

    return {name: draw(name, shape).astype(np.float32) for name, shape in shapes.items()}


def module_of(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def logits_of(framework, network, pixels):
    """Of a module of either framework, and of uint8 pixels."""
    if framework == "torch":
        torch = pytest.importorskip("torch")
        with torch.no_grad():
            return network(torch.from_numpy(pixels)).numpy()
    paddle = pytest.importorskip("paddle")
    paddle.disable_static()
    return network(paddle.to_tensor(pixels)).numpy()


def log_softmax(logits):
    shifted = logits - logits.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))


def all_operations(edges):
    """Ten nodes a cell, each with another operation."""
    tokens = [*range(10), *reversed(range(10))]
    return Architecture.of(tokens, (np.random.default_rng(0).random(90) < edges).astype(int))


CASES = [
    network_of(all_operations(edges=0.5), width=16, ratio=4, num_cells=3, num_stages=3),
    network_of(all_operations(edges=0.0), num_stages=3, size=13),
    network_of(all_operations(edges=0.2), num_cells=2, shortcut=True),
    *(
        network_of(random_architecture(k, seed=0, num_nodes=4), **values)
        for k, values in enumerate([{"num_stages": 1}, {"num_cells": 2, "size": 9}, {"num_stages": 3}])
    ),
]


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("network", CASES, ids=range(len(CASES)))
def test_the_file_computes_what_our_network_does(network, framework, tmp_path):
    pytest.importorskip(framework)
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (5, 3 * network.image_size**2)).astype(np.uint8)
    images[0] = 9
    with Classifier(network) as classifier:
        weights = drawn_weights(classifier.shapes, rng)
        classifier.load(weights)
        while np.abs(expected := np.log(classifier(images) + 1e-30)).max() > 10:
            for name in (f"weight_{sum('weight' in name for name in weights) - 1}", "bias_0"):
                weights[name] /= 10  # far from what float32 takes for 0
            classifier.load(weights)
    write_model(tmp_path / ".", network, weights)

    path = tmp_path / "my_network.py"
    export.export(ExportSettings(model=str(tmp_path), to=framework, output=str(path)))
    text = path.read_text()
    assert "autodl" not in text and len(text.splitlines()) <= 200
    assert max(map(len, text.splitlines())) < 130
    module = module_of(path)
    assert tuple(module.CLASSES) == NAMES
    pixels = images.reshape(-1, 3, network.image_size, network.image_size)
    logits = logits_of(framework, module.load_network(), pixels)
    np.testing.assert_allclose(log_softmax(logits), expected, atol=1e-4)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_trained_model_taken_home(framework, trained, digits_path, tmp_path):
    """Equal on the validation images; it classifies pictures and is trained on, as a user would do it."""
    pytest.importorskip(framework)
    path = tmp_path / "my_network.py"
    result = run("export.py", f"--model={trained.directory}", f"--to={framework}", f"--output={path}")
    assert result.returncode == 0, result.stderr
    network = read_network(trained.directory)
    assert f"Accuracy {network.accuracy:.3f} on the validation images. Recipe: 6 epochs" in path.read_text()

    images = load_subset(digits_path).validation_images
    with Classifier(network) as classifier:
        classifier.load(read_weights(trained.directory, classifier.shapes))
        expected = classifier(images)
    module = module_of(path)
    pixels = images.reshape(-1, 3, 32, 32)
    logits = logits_of(framework, module.load_network(), pixels)
    np.testing.assert_allclose(np.exp(log_softmax(logits)), expected, atol=1e-4)

    picture = tmp_path / "a.png"
    Image.fromarray(pixels[0].transpose(1, 2, 0)).save(picture)
    (command,) = re.findall(r"`python (.*) PICTURE \.\.\.`", result.stdout)
    classified = run(command, picture, cwd=tmp_path)
    assert classified.stdout == f"{picture}: {expected[0].argmax()} {expected[0].max():.2f}\n"
    tuned = run(command, cwd=tmp_path)
    assert len(re.findall(r"loss before step \d: \d+\.\d{3}\n", tuned.stdout)) == 3, tuned.stderr


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_an_untrained_network_learns(framework, searched, tmp_path):
    """All of its weights have gradients, and their initial values are those of a search."""
    pytest.importorskip(framework)
    path = tmp_path / "a folder to be made" / "my_network.py"
    best = str(searched / "my log/best.json")
    assert export.export(ExportSettings(architecture=best, to=framework, output=str(path))) == [path]
    module = module_of(path)
    assert module.CLASSES == ("circle", "it's a box", "ö")
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 16)
    shape = (16, 3, module.SIZE, module.SIZE)
    pixels = (labels[:, None, None, None] * 60 + rng.integers(0, 60, shape)).astype(np.uint8)
    pixels[:, 0] = 100
    if framework == "torch":
        import torch
        from torch.nn.functional import cross_entropy

        torch.manual_seed(0)
        network = module.Network()
        optimizer = torch.optim.SGD(network.parameters(), 0.01, 0.9)
        pixels, labels, clear = torch.from_numpy(pixels), torch.from_numpy(labels), optimizer.zero_grad
        shift = network.head[0].bias, network.cells[0].node_0[0].bias
    else:
        import paddle
        from paddle.nn.functional import cross_entropy

        paddle.disable_static()
        paddle.seed(0)
        network = module.Network()
        optimizer = paddle.optimizer.Momentum(0.01, 0.9, network.parameters())
        pixels, labels, clear = paddle.to_tensor(pixels), paddle.to_tensor(labels), optimizer.clear_grad
        shift = network.head[0].bias, network.cells[0].node_0[0].bias
    assert [float(values.sum()) / len(values) for values in shift] == [0.0, 2.0]
    losses = []
    for _ in range(20):
        loss = cross_entropy(network(pixels), labels)
        loss.backward()
        trainable = [p for p in network.parameters() if not getattr(p, "stop_gradient", False)]
        assert len(trainable) > 10 and all(parameter.grad is not None for parameter in trainable)
        optimizer.step()
        clear()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


def test_onnx_has_names_and_an_example_that_runs(trained, tmp_path):
    if sys.version_info >= (3, 13):
        pytest.skip("there is no paddle2onnx for this Python")
    pytest.importorskip("paddle2onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    path = tmp_path / "my_network.py"
    export.export(ExportSettings(model=str(trained.directory), to="onnx", output=str(path)))
    session = onnxruntime.InferenceSession(path.with_suffix(".onnx"))
    assert [value.name for value in session.get_inputs()] == ["pixels"]
    assert [value.name for value in session.get_outputs()] == ["probabilities"]
    assert json.loads(session.get_modelmeta().custom_metadata_map["classes"]) == list("0123456789")
    picture = tmp_path / "a.png"
    Image.new("RGB", (50, 40), (200, 10, 90)).save(picture)
    command = [sys.executable, str(path), str(picture)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0 and not result.stderr, result.stderr
    predicted = run("predict.py", f"--model={trained.directory}", picture).stdout
    assert predicted.startswith(result.stdout.rstrip("\n"))


# --- Mistakes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        ([], "name a model by --model, or a file such as log/best.json by --architecture"),
        (["--to=onnx", "--architecture=BEST"], "--to=onnx needs --model"),
        (["--to=tensorflow"], "must be torch or paddle or onnx"),
        (["--model=none"], "none/network.json is missing"),
        (["--architecture=none.json"], "none.json: No such file"),
        (["--architecture=BEST"], "is a file of an earlier version"),
        (["--model=MODEL", "--output=my-network.py"], "name a file that can be imported"),
        (["--model=MODEL", "--output=my_network"], "name a file that can be imported"),
        (["--model=MODEL", "--output=MODEL/weights.npz/my_network.py"], "weights.npz: File exists"),
    ],
)
def test_a_mistake_gets_one_line(flags, complaint, trained, best_json, tmp_path):
    flags = [
        flag.replace("BEST", str(best_json)).replace("MODEL", str(trained.directory)) for flag in flags
    ]
    result = run(export.__file__, *flags, cwd=tmp_path)
    assert result.returncode == 1 and result.stderr.count("\n") == 1
    assert complaint in result.stderr and not list(tmp_path.iterdir())


def test_no_file_is_overwritten(trained, tmp_path):
    for name in ("my_network.py", "my_network.safetensors"):
        directory = tmp_path / name.replace(".", "_")
        directory.mkdir()
        (directory / name).write_text("mine")
        config = ExportSettings(model=str(trained.directory), output=str(directory / "my_network.py"))
        with pytest.raises(ExportError, match=f"{name} is there already: choose another --output"):
            export.export(config)
        assert (directory / name).read_text() == "mine"
        assert len(list(directory.iterdir())) == 1


def test_a_model_and_an_architecture_that_differ_are_refused(trained, searched, best_json, tmp_path):
    config = ExportSettings(model=str(trained.directory), output=str(tmp_path / "my_network.py"))
    with pytest.raises(ExportError, match="has another architecture than --architecture says"):
        export.export(dataclasses.replace(config, architecture=str(searched / "my log/best.json")))
    export.export(dataclasses.replace(config, architecture=str(best_json)))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_texts_of_a_file_do_not_become_code(framework, searched, tmp_path):
    pytest.importorskip(framework)
    log = shutil.copytree(searched / "my log", tmp_path / "log")
    content = json.loads((log / "best.json").read_text())
    content["accuracy_of"] = '"""\nraise SystemExit("run")\n"""'
    content["images"]["class_names"] = ['"""', '\');raise SystemExit("run")#']
    content["images"]["path"] = '"""\nraise SystemExit("run")'
    (log / "best.json").write_text(json.dumps(content))
    assert read_architecture(log / "best.json").accuracy_of.startswith('"""')
    path = tmp_path / "my_network.py"
    export.export(ExportSettings(architecture=str(log / "best.json"), to=framework, output=str(path)))
    compile(path.read_text(), path, "exec")
    assert module_of(path).CLASSES == tuple(content["images"]["class_names"])
