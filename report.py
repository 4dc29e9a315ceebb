"""Report on a search, during it or after it: the best networks, and two pictures.

    python report.py --log_dir=log

Prints the ten best architectures of LOG_DIR/history.jsonl and writes, into LOG_DIR unless --output_dir
says otherwise:
    search_result.png   the mean accuracy of every step, smoothed, and the best so far
    cnn_net.png         the best architecture: the network and its two cells
"""

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import matplotlib
import networkx as nx
import numpy as np
from absl import app, flags

from files import read_json_lines
from nn_paddle import Cell, decode

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402 -- after the choice of its backend

FLAGS = flags.FLAGS

Record = dict[str, Any]
COLORS = {"conv": "#cfe2f3", "dilated": "#d9d2e9", "maxpool": "#fce5cd", "avgpool": "#fff2cc"}
PLAIN = "#eeeeee"


class ReportError(Exception):
    """A log directory that cannot be reported on; the text is for the user."""


def read_history(path: Path) -> list[Record]:
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


def draw_search(records: list[Record], path: Path) -> None:
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


def draw_network(record: Record, path: Path) -> None:
    normal, reduction = decode(record["tokens"], record["adjvec"])
    figure, axes = plt.subplots(
        1, 3, figsize=(15, 9), width_ratios=[0.6, 1, 1], layout="constrained"
    )
    figure.suptitle(f"model {record['mid']}, accuracy {record['accuracy']:.3f}")
    stack = [
        "image", "conv_3x3", "first stage:\nnormal cells",
        "every further stage:\none reduction cell,\nthen normal cells",
        "BN, ReLU, global average", "dropout, fully connected", "10 logits",
    ]  # fmt: skip
    axes[0].set_title("network")
    _boxes(axes[0], {i: (0.5, -i) for i in range(len(stack))}, dict(enumerate(stack)), {})
    for i in range(len(stack) - 1):
        _arrow(axes[0], (0.5, -i), (0.5, -i - 1), 0)
    axes[0].set(xlim=(0, 1), ylim=(-len(stack) + 0.5, 0.5))
    _draw_cell(axes[1], normal, "normal cell: F channels", "F")
    _draw_cell(axes[2], reduction, "reduction cell: 2F channels at half the size", "2F")
    for panel in axes:
        panel.set_axis_off()
    _save(figure, path)


def _draw_cell(axes, cell: Cell, title: str, channels: str) -> None:
    """Nodes in layers, so that every edge points down."""
    graph = nx.DiGraph()
    labels = {"input": "input", "concat": "concat", "output": f"conv_1x1 to {channels}"}
    colors = {}
    for i, (name, inputs) in enumerate(zip(cell.operations, cell.inputs, strict=True)):
        labels[i] = f"{i}: {name}"
        colors[i] = COLORS[name.split("_")[0]]
        graph.add_edges_from((j, i) for j in inputs or ["input"])
    graph.add_edges_from((leaf, "concat") for leaf in cell.leaves)
    graph.add_edge("concat", "output")

    positions: dict[Any, tuple[float, float]] = {}
    layers = list(nx.topological_generations(graph))
    for depth, layer in enumerate(layers):
        # Each node as near as its layer allows to the middle of what feeds it.
        def middle(node):
            sources = [positions[s][0] for s in graph.predecessors(node)]
            return np.mean(sources) if sources else 0.5

        for i, node in enumerate(sorted(layer, key=middle)):
            positions[node] = ((i + 1) / (len(layer) + 1), -depth)
    side = {node: 1 if i % 2 else -1 for i, node in enumerate(graph)}
    for source, target in graph.edges:
        span = positions[source][1] - positions[target][1]
        straight = span == 1 or positions[source][0] != positions[target][0]
        bend = 0 if straight else side[source] * min(0.25 + 0.05 * span, 0.6)
        _arrow(axes, positions[source], positions[target], bend)
    _boxes(axes, positions, labels, colors)
    axes.set_title(title)
    axes.set(xlim=(0, 1), ylim=(-len(layers) + 0.5, 0.5))


def _boxes(axes, positions: dict, labels: dict, colors: dict) -> None:
    for node, (x, y) in positions.items():
        box = {"boxstyle": "round,pad=0.4", "facecolor": colors.get(node, PLAIN), "edgecolor": "#666666"}
        axes.text(x, y, labels[node], ha="center", va="center", bbox=box, fontsize=9, zorder=3)


def _arrow(axes, start: tuple, end: tuple, bend: float) -> None:
    style = {
        "arrowstyle": "-|>", "color": "#888888", "shrinkA": 10, "shrinkB": 11,
        "connectionstyle": f"arc3,rad={bend}",
    }  # fmt: skip
    axes.annotate("", xy=end, xytext=start, arrowprops=style, zorder=1)


def _save(figure, path: Path) -> None:
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
    log_dir = Path(FLAGS.log_dir)
    output_dir = Path(FLAGS.output_dir or log_dir)
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
