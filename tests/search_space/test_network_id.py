"""Equal ids mean the same network, by networkx's test of isomorphism."""

import itertools

import networkx as nx
import numpy as np
import pytest

from autodl_design.child_network.operations import OPERATIONS
from autodl_design.search_space.architecture import Architecture

of = Architecture.of
TOKENS = {name: token for token, name in enumerate(OPERATIONS)}


def as_graph(cell) -> nx.DiGraph:
    graph = nx.DiGraph()
    for node, (operation, inputs) in enumerate(zip(cell.operations, cell.inputs, strict=True)):
        graph.add_node(node, operation=operation)
        graph.add_edges_from((source, node) for source in inputs)
    return graph


def same_cell(a, b) -> bool:
    return nx.is_isomorphic(as_graph(a), as_graph(b), lambda x, y: x["operation"] == y["operation"])


def test_small_cells_share_an_id_only_if_they_are_isomorphic():
    # Reduction cells kept equal; all normal cells of three nodes and two operations.
    cells = [
        ([*tokens, 0, 0, 0], [*edges, 0, 0, 0])
        for tokens in itertools.product((0, 6), repeat=3)
        for edges in itertools.product((0, 1), repeat=3)
    ]
    for a, b in itertools.combinations(cells, 2):
        same = same_cell(of(*a).cells()[0], of(*b).cells()[0])
        assert (of(*a).network_id(3) == of(*b).network_id(3)) == same, (a, b)


@pytest.mark.parametrize("seed", range(20))
def test_renumbered_nodes_share_an_id_and_a_moved_edge_does_not(seed):
    rng = np.random.default_rng(seed)
    N = 10
    tokens = rng.integers(0, 10, 2 * N).tolist()
    graph = nx.DiGraph()
    graph.add_nodes_from(range(N))
    for i, inputs in enumerate(of(tokens, rng.integers(0, 2, N * (N - 1))).cells()[0].inputs):
        graph.add_edges_from((j, i) for j in inputs if rng.random() < 0.5)
    tail = [0] * (N * (N - 1) // 2)

    def architecture(order):
        number = {node: new for new, node in enumerate(order)}
        edges = {(number[j], number[i]) for j, i in graph.edges}
        bits = [int((j, i) in edges) for i in range(N) for j in range(i)]
        return [tokens[node] for node in order] + tokens[N:], bits + tail

    first = architecture(range(N))
    orders = itertools.islice(nx.all_topological_sorts(graph), 50)
    assert {of(*architecture(order)).network_id(3) for order in orders} == {of(*first).network_id(3)}
    changed = first[1].copy()
    changed[rng.integers(0, len(tail))] ^= 1
    assert of(first[0], changed).network_id(3) != of(*first).network_id(3)


def test_unused_distinctions_vanish():
    conv, dilated = TOKENS["conv_3x3"], TOKENS["dilated_3x3"]
    # Two nodes a cell, tokens [normal 0, normal 1, reduction 0, reduction 1], one edge a cell.
    assert of([0, 0, dilated, 0], [1, 1]).network_id(2) == of([0, 0, conv, 0], [1, 1]).network_id(2)
    assert of([0, 0, 0, dilated], [1, 1]).network_id(2) != of([0, 0, 0, conv], [1, 1]).network_id(2)
    assert of([dilated, 0, 0, 0], [1, 1]).network_id(2) != of([conv, 0, 0, 0], [1, 1]).network_id(2)
    assert of([0, 0, 1, 2], [1, 1]).network_id(1) == of([0, 0, 5, 6], [1, 0]).network_id(1)
