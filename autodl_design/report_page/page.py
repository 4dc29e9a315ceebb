"""The report as a page for the browser, in one text that needs no other file.

html = render(Path("log"), baseline_dir=None)      # raises RecordError where there is nothing to report
page = LivePage(Path("log"), None)
html = page.html()                                  # the same, now; faults stand on the page
"""

import threading
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from autodl_design.pictures.network_picture import draw_cell
from autodl_design.record.best import Best, best_of, read_final_means, runs_text, the_best
from autodl_design.record.history import ModelRecord, RecordError
from autodl_design.record.log_dir import FINAL_NAME, HISTORY_NAME, SETTINGS_NAME, STEPS_NAME
from autodl_design.record.reading import num_classes, read_models, read_settings, read_steps
from autodl_design.report_page import pictures, statistics
from autodl_design.report_page.text import NUM_BEST, count_line
from autodl_design.search_space.cells import OPERATION_NAMES, Cell

FILES = (HISTORY_NAME, FINAL_NAME, STEPS_NAME, SETTINGS_NAME)
REFRESH_SECONDS = 5
# Making the page takes a second of one core; no more than this share of the time goes into it.
LARGEST_SHARE = 0.1
RECENT_STEPS = 10
LONGEST_SEARCH = 10**9  # models
LONGEST_TIME = 1e12  # seconds; a file may say anything

ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(log_dir: Path, baseline_dir: Path | None) -> str:
    """A page that does not change. Raises RecordError where a history cannot be read or no model has been
    trained yet."""
    return _render(log_dir, _contents(log_dir, baseline_dir), live=False)


class LivePage:
    """The page as the files are now. Several threads may ask for it."""

    def __init__(self, log_dir: Path, baseline_dir: Path | None):
        self.directories = (log_dir, baseline_dir)
        self._lock = threading.Lock()
        self._made_from: list = []  # sizes and times of the files
        self._html = ""
        self._next = 0.0  # before this time a page that is out of date is good enough

    def html(self) -> str:
        with self._lock:
            files = self._files()
            if files != self._made_from and time.monotonic() >= self._next:
                started = time.thread_time()
                self._html = self._render()
                self._made_from = files
                self._next = time.monotonic() + (time.thread_time() - started) / LARGEST_SHARE
            return self._html

    def _files(self) -> list:
        state = []
        for directory in self.directories:
            for name in FILES if directory else ():
                try:
                    stat = (directory / name).stat()
                    state.append((stat.st_size, stat.st_mtime_ns))
                except OSError:
                    state.append(None)
        return state

    def _render(self) -> str:
        log_dir, baseline_dir = self.directories
        try:
            contents = _contents(log_dir, baseline_dir)
        except RecordError as error:
            contents = {"faults": [str(error)], "models": None}
        return _render(log_dir, contents, live=True)


def _render(log_dir: Path, contents: dict[str, Any], live: bool) -> str:
    title = f"Search in {log_dir}"
    template = ENVIRONMENT.get_template("page.html")
    html = template.render(contents, title=title, live=live, refresh_seconds=REFRESH_SECONDS)
    return html.encode(errors="backslashreplace").decode()  # names of files may hold what UTF-8 does not


def _contents(log_dir: Path, baseline_dir: Path | None) -> dict[str, Any]:
    models = read_models(log_dir)
    baseline = read_models(baseline_dir) if baseline_dir else []
    faults: list[str] = []

    def optional(read, default):
        try:
            return read(log_dir)
        except RecordError as error:
            if str(error) not in faults:  # a file may be read twice
                faults.append(str(error))
            return default

    steps = optional(read_steps, [])
    best = best_of(models, NUM_BEST)
    shown = optional(lambda log_dir: the_best(log_dir, models), None) or Best(best[0], best[0].accuracy, 1)
    normal, reduction = shown.model.architecture.cells()
    settings = optional(read_settings, {})
    plan = _plan(settings)
    return {
        "faults": faults,
        "models": models,
        "total": plan and plan[0],
        "count_line": count_line(models),
        "facts": _facts(models, plan, steps, shown),
        "best": [_row(model) for model in best],
        "final": [(*final[:2], runs_text(final.accuracies)) for final in optional(read_final_means, [])],
        "front": [_row(model) for model in statistics.pareto_front(models)],
        "comparison": statistics.compare(models, baseline),
        "with_reward": any(model.reward != model.accuracy for model in best),
        "curve": pictures.data_uri(
            pictures.draw_search(models, baseline, num_classes(settings), pictures.PAGE_WIDTH)
        ),
        "sizes": pictures.data_uri(pictures.draw_front(models)),
        "drawn": shown.describe(),
        "cells": [_cell_picture(normal, False), _cell_picture(reduction, True)],
        "preferences": _preferences(models),
        "settings": settings,
    }  # fmt: skip


