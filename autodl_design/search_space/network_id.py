"""Which architectures describe the same network: `Architecture.network_id(num_stages)`.

Two architectures with equal ids differ in nothing that training could tell, random numbers aside:
* the nodes of a cell are only numbered differently;
* a reduction cell's source node has an operation that, downsampling, equals another (a dilated 3x3
  convolution is not dilated there);
* a reduction cell that no stage uses.
The reverse does not hold in every case: nodes that are alike in all their surroundings keep their order, so
now and then one network has two ids, and is trained twice.
"""

import hashlib

from autodl_design.search_space.cells import Cell


def of_cells(normal: Cell, reduction: Cell, num_stages: int) -> str:
    """16 hexadecimal digits, of the network that has these cells in so many stages."""
    downsampling = [
        "conv_3x3" if name == "dilated_3x3" and not inputs else name
        for name, inputs in zip(reduction.operations, reduction.inputs, strict=True)
    ]
    cells = [_renumbered(normal)]
    if num_stages > 1:
        cells.append(_renumbered(reduction._replace(operations=tuple(downsampling))))
    return hashlib.sha256(repr(cells).encode()).hexdigest()[:16]


def _renumbered(cell: Cell) -> Cell:
    """The cell with its nodes sorted by what they do and what surrounds them."""
    nodes = range(len(cell.operations))
    outputs = [[i for i in nodes if j in cell.inputs[i]] for j in nodes]
    depths = cell.depths

    # Refined until nothing changes, as in the Weisfeiler-Lehman test: a node's rank tells it from all
    # nodes whose neighbours, at any distance, differ from its own.
    before: list[int] = []
    rank = _ranks([(depths[i], cell.operations[i]) for i in nodes])
    while rank != before:
        before = rank
        rank = _ranks(
            [
                (rank[i], sorted(rank[j] for j in cell.inputs[i]), sorted(rank[j] for j in outputs[i]))
                for i in nodes
            ]
        )
    order = sorted(nodes, key=lambda i: rank[i])
    number = {i: new for new, i in enumerate(order)}
    return Cell(
        tuple(cell.operations[i] for i in order),
        tuple(tuple(sorted(number[j] for j in cell.inputs[i])) for i in order),
    )


def _ranks(keys: list[tuple]) -> list[int]:
    """How many of the keys are less than each."""
    order = sorted(keys)
    return [order.index(key) for key in keys]
