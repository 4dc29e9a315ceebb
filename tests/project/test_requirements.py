"""The requirements files name what the modules import."""

import ast
import re
import sys

import pytest
from helpers import ROOT
from packaging.requirements import Requirement

DISTRIBUTIONS = {
    "PIL": "pillow",
    "absl": "absl-py",
    "nas_bench_graph": "nas-bench-graph",
    "grpc": "grpcio",
    "paddle": "paddlepaddle",
    "pynvml": "nvidia-ml-py",
    "sklearn": "scikit-learn",
    "tensorboardX": "tensorboardx",
}  # those of another name than their module
EXTRAS = {
    "ray": "cluster", "paddle2onnx": "onnx", "onnxruntime": "onnx", "torch": "bench", "optuna": "bench",
    "nas-bench-graph": "bench", "pandas": "bench", "pytest": "dev",
}  # fmt: skip
FILES = ["requirements.txt", *(f"requirements/{path.name}" for path in ROOT.glob("requirements/*.txt"))]


def imported(folder: str) -> set[str]:
    """Distributions that the modules of a folder import, wherever that is; of "." the scripts."""
    ours = {path.stem for path in (*ROOT.glob("*.py"), *ROOT.glob("tests/support/*.py"))}
    ours |= {path.parent.name for path in ROOT.glob("*/*.py")}
    modules = set()
    for path in (ROOT / folder).glob("*.py" if folder == "." else "**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules.add(node.module)
    modules = {name.split(".")[0] for name in modules} - ours - sys.stdlib_module_names
    return {DISTRIBUTIONS.get(name, name) for name in modules}


def lines_of(file: str) -> list[str]:
    return [line for line in (ROOT / file).read_text().splitlines() if line and line[0] != "#"]


def listed(file: str) -> set[str]:
    return {Requirement(line).name for line in lines_of(file)}


@pytest.mark.parametrize("paddle", ["paddlepaddle", "paddlepaddle-gpu"])
def test_what_is_imported_is_required(paddle):
    requirements = listed("requirements.txt" if paddle == "paddlepaddle" else "requirements/gpu.txt")
    assert {name for name in requirements if name.startswith("paddlepaddle")} == {paddle}
    required = requirements - {paddle} | {"paddlepaddle"}
    folders = {".", "tests"} | {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert folders >= {"autodl_design", "benchmarks", "checks", "study"}
    for folder in folders:
        assert imported(folder) - EXTRAS.keys() <= required, folder


@pytest.mark.parametrize("name, extra", EXTRAS.items())
def test_extras_are_required_apart(name, extra):
    assert name in listed(f"requirements/{extra}.txt")
    assert name not in listed("requirements.txt")


@pytest.mark.parametrize("file", FILES)
def test_every_version_is_pinned(file):
    assert [line for line in lines_of(file) if not re.match(r"[\w.-]+==\d[\w.]*( ; |$)", line)] == []


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13"])
def test_files_that_are_installed_together_agree(python):
    """Of the files that `make setup-all` installs one after another."""
    versions = {}
    for file in set(FILES) - {"requirements/gpu.txt"}:
        for requirement in map(Requirement, lines_of(file)):
            if requirement.marker is None or requirement.marker.evaluate(
                {"python_version": python, "python_full_version": f"{python}.0"}
            ):
                versions.setdefault(requirement.name, set()).add(str(requirement.specifier))
    assert {name: pins for name, pins in versions.items() if len(pins) > 1} == {}


def test_the_two_paddles_have_the_same_company():
    """Apart from Paddle's own packages and what only one of them requires."""
    cpu, gpu = listed("requirements.txt"), listed("requirements/gpu.txt")
    assert cpu - gpu == {"paddlepaddle"}
    assert gpu - cpu == {"paddlepaddle-gpu", "astor", "decorator"}
