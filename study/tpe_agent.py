"""Optuna's TPE as an agent, to compare with: a model-based search from a well-known library.

    pip install -r requirements/bench.txt

    import main
    from study.tpe_agent import TpeAgent
    from autodl_design.search_loop.settings import AllSettings

    settings = AllSettings.of(preset="quick", log_dir="log-tpe")
    main.search(settings, agent=TpeAgent(num_nodes=4, num_tokens=10, seed=0))

Bergstra, Bardenet, Bengio and Kegl 2011, "Algorithms for hyper-parameter optimization": each token and
each edge is a categorical parameter. Optuna's default settings, except for two. With constant_liar the
members of a batch, which is proposed before any of its rewards is known, avoid each other. And the random
architectures that TPE begins with are those of random search, so that edge_probability holds for them.
"""

from typing import Any

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution

from autodl_design.agents.random_search import RandomAgent
from autodl_design.checked_io.files import check_arrays

NUM_RANDOM = 10  # Optuna's default


class TpeAgent:
    """See autodl.Agent for the methods. Its state is all architectures so far with their rewards."""

    def __init__(self, num_nodes: int, num_tokens: int, seed: int, edge_probability: float = 0.5):
        self.seed = seed
        self.random = RandomAgent(num_nodes, num_tokens, seed, edge_probability)
        self.num_tokens = 2 * num_nodes  # of an architecture
        num_edges = num_nodes * (num_nodes - 1)
        choices = [range(num_tokens)] * self.num_tokens + [range(2)] * num_edges
        self.space = {f"{place:05d}": CategoricalDistribution(some) for place, some in enumerate(choices)}
        self.decisions = np.zeros((0, len(choices)), np.int64)  # of an architecture, its tokens and edges
        self.rewards = np.zeros(0)

    def sample(self, step: int, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
        """From a new study each time, so that it depends on seed, step and state alone."""
        if len(self.rewards) < NUM_RANDOM:
            return self.random.sample(step, batch_size)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        seed = int(np.random.SeedSequence([self.seed, step]).generate_state(1)[0])
        sampler = optuna.samplers.TPESampler(n_startup_trials=NUM_RANDOM, constant_liar=True, seed=seed)
        study = optuna.create_study(sampler=sampler, direction="maximize")
        for row, reward in zip(self.decisions.tolist(), self.rewards.tolist(), strict=True):
            params = dict(zip(self.space, row, strict=True))
            study.add_trial(
                optuna.trial.create_trial(params=params, distributions=self.space, value=reward)
            )
        asked = [study.ask(self.space).params for _ in range(batch_size)]
        decisions = np.array([[params[name] for name in self.space] for params in asked], np.int64)
        return decisions[:, : self.num_tokens], decisions[:, self.num_tokens :]

    def learn(self, tokens: np.ndarray, adjvec: np.ndarray, rewards: np.ndarray) -> None:
        self.decisions = np.concatenate([self.decisions, np.concatenate([tokens, adjvec], axis=1)])
        self.rewards = np.concatenate([self.rewards, rewards])

    def state(self) -> dict[str, Any]:
        return {"tensors": {"decisions": self.decisions, "rewards": self.rewards}}

    def load_state(self, state: dict[str, Any]) -> None:
        """Raises ValueError where the arrays have other names, shapes or dtypes."""
        saved = state["tensors"]
        models = len(saved.get("rewards", ()))
        like = {"decisions": np.zeros((models, len(self.space)), np.int64), "rewards": np.zeros(models)}
        check_arrays(saved, like)
        self.decisions, self.rewards = saved["decisions"], saved["rewards"]
