"""Tokens and adjacency as two cells: their operations, inputs and leaves."""

import pytest

from autodl_design.search_space.cells import decode


def test_decode():
    normal, reduction = decode([0, 1, 2, 9, 8, 7], [1, 1, 0, 0, 0, 1])
    assert normal.operations == ("conv_1x1", "conv_3x3", "conv_5x5")
    assert normal.inputs == ((), (0,), (0,))
    assert normal.leaves == [1, 2]
    assert reduction.operations == ("avgpool_5x5", "avgpool_3x3", "maxpool_5x5")
    assert reduction.inputs == ((), (), (1,))
    assert reduction.leaves == [0, 2]


@pytest.mark.parametrize(
    "tokens, adjvec",
    [([0, 1, 2], [1]), ([0, 1], [1]), ([0, 10], []), ([0, -1], []), ([0] * 4, [0, 2]), ([], [])],
)
def test_decode_refuses(tokens, adjvec):
    with pytest.raises(ValueError):
        decode(tokens, adjvec)
