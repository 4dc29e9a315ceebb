"""Report on a search, during it or after it: the best networks, and two pictures.

    python report.py --log_dir=log

Prints the ten best architectures of LOG_DIR/history.jsonl and writes, into LOG_DIR unless --output_dir
says otherwise:
    search_result.png   the mean accuracy of every step, smoothed, and the best so far
    cnn_net.png         the best architecture: the network and its two cells
"""

import pathlib
import sys
from collections import Counter
from itertools import pairwise
from typing import Any

import matplotlib
import networkx as nx
import numpy as np
from absl import app, flags

from cell_layout import layered_layout
from files import read_json_lines
from nn_paddle import Cell, decode

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402 -- after the choice of its backend
from matplotlib.patches import FancyArrowPatch  # noqa: E402
from matplotlib.path import Path  # noqa: E402

FLAGS = flags.FLAGS

Record = dict[str, Any]
COLORS = {"conv": "#cfe2f3", "dilated": "#d9d2e9", "maxpool": "#fce5cd", "avgpool": "#fff2cc"}
PLAIN = "#eeeeee"
BOX_HEIGHT = 0.38  # of a node, in distances between two layers
STACK = (
    "image", "conv_3x3", "first stage:\nnormal cells",
    "further stages:\none reduction cell,\nthen normal cells",
    "BN, ReLU,\nglobal average", "dropout,\nfully connected", "10 logits",
)  # fmt: skip


class ReportError(Exception):
    """A log directory that cannot be reported on; the text is for the user."""


def read_history(path: pathlib.Path) -> list[Record]:
    """The models of a history; a last line that is still being written is left out."""
    try:
        return read_json_lines(path)
    except OSError as error:
        raise ReportError(f"{path}: {error.strerror}; --log_dir names the directory of a search") from error
    except ValueError as error:
        raise ReportError(str(error)) from error


def summarise(record: Record) -> str:
    """Accuracy, size and make-up of one model in a line."""
    cells = decode(record["tokens"], record["adjvec"])
    counts = Counter(name for cell in cells for name in cell.operations)
    operations = ", ".join(f"{n} {name}" for name, n in counts.most_common())
    return (
        f"{record['mid']:6d}  {record['accuracy']:.3f}  {record['num_params']:10,d}  "
        f"{sum(record['adjvec']):5d}  {operations}"
    )


def draw_search(records: list[Record], path: pathlib.Path) -> None:
    by_step: dict[int, list[float]] = {}
    for record in records:
        by_step.setdefault(record["step"], []).append(record["accuracy"])
    steps = sorted(by_step)
    means = np.array([np.mean(by_step[step]) for step in steps])
    best = np.maximum.accumulate([max(by_step[step]) for step in steps])
    figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    axes.plot(steps, means, color="#9fc5e8", marker=".", linewidth=0.8, label="mean of a step")
    window = max(1, len(steps) // 10)
    if window > 1:
        smooth = np.convolve(means, np.ones(window) / window, mode="valid")
        label = f"mean of {window} steps"
        axes.plot(steps[window - 1 :], smooth, color="#1155cc", linewidth=2, label=label)
    axes.plot(steps, best, color="#38761d", drawstyle="steps-post", label="best model so far")
    axes.axhline(0.1, color="#999999", linestyle=":", label="chance")
    axes.set(xlabel="step", ylabel="accuracy on held-out images", ylim=(0, None))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.3)
    axes.legend()
    _save(figure, path)


