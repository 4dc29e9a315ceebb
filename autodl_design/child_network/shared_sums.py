"""Sums of a cell's nodes with fewer additions: what several of them add up is added up once."""

import collections
import functools
import itertools


@functools.lru_cache(maxsize=2)  # the two cells of an architecture occur many times each
def share_summands(
    sums: tuple[tuple[int, ...], ...],
) -> tuple[list[list[int]], dict[int, tuple[int, int]]]:
    """The same sums with fewer additions, and the pairs of terms that their further terms stand for:
    ((), (0,), (0, 1), (0, 1, 2)) -> [[], [0], [4], [2, 4]] and {4: (0, 1)}.

    As long as two sums have two terms in common, the pair that most have becomes a term of its own, with
    the next number from len(sums) on.
    """
    rest = [set(terms) for terms in sums]
    pairs: dict[int, tuple[int, int]] = {}
    while True:
        count = collections.Counter(
            pair for terms in rest for pair in itertools.combinations(sorted(terms), 2)
        )
        pair, most = max(count.items(), key=lambda item: item[1], default=((0, 0), 0))
        if most < 2:
            return [sorted(terms) for terms in rest], pairs
        new = len(sums) + len(pairs)
        pairs[new] = pair
        for terms in rest:
            if terms.issuperset(pair):
                terms -= set(pair)
                terms.add(new)
