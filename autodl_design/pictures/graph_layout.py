"""Places a directed acyclic graph in layers, for drawing: every edge points down and few cross.

Sugiyama et al. 1981, "Methods for visual understanding of hierarchical system structures": nodes go into
layers by their longest way from the top; an edge over several layers gets a bend in each, which keeps it
clear of the nodes there; each layer is then sorted by the mean place of its neighbours, up and down by
turns.
"""

from typing import Any, NamedTuple

import networkx as nx

SWEEPS = 24
BEND_WIDTH = 0.3  # of a place in a layer that only an edge runs through; a node's is 1


class Bend(NamedTuple):
    source: Any
    target: Any
    layer: int


def layered_layout(graph: nx.DiGraph) -> tuple[dict[Any, tuple[float, float]], dict[tuple, list]]:
    """Positions of the nodes, with x centred on 0 and y the negative layer, and for each edge the points
    that its line runs through."""
    layers = [list(layer) for layer in nx.topological_generations(graph)]
    layer_of = {node: depth for depth, layer in enumerate(layers) for node in layer}
    paths: dict[tuple, list] = {}
    for source, target in graph.edges:
        between = range(layer_of[source] + 1, layer_of[target])
        bends = [Bend(source, target, layer) for layer in between]
        for bend in bends:
            layers[bend.layer].append(bend)
        paths[source, target] = [source, *bends, target]

    links = nx.DiGraph()
    links.add_nodes_from(item for layer in layers for item in layer)
    for path in paths.values():
        nx.add_path(links, path)
    x = {item: place for layer in layers for item, place in _places(layer).items()}
    best, fewest = dict(x), _crossings(layers, links, x)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        neighbours = links.predecessors if down else links.successors
        for layer in layers if down else reversed(layers):
            mean = {}
            for item in layer:
                places = [x[other] for other in neighbours(item)] or [x[item]]
                mean[item] = sum(places) / len(places)
            layer.sort(key=mean.__getitem__)
            x.update(_places(layer))
        crossings = _crossings(layers, links, x)
        if crossings < fewest:
            best, fewest = dict(x), crossings

    depth = {item: float(-d) for d, layer in enumerate(layers) for item in layer}
    points = {item: (best[item], depth[item]) for item in links}
    return {node: points[node] for node in graph}, {
        edge: [points[item] for item in path] for edge, path in paths.items()
    }


def _places(layer: list) -> dict[Any, float]:
    """x of a layer's items, side by side and centred on 0."""
    widths = [BEND_WIDTH if isinstance(item, Bend) else 1.0 for item in layer]
    left = -sum(widths) / 2
    places = {}
    for item, width in zip(layer, widths, strict=True):
        places[item] = left + width / 2
        left += width
    return places


def _crossings(layers: list[list], links: nx.DiGraph, x: dict[Any, float]) -> int:
    crossings = 0
    for layer in layers:
        lines = [(x[a], x[b]) for a in layer for b in links.successors(a)]
        for i, (a, b) in enumerate(lines):
            crossings += sum((a - c) * (b - d) < 0 for c, d in lines[:i])
    return crossings
