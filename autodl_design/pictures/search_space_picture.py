"""Draws how an architecture is written down: the decisions for one cell, and the cell that they describe.

python -m autodl_design.pictures.search_space_picture    # writes img/search_space.png
"""

from pathlib import Path

from autodl_design.checked_io.files import write_whole
from autodl_design.pictures.figures import Axes, Figure, new_figure, own_style, png
from autodl_design.pictures.network_picture import Panel, cell_graph
from autodl_design.search_space.architecture import Architecture
from autodl_design.search_space.cells import Cell

TOKENS = [1, 6, 4, 0]
EDGES = [1, 1, 1, 0, 0, 0]  # node 1: from 0; node 2: from 0 and 1; node 3: from none
EDGE_COLOR = "#ffffff"


@own_style
def draw_search_space() -> Figure:
    cell, _ = Architecture.of(2 * TOKENS, 2 * EDGES).cells()
    panel = Panel("the cell they describe", cell_graph(cell, reduction=False))
    figure = new_figure(9, 6.5)
    top, bottom = figure.subplots(2, 1, height_ratios=[1.6, panel.height])
    _draw_decisions(top, cell, panel.colors)
    panel.draw(bottom, panel.height)
    bottom.set_title(panel.title)
    bottom.set_xlim(-3, 3)
    return figure


def _draw_decisions(axes: Axes, cell: Cell, colors: dict[int, str]) -> None:
    """One box a decision, in the order in which the policy takes them."""
    boxes = []  # what is decided, the decision, colour
    for i, name in enumerate(cell.operations):
        if i:
            edges = "".join(str(int(j in cell.inputs[i])) for j in range(i))
            sources = ", ".join(map(str, cell.inputs[i])) or "none"
            boxes.append((f"inputs of node {i}", f"{edges}\n({sources})", EDGE_COLOR))
        boxes.append((f"token of node {i}", f"{TOKENS[i]}\n{name}", colors[i]))
    for x, (question, answer, color) in enumerate(boxes):
        box = {"boxstyle": "round,pad=0.4", "facecolor": color, "edgecolor": "#666666"}
        axes.text(x, 0, answer, ha="center", va="center", bbox=box, fontsize=9)
        axes.text(x, 0.75, question.replace(" of ", "\nof "), ha="center", va="center", fontsize=8)
        if x:
            axes.annotate(
                "", (x - 0.42, 0), (x - 0.58, 0), arrowprops={"arrowstyle": "-|>", "color": "#888888"}
            )
    axes.set(xlim=(-0.6, len(boxes) - 0.4), ylim=(-0.6, 1.1))
    axes.set_title("the policy's decisions for a cell of four nodes, one after another")
    axes.set_axis_off()


if __name__ == "__main__":
    write_whole(Path("img/search_space.png"), png(draw_search_space()))
    print("wrote img/search_space.png")
