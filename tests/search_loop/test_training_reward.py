"""What becomes of a model once its training ended: its reward, its record, and the cache."""

import json
from contextlib import nullcontext

import numpy as np
import pytest
from model_records import CACHED, FAILED, model

import main
from autodl_design.child_network.operations import OPERATIONS
from autodl_design.record.history import RecordError, read_history
from autodl_design.record.search_record import SearchRecord
from autodl_design.search_loop.final_candidates import choose_candidates, climb
from autodl_design.search_loop.progress import Progress
from autodl_design.search_loop.settings import (
    AllSettings,
    FilesSettings,
    PolicySettings,
    RunSettings,
    SearchSettings,
)
from autodl_design.search_loop.training_reward import (
    SearchError,
    TrainingReward,
    accuracy_less_size,
    reward_from,
)
from autodl_design.search_space import architecture_file
from autodl_design.search_space.architecture import Architecture
from autodl_design.search_space.child import ChildSettings
from autodl_design.trainers.job import Outcome, TrainResult

WEIGHTS = {"conv_1x1": 1, "conv_3x3": 9, "conv_5x5": 25, "dilated_3x3": 9, "conv_1x3_3x1": 6}
WEIGHTS["conv_1x5_5x1"] = 10


class Trainers:
    """Gives a model the accuracy named for (mid, run), else 0.5, and as many parameters as its operations
    have, in 10,000s."""

    description = "trainers that train nothing"

    def __init__(self, failing: tuple[int, ...] = (), accuracies: dict | None = None):
        self.failing = failing
        self.accuracies = accuracies or {}
        self.mids: list[int] = []

    def run(self, jobs):
        for job in jobs:
            self.mids.append(job.mid)
            if job.mid in self.failing:
                yield job, Outcome(None, "its process died")
            else:
                names = [list(OPERATIONS)[token] for token in job.architecture.tokens]
                num_params = 10_000 * sum(WEIGHTS.get(name, 0) for name in names)
                accuracy = self.accuracies.get((job.mid, job.run), 0.5)
                yield job, Outcome(TrainResult(accuracy, 1.0, 1.0, num_params, 2.0, macs=5 * num_params))


@pytest.fixture
def make_reward(tmp_path):
    """reward, record = make_reward(trainers)"""

    def make(trainers, params_penalty=0.0, macs_penalty=0.0, **options):
        record = SearchRecord(tmp_path, {}, resume=True)
        reward_of = accuracy_less_size(params_penalty, macs_penalty)
        reward = TrainingReward(record, Progress(0, 1), ChildSettings(), 0, reward_of, **options)
        reward.trainers = trainers
        return reward, record

    return make


# Two nodes a cell. The first three describe one network: nodes in another order, without an edge.
TOKENS = np.array([[1, 2, 6, 6], [2, 1, 6, 6], [1, 2, 6, 6], [1, 2, 6, 7]])
ADJVEC = np.zeros((4, 2), int)


def test_a_network_met_again_keeps_its_accuracy(make_reward):
    trainers = Trainers()
    reward, record = make_reward(trainers)
    first = reward(0, TOKENS, ADJVEC)
    assert trainers.mids == [0, 3]
    assert [record.known[mid].status for mid in range(4)] == ["ok", "cached", "cached", "ok"]
    assert record.known[1].architecture.tokens == (2, 1, 6, 6) and record.known[1].accuracy == 0.5
    assert record.known[1].num_params == record.known[0].num_params > 0
    assert first.tolist() == [0.5] * 4
    reward(1, TOKENS, ADJVEC)
    assert trainers.mids == [0, 3]
    assert record.known[7].reason == "the network of model 3"


def test_cache_outlives_the_process(make_reward):
    reward, record = make_reward(Trainers())
    with record:
        reward(0, TOKENS[:1], ADJVEC[:1])
        record.save_step(1, {"tensors": {}}, TOKENS[1:2], ADJVEC[1:2])
    trainers = Trainers()
    reward, _ = make_reward(trainers)
    reward(1, TOKENS[1:2], ADJVEC[1:2])
    assert trainers.mids == []


def test_without_cache_all_are_trained(make_reward):
    trainers = Trainers()
    make_reward(trainers, cache=False)[0](0, TOKENS, ADJVEC)
    assert trainers.mids == [0, 1, 2, 3]


