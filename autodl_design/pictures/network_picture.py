"""Draws an architecture: the network as a stack of cells, and its two cells as graphs.

draw_network(architecture, title) -> figure
draw_cell(cell, "F") -> figure
"""

from itertools import pairwise
from typing import Any

import matplotlib
import networkx as nx

from autodl_design.pictures.graph_layout import layered_layout
from autodl_design.search_space.architecture import Architecture
from autodl_design.search_space.cells import Cell

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402 -- after the choice of its backend
from matplotlib.patches import FancyArrowPatch  # noqa: E402
from matplotlib.path import Path  # noqa: E402

COLORS = {"conv": "#cfe2f3", "dilated": "#d9d2e9", "maxpool": "#fce5cd", "avgpool": "#fff2cc"}
PLAIN = "#eeeeee"
BOX_HEIGHT, LINE_HEIGHT = 0.38, 0.22  # of a box of one line, of a further one; in distances of two layers
STACK = (
    "image", "conv_3x3", "first stage:\nnormal cells",
    "further stages:\none reduction cell,\nthen normal cells",
    "BN, ReLU,\nglobal average", "dropout,\nfully connected", "10 logits",
)  # fmt: skip


def draw_network(architecture: Architecture, title: str) -> plt.Figure:
    normal, reduction = architecture.cells()
    stack = nx.DiGraph()
    nx.add_path(stack, STACK)
    panels = [
        Panel("network", stack, {}),
        Panel("normal cell: F channels", cell_graph(normal, "F"), cell_colors(normal)),
        Panel("reduction cell: 2F, half the size", cell_graph(reduction, "2F"), cell_colors(reduction)),
    ]
    widths = [panel.width for panel in panels]
    height = max(panel.height for panel in panels)
    figure, all_axes = plt.subplots(
        1, 3, figsize=(1.3 * sum(widths), 0.8 * height + 0.8), width_ratios=widths, layout="constrained"
    )
    figure.suptitle(title)
    for axes, panel in zip(all_axes, panels, strict=True):
        panel.draw(axes, height)
    return figure


def draw_cell(cell: Cell, channels: str) -> plt.Figure:
    """channels: of its output, "F" or "2F"."""
    panel = Panel("", cell_graph(cell, channels), cell_colors(cell))
    size = (1.3 * panel.width, 0.8 * panel.height)
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    panel.draw(axes, panel.height)
    return figure


class Panel:
    """A graph with its layout. Nodes show their `label`, or themselves; colors: of nodes that have one."""

    def __init__(self, title: str, graph: nx.DiGraph, colors: dict[Any, str]):
        self.title = title
        self.colors = colors
        self.labels = {node: label or node for node, label in graph.nodes(data="label")}
        self.positions, self.paths = layered_layout(graph)
        # In layout units: a little wider than the widest box.
        self.width = max(2 * max(abs(x) for line in self.paths.values() for x, _ in line) + 1.2, 2)
        self.height = 1 + max(-y for _, y in self.positions.values())

    def draw(self, axes: plt.Axes, height: float) -> None:
        """height: of the axes, in layout units."""
        for (_, target), line in self.paths.items():
            _arrow(axes, line, BOX_HEIGHT / 2 + LINE_HEIGHT / 2 * self.labels[target].count("\n"))
        _boxes(axes, self.positions, self.labels, self.colors)
        axes.set_title(self.title)
        axes.set(xlim=(-self.width / 2, self.width / 2), ylim=(0.5 - height, 0.5))
        axes.set_axis_off()


def cell_graph(cell: Cell, channels: str) -> nx.DiGraph:
    graph = nx.DiGraph()
    graph.add_node("input")
    for i, (name, inputs) in enumerate(zip(cell.operations, cell.inputs, strict=True)):
        graph.add_node(i, label=f"{i}: {name}")
        graph.add_edges_from((j, i) for j in inputs or ["input"])
    graph.add_edges_from((leaf, "concat") for leaf in cell.leaves)
    graph.add_edge("concat", f"conv_1x1 to {channels}")
    return graph


def cell_colors(cell: Cell) -> dict[int, str]:
    return {i: COLORS.get(name.split("_")[0], PLAIN) for i, name in enumerate(cell.operations)}


def _boxes(axes, positions: dict, labels: dict, colors: dict) -> None:
    for node, (x, y) in positions.items():
        box = {"boxstyle": "round,pad=0.4", "facecolor": colors.get(node, PLAIN), "edgecolor": "#666666"}
        axes.text(x, y, labels[node], ha="center", va="center", bbox=box, fontsize=9, zorder=3)


def _arrow(axes, points: list[tuple[float, float]], above: float) -> None:
    """A smooth line through the points, upright at each, that ends so far `above` the last of them."""
    (end_x, end_y) = points[-1]
    points = [*points[:-1], (end_x, end_y + above)]
    vertices, codes = [points[0]], [Path.MOVETO]
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = (y0 + y1) / 2
        vertices += [(x0, middle), (x1, middle), (x1, y1)]
        codes += 3 * [Path.CURVE4]
    axes.add_patch(
        FancyArrowPatch(
            path=Path(vertices, codes), arrowstyle="-|>", mutation_scale=12, color="#888888", zorder=1
        )
    )
