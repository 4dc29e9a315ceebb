"""The agent, the search loop and the flags that simple_main.py and main.py share.

    agent = AutoDLAgent.from_flags(advantage_power=3)
    for step in search(agent, evaluate, FLAGS.batch_size, num_steps=100):
        ...

`evaluate` is the source of rewards: a function of a step's number and its architectures. The loop
knows nothing else about where rewards come from.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from absl import flags

from backend.paddle_backend import paddle
from backend.parl_backend import parl
from nn_paddle import OPERATIONS
from policy_model import PolicyModel
from reinforce_policy_gradient import LearnResult, ReinforcePolicyGradient
from search_space.child import CHILD_FLAGS, ChildConfig

FLAGS = flags.FLAGS

# step, tokens int64 [B, 2N], adjvec int64 [B, N(N-1)] -> rewards [B]
Evaluate = Callable[[int, np.ndarray, np.ndarray], np.ndarray]


class SearchStep(NamedTuple):
    step: int
    tokens: np.ndarray
    adjvec: np.ndarray
    rewards: np.ndarray
    learned: LearnResult | None  # None from an agent that does not learn


class AutoDLAgent(parl.Agent):
    """Converts between NumPy and Paddle, and makes every step's randomness a function of the seed and
    the step's number alone, so that a search can go on from any step without a generator's state."""

    def __init__(self, algorithm: ReinforcePolicyGradient, seed: int):
        super().__init__(algorithm)
        self.seed = seed

    @classmethod
    def from_flags(cls, advantage_power: int) -> "AutoDLAgent":
        """The agent that the command line asks for; its initial weights follow from --seed too."""
        _seed_paddle(FLAGS.seed, 0)
        model = PolicyModel(
            FLAGS.num_nodes,
            FLAGS.num_tokens,
            FLAGS.hidden_size,
            FLAGS.num_layers,
            FLAGS.input_size,
        )
        algorithm = ReinforcePolicyGradient(
            model, FLAGS.learning_rate, FLAGS.bl_decay, advantage_power, FLAGS.entropy_weight
        )
        return cls(algorithm, FLAGS.seed)

    def sample(self, step: int, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
        """The step's architectures: tokens int64 [B, 2N], adjvec int64 [B, N(N-1)]."""
        _seed_paddle(self.seed, 1 + step)
        sample = self.alg.model.sample(batch_size)
        return sample.tokens.numpy(), sample.adjvec.numpy()

    def learn(self, tokens: np.ndarray, adjvec: np.ndarray, rewards: np.ndarray) -> LearnResult:
        """One update of the policy on the rewards [B] of the architectures it sampled.

        Raises ValueError if a reward is not finite, since no weight would be finite after it.
        """
        if not np.isfinite(rewards).all():
            raise ValueError(f"rewards are not all finite: {rewards}")
        return self.alg.learn(
            paddle.to_tensor(tokens),
            paddle.to_tensor(adjvec),
            paddle.to_tensor(rewards, dtype="float32"),
        )

    def state(self) -> dict[str, Any]:
        """All that learning has changed: {"updates": int, "baseline": float or None, "tensors": {name:
        array}}, the tensors being weights and Adam's moments and powers. Later updates leave it as it
        is."""
        tensors = {name: np.array(tensor) for name, tensor in self._tensors().items()}
        return {"updates": self.alg.updates, "baseline": self.alg.baseline, "tensors": tensors}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a `state`, in an agent that has the same sizes and has learnt nothing yet.

        Raises ValueError, and changes nothing, if the state is of other sizes.
        """
        assert self.alg.updates == 0
        saved = state["tensors"]
        sizes = {name: list(parameter.shape) for name, parameter in self._tensors().items()}
        if sizes != {name: list(saved[name].shape) for name in saved if "/" not in name}:
            raise ValueError("the saved policy has other sizes")
        if state["updates"]:
            self.alg.create_moments()
        for name, tensor in self._tensors().items():
            tensor.set_value(saved[name])
        self.alg.updates = state["updates"]
        self.alg.baseline = state["baseline"]

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


class RandomAgent:
    """Random search, the baseline: tokens uniform, edges with probability 1/2, whatever was rewarded."""

    def __init__(self, num_nodes: int, num_tokens: int, seed: int):
        self.num_nodes = num_nodes
        self.num_tokens = num_tokens
        self.seed = seed

    @classmethod
    def from_flags(cls) -> "RandomAgent":
        return cls(FLAGS.num_nodes, FLAGS.num_tokens, FLAGS.seed)

    def sample(self, step: int, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng([self.seed, step])
        N = self.num_nodes
        tokens = rng.integers(0, self.num_tokens, (batch_size, 2 * N))
        return tokens, rng.integers(0, 2, (batch_size, N * (N - 1)))

    def learn(self, tokens: np.ndarray, adjvec: np.ndarray, rewards: np.ndarray) -> None:
        pass

    def state(self) -> dict[str, Any]:
        return {"tensors": {}}

    def load_state(self, state: dict[str, Any]) -> None:
        pass


def _seed_paddle(seed: int, stream: int) -> None:
    """Paddle's generators use no more than 32 bits of a seed."""
    paddle.seed(int(np.random.SeedSequence([seed, stream]).generate_state(1)[0]))


