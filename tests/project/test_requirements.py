"""The requirements files name what the modules import."""

import ast
import re
import sys

import pytest
from helpers import ROOT

DISTRIBUTIONS = {
    "PIL": "pillow",
    "absl": "absl-py",
    "grpc": "grpcio",
    "paddle": "paddlepaddle",
    "pynvml": "nvidia-ml-py",
    "sklearn": "scikit-learn",
    "tensorboardX": "tensorboardx",
}  # those of another name than their module
EXTRAS = {
    "ray": "cluster", "paddle2onnx": "onnx", "torch": "bench", "optuna": "bench", "pytest": "dev"
}  # fmt: skip


def imported(folder: str) -> set[str]:
    """Distributions that the modules of a folder import, wherever in a module that is."""
    ours = {path.stem for path in (*ROOT.glob("*.py"), *ROOT.glob("tests/support/*.py"))}
    ours |= {path.parent.name for path in ROOT.glob("*/__init__.py")}
    modules = set()
    for path in (ROOT / folder).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules.add(node.module)
    modules = {name.split(".")[0] for name in modules} - ours - sys.stdlib_module_names
    return {DISTRIBUTIONS.get(name, name) for name in modules}


def listed(file: str) -> set[str]:
    lines = (ROOT / file).read_text().splitlines()
    return {re.match("[A-Za-z0-9_.-]+", line)[0] for line in lines if line and line[0] != "#"}


@pytest.mark.parametrize("paddle", ["paddlepaddle", "paddlepaddle-gpu"])
def test_what_is_imported_is_required(paddle):
    requirements = listed("requirements.txt" if paddle == "paddlepaddle" else "requirements/gpu.txt")
    assert {name for name in requirements if name.startswith("paddlepaddle")} == {paddle}
    required = requirements - {paddle} | {"paddlepaddle"}
    folders = {".", "tests"} | {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert len(folders) > 5
    for folder in folders:
        assert imported(folder) - EXTRAS.keys() <= required, folder


@pytest.mark.parametrize("name, extra", EXTRAS.items())
def test_extras_are_required_apart(name, extra):
    assert name in listed(f"requirements/{extra}.txt")
    assert name not in listed("requirements.txt")


def test_the_two_paddles_have_the_same_company():
    """Apart from Paddle's own packages and what only one of them requires."""
    cpu, gpu = listed("requirements.txt"), listed("requirements/gpu.txt")
    assert cpu - gpu == {"paddlepaddle", "safetensors"}
    assert gpu - cpu == {"paddlepaddle-gpu", "astor", "decorator"}
