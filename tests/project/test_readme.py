"""What the README shows is true: its examples run, its tables are those of the settings, its files are."""

import re
import shutil
import subprocess
import sys

import pytest
from helpers import ROOT

from docs.make_flags import tables

README = (ROOT / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
FROM_PYTHON, REWARD, AGENT, OPERATION = EXAMPLES
# Examples are of a size that a user would take; here they train a few tiny networks.
TINY = {
    'preset="quick", ': (
        "num_nodes=4, width=4, num_cells=1, num_stages=2, epochs=1, T_0=3.0, batch_size=2, num_models=1, "
    ),
    ", num_models=19": "",
    "epochs=20": "epochs=1",
}


def tiny(example):
    for text, replacement in TINY.items():
        example = example.replace(text, replacement)
    return example


def run(code, directory, path=ROOT):
    """As a script in the project's folder, but with the files of `directory`."""
    (directory / "example.py").write_text(f"import sys\n\nsys.path.insert(0, {str(path)!r})\n{code}")
    command = [sys.executable, "example.py"]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=300)


@pytest.fixture
def directory(digits_path, tmp_path):
    (tmp_path / "cifar").mkdir()
    (tmp_path / "cifar/pickle-cifar-10").symlink_to(digits_path)
    return tmp_path


@pytest.mark.parametrize("example", [REWARD, AGENT], ids=["another reward", "another agent"])
def test_an_extension_searches(directory, example):
    result = run(tiny(example), directory)
    assert result.returncode == 0, result.stderr
    assert "step = 0, average accuracy" in result.stdout


def test_another_operation_is_sampled_and_trained(directory):
    project = directory / "project"
    shutil.copytree(ROOT, project, ignore=shutil.ignore_patterns(".*", "cifar", "img", "tests", "log*"))
    function, entry = OPERATION.split("\n\n\n")
    cells, network = (
        project / "autodl_design/search_space/cells.py",
        project / "autodl_design/child_network/operations.py",
    )
    cells.write_text(cells.read_text().replace('    "avgpool_5x5",\n', '    "avgpool_5x5",\n    "skip",\n'))
    text = network.read_text().replace("\nOPERATIONS: ", f"\n{function}\n\n\nOPERATIONS: ")
    network.write_text(re.sub(r'(    "avgpool_5x5": .*\n)', rf"\1{entry}", text))
    code = tiny("""
import main
from autodl_design.child_network.operations import OPERATIONS
from autodl_design.search_loop.settings import SearchSettings

settings = SearchSettings.of(preset="quick", log_dir="log")
assert settings.policy.num_tokens == 11 and "skip" in OPERATIONS


class Skips(main.autodl.RandomAgent):
    def sample(self, step, batch_size):
        tokens, adjvec = super().sample(step, batch_size)
        tokens[:, ::2] = 10
        return tokens, adjvec


main.search(settings, agent=Skips(4, 11, 0))
""")
    result = run(code, directory, project)
    assert result.returncode == 0, result.stderr
    assert "step = 0, average accuracy" in result.stdout and "failed" not in result.stdout


def test_all_can_be_done_from_python(directory):
    code = tiny(FROM_PYTHON).replace("SubsetConfig(", 'SubsetConfig(source="digits", ')
    result = run(code, directory)
    assert result.returncode == 0, result.stderr
    assert (directory / "best.png").exists() and (directory / "retrained/model.pdmodel").exists()


def test_tables_of_flags_are_those_of_the_settings():
    all_tables = tables()
    assert all_tables in (ROOT / "docs/flags.md").read_text()
    assert all_tables.split("\n\nLength and seed")[0] in README


@pytest.mark.parametrize("name", ["README.md", "docs/gpus.md", "docs/clusters.md", "docs/flags.md"])
def test_files_that_are_linked_or_named_are_there(name):
    text = (ROOT / name).read_text()
    linked = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    scripts = re.findall(r"python (\w+\.py)", text)
    modules = [
        module.replace(".", "/") for module in re.findall(r"python -m ([\w.]+)", text) if module != "pip"
    ]
    for path in linked + scripts:
        base = (ROOT / name).parent if path in linked else ROOT
        assert (base / path).exists(), path
    for path in modules:
        assert (ROOT / f"{path}.py").exists() or (ROOT / path / "__main__.py").exists(), path
