"""Pictures of a search: its course, its networks by size, what its policy prefers; as matplotlib figures.

In a picture that a page holds as SVG itself, each model that is a point is a link, #model-N.
"""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from autodl_design.pictures.figures import (
    Axes,
    Figure,
    MaxNLocator,
    StrMethodFormatter,
    new_figure,
    own_style,
    svg,
)
from autodl_design.record.history import ModelRecord
from autodl_design.report_page.searches import Group, Search, window_of
from autodl_design.report_page.statistics import mean_of, trained

POINT, MEAN, SMOOTH, BEST, AGAIN, CHANCE = "#6d9eeb", "#9fc5e8", "#1155cc", "#38761d", "#e69138", "#777777"
GROUPS = ("#1155cc", "#cc0000", "#38761d", "#e69138", "#674ea7", "#45818e", "#a64d79", "#7f6000")
PAGE_WIDTH = 4.6  # inches, of a picture on the page: its text stays readable on a narrow screen
MOST_POINTS = 2000  # models that are links; of larger searches the newest, and the others are pixels
MOST_MARKERS = 200  # steps that are marked one by one
MOST_NUMBERS = 144  # fields of a heat map that has numbers in them
ACCURACY = "accuracy on held-out images"


@own_style
def draw_search(search: Search, groups: Sequence[Group]) -> Figure:
    """The course of the search, and below it its parameters, its policy and its rewards where these are
    another thing than accuracy. groups: the search's own and others, if it is compared."""
    panels = [(_course, 2.2), (_parameters, 1.0)]
    if entropies(search):
        panels.append((_entropy, 1.0))
    if any(model.reward != model.accuracy for model in trained(search.models)):
        panels.append((_rewards, 1.0))
    heights = [height for _, height in panels]
    both = len(groups) > 1
    figure = new_figure(16.0 if both else 8.0, 1.2 + 1.9 * sum(heights))
    parts = figure.subfigures(1, 1 + both, squeeze=False)[0]
    all_axes = parts[0].subplots(len(panels), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    for axes, (draw, _) in zip(all_axes, panels, strict=True):
        draw(axes, search)
        axes.grid(alpha=0.3)
        # Beside the axes, where it covers nothing.
        axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.02), frameon=False)
    _label_steps(all_axes[-1], search)
    all_axes[0].set_title(f"The search in {search.log_dir}: {len(search.models):,} models")
    if both:
        axes = parts[1].subplots()
        _side_by_side(axes, groups)
        axes.set_title("Searches side by side")
        _legend_below(parts[1], axes, 1)
    return figure


@own_style
def draw_course(search: Search) -> Figure:
    figure = new_figure(PAGE_WIDTH, 4.4)
    axes = figure.subplots()
    _course(axes, search)
    axes.grid(alpha=0.3)
    _label_steps(axes, search)
    _legend_below(figure, axes)
    return figure


@own_style
def draw_front(search: Search) -> Figure:
    """Accuracy against parameters of all trained models, and the Pareto front."""
    figure = new_figure(PAGE_WIDTH, 4.4)
    axes = figure.subplots()
    models = trained(search.models)
    _points(axes, models, _sizes(models), "a model, one run")
    again = [model for model in models if model.mid in search.again]
    if again:
        points = axes.scatter(
            _sizes(again), [search.accuracy(model) for model in again],
            s=26, marker="s", linewidths=0, color=AGAIN, zorder=3, label="mean of more runs",
        )  # fmt: skip
        points.set_urls([_link(model) for model in again])
    front = search.front
    accuracies = [search.accuracy(model) for model in front]
    axes.plot(
        _sizes(front), accuracies, color=BEST, marker="o", drawstyle="steps-post", label="Pareto front"
    )
    _chance(axes, search)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set(xlabel="parameters", ylabel=ACCURACY)
    axes.grid(alpha=0.3)
    _legend_below(figure, axes)
    return figure


@own_style
def draw_entropy(search: Search) -> Figure:
    """Of a search that has `entropies`."""
    figure = new_figure(PAGE_WIDTH, 3.0)
    axes = figure.subplots()
    _entropy(axes, search)
    axes.grid(alpha=0.3)
    _label_steps(axes, search)
    _legend_below(figure, axes)
    return figure


