"""Draws an architecture: the network as a stack of cells, and its two cells as graphs.

    figure = draw_network(architecture, "model 7", NetworkSize(64, 3, 3, 4))
    figure = draw_cell(cell, reduction=False)

A cell of more than MOST_NODES nodes or MOST_EDGES edges is told in words: nobody could follow its lines,
and to lay them out would take minutes.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import networkx as nx

from autodl_design.pictures.figures import Axes, FancyArrowPatch, Figure, LinePath, new_figure, own_style
from autodl_design.pictures.graph_layout import layered_layout
from autodl_design.search_space.architecture import Architecture
from autodl_design.search_space.cells import Cell
from autodl_design.search_space.child import ChildSettings
from autodl_design.settings.fields import SettingsError

MOST_NODES, MOST_EDGES = 40, 120
COLORS = {"conv": "#cfe2f3", "dilated": "#d9d2e9", "maxpool": "#fce5cd", "avgpool": "#fff2cc"}
PLAIN = "#eeeeee"
INCHES = 1.45, 0.85  # of a place in a layer, of the distance of two layers
BOX_HEIGHT, LINE_HEIGHT = 0.26, 0.16  # of a box of one line, of a further one; in distances of two layers
SMALLEST_WIDTH = 8.0  # inches; the title needs them
STACK_DISTANCE = 0.75  # of two boxes of the network, in those of two layers of a cell


class NetworkSize(NamedTuple):
    """The settings that decide what a network looks like, see `ChildSettings`, and what its images are."""

    width: int
    num_stages: int
    num_cells: int
    ratio: int
    image_size: int | None = None  # pixels of a side
    num_classes: int | None = None
    shortcut: bool = False


def size_of(settings: dict[str, Any]) -> NetworkSize | None:
    """Of the networks of a search, where its settings, which a file holds, say it."""
    *names, shortcut = NetworkSize._fields
    numbers = [value if type(value) is int else None for value in map(settings.get, names)]
    width, num_stages, num_cells, ratio, *of_images = numbers
    if width is None or num_stages is None or num_cells is None or ratio is None:
        return None
    try:
        ChildSettings(width=width, num_stages=num_stages, num_cells=num_cells, ratio=ratio)
    except SettingsError:
        return None
    image_size, num_classes = (n if n in range(1, 10**6) else None for n in of_images)
    with_shortcut = settings.get(shortcut) is True
    return NetworkSize(width, num_stages, num_cells, ratio, image_size, num_classes, with_shortcut)


@own_style
def draw_network(architecture: Architecture, title: str, size: NetworkSize | None = None) -> Figure:
    """size: if it is not known, the picture has F for channels."""
    normal, reduction = architecture.cells()
    panels = [Panel("network", _stack(size)), _cell_panel(normal, False, size)]
    if size is None or size.num_stages > 1:  # else no stage uses it
        panels.append(_cell_panel(reduction, True, size))
    widths = [panel.width for panel in panels]
    height = max(STACK_DISTANCE * panels[0].height, *(panel.height for panel in panels[1:]))
    figure = new_figure(max(INCHES[0] * sum(widths), SMALLEST_WIDTH), INCHES[1] * height + 1.1)
    figure.suptitle(title)
    for axes, panel in zip(figure.subplots(1, len(panels), width_ratios=widths), panels, strict=True):
        panel.draw(axes, height)
        axes.set_title(panel.title, fontsize=11)
    return figure


@own_style
def draw_cell(cell: Cell, reduction: bool, size: NetworkSize | None = None) -> Figure:
    panel = _cell_panel(cell, reduction, size)
    figure = new_figure(INCHES[0] * panel.width, INCHES[1] * panel.height)
    panel.draw(figure.subplots(), panel.height)
    return figure


class Panel:
    """A graph with its layout. Nodes show their `label`, or themselves, on their `color`, if any."""

    def __init__(self, title: str, graph: nx.DiGraph):
        self.title = title
        self.colors = dict(graph.nodes(data="color", default=PLAIN))
        self.labels = {node: label or node for node, label in graph.nodes(data="label")}
        self.positions, self.paths = layered_layout(graph)
        # In layout units: a little wider than the widest box.
        widest = max(abs(x) for x, _ in self.positions.values())
        widest = max([widest, *(abs(x) for line in self.paths.values() for x, _ in line)])
        self.width = 2 * widest + 1.3
        self.height = 1 + max(-y for _, y in self.positions.values())

    def draw(self, axes: Axes, height: float) -> None:
        """height: of the axes, in distances of two layers. A graph of fewer layers is stretched to it."""
        for (_, target), line in self.paths.items():
            above = BOX_HEIGHT / 2 + LINE_HEIGHT / 2 * self.labels[target].count("\n")
            _arrow(axes, line, above * self.height / height)
        _boxes(axes, self.positions, self.labels, self.colors)
        axes.set(xlim=(-self.width / 2, self.width / 2), ylim=(0.5 - self.height, 0.5))
        axes.set_axis_off()


def can_be_drawn(cell: Cell) -> bool:
    return len(cell.operations) <= MOST_NODES and sum(map(len, cell.inputs)) <= MOST_EDGES


def cell_graph(cell: Cell, reduction: bool, ratio: str = "F/4", shortcut: bool = False) -> nx.DiGraph:
    """ratio: channels of a node, as text. shortcut: whether the cell's input is added to its output. A cell
    that cannot be drawn becomes a graph of three nodes."""
    graph = nx.DiGraph()
    end = "1x1 to 2F, half the size" if reduction else "1x1 to F"
    if not can_be_drawn(cell):
        nodes, edges = len(cell.operations), sum(map(len, cell.inputs))
        nx.add_path(graph, ["input", f"{nodes} nodes, {edges} edges:\ntoo many to draw", end])
        return _with_shortcut(graph, end) if shortcut else graph
    graph.add_node("input", label="input: F channels")
    for i, (name, inputs) in enumerate(zip(cell.operations, cell.inputs, strict=True)):
        lines = ["sum, BN, ReLU" if len(inputs) > 1 else "BN, ReLU", f"{i}: {name}"]
        color = COLORS.get(name.split("_")[0], PLAIN)
        if not inputs:
            lines.insert(0, f"BN, ReLU, 1x1 to {ratio},")
            if reduction:
                lines.append("with stride 2" + ", not dilated" * name.startswith("dilated"))
        graph.add_node(i, label="\n".join(lines), color=color)
        graph.add_edges_from((j, i) for j in inputs or ["input"])
    graph.add_edges_from((leaf, "concat") for leaf in cell.leaves)
    graph.add_edge("concat", end)
    return _with_shortcut(graph, end) if shortcut else graph


def _with_shortcut(graph: nx.DiGraph, end: str) -> nx.DiGraph:
    graph.add_edge(end, "sum")
    graph.add_edge("input", "sum")
    return graph


def _cell_panel(cell: Cell, reduction: bool, size: NetworkSize | None) -> Panel:
    name = "reduction cell" if reduction else "normal cell"
    if size:
        stages = range(size.num_stages - 1) if reduction else range(size.num_stages)
        if not reduction and size.num_cells == 1:
            stages = range(1)  # the further stages have a reduction cell only
        name += ": F = " + ", ".join(str(size.width * 2**stage) for stage in stages)
    ratio, shortcut = (f"F/{size.ratio}", size.shortcut and not reduction) if size else ("F/4", False)
    return Panel(name, cell_graph(cell, reduction, ratio, shortcut))


def _stack(size: NetworkSize | None) -> nx.DiGraph:
    """The network from the image to the logits."""
    if size is None:
        boxes = ["image", "3x3 to F", "first stage:\nnormal cells"]
        boxes.append("further stages:\na reduction cell,\nthen normal cells")
        logits = "logits"
    else:
        boxes = [f"image: 3 channels{_pixels(size, 0)}", f"3x3 to {size.width}{_pixels(size, 0)}"]
        for stage in range(size.num_stages):
            reductions, normals = int(stage > 0), size.num_cells - (stage > 0)
            cells = [_count(reductions, "reduction cell"), _count(normals, "normal cell")]
            end = f"{size.width * 2**stage} channels{_pixels(size, stage)}"
            boxes.append("\n".join([*filter(None, cells), end]))
        logits = f"{size.num_classes} logits" if size.num_classes else "logits"
    boxes += ["BN, ReLU,\nglobal average", "dropout,\nfully connected", logits]
    stack = nx.DiGraph()
    for number, label in enumerate(boxes):
        stack.add_node(number, label=label)
    nx.add_path(stack, range(len(boxes)))
    return stack


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'s' if number > 1 else ''}" if number else ""


def _pixels(size: NetworkSize, stage: int) -> str:
    """Each stage after the first halves the image, rounded up."""
    if size.image_size is None:
        return ""
    pixels = -(-size.image_size // 2**stage)
    return f", {pixels}x{pixels}"


def _boxes(axes: Axes, positions: dict, labels: dict, colors: dict) -> None:
    for node, (x, y) in positions.items():
        box = {"boxstyle": "round,pad=0.35", "facecolor": colors[node], "edgecolor": "#666666"}
        axes.text(x, y, labels[node], ha="center", va="center", bbox=box, fontsize=8, zorder=3)


def _arrow(axes: Axes, points: list[tuple[float, float]], above: float) -> None:
    """A smooth line through the points, upright at each, that ends so far `above` the last of them."""
    (end_x, end_y) = points[-1]
    points = [*points[:-1], (end_x, end_y + above)]
    vertices, codes = [points[0]], [LinePath.MOVETO]
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = (y0 + y1) / 2
        vertices += [(x0, middle), (x1, middle), (x1, y1)]
        codes += 3 * [LinePath.CURVE4]
    axes.add_patch(
        FancyArrowPatch(
            path=LinePath(vertices, codes), arrowstyle="-|>", mutation_scale=12, color="#888888", zorder=1
        )
    )