def search(
    agent: AutoDLAgent | RandomAgent,
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


def define_agent_flags() -> None:
    """The flags of the policy, the agent and the length of a run."""
    flags.DEFINE_integer("num_nodes", 10, "Nodes in a cell.", lower_bound=1)
    flags.DEFINE_integer("num_tokens", 10, "Operations to choose from.", lower_bound=1)
    flags.DEFINE_integer(
        "input_size", None, "Width of the LSTM's input; by default as wide as it has to be.", lower_bound=1
    )
    flags.DEFINE_integer("hidden_size", 64, "Hidden size of the LSTM.", lower_bound=1)
    flags.DEFINE_integer("num_layers", 2, "Layers of the LSTM.", lower_bound=1)
    flags.DEFINE_float("learning_rate", 2e-3, "Adam's learning rate for the policy.")
    flags.register_validator("learning_rate", lambda rate: 0 < rate < 1, "must lie between 0 and 1")
    flags.DEFINE_float("bl_decay", 0.9, "Decay of the moving-average baseline.")
    flags.register_validator("bl_decay", lambda decay: 0 <= decay < 1, "must be in [0, 1)")
    flags.DEFINE_float("entropy_weight", 0.0, "Weight of the policy's entropy (in nats) in its loss.", 0)
    flags.DEFINE_integer("batch_size", 10, "Architectures sampled for one update.", lower_bound=1)
    flags.DEFINE_integer("num_models", 10000, "Another step starts while so many are done.", lower_bound=0)
    flags.DEFINE_integer("seed", 0, "Decides everything that is random.", 0, 2**32 - 1)
    flags.register_multi_flags_validator(
        ["input_size", "num_nodes", "num_tokens"],
        lambda f: f["input_size"] is None or f["input_size"] >= max(f["num_nodes"] - 1, f["num_tokens"]),
        "--input_size must be at least num_nodes - 1 and num_tokens",
    )


def define_search_flags() -> None:
    """The flags that only the full search has: the child network, its training, trainers and files."""
    flags.DEFINE_string("data_path", "cifar/pickle-cifar-10", "Where dataset_maker.py wrote the images.")
    flags.DEFINE_integer("chunk_size", 100, "Images in each of its ten files.", lower_bound=1)
    FLAGS.set_default("log_dir", "log")
    flags.DEFINE_boolean("resume", False, "Go on with the search in --log_dir, if there is one.")
    flags.DEFINE_enum("agent", "reinforce", ["reinforce", "random"], "Who proposes architectures.")
    flags.DEFINE_integer("advantage_power", 3, "The advantage is (reward - baseline) to this odd power.", 1)
    flags.register_validator("advantage_power", lambda power: power % 2 == 1, "must be odd")
    flags.DEFINE_string("trainers", "auto", "auto, or cpu:2 for two on CPUs, or gpu:1,2 for GPUs 1 and 2.")
    flags.DEFINE_string("cluster", None, "Train on a Ray cluster: ray, or HOST:6379, or ray://HOST:10001.")
    flags.DEFINE_integer("retries", 2, "How often a model whose trainer was lost is tried again.", 0)
    flags.DEFINE_float("model_timeout", float("inf"), "Seconds after which a model counts as lost.", 0)
    flags.DEFINE_float("failed_reward", 0.1, "Reward of a model that could not be trained.", 0, 1)
    flags.DEFINE_float("params_penalty", 0.0, "Reward taken off for every million parameters.", 0)
    flags.DEFINE_integer("final_candidates", 0, "So many of the best are trained anew at the end.", 0)
    flags.DEFINE_boolean("cache", True, "Whether an architecture met again keeps its first accuracy.")

    child = {field.name: field.default for field in dataclasses.fields(ChildConfig)}
    for name, text, low, high in CHILD_FLAGS:
        default = child.pop(name)
        if isinstance(default, bool):
            flags.DEFINE_boolean(name, default, text)
        elif isinstance(default, int):
            flags.DEFINE_integer(name, default, text, low, high)
        else:
            flags.DEFINE_float(name, default, text, low, high)
    assert not child, f"no flag for {sorted(child)}"
    flags.register_multi_flags_validator(
        ["T_0", "warmup"], lambda f: f["warmup"] < f["T_0"], "--warmup must be less than --T_0"
    )
    flags.register_multi_flags_validator(
        ["width", "ratio"], lambda f: f["width"] % f["ratio"] == 0, "--width must be a multiple of --ratio"
    )
    flags.register_validator(
        "num_tokens", lambda n: n <= len(OPERATIONS), f"there are {len(OPERATIONS)} operations"
    )


def child_config_from_flags() -> ChildConfig:
    return ChildConfig(**{name: FLAGS[name].value for name, *_ in CHILD_FLAGS})
