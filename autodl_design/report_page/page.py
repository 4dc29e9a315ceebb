"""The report as a page for the browser, in one text that needs no other file.

html = render(read_search(Path("log")), groups)
page = LivePage(Path("log"), [Path("log-random")])
html = page.html()                                  # as the files are now; faults stand on the page
"""

import threading
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from autodl_design.pictures.network_picture import NetworkSize, draw_cell, size_of
from autodl_design.record.best import runs_text
from autodl_design.record.history import ModelRecord, RecordError
from autodl_design.record.log_dir import (
    FINAL_NAME,
    HISTORY_NAME,
    POLICY_NAME,
    SETTINGS_NAME,
    STEPS_NAME,
)
from autodl_design.report_page import pictures, statistics
from autodl_design.report_page.searches import Group, Search, against, grouped
from autodl_design.report_page.text import NUM_BEST, count_line, describe_best, difference_text, remarks
from autodl_design.report_page.verdict import planned_models, verdict
from autodl_design.search_loop.summary import next_commands
from autodl_design.search_space.cells import OPERATION_NAMES, Cell, halves

FILES = (HISTORY_NAME, FINAL_NAME, STEPS_NAME, SETTINGS_NAME, POLICY_NAME)
REFRESH_SECONDS = 5
# Making the page takes a second of one core; no more than this share of the time goes into it.
LARGEST_SHARE = 0.1
RECENT_STEPS = 10
LONGEST_TIME = 1e12  # seconds; a file may say anything
MOST_CELLS = 2_000_000  # decisions of models that a click shows, of the best ones
CHANCE_ERRORS = 3.0  # standard errors within which a share of proposals may be chance

ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(search: Search, others: Sequence[Search]) -> str:
    """A page that does not change."""
    return _render(search.log_dir, _contents(search, others), live=False)


class LivePage:
    """The page as the files are now. Several threads may ask for it."""

    def __init__(self, log_dir: Path, others: Sequence[Path] = ()):
        self.directories = (log_dir, *others)
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
        state: list = []
        for directory in self.directories:
            for name in FILES:
                try:
                    stat = (directory / name).stat()
                    state.append((stat.st_size, stat.st_mtime_ns))
                except OSError:
                    state.append(None)
        return state

    def _render(self) -> str:
        log_dir, *others = self.directories
        try:
            contents = _contents(Search(log_dir), list(map(Search, others)))
        except RecordError as error:
            contents = {"faults": [str(error)], "models": None, "complete": False}
        return _render(log_dir, contents, live=True)


def _render(log_dir: Path, contents: dict[str, Any], live: bool) -> str:
    template = ENVIRONMENT.get_template("page.html")
    html = template.render(contents, log_dir=str(log_dir), live=live, refresh_seconds=REFRESH_SECONDS)
    return html.encode(errors="backslashreplace").decode()  # names of files may hold what UTF-8 does not


def _contents(search: Search, others: Sequence[Search]) -> dict[str, Any]:
    models, best = search.models, search.best_of_one_run(NUM_BEST)
    plan = planned_models(search.settings)
    size = size_of(search.settings)
    normal, reduction = search.best.model.architecture.cells()
    groups = grouped([search, *others])
    return {
        "faults": list(dict.fromkeys(fault for one in (search, *others) for fault in one.faults)),
        "models": models,
        "verdict": verdict(models, search.settings),
        "remarks": remarks(search),
        "total": plan and plan[0],
        "complete": plan is not None and len(models) >= plan[0],
        "count_line": count_line(models),
        "chance": search.chance,
        "facts": _facts(search, plan),
        "best": [_row(search, model) for model in best],
        "final": [
            (size, [(final.mid, final.mean, runs_text(final.accuracies)) for final in ranking])
            for size, ranking in search.final_by_size.items()
        ],
        "again": bool(search.again),
        "front": [_row(search, model) for model in search.front],
        "comparison": statistics.compare(models),
        "difference_text": difference_text,
        "with_macs": any(model.macs is not None for model in best),
        "with_reward": any(model.reward != model.accuracy for model in best),
        "course": pictures.inline_svg(pictures.draw_course(search)),
        "sizes": pictures.inline_svg(pictures.draw_front(search)),
        "entropy": pictures.data_uri(pictures.draw_entropy(search)) if pictures.entropies(search) else None,
        "drawn": describe_best(search),
        "cells": [
            {"name": "Normal cell", "picture": _cell_picture(normal, False, size)},
            *([{"name": "Reduction cell", "picture": _cell_picture(reduction, True, size)}]
              if size is None or size.num_stages > 1 else []),
        ],
        "groups": [_group(group, groups[0]) for group in groups] if others else [],
        "side_by_side": pictures.data_uri(pictures.draw_side_by_side(groups)) if others else None,
        "preferences": _preferences(search),
        "settings": search.settings,
        "next_commands": list(next_commands(search.log_dir)),
        "clickable": _clickable(search),
    }  # fmt: skip