def draw_network(record: Record, path: pathlib.Path) -> None:
    normal, reduction = decode(record["tokens"], record["adjvec"])
    stack = nx.DiGraph()
    nx.add_path(stack, STACK)
    panels = [
        ("network", stack, {}),
        ("normal cell: F channels", _graph(normal, "F"), _colors(normal)),
        ("reduction cell: 2F channels at half the size", _graph(reduction, "2F"), _colors(reduction)),
    ]
    layouts = [layered_layout(graph) for _, graph, _ in panels]
    widths = []  # in layout units, each as wide as the widest box
    for _, paths in layouts:
        widths.append(2 * max(abs(x) for line in paths.values() for x, _ in line) + 2)
    height = 1 + max(-y for positions, _ in layouts for _, y in positions.values())
    figure, all_axes = plt.subplots(
        1, 3, figsize=(1.15 * sum(widths), 0.8 * height + 0.8), width_ratios=widths, layout="constrained"
    )
    figure.suptitle(f"model {record['mid']}, accuracy {record['accuracy']:.3f}")
    for axes, (title, graph, colors), (positions, paths), width in zip(
        all_axes, panels, layouts, widths, strict=True
    ):
        for line in paths.values():
            _arrow(axes, line)
        _boxes(axes, positions, graph.nodes(data="label"), colors)
        axes.set_title(title)
        axes.set(xlim=(-width / 2, width / 2), ylim=(0.5 - height, 0.5))
        axes.set_axis_off()
    _save(figure, path)


def _graph(cell: Cell, channels: str) -> nx.DiGraph:
    graph = nx.DiGraph()
    graph.add_node("input")
    for i, (name, inputs) in enumerate(zip(cell.operations, cell.inputs, strict=True)):
        graph.add_node(i, label=f"{i}: {name}")
        graph.add_edges_from((j, i) for j in inputs or ["input"])
    graph.add_edges_from((leaf, "concat") for leaf in cell.leaves)
    graph.add_edge("concat", f"conv_1x1 to {channels}")
    return graph


def _colors(cell: Cell) -> dict[int, str]:
    return {i: COLORS[name.split("_")[0]] for i, name in enumerate(cell.operations)}


def _boxes(axes, positions: dict, labels, colors: dict) -> None:
    """labels: nodes without one are their own."""
    for node, (x, y) in positions.items():
        box = {"boxstyle": "round,pad=0.4", "facecolor": colors.get(node, PLAIN), "edgecolor": "#666666"}
        axes.text(x, y, labels[node] or node, ha="center", va="center", bbox=box, fontsize=9, zorder=3)


def _arrow(axes, points: list[tuple[float, float]]) -> None:
    """A smooth line through the points, upright at each, from one box to the top of another."""
    vertices, codes = [points[0]], [Path.MOVETO]
    (end_x, end_y) = points[-1]
    for (x0, y0), (x1, y1) in pairwise([*points[:-1], (end_x, end_y + BOX_HEIGHT / 2)]):
        middle = (y0 + y1) / 2
        vertices += [(x0, middle), (x1, middle), (x1, y1)]
        codes += 3 * [Path.CURVE4]
    axes.add_patch(
        FancyArrowPatch(
            path=Path(vertices, codes), arrowstyle="-|>", mutation_scale=12, color="#888888", zorder=1
        )
    )


def _save(figure, path: pathlib.Path) -> None:
    """Written aside and renamed, so that a picture is whole whenever somebody looks."""
    aside = path.with_name(f".{path.name}")
    try:
        figure.savefig(aside, format="png", dpi=120)
        aside.replace(path)
    except OSError as error:
        raise ReportError(f"{path}: {error.strerror}") from error
    plt.close(figure)
    print(f"wrote {path}")


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"unknown argument {argv[1]}")
    log_dir = pathlib.Path(FLAGS.log_dir)
    output_dir = pathlib.Path(FLAGS.output_dir or log_dir)
    try:
        records = read_history(log_dir / "history.jsonl")
        trained = [record for record in records if record["status"] == "ok"]
        if not trained:
            raise ReportError(f"{log_dir}/history.jsonl: no model has been trained yet")
        best = sorted(trained, key=lambda record: -record["accuracy"])[:10]
        print(f"{len(records)} models, {len(records) - len(trained)} of them failed. The best:")
        print("   mid  accuracy  parameters  edges  operations")
        for record in best:
            print(summarise(record))
        draw_search(trained, output_dir / "search_result.png")
        draw_network(best[0], output_dir / "cnn_net.png")
    except ReportError as error:
        sys.exit(f"report.py: {error}")


if __name__ == "__main__":
    FLAGS.set_default("log_dir", "log")
    flags.DEFINE_string("output_dir", None, "Where the pictures go; by default into --log_dir.")
    app.run(main)