@own_style
def draw_side_by_side(groups: Sequence[Group]) -> Figure:
    figure = new_figure(2 * PAGE_WIDTH, 3.6 + 0.2 * len(groups))
    axes = figure.subplots()
    _side_by_side(axes, groups)
    _legend_below(figure, axes, 1)
    return figure


@own_style
def draw_heat_map(
    shares: np.ndarray,
    row_names: Sequence[str],
    column_names: Sequence[str],
    labels: tuple[str, str],
    by_chance: np.ndarray | None = None,
) -> Figure:
    """shares: [rows, columns] in 0 .. 1, white where NaN. labels: what rows and columns are. by_chance:
    which of them say nothing; they are grey on white."""
    rows, columns = shares.shape
    by_chance = np.zeros(shares.shape, bool) if by_chance is None else by_chance
    figure = new_figure(PAGE_WIDTH, 1.0 + min(0.28 * rows, 5))
    axes = figure.subplots()
    shown = np.where(by_chance, np.nan, shares)
    axes.imshow(shown, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    every = 1 if columns <= 20 else 10
    axes.set_xticks(range(0, columns, every), column_names[::every], fontsize=9)
    every = 1 if rows <= 20 else 10
    axes.set_yticks(range(0, rows, every), row_names[::every], fontsize=9)
    axes.set(ylabel=labels[0], xlabel=labels[1])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    if rows * columns <= MOST_NUMBERS:
        for (row, column), share in np.ndenumerate(shares):
            if not np.isnan(share):
                grey = by_chance[row, column]
                color = "#bbbbbb" if grey else "white" if share > 0.55 else "#333333"
                number = f"{100 * share:.0f}"
                text = axes.text(column, row, number, ha="center", va="center", fontsize=8, color=color)
                text.set_in_layout(False)  # it lies inside, and measuring a hundred takes long
    return figure


def data_uri(figure: Figure) -> str:
    """The figure as SVG within an address, for <img src=...>."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg(figure)).decode()


def inline_svg(figure: Figure) -> str:
    """The figure as an <svg> element, whose links and points a page's script can see."""
    text = svg(figure).decode()
    return text[text.index("<svg") :]


def entropies(search: Search) -> dict[str, tuple[list[float], list[float]]]:
    """Steps and entropies of the policy's decisions, in nats, by what they are about; empty where the log
    of steps has none, as of agents without a policy."""
    found = {}
    for name, field in (("operations", "token_entropy"), ("edges", "edge_entropy")):
        rows = [(row["step"], row[field]) for row in search.steps if np.isfinite(row.get(field, np.nan))]
        if rows and any(entropy for _, entropy in rows):  # cells of one node have no edges
            found[name] = ([step for step, _ in rows], [entropy for _, entropy in rows])
    return found


# --- What a picture is made of ----------------------------------------------------------------------


def _course(axes: Axes, search: Search) -> None:
    models = trained(search.models)
    _points(axes, models, np.array([model.step for model in models]), "a model, one run")
    steps, by_step = _means(axes, search, "accuracy")
    best, so_far = -np.inf, []
    for step in steps:
        accuracies = [search.accuracy(model) for model in trained(by_step[step])]
        best = max([best, *accuracies])
        so_far.append(best)
    marker = "." if len(steps) == 1 else ""  # one step makes no line
    axes.plot(steps, so_far, color=BEST, marker=marker, drawstyle="steps-post", label="best so far")
    _chance(axes, search)
    axes.set_ylabel(ACCURACY)


def _parameters(axes: Axes, search: Search) -> None:
    _means(axes, search, "num_params")
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_ylabel("parameters")


def _rewards(axes: Axes, search: Search) -> None:
    _means(axes, search, "reward")
    axes.set_ylabel("reward")


def _entropy(axes: Axes, search: Search) -> None:
    lowest = 95.0  # so that what is hardly a change looks like none
    for (name, (steps, values)), color in zip(entropies(search).items(), (SMOOTH, AGAIN), strict=False):
        start = values[0] or 1.0
        shares = [100 * value / start for value in values]
        lowest = min([lowest, *shares])
        axes.plot(steps, shares, color=color, marker="." if len(steps) == 1 else "", label=f"of {name}")
    axes.axhline(100, color=CHANCE, linestyle=":", label="at the start")
    axes.set_ylim(bottom=lowest - 1)
    axes.set_ylabel("policy's entropy, %")


def _means(axes: Axes, search: Search, field: str) -> tuple[list[int], dict[int, list[ModelRecord]]]:
    """Draws the mean of each step and, of long searches, of several steps; the one that is drawn last with
    its standard error. Returns the models by step."""
    by_step: dict[int, list[ModelRecord]] = {}
    for model in search.models:
        if not model.failed:
            by_step.setdefault(model.step, []).append(model)
    steps = sorted(by_step)
    window = max(1, len(steps) // 10)
    if window > 1:
        means = [np.mean([getattr(model, field) for model in by_step[step]]) for step in steps]
        marker = "." if len(steps) <= MOST_MARKERS else ""
        axes.plot(steps, means, color=MEAN, marker=marker, linewidth=0.8, label="mean of a step")
    ends = np.unique(np.linspace(window, len(steps), MOST_MARKERS).astype(int))
    parts = ([model for step in steps[end - window : end] for model in by_step[step]] for end in ends)
    smooth = [mean_of(part, field) for part in parts]
    mean, error = (np.array([getattr(one, name) for one in smooth]) for name in ("mean", "error"))
    of = f"{window} steps" if window > 1 else "a step"
    last = [steps[end - 1] for end in ends]
    marker = "." if window == 1 else ""
    axes.plot(last, mean, color=SMOOTH, linewidth=2, marker=marker, label=f"mean of {of} +- its error")
    axes.fill_between(last, mean - error, mean + error, color=SMOOTH, alpha=0.15, linewidth=0)
    return steps, by_step


def _sizes(models: Sequence[ModelRecord]) -> np.ndarray:
    return np.array([model.num_params for model in models], float)


def _points(axes: Axes, models: Sequence[ModelRecord], x: np.ndarray, label: str) -> None:
    """The newest models as links, the others of a large search as pixels: thousands of elements would make
    a page of megabytes."""
    accuracies = np.array([model.accuracy for model in models], float)
    style: dict[str, Any] = {"s": 14, "color": POINT, "alpha": 0.55, "linewidths": 0}
    if len(models) > MOST_POINTS:
        axes.scatter(x[:-MOST_POINTS], accuracies[:-MOST_POINTS], **style, rasterized=True)
    points = axes.scatter(x[-MOST_POINTS:], accuracies[-MOST_POINTS:], **style, label=label)
    points.set_urls([_link(model) for model in models[-MOST_POINTS:]])


def _link(model: ModelRecord) -> str:
    return f"#model-{model.mid}"


def _chance(axes: Axes, search: Search) -> None:
    if search.chance:
        label = f"chance, {search.chance:.3f}"
        axes.axhline(search.chance, color=CHANCE, linestyle=":", linewidth=1.5, label=label)


def _side_by_side(axes: Axes, groups: Sequence[Group]) -> None:
    window = window_of(groups)
    for number, group in enumerate(groups):
        ends, estimates = group.curve(window)
        mean, error = (np.array([getattr(one, name) for one in estimates]) for name in ("mean", "error"))
        color = GROUPS[number % len(GROUPS)]
        of = "searches" if len(group.searches) > 1 else "models"
        style = ":" if group.other_images else "-"
        axes.plot(
            ends, mean, style, color=color, marker=".", label=f"{group.name}; band: error over its {of}"
        )
        axes.fill_between(ends, mean - error, mean + error, color=color, alpha=0.15, linewidth=0)
    _chance(axes, groups[0].searches[0])
    axes.set(xlabel="models", ylabel=f"mean accuracy of {window} models")
    axes.grid(alpha=0.3)


def _label_steps(axes: Axes, search: Search) -> None:
    steps = [model.step for model in search.models]
    axes.set_xlabel("step")
    axes.set_xlim(min(steps) - 0.5, max(steps) + 0.5)  # of one step too
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _legend_below(figure: Figure, axes: Axes, columns: int = 2) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=8, loc="outside lower center", ncols=columns, frameon=False)