def _facts(search: Search, plan: tuple[int, int] | None) -> list[tuple[str, str]]:
    """What stands at the top of the page: names and values."""
    models, steps, best = search.models, search.steps, search.best
    total, batch_size = plan or (0, 1)
    facts = [("models", f"{len(models):,} of {total:,}" if plan else f"{len(models):,}")]
    if steps:
        facts += [
            ("completed steps", f"{len(steps):,}"),
            ("time searched", _duration(sum(step["seconds"] for step in steps))),
        ]
        if len(models) < total:
            a_step = float(np.mean([step["seconds"] for step in steps[-RECENT_STEPS:]]))
            facts.append(("time left", _duration(a_step * (total - len(models)) / batch_size)))
        facts.append(("mean of the last step", f"{steps[-1]['mean_accuracy']:.3f}"))
    facts.append((f"best accuracy, model {best.model.mid}", f"{best.accuracy:.3f}"))
    if search.chance:
        facts.append(("accuracy by chance", f"{search.chance:.3f}"))
    return [*facts, ("parameters of the best", f"{best.model.num_params:,}")]


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(min(seconds, LONGEST_TIME) / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60} min"


def _row(search: Search, model: ModelRecord) -> dict[str, Any]:
    operations = [
        ", ".join(f"{n}\u00a0{name}" for name, n in counts.items())
        for counts in statistics.operation_counts(model)
    ]
    return {
        "model": model,
        "accuracy": search.accuracy(model),
        "again": model.mid in search.again,
        "edges": model.architecture.edges(),
        "operations": operations,
    }


def _group(group: Group, first: Group) -> dict[str, Any]:
    compared = None if group is first or group.other_images else against(first, group)
    return {
        "name": group.name,
        "searches": len(group.searches),
        "last": group.last(),
        "other_images": group.other_images,
        "compared": compared and f"{difference_text(compared[1])} (its last steps less {compared[0]} here)",
    }


def _clickable(search: Search) -> dict[str, Any]:
    """What the page's script shows of each trained model, and the cells of as many of the best as there is
    room for."""
    models: dict[int, list] = {}
    room = MOST_CELLS
    for model in sorted(statistics.trained(search.models), key=lambda model: -search.accuracy(model)):
        tokens, adjvec = model.architecture
        room -= len(tokens) + len(adjvec)
        cells = [list(tokens), "".join(map(str, adjvec))] if room >= 0 else [None, None]
        again = search.again.get(model.mid)
        numbers = (model.accuracy, model.reward, model.num_params)
        models[model.mid] = [model.step, *numbers, again and round(float(again), 4), *cells]
    return {"models": models, "operations": OPERATION_NAMES}


def _preferences(search: Search) -> dict[str, Any]:
    """For each cell: pictures of operations and of edges, by the policy's own probabilities, or where there
    are none by what was proposed in the last steps."""
    num_tokens = search.settings.get("num_tokens")
    operation = 1 / (num_tokens if type(num_tokens) is int and num_tokens > 0 else len(OPERATION_NAMES))
    edge = search.settings.get("edge_probability", 0.5)
    edge = edge if isinstance(edge, float) and 0 < edge < 1 else 0.5
    name, last = search.last_steps()
    if search.policy:
        count = None
        tokens = [part.T for part in halves(search.policy.tokens)]
        edges = list(map(statistics.edge_table, halves(search.policy.edges)))
    else:
        count = len(last)
        tokens = [statistics.operation_shares(last, reduction) for reduction in (False, True)]
        edges = [statistics.edge_shares(last, reduction) for reduction in (False, True)]

    def picture(
        shares: np.ndarray, start: float, rows: Sequence, columns: Sequence, labels: tuple[str, str]
    ) -> str:
        by_chance = np.zeros(shares.shape, bool)
        if count:
            by_chance = abs(shares - start) <= CHANCE_ERRORS * np.sqrt(start * (1 - start) / count)
        return _heat_map(_key(shares), _key(by_chance), tuple(rows), tuple(columns), labels)

    cells = []
    for cell, of_tokens, of_edges in zip(("Normal cell", "Reduction cell"), tokens, edges, strict=True):
        names = OPERATION_NAMES[: len(of_tokens)]
        maps = [
            ("operations", picture(of_tokens, operation, names, range(of_tokens.shape[1]), ("", "node")))
        ]
        if of_edges.size:
            sources, targets = range(len(of_edges)), range(1, len(of_edges) + 1)
            maps.append(("edges", picture(of_edges, edge, targets, sources, ("to node", "edge from node"))))
        cells.append({"name": cell, "maps": maps})
    return {
        "cells": cells,
        "step": search.policy.step if search.policy else None,
        "count": count,
        "steps": name,
        "start": (operation, edge),
    }


# --- Pictures that stay the same while a search goes on ---------------------------------------------


@lru_cache(maxsize=8)
def _cell_picture(cell: Cell, reduction: bool, size: NetworkSize | None) -> str:
    return pictures.data_uri(draw_cell(cell, reduction, size))


def _key(values: np.ndarray) -> tuple[tuple, ...]:
    """-1 for NaN, which equals no other."""
    return tuple(map(tuple, np.nan_to_num(values.astype(float), nan=-1).round(3).tolist()))


@lru_cache(maxsize=32)
def _heat_map(shares: tuple, by_chance: tuple, rows: tuple, columns: tuple, labels: tuple[str, str]) -> str:
    names = [list(map(str, names)) for names in (rows, columns)]
    values = np.array(shares)
    values[values < 0] = np.nan
    return pictures.data_uri(pictures.draw_heat_map(values, *names, labels, np.array(by_chance) > 0))
