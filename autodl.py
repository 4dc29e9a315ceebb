"""The agent that learns by REINFORCE, and the loop of a search.

    agent = AutoDLAgent.create(PolicySettings(), seed=0)
    for step in search(agent, evaluate, batch_size=10, num_steps=100):
        ...

`evaluate` is the source of rewards: a function of a step's number and its architectures. The loop
knows nothing else about where rewards come from.
"""

import math
import reprlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from autodl_design.agents.agent import Agent, LearnResult, SearchStep
from autodl_design.backend.paddle_backend import paddle
from autodl_design.backend.parl_backend import parl
from autodl_design.checked_io.files import check_arrays
from autodl_design.search_loop.settings import PolicySettings
from policy_model import PolicyModel, Probabilities
from reinforce_policy_gradient import ReinforcePolicyGradient

# step, tokens int64 [B, 2N], adjvec int64 [B, N(N-1)] -> rewards [B]
Evaluate = Callable[[int, np.ndarray, np.ndarray], np.ndarray]


class AutoDLAgent(parl.Agent):
    """Converts between NumPy and Paddle, and makes every step's randomness a function of the seed and
    the step's number alone, so that a search can go on from any step without a generator's state."""

    def __init__(self, algorithm: ReinforcePolicyGradient, seed: int):
        super().__init__(algorithm)
        self.seed = seed

    @classmethod
    def create(cls, config: PolicySettings, seed: int) -> "AutoDLAgent":
        """An agent that has learnt nothing yet; its initial weights follow from the seed too."""
        _seed_paddle(seed, 0)
        model = PolicyModel(
            config.num_nodes,
            config.num_tokens,
            config.hidden_size,
            config.num_layers,
            config.input_size,
            config.edge_probability,
            config.shared_heads,
        )
        algorithm = ReinforcePolicyGradient(
            model, config.learning_rate, config.bl_decay, config.advantage_power, config.entropy_weight
        )
        return cls(algorithm, seed)

    def sample(self, step: int, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
        """The step's architectures: tokens int64 [B, 2N], adjvec int64 [B, N(N-1)]."""
        _seed_paddle(self.seed, 1 + step)
        sample = self.alg.model.sample(batch_size)
        return sample.tokens.numpy(), sample.adjvec.numpy()

    def learn(self, tokens: np.ndarray, adjvec: np.ndarray, rewards: np.ndarray) -> LearnResult:
        """One update of the policy on the rewards [B] of the architectures it sampled.

        Raises ValueError if a reward is not finite, and LearningError if the loss or a gradient is not,
        since no weight would be finite after it. The policy is then as it was before.
        """
        if not np.isfinite(rewards).all():
            raise ValueError(f"rewards are not all finite: {rewards}")
        return self.alg.learn(
            paddle.to_tensor(tokens),
            paddle.to_tensor(adjvec),
            paddle.to_tensor(rewards, dtype="float32"),
        )

    def probabilities(self, tokens: np.ndarray, adjvec: np.ndarray) -> Probabilities:
        """Of the policy's decisions as they are now, estimated from architectures that it sampled."""
        return self.alg.model.probabilities(paddle.to_tensor(tokens), paddle.to_tensor(adjvec))

    def state(self) -> dict[str, Any]:
        """All that learning has changed: {"updates": int, "baseline": float or None, "tensors": {name:
        array}}, the tensors being weights and Adam's moments and powers. Later updates leave it as it
        is."""
        tensors = {name: np.array(tensor) for name, tensor in self._tensors().items()}
        return {"updates": self.alg.updates, "baseline": self.alg.baseline, "tensors": tensors}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a `state`, in an agent that has the same sizes and has learnt nothing yet.

        Raises ValueError where the state is not one of such an agent, and changes nothing if it is of
        other sizes or this agent has learnt.
        """
        if self.alg.updates:
            raise ValueError("this agent has learnt already: a state goes into a new one")
        if state.keys() != {"updates", "baseline", "tensors"}:
            raise ValueError("this is no state of a REINFORCE agent")
        updates, baseline, saved = state["updates"], state["baseline"], state["tensors"]
        if type(updates) is not int or not 0 <= updates < 2**63:
            raise ValueError(f"updates cannot be {reprlib.repr(updates)}")
        # A baseline comes with the first update.
        if not (type(baseline) is float and abs(baseline) < math.inf if updates else baseline is None):
            raise ValueError(f"baseline cannot be {reprlib.repr(baseline)} after {updates} updates")
        weights = {name: array for name, array in saved.items() if "/" not in name}
        check_arrays(weights, self.state()["tensors"])
        if updates:
            self.alg.create_moments()
        check_arrays(saved, self.state()["tensors"])
        for name, array in saved.items():
            if not np.isfinite(array).all():
                raise ValueError(f"array {name} holds numbers that are not finite")
        for name, tensor in self._tensors().items():
            tensor.set_value(saved[name])
        self.alg.updates = updates
        self.alg.baseline = baseline

    def _tensors(self) -> dict[str, paddle.Tensor]:
        """Weights, and as WEIGHT/KIND what Adam keeps about each. Paddle's own keys for the latter hold
        parameter names that count up with every model made in a process."""
        adam = self.alg.optimizer.state_dict()
        tensors = {}
        for name, parameter in self.alg.model.named_parameters():
            tensors[name] = parameter
            prefix = f"{parameter.name}_"
            for key, tensor in adam.items():
                if key.startswith(prefix):
                    tensors[f"{name}/{key.removeprefix(prefix)}"] = tensor
        return tensors


def _seed_paddle(seed: int, stream: int) -> None:
    """Paddle's generators use no more than 32 bits of a seed."""
    paddle.seed(int(np.random.SeedSequence([seed, stream]).generate_state(1)[0]))


def search(
    agent: Agent,
    evaluate: Evaluate,
    batch_size: int,
    num_steps: int,
    first_step: int = 0,
    on_sample: Callable[[int, np.ndarray, np.ndarray], None] = lambda step, tokens, adjvec: None,
) -> Iterator[SearchStep]:
    """Sample, evaluate, learn, from `first_step` until `num_steps` are done.

    on_sample: called with a step's number and architectures before they are evaluated, and once more
        for the step that would come next when all are done: where a later run can go on.
    """
    for step in range(first_step, num_steps + 1):
        tokens, adjvec = agent.sample(step, batch_size)
        on_sample(step, tokens, adjvec)
        if step < num_steps:
            rewards = evaluate(step, tokens, adjvec)
            learned = agent.learn(tokens, adjvec, rewards)
            yield SearchStep(step, tokens, adjvec, rewards, learned)
