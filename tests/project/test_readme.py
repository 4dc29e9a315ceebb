"""What README and docs/ show is true: examples run, tables are those of the settings, files are there. The
README stays short."""

import re
import shutil
import subprocess
import sys

import pytest
from helpers import ROOT

from autodl_design.search_space.architecture_file import read_architecture
from docs.make_flags import tables

README = (ROOT / "README.md").read_text()
PAGES = ["README.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in ROOT.glob("docs/*.md"))]
FOLDERS = ("benchmarks", "checks", "study")
PAGES_OF_FOLDERS = [str(path.relative_to(ROOT)) for name in FOLDERS for path in (ROOT / name).rglob("*.md")]


def examples(page):
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


(IN_SHORT,) = examples("README.md")
FROM_PYTHON, LOADED, ANY_MODEL = examples("docs/python.md")
REWARD, AGENT, OPERATION, ENTRY = examples("docs/extending.md")
# Examples are of a size that a user would take; here they train a few tiny networks.
TINY = {
    'preset="quick", ': (
        "num_nodes=4, width=4, num_cells=1, num_stages=2, epochs=1, T_0=3.0, batch_size=2, num_models=2, "
        'trainers="cpu:1", '
    ),
    ", num_models=20": "",
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
    left_out = shutil.ignore_patterns(".*", "cifar", "img", "tests", "log", "log-*")
    shutil.copytree(ROOT, project, ignore=left_out)
    cells, network = (
        project / "autodl_design/search_space/cells.py",
        project / "autodl_design/child_network/operations.py",
    )
    cells.write_text(cells.read_text().replace('    "avgpool_5x5",\n', '    "avgpool_5x5",\n    "skip",\n'))
    text = network.read_text().replace("\nOPERATIONS: ", f"\n{OPERATION}\n\nOPERATIONS: ")
    network.write_text(re.sub(r'(    "avgpool_5x5": .*\n)', rf"\1{ENTRY}", text))
    code = tiny("""
import main
from autodl_design.agents.random_search import RandomAgent
from autodl_design.child_network.operations import OPERATIONS
from autodl_design.search_loop.settings import AllSettings

settings = AllSettings.of(preset="quick", log_dir="log")
assert settings.policy.num_tokens == 11 and "skip" in OPERATIONS


class Skips(RandomAgent):
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
    code = tiny(FROM_PYTHON).replace("SubsetSettings(", 'SubsetSettings(source="digits", ')
    cell = code + LOADED + ANY_MODEL
    result = run(cell + cell, directory)  # as a notebook's cell that is run again
    assert result.returncode == 0, result.stderr
    assert (directory / "best.png").exists() and (directory / "retrained-mine/model.pdmodel").exists()
    assert read_architecture(directory / "small.json").images.class_names == tuple("0123456789")


def test_the_short_example_searches(directory):
    result = run(tiny(IN_SHORT), directory)
    assert result.returncode == 0 and "\nmodel " in result.stdout, result.stderr


def test_the_table_of_flags_is_that_of_the_settings():
    assert tables() in (ROOT / "docs/flags.md").read_text()


@pytest.mark.parametrize("page", [*PAGES, *PAGES_OF_FOLDERS])
def test_files_that_are_linked_or_named_are_there(page):
    text = (ROOT / page).read_text()
    linked = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in link]
    named = re.findall(r"python (\w+\.py)", text)
    named += re.findall(r"`((?:autodl_design|benchmarks|checks|docs|study|tests)/[\w/.]*)`", text)
    missing = [path for path in named if not (ROOT / path).exists()]
    for module in re.findall(r"python -m ((?:benchmarks|checks|docs|study)[\w.]*)", text):
        path = ROOT / module.replace(".", "/")
        if not path.with_suffix(".py").exists() and not (path / "__main__.py").exists():
            missing.append(module)
    missing += [link for link in linked if not ((ROOT / page).parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("page", [*PAGES, *PAGES_OF_FOLDERS])
def test_sections_that_are_linked_are_there(page):
    for target, anchor in re.findall(r"\]\(([^)#]*)#([^)]+)\)", (ROOT / page).read_text()):
        text = ((ROOT / page).parent / target if target else ROOT / page).read_text()
        headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        assert anchor in [re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings]


def test_every_page_is_in_the_index():
    index = (ROOT / "docs/README.md").read_text()
    assert [
        page for page in PAGES if page != "docs/README.md" and page.removeprefix("docs/") not in index
    ] == []


def paragraphs_of(text):
    """Prose between blank lines, without code, tables, links' targets and pictures."""
    text = re.sub(r"```.*?```|`[^`]*`|!\[.*?\]\(.*?\)|\]\(.*?\)", "", text, flags=re.DOTALL)
    for block in re.split(r"\n(?=\n|\* |\d+\. )", text):
        lines = [line for line in block.splitlines() if not line.startswith(("    ", "|", "#", "[!"))]
        yield "\n".join(lines)


def test_the_readme_is_short_and_its_figures_are_in_tables():
    assert len(README.splitlines()) <= 250
    measured = r"(?<![\w.^])\d+\.\d+(?![\w.])"
    crowded = [text for text in paragraphs_of(README) if len(re.findall(measured, text)) > 3]
    assert not crowded
    wide = [line for line in README.splitlines() if line.startswith("|") and line.count("|") > 6]
    assert not wide
