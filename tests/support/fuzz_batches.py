"""Reads many damaged batches under a memory limit; ends with exit code 0 where all went as it should.

    python tests/support/fuzz_batches.py --count=20000 --seed=0

The batches are those of checks/hostile/pickles.py, good and hostile, and mutations of them. Each must
either load images whose bytes stand in it or end in DatasetError. Memory is limited to what the process has
when it has imported everything, and on top of it 64 MB and three times the largest batch.
"""

import argparse
import math
import random
import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np  # noqa: E402

from autodl_design.image_data.batch import parse_batch  # noqa: E402
from autodl_design.image_data.batch_pickle import OPCODES  # noqa: E402
from autodl_design.image_data.errors import DatasetError  # noqa: E402
from checks.hostile.pickles import good_batches, hostile_batches  # noqa: E402

EXTREMES = [b"\0" * 4, b"\xff" * 4, b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\0\0\0\x08", b"\1\0\0\0"]


def limit_memory(more: int) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def mutated(content: bytes, others: list[bytes], rng: random.Random) -> bytes:
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        # Most bytes are pixels; the first and the last hundreds are what the machine obeys.
        reach = rng.choice([20, 200, 400, len(content)])
        place = min(rng.randrange(reach + 1), len(content))
        if rng.random() < 0.5:
            place = len(content) - place
        length = rng.choice([1, 1, 2, 4, 20])
        kind = rng.randrange(8)
        if kind == 0:
            new = bytes([rng.randrange(256)])
        elif kind == 1:
            new = rng.choice(list(OPCODES))
        elif kind == 2:
            new = rng.choice(EXTREMES)
        elif kind == 3:
            new = b""
        elif kind == 4:
            new, length = b"".join(rng.choices(list(OPCODES), k=length)), 0
        elif kind == 5:
            new, length = content[place : place + length] * rng.choice([2, 3, 50]), 0
        elif kind == 6:
            other = rng.choice(others)
            start = rng.randrange(len(other) + 1)
            new, length = other[start : start + rng.choice([1, 5, 50, 500])], 0
        else:
            new, length = b"", rng.choice([length, len(content)])
        content = content[:place] + new + content[place + length :]
    return content


def check(content: bytes) -> bool:
    """Whether the batch loads. Raises AssertionError where what it loads does not stand in it."""
    try:
        images, labels = parse_batch(content, "batch", num_classes=10)
    except DatasetError as error:
        assert str(error).isprintable() and len(str(error)) < 400, str(error)
        return False
    assert type(images) is np.ndarray and images.dtype == np.uint8
    assert images.ndim == 2 and len(images) == len(labels)
    size = math.isqrt(images.shape[1] // 3)
    assert images.shape[1] == 3 * size**2 and 8 <= size <= 224
    assert type(labels) is np.ndarray and labels.dtype == np.int64 and labels.ndim == 1
    assert len(labels) > 0 and labels.min() >= 0 and labels.max() <= 9
    pixels = images.tobytes(), images.tobytes("F")
    texts = tuple(data.decode("latin-1").encode() for data in pixels)  # Python 3's protocol 2
    assert any(data in content for data in pixels + texts)
    return True


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    good = good_batches()
    hostile = hostile_batches(size=2000)
    seeds = [content for content, *_ in good.values()]
    # The good ones as often as the hostile ones, of which there are many more.
    every = seeds * (len(hostile) // len(seeds)) + list(hostile.values())
    rng = random.Random(arguments.seed)
    limit_memory(64_000_000 + 3 * max(map(len, every)))
    for name, (content, images, labels) in good.items():
        loaded_images, loaded_labels = parse_batch(content, name)
        assert (loaded_images == images).all() and loaded_labels.tolist() == labels, name
    for name, content in hostile.items():
        assert not check(content), name
    loaded = 0
    for number in range(arguments.count):
        content = mutated(rng.choice(every), every, rng)
        try:
            loaded += check(content)
        except BaseException:
            print(f"mutation {number} of seed {arguments.seed}: {content[:2000]!r}", flush=True)
            raise
    print(f"{arguments.count} mutations: {loaded} loaded, {arguments.count - loaded} refused")
    return 0


if __name__ == "__main__":
    sys.exit(main())
