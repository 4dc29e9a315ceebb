"""Our pictures and the user's own settings of matplotlib leave each other alone."""

import os
import re
import subprocess
import sys
from pathlib import Path

import matplotlib
import pytest
from helpers import ROOT

from autodl_design.pictures.figures import new_figure, own_style, png, svg

DRAW = """
from autodl_design.pictures.network_picture import draw_network
from autodl_design.pictures.figures import png
from autodl_design.search_space.architecture import Architecture
content = png(draw_network(Architecture.of([1, 8, 3, 0], [1, 0]), "$x$ % \\\\"))
"""


@own_style
def drawn():
    figure = new_figure(3, 2)
    axes = figure.subplots()
    axes.plot([1, 2], label="a")
    axes.set_title("a title")
    axes.legend()
    return figure


def python(code, directory, **environment):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True)


def test_settings_of_the_users_change_no_picture():
    before = png(drawn()), svg(drawn())
    others = {
        "text.usetex": True,
        "font.size": 40,
        "savefig.dpi": 10,
        "axes.grid": True,
        "path.sketch": (9, 9, 9),
    }
    with matplotlib.rc_context(others):
        assert (png(drawn()), svg(drawn())) == before
        assert all(matplotlib.rcParams[name] == value for name, value in others.items())


@pytest.mark.parametrize(
    ("settings", "backend"),
    [
        (b"text.usetex: True\n", "module://matplotlib_inline.no_such_backend"),
        (b"backend: Qt4Agg\nno such thing\n", "Qt4Agg"),
        (b"text.usetex: \xff\n", "TkAgg"),
    ],
)
def test_pictures_are_made_whatever_the_environment_says(tmp_path, settings, backend):
    (tmp_path / "matplotlibrc").write_bytes(settings)
    check = (
        "import os\nassert content.startswith(b'\\x89PNG')\nprint(os.environ['MPLBACKEND'], os.getcwd())"
    )
    result = python(DRAW + check, tmp_path, MPLBACKEND=backend)
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"{backend} {tmp_path}\n"


def test_a_cache_that_cannot_be_written_is_no_news(tmp_path):
    result = python(DRAW, tmp_path, MPLCONFIGDIR="/dev/null")
    assert (result.returncode, result.stderr) == (0, "")


def test_nothing_imports_matplotlib_before_the_guarded_import():
    importing = [
        path.relative_to(ROOT)
        for path in [*ROOT.glob("*.py"), *(ROOT / "autodl_design").rglob("*.py")]
        if re.search(r"^\s*(import|from) matplotlib", path.read_text(), re.MULTILINE)
    ]
    assert importing == [Path("autodl_design/pictures/figures.py")]


def test_a_notebooks_own_plots_are_left_alone(tmp_path):
    """pyplot keeps the backend that the user chose, and has none of our figures."""
    code = f"""
import matplotlib
matplotlib.use("svg")
matplotlib.rcParams["lines.linewidth"] = 7
{DRAW}
import sys
assert "matplotlib.pyplot" not in sys.modules
import matplotlib.pyplot as plt
assert plt.get_fignums() == [] and matplotlib.get_backend() == "svg", matplotlib.get_backend()
assert matplotlib.rcParams["lines.linewidth"] == 7
"""
    result = python(code, tmp_path)
    assert result.returncode == 0, result.stderr
    chosen_by_name = f"{DRAW}\nimport matplotlib.pyplot as plt\nassert plt.get_backend() == 'svg'"
    result = python(chosen_by_name, tmp_path, MPLBACKEND="svg")
    assert result.returncode == 0, result.stderr