def test_a_failure_is_not_cached_and_keeps_its_row(make_reward):
    trainers = Trainers(failing=(0,))
    reward, record = make_reward(trainers, failed_reward=0.25)
    assert reward(0, TOKENS, ADJVEC).tolist() == [0.25, 0.5, 0.5, 0.5]
    assert trainers.mids == [0, 3, 1]
    assert [record.known[mid].status for mid in range(4)] == ["failed", "ok", "cached", "ok"]
    assert record.known[0].reason == "its process died" and record.known[0].accuracy is None


def test_a_step_without_any_model_ends_the_search(make_reward):
    reward, _ = make_reward(Trainers(failing=(0, 1, 2, 3)))
    with pytest.raises(SearchError, match="every model of step 0 failed.*its process died"):
        reward(0, TOKENS, ADJVEC)


def test_history_shows_accuracy_and_reward_apart(make_reward):
    reward, record = make_reward(Trainers(), params_penalty=0.5)
    rewards = reward(0, TOKENS[:1], ADJVEC[:1])  # 9 + 25 weights: 0.34 million
    assert record.known[0].accuracy == 0.5
    assert rewards[0] == record.known[0].reward == pytest.approx(0.5 - 0.5 * 0.34)


def test_macs_count_in_the_reward(make_reward):
    reward, record = make_reward(Trainers(), params_penalty=0.5, macs_penalty=0.1)
    rewards = reward(0, TOKENS[:1], ADJVEC[:1])
    assert record.known[0].macs == 1_700_000
    assert rewards[0] == pytest.approx(0.5 - 0.5 * 0.34 - 0.1 * 1.7)


def test_a_reward_gets_the_macs_where_it_needs_them():
    def of_two(accuracy, num_params):
        return accuracy - num_params

    def of_three(accuracy, num_params, macs):
        return accuracy - num_params - macs

    def of_two_or_more(accuracy, num_params, weight=0.5):
        return weight * accuracy

    rewards = (of_two, of_three, of_two_or_more, max)
    assert [reward_from(reward, 0.5, 10, 100) for reward in rewards] == [-9.5, -109.5, 0.25, 10]


def test_params_penalty_steers_the_search_to_smaller_networks(tmp_path):
    def sizes(penalty):
        settings = AllSettings(
            SearchSettings(params_penalty=penalty),
            RunSettings(num_models=800),
            FilesSettings(log_dir=str(tmp_path / str(penalty))),
            policy=PolicySettings(num_nodes=4),
        )
        models = main.search(settings, trainers=Trainers())
        of_step = np.array([model.num_params for model in models]).reshape(80, 10)
        return of_step[:20].mean(), of_step[-20:].mean()

    start, end = sizes(penalty=1.0)
    assert end < 0.6 * start
    start, end = sizes(penalty=0.0)
    assert end > 0.8 * start


def test_candidates_are_the_best_one_and_those_that_all_models_speak_for():
    """A reward is the share of tokens that are 1, and luck; two networks were very lucky."""
    rng = np.random.default_rng(0)
    architectures = Architecture.of_batch(rng.integers(0, 4, (200, 8)), rng.integers(0, 2, (200, 12)))
    ones = np.array([architecture.tokens.count(1) / 8 for architecture in architectures])
    rewards = ones + rng.normal(0, 0.1, 200)
    lucky = np.argsort(ones)[:2].tolist()
    rewards[lucky] = 2.0, 1.9
    models = [
        model(mid, reward, *architecture, network=str(mid))
        for mid, (reward, architecture) in enumerate(zip(rewards.tolist(), architectures, strict=True))
    ]
    models += [model(200, **FAILED), model(201, 1.9, *models[lucky[1]].architecture, **CACHED)]
    first, *others = choose_candidates(models, 10)
    assert len(others) == 9 and first.mid == lucky[0]
    assert lucky[1] not in [candidate.mid for candidate in others]
    assert np.mean([ones[candidate.mid] for candidate in others]) > np.sort(ones)[-20]
    assert choose_candidates(models, 1) == [first]
    assert len(choose_candidates(models, 1000)) == 200
    assert choose_candidates(models[200:201], 5) == []


