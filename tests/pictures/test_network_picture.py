"""What the picture of a network says, and that it is made in bounded time."""

import time

import numpy as np
import pytest

from autodl_design.pictures.figures import png
from autodl_design.pictures.graph_layout import layered_layout
from autodl_design.pictures.network_picture import (
    MOST_EDGES,
    MOST_NODES,
    NetworkSize,
    cell_graph,
    draw_network,
    size_of,
)
from autodl_design.search_space.architecture import Architecture

SETTINGS = {"width": 8, "num_stages": 2, "num_cells": 2, "ratio": 2, "image_size": 15, "num_classes": 3}
SIZE = NetworkSize(8, 2, 2, 2, 15, 3)
ARCHITECTURE = Architecture.of([1, 3, 8, 3, 0, 1], [1, 1, 1, 0, 0, 1])


def random_architecture(num_nodes, density):
    rng = np.random.default_rng(0)
    edges = rng.random(num_nodes * (num_nodes - 1)) < density
    return Architecture.of(rng.integers(0, 10, 2 * num_nodes), edges.astype(int))


def texts(figure):
    return [[text.get_text() for text in axes.texts] for axes in figure.axes]


@pytest.mark.parametrize("density", [0.1, 0.5, 1.0])
def test_layout_points_down_and_keeps_edges_clear_of_nodes(density):
    for cell in random_architecture(10, density).cells():
        graph = cell_graph(cell, reduction=False)
        positions, paths = layered_layout(graph)
        assert paths.keys() == set(graph.edges)
        for (source, target), points in paths.items():
            assert points[0] == positions[source] and points[-1] == positions[target]
            assert all(below[1] == above[1] - 1 for above, below in zip(points, points[1:], strict=False))
            for x, y in points[1:-1]:
                assert all(abs(x - node_x) > 0.5 for node_x, node_y in positions.values() if node_y == y)
        for i, place in enumerate(positions.values()):
            others = list(positions.values())[:i]
            assert all(y != place[1] or abs(x - place[0]) > 0.99 for x, y in others)


def test_shows_sizes_channels_and_classes_of_this_network():
    network, normal, reduction = texts(draw_network(ARCHITECTURE, "", SIZE))
    assert network == [
        "image: 3 channels, 15x15",
        "3x3 to 8, 15x15",
        "2 normal cells\n8 channels, 15x15",
        "1 reduction cell\n1 normal cell\n16 channels, 8x8",
        "BN, ReLU,\nglobal average",
        "dropout,\nfully connected",
        "3 logits",
    ]
    assert normal == [
        "input: F channels",
        "BN, ReLU, 1x1 to F/2,\nBN, ReLU\n0: conv_3x3",
        "BN, ReLU\n1: dilated_3x3",
        "sum, BN, ReLU\n2: avgpool_3x3",
        "concat",
        "1x1 to F",
    ]
    assert "BN, ReLU, 1x1 to F/2,\nBN, ReLU\n0: dilated_3x3\nwith stride 2, not dilated" in reduction
    assert reduction[-1] == "1x1 to 2F, half the size"
    titles = [axes.get_title() for axes in draw_network(ARCHITECTURE, "", SIZE).axes]
    assert titles == ["network", "normal cell: F = 8, 16", "reduction cell: F = 8"]


def test_shows_the_shortcut_around_normal_cells():
    size = size_of({**SETTINGS, "shortcut": True})
    assert size == SIZE._replace(shortcut=True)
    network, normal, reduction = texts(draw_network(ARCHITECTURE, "", size))
    assert normal[-2:] == ["1x1 to F", "sum"] and reduction[-1] == "1x1 to 2F, half the size"
    graph = cell_graph(ARCHITECTURE.cells()[0], reduction=False, shortcut=True)
    assert list(graph.predecessors("sum")) == ["1x1 to F", "input"]
    big = random_architecture(60, 0.5).cells()[0]
    assert list(cell_graph(big, reduction=False, shortcut=True).successors("input"))[-1] == "sum"


def test_shows_no_cell_that_no_stage_uses():
    assert len(draw_network(ARCHITECTURE, "", SIZE._replace(num_stages=1)).axes) == 2
    one_cell = draw_network(ARCHITECTURE, "", SIZE._replace(num_cells=1))
    assert texts(one_cell)[0][3] == "1 reduction cell\n16 channels, 8x8"
    assert one_cell.axes[1].get_title() == "normal cell: F = 8"


def test_size_is_taken_from_settings_that_say_it():
    assert size_of(SETTINGS) == SIZE
    assert size_of({**SETTINGS, "image_size": None, "num_classes": "3"}) == SIZE._replace(
        image_size=None, num_classes=None
    )
    for name, value in (
        ("width", 10**9),
        ("num_stages", 10**9),
        ("ratio", 3),
        ("num_cells", "2"),
        ("width", True),
    ):
        assert size_of({**SETTINGS, name: value}) is None
    assert size_of({}) is None
    draw_network(ARCHITECTURE, "", None)


@pytest.mark.parametrize(
    ("num_nodes", "density"), [(60, 0.5), (60, 1.0), (200, 1.0), (200, 0.0), (MOST_NODES, 0.0), (16, 1.0)]
)
def test_a_cell_of_any_size_takes_seconds(num_nodes, density):
    """Of 60 nodes, to lay half of all edges out once took more than two minutes."""
    started = time.thread_time()
    architecture = random_architecture(num_nodes, density)
    figure = draw_network(architecture, "title")
    png(figure)
    assert time.thread_time() - started < 20
    edges = sum(map(len, architecture.cells()[0].inputs))
    in_words = f"{num_nodes} nodes, {edges} edges:\ntoo many to draw" in texts(figure)[1]
    assert in_words == (num_nodes > MOST_NODES or edges > MOST_EDGES)
