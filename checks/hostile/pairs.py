"""Two numeric flags of a search at a time, drawn with a seed, at their limits and beyond: each pair ends in
a search or in one line.

The trainers train nothing, so that what a pair decides is settings, agent and records.
"""

import dataclasses
import random

from autodl_design.search_loop.settings import AllSettings
from autodl_design.settings.fields import kind_of
from checks.hostile.case import Case

PAIRS = 200
SEED = 31
SEARCH = ["checks/hostile/pseudo_search.py", "--log_dir={here}/log", "--num_nodes=2", "--batch_size=2"]
LENGTH = "--num_models=3"
AGENTS = ("reinforce", "evolution", "predictor", "random")
BEYOND = {int: (-1, 0, 10**30), float: ("nan", "inf", "-inf", "1e400", -1.0, 1e-320)}
# In the place of an upper limit that takes long or much memory, as it may.
LARGE = {
    "num_models": 9,
    "batch_size": 20,
    "num_nodes": 12,
    "hidden_size": 100,
    "num_layers": 3,
    "input_size": 100,
    "pool_size": 200,
    "final_candidates": 5,
}


def numeric_flags() -> dict[str, list[str]]:
    """By name, values at the limits, and beyond them."""
    found = {}
    for field in (field for group in AllSettings.classes() for field in dataclasses.fields(group)):
        kind, _ = kind_of(field)
        if kind not in BEYOND:
            continue
        bounds = field.metadata
        values = list(BEYOND[kind])
        for name, step in (("low", -1), ("above", -1), ("high", 1), ("below", 1)):
            bound = bounds[name]
            if bound is None:
                continue
            values.append(kind(bound) + step)
            values.append(LARGE.get(field.name, kind(bound)) if step > 0 else kind(bound))
        found[field.name] = [str(value) for value in values]
    return found


def cases() -> list[Case]:
    rng = random.Random(SEED)
    flags = numeric_flags()
    found = []
    for number in range(PAIRS):
        pair = [f"--{name}={rng.choice(flags[name])}" for name in rng.sample(sorted(flags), 2)]
        agent = AGENTS[number % len(AGENTS)]
        length = [] if any("--num_models=" in flag for flag in pair) else [LENGTH]
        command = [*SEARCH, *length, f"--agent={agent}", *pair]
        found.append(Case("pairs", f"{agent} {' '.join(pair)}", command, codes=(0, 1), forked=True))
    return found
