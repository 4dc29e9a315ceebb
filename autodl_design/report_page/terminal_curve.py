"""A curve of a few lines for terminals: print(*terminal_curve(values), sep="\\n")

0.730 |                     ███
      |                     ██████▂▂▂
      |            ▃▃▃▆▆▆▁▁▁█████████
      |   ▃▃▃      ██████████████████
0.540 |▁▁▁███▁▁▁▃▃▃██████████████████
"""

import math
import sys
from collections.abc import Sequence

import numpy as np

WIDTH, HEIGHT = 60, 5  # at most so many columns; lines
WIDEST = 3  # columns of a value, where there are few values
BLOCKS = " ▁▂▃▄▅▆▇█"  # by the eighths of a line that are filled
ASCII = " .:#"  # by thirds
SMALLEST_RANGE = 1e-3  # below this all values are drawn as equal


def terminal_curve(values: Sequence[float], encoding: str | None = None) -> list[str]:
    """Lines of text: the values as columns from left to right, with the highest and the lowest at the side.
    Of more than WIDTH values each column is a mean of some; what is not finite leaves a gap.

    encoding: of the stream that they are for, by default that of standard output. Where it has no block
        characters, ASCII takes their place.
    """
    means = [
        _mean(part) for part in np.array_split(np.asarray(values, float), min(len(values), WIDTH) or 1)
    ]
    finite = [mean for mean in means if math.isfinite(mean)]
    if not finite:
        return []
    blocks = BLOCKS if _can_encode(encoding or sys.stdout.encoding) else ASCII
    low, high = min(finite), max(finite)
    levels = HEIGHT * (len(blocks) - 1)
    scale = max(high - low, SMALLEST_RANGE)
    # The lowest has a column too, of one level.
    filled = [
        1 + round((mean - low) / scale * (levels - 1)) if math.isfinite(mean) else 0 for mean in means
    ]
    width = min(WIDTH // len(filled), WIDEST)
    names = [f"{high:.3f}", *[""] * (HEIGHT - 2), f"{low:.3f}"]
    margin = max(map(len, names))
    lines = []
    for row, name in enumerate(names):
        below = (HEIGHT - 1 - row) * (len(blocks) - 1)  # levels under this line
        columns = (blocks[min(max(level - below, 0), len(blocks) - 1)] for level in filled)
        lines.append(f"{name:>{margin}} |{''.join(width * column for column in columns)}".rstrip())
    return lines


def _mean(part: np.ndarray) -> float:
    finite = part[np.isfinite(part)]
    return float(finite.mean()) if finite.size else math.nan


def _can_encode(encoding: str | None) -> bool:
    try:
        BLOCKS.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
