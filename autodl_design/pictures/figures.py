"""Figures apart from the user's own: a matplotlibrc, MPLBACKEND or a notebook's settings change none of
ours, and ours change none of theirs. Neither needs pyplot.

    @own_style
    def draw() -> Figure:
        figure = new_figure(8, 5)
        figure.subplots().plot([1, 2])
        return figure

    content = png(draw())
"""

import importlib.util
import io
import logging
import os
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any


def _import_matplotlib() -> ModuleType:
    """matplotlib, also where MPLBACKEND or a matplotlibrc prevents that: then without them."""
    try:
        import matplotlib
    except (ValueError, OSError):
        for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
            del sys.modules[name]  # half imported
        found = importlib.util.find_spec("matplotlib")
        assert found and found.origin
        backend = os.environ.pop("MPLBACKEND", None)
        working_directory = os.open(".", os.O_PATH | os.O_DIRECTORY)
        try:
            # A matplotlibrc here comes before all others, and this one is matplotlib's own.
            os.chdir(Path(found.origin).parent / "mpl-data")
            import matplotlib
        finally:
            os.fchdir(working_directory)
            os.close(working_directory)
            if backend is not None:
                os.environ["MPLBACKEND"] = backend
    return matplotlib


_log = logging.getLogger("matplotlib")
_level = _log.level
_log.setLevel(logging.ERROR)  # not that its cache cannot be written, or is made now
matplotlib = _import_matplotlib()
# What other modules need of matplotlib they import from here, so that nothing imports it before.
from matplotlib.axes import Axes as Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.patches import FancyArrowPatch as FancyArrowPatch  # noqa: E402
from matplotlib.path import Path as LinePath  # noqa: E402, F401
from matplotlib.ticker import MaxNLocator as MaxNLocator  # noqa: E402
from matplotlib.ticker import StrMethodFormatter as StrMethodFormatter  # noqa: E402

_log.setLevel(_level)

# The backend is none of a figure's business: it says how pyplot shows figures.
STYLE = {name: value for name, value in matplotlib.rcParamsDefault.items() if name != "backend"}
# Names of directories are no formulas.
STYLE |= {"text.parse_math": False, "svg.hashsalt": "report"}
# For functions that draw: text takes its settings when it is made, other parts when they are drawn.
own_style = matplotlib.rc_context(STYLE)


def new_figure(width: float, height: float) -> Figure:
    """In inches."""
    return Figure((width, height), layout="constrained")


@own_style
def png(figure: Figure) -> bytes:
    return _saved(figure, format="png", dpi=120)


@own_style
def svg(figure: Figure) -> bytes:
    """The same figure gives the same bytes."""
    return _saved(figure, format="svg", dpi=150, metadata={"Date": None})


def _saved(figure: Figure, **options: Any) -> bytes:
    picture = io.BytesIO()
    with warnings.catch_warnings():  # of characters that its fonts lack; it draws boxes
        warnings.simplefilter("ignore", UserWarning)
        figure.savefig(picture, **options)
    return picture.getvalue()