def _plan(settings: dict[str, Any]) -> tuple[int, int] | None:
    """Models of the whole search and of a step, where the settings say how many."""
    last, batch_size = settings.get("num_models"), settings.get("batch_size")
    if not all(type(value) is int and 0 <= value <= LONGEST_SEARCH for value in (last, batch_size)):
        return None
    return ((last // batch_size + 1) * batch_size, batch_size) if batch_size else None


def _facts(
    models: Sequence[ModelRecord],
    plan: tuple[int, int] | None,
    steps: Sequence[dict[str, float]],
    best: Best,
) -> list[tuple[str, str]]:
    """What stands at the top of the page: names and values."""
    total, batch_size = plan or (0, 1)
    facts = [("models", f"{len(models):,} of {total:,}" if plan else f"{len(models):,}")]
    if steps:
        facts += [
            ("completed steps", f"{len(steps):,}"),
            ("time searched", _duration(sum(step["seconds"] for step in steps))),
        ]
        if len(models) < total:
            a_step = np.mean([step["seconds"] for step in steps[-RECENT_STEPS:]])
            facts.append(("time left", _duration(a_step * (total - len(models)) / batch_size)))
        facts.append(("mean of the last step", f"{steps[-1]['mean_accuracy']:.3f}"))
    return [
        *facts,
        (f"best accuracy, model {best.model.mid}", f"{best.accuracy:.3f}"),
        ("its parameters", f"{best.model.num_params:,}"),
    ]


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(min(seconds, LONGEST_TIME) / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60} min"


def _row(model: ModelRecord) -> dict[str, Any]:
    operations = [
        ", ".join(f"{n}\u00a0{name}" for name, n in counts.items())
        for counts in statistics.operation_counts(model)
    ]
    return {"model": model, "edges": model.architecture.edges(), "operations": operations}


def _preferences(models: Sequence[ModelRecord]) -> dict[str, Any]:
    """For each cell: pictures of operations and of edges, in the first and in the last steps."""
    windows = statistics.first_and_last(models)
    cells = []
    for name, reduction in (("Normal cell", False), ("Reduction cell", True)):
        maps = []
        for title, part in windows:
            shares = statistics.operation_shares(part, reduction)
            picture = _heat_map(_key(shares), OPERATION_NAMES, range(shares.shape[1]), ("", "node"))
            maps.append((f"Operations, {title}", picture))
        for title, part in windows:
            shares = statistics.edge_shares(part, reduction)
            if shares.size:
                sources, targets = range(len(shares)), range(1, len(shares) + 1)
                picture = _heat_map(_key(shares), targets, sources, ("to node", "edge from node"))
                maps.append((f"Edges, {title}", picture))
        cells.append({"name": name, "maps": maps})
    return {"cells": cells, "windows": [(title, len(part)) for title, part in windows]}


# --- Pictures that stay the same while a search goes on ---------------------------------------------


@lru_cache(maxsize=8)
def _cell_picture(cell: Cell, reduction: bool) -> str:
    return pictures.data_uri(draw_cell(cell, reduction))


def _key(shares: np.ndarray) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, shares.round(3).tolist()))


@lru_cache(maxsize=32)
def _heat_map(shares: tuple, row_names: Sequence, column_names: Sequence, labels: tuple[str, str]) -> str:
    names = [list(map(str, names)) for names in (row_names, column_names)]
    return pictures.data_uri(pictures.draw_heat_map(np.array(shares), *names, labels))
