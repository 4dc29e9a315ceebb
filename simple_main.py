"""Convergence test of the agent, without any network to train: seconds instead of hours.

    python simple_main.py

The reward of an architecture is how many of its tokens are 1, so with 10 nodes a cell at most 20.
Prints the mean reward of every tenth update's samples; it should rise from about 2 to 17 and more
within 460 updates.
"""

if __name__ == "__main__":
    from autodl_design.settings import interrupts

    interrupts.exit_at_once()


import dataclasses

import numpy as np

import autodl
from autodl_design.report_page.terminal_curve import terminal_curve
from autodl_design.search_loop.settings import PolicySettings, StepSettings, check_batch_size
from autodl_design.settings import command_line
from autodl_design.settings.fields import SettingsError, setting
from autodl_design.settings.flags import define_flags, from_flags
from autodl_design.trainers.devices import DevicesError, check_own_gpu
from reinforce_policy_gradient import LearningError


@dataclasses.dataclass(frozen=True)
class UpdatesSettings(StepSettings):
    """Length and seed of the run"""

    num_updates: int = setting(461, "Updates of the policy.", low=1, high=10**9, alias="num_models")


def count_ones(step: int, tokens: np.ndarray, adjvec: np.ndarray) -> np.ndarray:
    """Rewards [B] of tokens [B, 2N]."""
    return (tokens == 1).sum(axis=1)


def main(arguments: list[str]) -> None:
    run, policy = from_flags(UpdatesSettings), from_flags(PolicySettings)
    if policy.num_tokens < 2:
        raise SettingsError("--num_tokens must be at least 2, for token 1 to exist")
    check_batch_size(run, policy)
    target = 2 * policy.num_nodes
    print(f"Simple run target is {target}", flush=True)
    check_own_gpu()
    agent = autodl.AutoDLAgent.create(policy, run.seed)
    averages = []
    for done in autodl.search(agent, count_ones, run.batch_size, run.num_updates):
        averages.append(float(done.rewards.mean()))
        if done.step % 10 == 0:
            # What the original prints; its "mid" is the number of the update here, not of a model.
            print(f"mid={done.step}, average rewards={averages[-1]:.3f}", flush=True)
    for line in terminal_curve(averages):
        print(line)
    print(f"average rewards from {averages[0]:.3f} to {averages[-1]:.3f} of {target}")


if __name__ == "__main__":
    define_flags(UpdatesSettings, PolicySettings)
    command_line.start(
        main, (UpdatesSettings, PolicySettings), (SettingsError, LearningError, DevicesError)
    )
