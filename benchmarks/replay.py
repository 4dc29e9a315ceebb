"""Agents on a surrogate of child training: a search of 500 models in seconds.

    python -m benchmarks.replay --agent=reinforce --learning_rate=0.005 --num_models=499 --seeds=10

Takes main.py's flags of agents. Prints, after every hundred models, the mean of what the agent proposed in
them and the best so far, both without noise (the agent saw accuracies with noise), as means over the seeds
with their standard errors. "sd" counts in standard deviations of random architectures from their mean.
"""

import dataclasses
from pathlib import Path

import numpy as np
from absl import app, flags

import autodl
from benchmarks.surrogate import Surrogate, read_trainings
from main import make_agent
from search_settings.groups import SearchSettings
from search_space.network_id import network_id
from settings.flags import define_flags, from_flags

HISTORIES = Path(__file__).parent / "results" / "small"
WINDOW = 100  # models
FLAGS = flags.FLAGS


class SurrogateReward:
    """As rewards.TrainingReward: a network that was evaluated before has the same accuracy again."""

    def __init__(self, surrogate: Surrogate, num_stages: int, seed: int):
        self.surrogate = surrogate
        self.num_stages = num_stages
        self.rng = np.random.default_rng([seed, 1])
        self.known: dict[str, float] = {}
        self.expected: list[float] = []  # of all proposals, without noise
        self.seen: list[float] = []

    def __call__(self, step: int, tokens: np.ndarray, adjvec: np.ndarray) -> np.ndarray:
        expected = self.surrogate.mean(tokens, adjvec)
        runs = expected + self.rng.normal(0, self.surrogate.noise, len(expected))
        rewards = [
            self.known.setdefault(network_id(row_tokens, row_adjvec, self.num_stages), run)
            for row_tokens, row_adjvec, run in zip(tokens, adjvec, runs, strict=True)
        ]
        self.expected += expected.tolist()
        self.seen += rewards
        return np.array(rewards)


def replay(settings: SearchSettings, surrogate: Surrogate, seed: int) -> SurrogateReward:
    """A whole search; what it proposed and saw."""
    settings = dataclasses.replace(settings, run=dataclasses.replace(settings.run, seed=seed))
    reward = SurrogateReward(surrogate, settings.child.num_stages, seed)
    num_steps = settings.run.num_models // settings.run.batch_size + 1
    for _ in autodl.search(make_agent(settings), reward, settings.run.batch_size, num_steps):
        pass
    return reward


def curves(reward: SurrogateReward) -> tuple[np.ndarray, np.ndarray]:
    """After every WINDOW models: the mean of what was proposed in them; the expected accuracy of the model
    that looked best so far."""
    expected, seen = np.array(reward.expected), np.array(reward.seen)
    ends = range(WINDOW, len(expected) + 1, WINDOW)
    means = [expected[end - WINDOW : end].mean() for end in ends]
    return np.array(means), np.array([expected[seen[:end].argmax()] for end in ends])


def main(argv: list[str]) -> None:
    settings = SearchSettings(*map(from_flags, SearchSettings.classes()))
    surrogate = Surrogate(read_trainings(sorted(Path(FLAGS.histories).glob("*.jsonl.gz"))), FLAGS.noise)
    random = autodl.RandomAgent(settings.policy.num_nodes, settings.policy.num_tokens, 2**32 - 1)
    expected = surrogate.mean(*random.sample(0, 1000))
    print(f"random architectures: mean {expected.mean():.3f}, sd {expected.std():.4f}")
    replays = [curves(replay(settings, surrogate, seed)) for seed in range(FLAGS.seeds)]
    values = np.array(replays)  # [seeds, 2, windows]
    mean, error = values.mean(axis=0), values.std(axis=0, ddof=1) / len(values) ** 0.5
    print("models    mean      +-     sd    best      +-")
    for index in range(mean.shape[1]):
        (proposed, best), (proposed_error, best_error) = mean[:, index], error[:, index]
        sd = (proposed - expected.mean()) / expected.std()
        print(
            f"{WINDOW * (index + 1):6}  {proposed:.4f}  {proposed_error:.4f}  {sd:5.2f}"
            f"  {best:.4f}  {best_error:.4f}"
        )


if __name__ == "__main__":
    define_flags(*SearchSettings.classes())
    flags.DEFINE_integer("seeds", 5, "Searches.", lower_bound=2)
    flags.DEFINE_string("histories", str(HISTORIES), "Directory of the compressed histories.")
    flags.DEFINE_float("noise", 0.012, "Standard deviation of the accuracy between trainings.")
    app.run(main)
