"""--agent=evolution: who dies, who has children, how a child differs, and exact resuming."""

import csv
import dataclasses
import json

import numpy as np
import pytest

import main
import report
from autodl_design.agents.evolution import EvolutionAgent
from autodl_design.record.history import RecordError
from autodl_design.search_loop.settings import AllSettings
from autodl_design.settings.fields import SettingsError
from autodl_design.trainers.pseudo import PseudoTrainers

N, K = 3, 5


def make_agent(population_size=4, tournament_size=2, num_nodes=N, num_tokens=K, seed=0, **more):
    return EvolutionAgent(num_nodes, num_tokens, population_size, tournament_size, seed, **more)


def after(agent, *batches_of_rewards):
    """The agent with these rewards of what it proposed, step by step."""
    for step, rewards in enumerate(batches_of_rewards):
        agent.learn(*agent.sample(step, len(rewards)), np.array(rewards, float))
    return agent


def rows(tokens, adjvec):
    return np.concatenate([tokens, adjvec], axis=1)


def members(agent):
    return rows(agent.state()["tensors"]["tokens"], agent.state()["tensors"]["adjvec"])


def test_the_oldest_die_however_good_they_are():
    agent = after(make_agent(), [9, 8, 1, 2], [3, 4])
    assert agent.state()["tensors"]["rewards"].tolist() == [1, 2, 3, 4]
    newest = rows(*agent.sample(2, 3))
    agent.learn(newest[:, : 2 * N], newest[:, 2 * N :], np.zeros(3))
    assert agent.state()["tensors"]["rewards"].tolist() == [4, 0, 0, 0]
    assert (members(agent)[1:] == newest).all()


def test_a_batch_larger_than_the_population_leaves_its_last_ones():
    agent = after(make_agent(population_size=2), [1, 2, 3, 4, 5])
    assert agent.state()["tensors"]["rewards"].tolist() == [4, 5]


def test_random_architectures_until_the_population_is_complete():
    agent = make_agent(population_size=5)
    for step in range(2):  # 0 and 3 members
        assert len(np.unique(rows(*agent.sample(step, 1000)), axis=0)) > 900
        agent.learn(*agent.sample(step, 3), np.zeros(3))
    children = rows(*agent.sample(2, 1000))
    changes = (children[:, None] != members(agent)).sum(axis=2)
    assert (changes.min(axis=1) == 1).all()


def test_a_child_is_one_change_of_the_winner_of_a_tournament():
    """The best of four members loses a tournament of two only where it is drawn neither time."""
    agent = after(make_agent(), [0, 3, 1, 2])
    tokens, adjvec = agent.sample(1, 20_000)
    changed = rows(tokens, adjvec)[:, None] != members(agent)
    parents = changed.sum(axis=2).argmin(axis=1)
    changed = changed[np.arange(len(parents)), parents]
    assert (changed.sum(axis=1) == 1).all()
    shares = np.bincount(parents) / len(parents)
    np.testing.assert_allclose(shares, [1 / 16, 7 / 16, 3 / 16, 5 / 16], atol=0.015)
    # Half of the changes are of a token, each equally likely, and half of an edge, likewise.
    of_place = changed.mean(axis=0)
    np.testing.assert_allclose(of_place, [1 / 2 / (2 * N)] * 2 * N + [1 / 2 / 6] * 6, atol=0.015)
    new_tokens = tokens[changed[:, : 2 * N].any(axis=1)]
    assert tokens.min() == 0 and tokens.max() == K - 1 and len(new_tokens) > 9000
    assert set(np.unique(adjvec)) == {0, 1}


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_mutations_keep_the_density_that_random_architectures_have(probability):
    agent = make_agent(5000, 1, num_nodes=10, edge_probability=probability)
    for step in range(40):  # a tournament of one selects nothing
        tokens, adjvec = agent.sample(step, 5000)
        if step == 0:
            assert adjvec.mean() == pytest.approx(probability, abs=0.005)
        agent.learn(tokens, adjvec, np.zeros(5000))
    assert adjvec.mean() == pytest.approx(probability, abs=0.02)


@pytest.mark.parametrize("sizes, changes", [((1, 5), "tokens"), ((3, 1), "edges")])
def test_where_only_one_kind_of_change_is_possible(sizes, changes):
    num_nodes, num_tokens = sizes
    agent = after(make_agent(2, 1, num_nodes, num_tokens), [1, 1])
    tokens, adjvec = agent.sample(1, 50)
    before = agent.state()["tensors"]
    changed_tokens = (tokens[:, None] != before["tokens"]).sum(axis=2).min(axis=1)
    changed_edges = (adjvec[:, None] != before["adjvec"]).sum(axis=2).min(axis=1)
    assert (changed_tokens == (changes == "tokens")).all()
    assert (changed_edges == (changes == "edges")).all()


