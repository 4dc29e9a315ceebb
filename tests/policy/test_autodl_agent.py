"""The REINFORCE agent: seeds, state, and a search loop around it."""

import numpy as np
import pytest

import autodl
from autodl import AutoDLAgent
from autodl_design.backend.paddle_backend import paddle
from autodl_design.search_loop.settings import PolicySettings
from policy_model import PolicyModel
from reinforce_policy_gradient import ReinforcePolicyGradient

BATCH = 4


def make_agent(seed: int = 0, num_nodes: int = 4) -> AutoDLAgent:
    paddle.seed(seed)
    model = PolicyModel(num_nodes=num_nodes, num_tokens=3, hidden_size=8)
    return AutoDLAgent(ReinforcePolicyGradient(model, 1e-2, 0.9, 3), seed)


def run(agent: AutoDLAgent, steps: int) -> list[autodl.SearchStep]:
    def count_ones(step, tokens, adjvec):
        return (tokens == 1).sum(axis=1) + step

    done = agent.alg.updates
    return list(autodl.search(agent, count_ones, BATCH, done + steps, first_step=done))


def assert_same_steps(left: list[autodl.SearchStep], right: list[autodl.SearchStep]) -> None:
    assert [step.step for step in left] == [step.step for step in right]
    for a, b in zip(left, right, strict=True):
        assert (a.tokens == b.tokens).all() and (a.adjvec == b.adjvec).all()
        assert a.learned == b.learned  # floats, to the last bit


def assert_same_state(left: dict, right: dict) -> None:
    assert left["updates"] == right["updates"]
    assert left["baseline"] == right["baseline"]
    assert left["tensors"].keys() == right["tensors"].keys()
    for name, value in left["tensors"].items():
        assert value.dtype == right["tensors"][name].dtype
        assert (value == right["tensors"][name]).all(), name


def test_search_yields_each_step_with_the_rewards_of_its_rows():
    agent = make_agent()
    first, second = run(agent, 2)
    assert (first.step, second.step) == (0, 1)
    assert first.tokens.shape == (BATCH, 8) and first.tokens.dtype == np.int64
    assert first.adjvec.shape == (BATCH, 12) and first.adjvec.dtype == np.int64
    assert (second.rewards == (second.tokens == 1).sum(axis=1) + 1).all()
    assert first.learned.baseline == pytest.approx(first.rewards.mean())
    assert agent.alg.updates == 2


def test_one_seed_one_run():
    agents = [make_agent(seed) for seed in (0, 0, 1)]
    runs = [run(agent, 5) for agent in agents]
    assert_same_steps(runs[0], runs[1])
    assert_same_state(agents[0].state(), agents[1].state())
    assert any((a.tokens != b.tokens).any() for a, b in zip(runs[0], runs[2], strict=True))


def test_a_steps_samples_depend_on_seed_and_step_alone():
    agent = make_agent()
    expected = {step: agent.sample(step, BATCH) for step in range(3)}
    assert (expected[0][0] != expected[1][0]).any()
    paddle.seed(12345)
    paddle.rand([7])
    for step in (2, 0, 1):
        tokens, adjvec = agent.sample(step, BATCH)
        assert (tokens == expected[step][0]).all() and (adjvec == expected[step][1]).all()


@pytest.mark.parametrize("done", [0, 1, 7])
def test_a_restored_agent_goes_on_bit_by_bit(done):
    agent = make_agent()
    run(agent, done)
    state = agent.state()
    expected = run(agent, 5)

    restored = make_agent(seed=99)
    restored.seed = agent.seed
    restored.load_state(state)
    assert_same_state(restored.state(), state)
    assert_same_steps(run(restored, 5), expected)
    assert_same_state(restored.state(), agent.state())


def test_a_state_holds_the_moments_of_every_trained_weight():
    agent = make_agent()
    run(agent, 1)
    tensors = agent.state()["tensors"]
    trained = [name for name in tensors if "/" not in name and "bias_hh" not in name]
    assert len(trained) == 2 + 2 * 3  # heads, and two LSTM layers
    for name in trained:
        kept = {key.removeprefix(f"{name}/") for key in tensors if key.startswith(f"{name}/")}
        assert kept == {"moment1_0", "moment2_0", "beta1_pow_acc_0", "beta2_pow_acc_0"}
        assert tensors[f"{name}/moment1_0"].any()