def test_the_regression_learns_of_stopped_models_too():
    models = [
        model(0, 0.9, [0, 1, 0, 1]),
        model(1, 0.5, [1, 1, 1, 1]),
        model(2, 0.5, [0, 0, 0, 0]),
    ]
    stopped = {"status": "stopped", "reason": "after epoch 5"}
    models += [model(3, 0.1, [1, 1, 1, 0], **stopped), model(4, 0.1, [1, 1, 0, 1], **stopped)]
    models.append(model(5, 0.8, [0, 0, 0, 1], **stopped))
    assert [candidate.mid for candidate in choose_candidates(models[:3], 9)] == [0, 1, 2]
    assert [candidate.mid for candidate in choose_candidates(models, 9)] == [0, 2, 1]


def rungs(count):
    return AllSettings.of(final_candidates=count).rungs


def test_the_best_are_trained_again_and_ranked_by_their_mean(make_reward, capsys):
    tokens = np.array([[1, 2, 6, 6], [0, 0, 6, 6], [1, 1, 6, 6]])
    reward, record = make_reward(Trainers(accuracies={(0, 0): 0.4, (1, 0): 0.8, (2, 0): 0.7}))
    reward(0, tokens, np.zeros((3, 2), int))
    again = Trainers(accuracies={(2, 1): 0.6, (2, 2): 0.9})
    climb(reward, rungs(2), lambda rung: nullcontext(again))
    assert again.mids == [1, 1, 1, 2, 2, 2]
    *_, first, second, best = ranking = capsys.readouterr().out.splitlines()[-3:]
    assert best.endswith("best.json is model 2 now, the first of them")
    content = json.loads((record.directory / "best.json").read_text())
    assert content["mid"] == 2 and content["accuracy"] == pytest.approx(2 / 3)
    assert content["accuracy_of"] == "the mean of 3 runs after the search"
    assert "model 2: mean 0.667 (0.600, 0.900, 0.500); in the search 0.700" in first
    assert "model 1: mean 0.500 (0.500, 0.500, 0.500); in the search 0.800" in second

    climb(reward, rungs(2), lambda rung: pytest.fail("nothing is to be trained"))
    assert capsys.readouterr().out.splitlines()[-3:] == ranking


def test_best_json_says_what_the_records_say_wherever_a_search_is_stopped(tmp_path):
    """Before each writing of best.json, of the last one too."""
    accuracies = {(mid, run): 0.9 - 0.1 * mid if run == 0 else 0.2 + 0.1 * mid
                  for mid in range(3) for run in range(4)}  # fmt: skip

    def search(log_dir, resume):
        settings = AllSettings.of(
            log_dir=str(log_dir), num_models=3, batch_size=3, num_nodes=2, final_candidates=3, resume=resume
        )
        main.search(settings, trainers=Trainers(accuracies=accuracies))
        return (log_dir / "best.json").read_bytes()

    whole = search(tmp_path / "whole", resume=False)
    assert json.loads(whole)["mid"] == 2

    class Killed(BaseException):
        pass

    write, writings = architecture_file.write_content, 0

    def killed_before(number):
        def write_or_die(path, content):
            nonlocal writings
            writings += 1
            if writings == number:
                raise Killed
            write(path, content)

        return write_or_die

    for number in range(1, 100):
        writings = 0
        log_dir = tmp_path / str(number)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(architecture_file, "write_content", killed_before(number))
            try:
                search(log_dir, resume=False)
                break
            except Killed:
                pass
        assert search(log_dir, resume=True) == whole
    assert number > 2


def test_a_reward_that_is_no_number_ends_the_search_and_is_not_written(tmp_path):
    record = SearchRecord(tmp_path, {}, resume=False)
    reward = TrainingReward(
        record, Progress(0, 1), ChildSettings(), 0, lambda accuracy, num_params: np.float32("nan")
    )
    reward.trainers = Trainers()
    with pytest.raises(RecordError, match="history.jsonl: model 0 is not written: reward cannot be nan"):
        reward(0, TOKENS, ADJVEC)
    assert read_history(record.files.history) == []


def test_runs_of_another_search_are_refused(make_reward, tmp_path):
    reward, record = make_reward(Trainers())
    reward(0, TOKENS, ADJVEC)
    climb(reward, rungs(1), lambda rung: nullcontext(Trainers()))
    path = tmp_path / "final_candidates.jsonl"
    path.write_text(path.read_text().replace('"tokens": [1, 2,', '"tokens": [1, 3,'))
    with pytest.raises(RecordError, match="final_candidates.jsonl has runs of other models"):
        climb(reward, rungs(1), lambda rung: nullcontext(Trainers()))
