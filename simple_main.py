"""Convergence test of the agent, without any network to train: seconds instead of hours.

    python simple_main.py

The reward of an architecture is how many of its tokens are 1, so with 10 nodes a cell at most 20.
Prints the mean reward of every tenth update's samples; it should rise from about 2 to 17 and more
within 460 updates.
"""

import sys

import numpy as np
from absl import app, flags

import autodl

FLAGS = flags.FLAGS


def count_ones(step: int, tokens: np.ndarray, adjvec: np.ndarray) -> np.ndarray:
    """Rewards [B] of tokens [B, 2N]."""
    return (tokens == 1).sum(axis=1)


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        sys.exit(f"simple_main.py: unknown argument {argv[1]}")
    if FLAGS.num_tokens < 2:
        sys.exit("simple_main.py: --num_tokens must be at least 2, for token 1 to exist")
    print(f"Simple run target is {2 * FLAGS.num_nodes}", flush=True)
    agent = autodl.AutoDLAgent.from_flags(advantage_power=1)
    try:
        num_updates = FLAGS.num_models + 1
        for done in autodl.search(agent, count_ones, FLAGS.batch_size, num_updates):
            if done.step % 10 == 0:
                print(f"mid={done.step}, average rewards={done.rewards.mean():.3f}", flush=True)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    autodl.define_agent_flags()
    FLAGS.set_default("num_models", 460)
    app.run(main)