def test_a_state_is_a_copy():
    agent = make_agent()
    run(agent, 2)
    state = agent.state()
    tensors = {name: value.copy() for name, value in state["tensors"].items()}
    run(agent, 2)
    assert all((state["tensors"][name] == value).all() for name, value in tensors.items())
    assert (agent.state()["tensors"]["head_weight"] != tensors["head_weight"]).any()


def test_a_state_of_other_sizes_is_refused_and_changes_nothing():
    agent = make_agent()
    before = agent.state()
    with pytest.raises(ValueError, match=r"array head_\w+ is float32 \[18, .*not float32 \[14, "):
        agent.load_state(make_agent(num_nodes=5).state())
    assert_same_state(agent.state(), before)


def without(name):
    return lambda state: {key: value for key, value in state.items() if key != name}


def number(name, value):
    return lambda state: {**state, name: value}


def tensors(change):
    return lambda state: {**state, "tensors": change(state["tensors"])}


def tensor(name, change):
    return tensors(lambda arrays: {**arrays, name: change(arrays[name])})


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (without("updates"), "no state"),
        (without("baseline"), "no state"),
        (number("more", 1), "no state"),
        *((number("updates", value), "updates cannot be") for value in (None, "3", -1, 2.0, 10**400)),
        (number("updates", 0), "baseline cannot be"),
        *((number("baseline", value), "baseline cannot be") for value in (None, "1", np.nan)),
        (tensors(without("head_bias")), "head_bias is missing"),
        (tensors(without("head_bias/moment1_0")), "head_bias/moment1_0 is missing"),
        (tensors(number("more", np.zeros(1))), "unknown array"),
        (tensor("head_bias", lambda array: array.astype(np.float64)), "head_bias is float64"),
        (tensor("head_bias/moment1_0", lambda array: array[:-1]), "head_bias/moment1_0 is float32"),
        (tensor("head_bias", lambda array: array * np.nan), "head_bias holds numbers that are not finite"),
    ],
)  # fmt: skip
def test_a_state_of_something_else_is_refused(change, complaint):
    agent = make_agent()
    run(agent, 1)
    with pytest.raises(ValueError, match=complaint):
        make_agent().load_state(change(agent.state()))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_reward_that_is_not_finite_is_refused_and_changes_nothing(bad):
    agent = make_agent()
    before = agent.state()
    tokens, adjvec = agent.sample(0, BATCH)
    with pytest.raises(ValueError, match="not all finite"):
        agent.learn(tokens, adjvec, np.array([0.1, bad, 0.3, 0.4]))
    assert_same_state(agent.state(), before)


def test_an_agent_follows_its_settings():
    config = PolicySettings(
        num_nodes=3,
        num_tokens=4,
        hidden_size=5,
        num_layers=1,
        input_size=20,
        bl_decay=0.5,
        learning_rate=0.25,
        shared_heads=False,
        advantage_power=3,
    )
    agent = AutoDLAgent.create(config, seed=7)
    assert list(agent.alg.model.head_weight.shape) == [10, 5, 20]
    assert (agent.alg.bl_decay, agent.alg.optimizer.get_lr()) == (0.5, 0.25)
    assert agent.alg.advantage_power == 3
    assert agent.sample(0, 6)[0].shape == (6, 6)

    first, again, other = (AutoDLAgent.create(PolicySettings(), seed) for seed in (1, 1, 2))
    assert_same_state(first.state(), again.state())
    assert (first.state()["tensors"]["head_weight"] != other.state()["tensors"]["head_weight"]).any()
    assert list(first.alg.model.head_weight.shape) == [2, 64, 10]
    assert len([n for n, _ in first.alg.model.lstm.named_parameters() if "weight_hh" in n]) == 2


def test_search_announces_samples_before_their_rewards_and_the_next_step_at_the_end():
    events = []

    def evaluate(step, tokens, adjvec):
        events.append(("evaluate", step, tokens.tolist()))
        return np.zeros(len(tokens))

    def on_sample(step, tokens, adjvec):
        events.append(("sample", step, tokens.tolist()))

    list(autodl.search(make_agent(), evaluate, BATCH, 2, first_step=0, on_sample=on_sample))
    assert [event[:2] for event in events] == [
        ("sample", 0), ("evaluate", 0), ("sample", 1), ("evaluate", 1), ("sample", 2),
    ]  # fmt: skip
    assert events[0][2] == events[1][2] and events[2][2] == events[3][2]
