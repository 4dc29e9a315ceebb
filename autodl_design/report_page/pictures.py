"""Pictures of a search: its curve, its networks by size, what its policy prefers; as matplotlib figures."""

import base64
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from autodl_design.pictures.figures import (
    Figure,
    MaxNLocator,
    StrMethodFormatter,
    new_figure,
    own_style,
    svg,
)
from autodl_design.record.history import ModelRecord
from autodl_design.report_page.statistics import pareto_front, trained

MEAN, SMOOTH, BEST, BASELINE, CHANCE = "#9fc5e8", "#1155cc", "#38761d", "#cc0000", "#999999"
PAGE_WIDTH = 4.6  # inches, of a picture on the page: its text stays readable on a narrow screen
MOST_MARKERS = 200  # steps that are marked one by one
MOST_NUMBERS = 144  # fields of a heat map that has numbers in them


@own_style
def draw_search(
    models: Sequence[ModelRecord],
    baseline: Sequence[ModelRecord],
    num_classes: int | None,
    width: float = 8.0,
) -> Figure:
    """Accuracy, parameters and, where it is another thing than accuracy, reward over the steps.

    num_classes: of the images, if it is known. width: in inches."""
    models = [model for model in models if not model.failed]
    panels = {"accuracy": "accuracy on held-out images", "num_params": "parameters"}
    if any(model.reward != model.accuracy for model in models):
        panels["reward"] = "reward"
    figure = new_figure(width, 3.5 + 1.7 * (len(panels) - 1))
    all_axes = figure.subplots(len(panels), 1, sharex=True, height_ratios=[2, 1, 1][: len(panels)])
    for axes, (field, axis_label) in zip(all_axes, panels.items(), strict=True):
        by_step = defaultdict(list)
        for model in models:
            by_step[model.step].append(getattr(model, field))
        steps = sorted(by_step)
        means = [np.mean(by_step[step]) for step in steps]
        marker = "." if len(steps) <= MOST_MARKERS else ""
        axes.plot(steps, means, color=MEAN, marker=marker, linewidth=0.8, label="mean of a step")
        window = max(1, len(steps) // 10)
        if window > 1:
            smooth = np.convolve(means, np.ones(window) / window, mode="valid")
            label = f"mean of {window} steps"
            axes.plot(steps[window - 1 :], smooth, color=SMOOTH, linewidth=2, label=label)
        if field == "accuracy":
            best = np.maximum.accumulate([max(by_step[step]) for step in steps])
            marker = "." if len(steps) == 1 else ""  # one step makes no line
            label = "best model so far"
            axes.plot(steps, best, color=BEST, marker=marker, drawstyle="steps-post", label=label)
            if num_classes:
                axes.axhline(1 / num_classes, color=CHANCE, linestyle=":", label="chance")
        if baseline:
            mean = np.mean([getattr(model, field) for model in baseline if not model.failed])
            axes.axhline(mean, color=BASELINE, linestyle="--", label="mean of the baseline")
        axes.set(ylabel=axis_label)
        if field != "reward":  # which may be below 0
            axes.set_ylim(0, 1.05 * axes.get_ylim()[1])
        axes.grid(alpha=0.3)
    all_axes[0].legend(fontsize=8)
    all_axes[-1].set_xlabel("step")
    all_axes[-1].set_xlim(steps[0] - 0.5, steps[-1] + 0.5)  # of one step too
    all_axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return figure


@own_style
def draw_front(models: Sequence[ModelRecord]) -> Figure:
    """Accuracy against parameters of all trained models, and the Pareto front."""
    models = trained(models)
    front = pareto_front(models)
    figure = new_figure(PAGE_WIDTH, 5.2)
    axes = figure.subplots()
    by_field = ([getattr(model, field) for model in models] for field in ("num_params", "accuracy"))
    # As pixels within the drawing: thousands of points would make a file of megabytes.
    axes.scatter(*by_field, s=12, color=SMOOTH, alpha=0.35, linewidths=0, rasterized=True, label="a model")
    sizes, accuracies = ([getattr(model, field) for model in front] for field in ("num_params", "accuracy"))
    axes.plot(sizes, accuracies, color=BEST, marker="o", drawstyle="steps-post", label="Pareto front")
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set(xlabel="parameters", ylabel="accuracy on held-out images")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="lower right")
    return figure


@own_style
def draw_heat_map(
    shares: np.ndarray, row_names: Sequence[str], column_names: Sequence[str], labels: tuple[str, str]
) -> Figure:
    """shares: [rows, columns] in 0 .. 1, white where NaN. labels: what rows and columns are."""
    rows, columns = shares.shape
    figure = new_figure(PAGE_WIDTH, 1.0 + min(0.28 * rows, 5))
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
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
                color = "white" if share > 0.55 else "#333333"
                number = f"{100 * share:.0f}"
                text = axes.text(column, row, number, ha="center", va="center", fontsize=8, color=color)
                text.set_in_layout(False)  # it lies inside, and measuring a hundred takes long
    return figure


def data_uri(figure: Figure) -> str:
    """The figure as SVG within an address, for <img src=...>."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg(figure)).decode()