@pytest.mark.parametrize("done", [0, 1, 2, 7])
def test_a_restored_agent_goes_on_bit_by_bit(done):
    def count_ones(agent, steps):
        proposals = []
        for step in steps:
            tokens, adjvec = agent.sample(step, 3)
            proposals.append(rows(tokens, adjvec).tolist())
            agent.learn(tokens, adjvec, (tokens == 1).mean(axis=1) / 3)
        return proposals

    agent = make_agent()
    count_ones(agent, range(done))
    state = agent.state()
    expected = count_ones(agent, range(done, done + 9))
    restored = make_agent()
    restored.load_state(state)
    assert count_ones(restored, range(done, done + 9)) == expected
    assert members(restored).tolist() == members(agent).tolist()
    assert count_ones(make_agent(seed=1), range(9)) != count_ones(make_agent(), range(9))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"rewards": None}, "array rewards is missing"),
        ({"more": np.zeros(1)}, "unknown array 'more'"),
        ({"rewards": np.zeros((4, 1))}, "array adjvec is|array tokens is"),
        ({"rewards": np.full(4, np.nan)}, "rewards holds numbers that are not finite"),
        ({"rewards": np.full(4, 1e200)}, "too large for a reward"),
        ({"tokens": np.zeros((3, 2 * N), np.int64)}, r"tokens is int64 \[3, 6\], not int64 \[4, 6\]"),
        ({"tokens": np.zeros((4, 2 * N))}, "tokens is float64"),
        ({"tokens": np.full((4, 2 * N), K)}, "tokens holds numbers outside 0 .. 4"),
        ({"adjvec": np.full((4, 6), -1)}, "adjvec holds numbers outside 0 .. 1"),
    ],
)
def test_a_state_of_something_else_is_refused_and_changes_nothing(change, complaint):
    tensors = after(make_agent(), [1, 2, 3, 4]).state()["tensors"] | change
    agent = make_agent()
    with pytest.raises(ValueError, match=complaint):
        agent.load_state({"tensors": {name: array for name, array in tensors.items() if array is not None}})
    assert len(members(agent)) == 0


def test_a_population_that_is_too_large_is_refused():
    with pytest.raises(ValueError, match="a population of 4, not of 3 at most"):
        make_agent(population_size=3).load_state(after(make_agent(), [1, 2, 3, 4]).state())


def test_a_reward_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="not all finite"):
        after(make_agent(), [1, np.nan])


# --- The search -------------------------------------------------------------------------------------


class DyingTrainers(PseudoTrainers):
    """Train so many models, and are gone."""

    def __init__(self, num_models):
        super().__init__()
        self.left = num_models

    def run(self, jobs):
        for trained in super().run(jobs):
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            yield trained


def settings_of(log_dir, **more):
    values = {"agent": "evolution", "num_nodes": 4, "num_tokens": 3, "population_size": 12}
    return AllSettings.of(**{**values, "num_models": 100, "log_dir": str(log_dir), **more})


def ending(log_dir):
    """What is left of a search: history, agent, steps without their times."""
    models = [json.loads(line) for line in (log_dir / "history.jsonl").open()]
    models.sort(key=lambda model: model["mid"])
    with np.load(log_dir / "checkpoint_10.npz") as file:
        checkpoint = {name: file[name].tolist() for name in file}
    with open(log_dir / "steps.csv", newline="") as file:
        steps = [{**row, "seconds": None} for row in csv.DictReader(file)]
    return models, checkpoint, steps


def test_a_search_that_was_stopped_twice_is_as_one_that_never_was(tmp_path, capsys):
    main.search(settings_of(tmp_path / "whole"), trainers=PseudoTrainers())
    random_start = "The first 12 models are random, as in random search (--population_size)"
    assert random_start in capsys.readouterr().out.splitlines()
    broken = settings_of(tmp_path / "broken", resume=True)
    for num_models in (7, 31):
        with pytest.raises(KeyboardInterrupt):
            main.search(broken, trainers=DyingTrainers(num_models))
    models = main.search(broken, trainers=PseudoTrainers())
    assert ending(tmp_path / "broken") == ending(tmp_path / "whole")

    assert {model.status for model in models} == {"ok", "cached"}
    means = [np.mean([model.accuracy for model in models[i : i + 10]]) for i in (0, 90)]
    assert means[1] > means[0] + 0.3  # the share of tokens that are 1
    _, checkpoint, steps = ending(tmp_path / "whole")
    assert len(checkpoint["tensors.rewards"]) == 12
    assert steps[9]["baseline"] == "" and steps[9]["mean_accuracy"] == f"{means[1]}"
    report.report(tmp_path / "whole", [], tmp_path)
    printed = capsys.readouterr().out
    assert "100 models" in printed and f"{random_start}." in printed.splitlines()


def test_other_sizes_are_not_resumed_and_other_agents_do_not_know_them(tmp_path):
    main.search(settings_of(tmp_path / "evolution", num_models=10), trainers=PseudoTrainers())
    other = settings_of(tmp_path / "evolution", resume=True, population_size=13)
    with pytest.raises(RecordError, match="population_size was 12 and is 13"):
        main.search(other, trainers=PseudoTrainers())
    # A search from before there was evolution goes on.
    random = settings_of(tmp_path / "random", agent="random", num_models=10)
    main.search(random, trainers=PseudoTrainers())
    saved = json.loads((tmp_path / "random/search.json").read_text())
    assert "population_size" not in saved and "tournament_size" not in saved
    longer = dataclasses.replace(random.files, resume=True)
    main.search(dataclasses.replace(random, files=longer), trainers=PseudoTrainers())


def test_a_search_space_of_one_architecture_is_refused():
    with pytest.raises(SettingsError, match="nothing to change"):
        settings_of("log", num_nodes=1, num_tokens=1)
