"""What `retrain.py --onnx` writes, in ONNX Runtime, which knows nothing of Paddle."""

import dataclasses
import json
import math
import re
import shutil
import sys

import numpy as np
import pytest
from helpers import ROOT, run
from PIL import Image

from autodl_design.image_data.subset import load_subset
from autodl_design.search_space.image_origin import ImageOrigin
from autodl_design.search_space.reference import REFERENCE_NAMES, Reference, reference_recipe
from autodl_design.trained_model.inference import Classifier
from autodl_design.trained_model.model_files import Network
from autodl_design.trained_model.onnx_export import to_onnx
from autodl_design.trained_model.paddle_export import to_paddle

if sys.version_info >= (3, 13):
    pytest.skip("there is no paddle2onnx for this Python", allow_module_level=True)
pytest.importorskip("paddle2onnx")
onnxruntime = pytest.importorskip("onnxruntime")
EXAMPLE = re.findall(r"```python\n(.*?)```", (ROOT / "docs/retraining.md").read_text(), re.DOTALL)[-1]


def test_the_probabilities_are_those_of_predict(trained, digits_path, tmp_path, monkeypatch, capsys):
    model = tmp_path / "retrained"
    shutil.copytree(trained.directory, model)
    exported = run("retrain.py", "--resume", "--onnx", f"--output_dir={model}")
    assert exported.returncode == 0, exported.stderr

    images = load_subset(digits_path).validation_images[:20].reshape(-1, 3, 32, 32)
    paths = [tmp_path / f"{k}.png" for k in range(len(images))]
    for path, pixels in zip(paths, images, strict=True):
        Image.fromarray(pixels.transpose(1, 2, 0)).save(path)
    predicted = run("predict.py", f"--model={model}", *paths)
    assert predicted.returncode == 0, predicted.stderr

    session = onnxruntime.InferenceSession(model / "model.onnx")
    assert json.loads(session.get_modelmeta().custom_metadata_map["classes"]) == [str(k) for k in range(10)]
    (probabilities,) = session.run(["probabilities"], {"pixels": images.astype(np.float32)})
    assert probabilities.shape == (20, 10) and np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    lines = predicted.stdout.splitlines()
    for line, row in zip(lines, probabilities, strict=True):
        for name, printed in re.findall(r"(\d) (\d\.\d\d)", line.partition(".png: ")[2]):
            assert float(printed) == pytest.approx(row[int(name)], abs=0.0051)

    shutil.copy(paths[0], tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    exec(EXAMPLE, {})
    assert capsys.readouterr().out.strip() == lines[0].partition(".png: ")[2].split()[0]


@pytest.mark.parametrize("name", REFERENCE_NAMES)
def test_a_reference(name, easy_subset):
    config = dataclasses.replace(reference_recipe(), width=4)
    images = ImageOrigin.of("data_path", "mine", easy_subset)
    network, rng = Network(Reference(name), config, images, accuracy=0.5), np.random.default_rng(0)
    with Classifier(network) as classifier:
        weights = {
            key: rng.normal(0, math.sqrt(2 / math.prod(shape[1:])), shape).astype(np.float32)
            if len(shape) > 1
            else rng.uniform(0.5, 1.5, shape).astype(np.float32)
            for key, shape in classifier.shapes.items()
        }
        classifier.load(weights)
        expected = classifier(easy_subset.validation_images[:20])
    session = onnxruntime.InferenceSession(to_onnx(*to_paddle(network, weights), network.class_names))
    pixels = easy_subset.validation_images[:20].reshape(-1, 3, 32, 32).astype(np.float32)
    np.testing.assert_allclose(session.run(None, {"pixels": pixels})[0], expected, atol=1e-5)
    assert expected.std(axis=0).max() > 0.01
