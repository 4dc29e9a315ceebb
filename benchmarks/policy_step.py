"""Updates of the policy a second: simple_main's loop (sample, reward, learn), ours and in PyTorch.

    pip install -r requirements/bench.txt
    python -m benchmarks.policy_step    # a minute

Both sides run in a process of their own, once with one thread and once with as many threads as cores,
in turns; each side's better setting is compared. The policies are alike
(tests/benchmarks/test_torch_peer.py), and so is what an update reports. A sample is the rate over `updates`
updates, after as many unmeasured ones; the ratio is that of samples of the same round.
"""

import dataclasses
import time
from collections.abc import Iterator

import numpy as np

from autodl_design.settings import command_line
from autodl_design.settings.fields import Settings, setting
from autodl_design.settings.flags import define_flags, from_flags
from benchmarks import harness

LEARNING_RATE, BASELINE_DECAY = 2e-3, 0.9


def count_ones(tokens: np.ndarray) -> np.ndarray:
    return (tokens == 1).sum(axis=1)


def our_updates(batch_size: int) -> Iterator[None]:
    import autodl
    from policy_model import PolicyModel
    from reinforce_policy_gradient import ReinforcePolicyGradient

    algorithm = ReinforcePolicyGradient(PolicyModel(), LEARNING_RATE, BASELINE_DECAY, advantage_power=1)
    agent = autodl.AutoDLAgent(algorithm, seed=0)
    for _ in autodl.search(agent, lambda step, tokens, adjvec: count_ones(tokens), batch_size, 10**9):
        yield


def torch_updates(batch_size: int) -> Iterator[None]:
    from benchmarks import torch_peer

    agent = torch_peer.Agent(LEARNING_RATE, BASELINE_DECAY)
    while True:
        agent.update(count_ones, batch_size)
        yield


def start(updates, batch_size: int) -> None:
    """Initialises a process that makes these updates."""
    global _updates
    _updates = updates(batch_size)


def measure(count: int) -> float:
    """Updates a second."""
    begin = time.perf_counter()
    for _ in range(count):
        next(_updates)
    return count / (time.perf_counter() - begin)


@dataclasses.dataclass(frozen=True)
class PolicyStepSettings(Settings):
    """Updates of the policy"""

    rounds: int = setting(15, "Samples of each side.", low=1)
    updates: int = setting(60, "Updates a sample.", low=1)
    batch_size: int = setting(10, "Architectures an update.", low=1)
    output: str = setting("benchmarks/results/policy_step.json", "Where the figures go, as JSON.")


def main(arguments: list[str]) -> None:
    settings = from_flags(PolicyStepSettings)
    pools = {
        (side, threads): harness.start_processes(1, threads, start, (updates, settings.batch_size))
        for side, updates in {"ours": our_updates, "PyTorch": torch_updates}.items()
        for threads in sorted({1, harness.CORES})
    }

    def measure_in(pool):
        return lambda: pool.submit(measure, settings.updates).result()

    sides = {name: measure_in(pool) for name, pool in pools.items()}
    harness.interleave(sides, 1)
    samples = harness.interleave(sides, settings.rounds)
    for pool in pools.values():
        pool.shutdown()

    rates = {name: harness.quartiles(values) for name, values in samples.items()}
    rows = [[side, threads, rate] for (side, threads), rate in rates.items()]
    harness.print_table(["policy, batch " + str(settings.batch_size), "threads", "updates / s"], rows)
    best = {
        side: max((name for name in rates if name[0] == side), key=lambda name: rates[name].median)
        for side in ("ours", "PyTorch")
    }
    ratio = harness.ratios(samples[best["ours"]], samples[best["PyTorch"]])
    print(f"ours / PyTorch, each at its better setting: {ratio}; median (quartiles)")
    harness.save(
        {
            "updates_per_second": {f"{side}, threads {n}": s for (side, n), s in samples.items()},
            "ratio_quartiles": ratio,
        },
        settings.output,
    )


if __name__ == "__main__":
    define_flags(PolicyStepSettings)
    command_line.start(main, (PolicyStepSettings,))
