"""What `retrain.py --onnx` writes, in ONNX Runtime, which knows nothing of Paddle."""

import json
import re
import shutil
import sys

import numpy as np
import pytest
from helpers import ROOT, run
from PIL import Image

from autodl_design.image_data.subset import load_subset

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
