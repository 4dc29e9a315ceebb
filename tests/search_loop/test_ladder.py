"""The ladder of sizes that the best networks of a search climb."""

import json
from contextlib import nullcontext

import numpy as np
import pytest

import main
from autodl_design.record.history import RecordError
from autodl_design.record.search_record import SearchRecord
from autodl_design.report_page.searches import Search
from autodl_design.report_page.text import report_lines
from autodl_design.search_loop.final_candidates import climb, is_complete, standings
from autodl_design.search_loop.ladder import changed, ladder_of, size_of
from autodl_design.search_loop.progress import Progress
from autodl_design.search_loop.settings import PRESETS, AllSettings
from autodl_design.search_loop.training_reward import TrainingReward, accuracy_less_size
from autodl_design.search_space.architecture_file import read_architecture
from autodl_design.search_space.child import ChildSettings
from autodl_design.settings.fields import SettingsError
from autodl_design.trainers.job import Outcome, TrainResult

SEARCHED = ChildSettings(width=16, epochs=2)
TOKENS = np.array([[0, 0, 6, 6], [1, 1, 6, 6], [2, 2, 6, 6], [3, 3, 6, 6]])


class Trainers:
    """Give the accuracy named for (mid, run). jobs: what they were given; they die before job `last`."""

    description = "trainers that train nothing"

    def __init__(self, accuracies, num_params=1000, last=None):
        self.accuracies, self.num_params, self.last = accuracies, num_params, last
        self.jobs = []

    def run(self, jobs):
        for job in jobs:
            if len(self.jobs) == self.last:
                raise KeyboardInterrupt
            self.jobs.append((job.mid, job.run))
            accuracy = self.accuracies[job.mid, job.run]
            result = accuracy and TrainResult(accuracy, 1.0, 1.0, self.num_params, 2.0)
            yield job, Outcome(result, None if result else "its process died")


@pytest.fixture
def searched(tmp_path):
    """A search of four models; the later a model, the better it seems."""

    def open_search():
        record = SearchRecord(tmp_path, {}, resume=True, remembered={"validation_images": 100})
        reward = TrainingReward(record, Progress(0, 1), SEARCHED, 0, accuracy_less_size(0.0, 0.0))
        reward.trainers = Trainers({(mid, 0): 0.5 + mid / 100 for mid in range(4)})
        reward(0, TOKENS, np.zeros((4, 2), int))
        return record, reward

    return open_search


def ladder(text):
    return ladder_of(text, SEARCHED, PRESETS)


def test_rungs_have_networks_runs_and_sizes():
    rungs = ladder("20 small, 20x1 epochs=10 T_0=10, 4x2 original width=64,1")
    assert [(rung.networks, rung.runs, rung.size) for rung in rungs[:2]] == [
        (20, 3, "num_cells=1 train_batch_size=8"),  # its width and its epochs are those of the search
        (20, 1, "epochs=10 T_0=10.0"),
    ]
    assert rungs[2].config.ratio == 4 and rungs[2].config.lr_max == 0.1 and rungs[2].config.width == 64
    assert rungs[3].config == SEARCHED and rungs[3].size == ""
    for rung in rungs:
        assert changed(SEARCHED, rung.size.split()) == rung.config
    own_schedule = ChildSettings(T_0=3.0, random_flip_left_right=True)
    changes = ["T_0=", "random_flip_left_right=False"]
    assert size_of(changed(own_schedule, changes), own_schedule) == "T_0= random_flip_left_right=false"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "it must be something"),
        ("width=64", '"width=64" does not begin with a number of networks'),
        ("3,,1", '"" does not begin with a number'),
        ("0", '"0" does not begin with a number'),
        ("4x0", '"4x0" does not begin with a number'),
        ("4x width=64", '"4x" does not|"4x width=64" does not'),
        ("99999", "does not begin with a number"),
        ("4 width", '"width" is neither a preset nor a setting'),
        ("4 num_nodes=3", '"num_nodes=3" is neither a preset nor a setting of child networks'),
        ("4 width=wide", "width cannot be wide"),
        ("4 width=", "width cannot be $"),
        ("4 shortcut=1", "shortcut cannot be 1"),
        ("4 lr_max=nan", "lr_max cannot be nan: it must be finite"),
        ("4 width=30", "width 30 must be a multiple of ratio 4"),
        ("4 width=8, 5 width=16", "5 cannot come after 4"),
        ("4 width=8, 2 width=8", "two rungs are of one size, width=8"),
        ("4, 2 width=64", "two rungs are of one size, that of the search"),
        (", ".join(f"1 epochs={n}" for n in range(1, 12)), "it has 11 rungs, more than 10"),
        ("4 " + 9999 * "x", "is neither a preset"),
        ("4 width=" + 9999 * "9", "width cannot be 999"),
    ],
)
def test_what_is_no_ladder_is_refused(text, complaint):
    with pytest.raises(SettingsError, match=complaint) as refused:
        AllSettings.of(ladder=text, width=64)
    assert len(str(refused.value)) < 500 and "\n" not in str(refused.value)


def test_both_ways_to_say_it_are_refused():
    with pytest.raises(SettingsError, match="name one of them"):
        AllSettings.of(ladder="4", final_candidates=4)


def test_each_rung_takes_the_best_of_the_one_before(searched, tmp_path, capsys):
    rungs = ladder("3x1 epochs=10, 2x2 width=64")
    record, reward = searched()
    # Model 3 had the highest reward, and model 0 is none of the first three.
    low = Trainers({(mid, 1): 0.6 - mid / 100 for mid in range(1, 4)})
    high = Trainers({(1, 1): 0.7, (1, 2): 0.6, (2, 1): 0.6, (2, 2): 0.8}, num_params=5000)
    climb(reward, rungs, lambda rung: nullcontext(low if rung == rungs[0] else high))
    assert sorted(low.jobs) == [(1, 1), (2, 1), (3, 1)]
    assert high.jobs == [(1, 1), (1, 2), (2, 1), (2, 2)]
    output = capsys.readouterr().out.splitlines()
    start = output.index("3 final candidates at epochs=10, by their mean accuracy over one more run:")
    assert output[start + 1] == "  model 1: mean 0.590 (0.590); in the search 0.510"
    *_, first, second, best = output
    assert first == "  model 2: mean 0.700 (0.600, 0.800); in the search 0.520"
    assert second == "  model 1: mean 0.650 (0.700, 0.600); in the search 0.510"
    assert best.endswith("best.json is model 2 now, the first of them")

    found = read_architecture(record.files.best)
    assert found.config == ChildSettings(width=64, epochs=2) and found.num_params == 5000
    assert (found.mid, found.accuracy_of) == (2, "the mean of 2 runs after the search at width=64")
    assert found.accuracy == pytest.approx(0.7) and found.accuracy_error == pytest.approx(0.0458)
    report = "\n".join(report_lines(search := Search(tmp_path), [search]))
    assert "The best is model 2: accuracy 0.700" in report and "more runs at width=64" in report
    tables = report.partition("at width=64, by their mean:")[2].partition("at epochs=10, by their mean:")
    assert tables[0].split()[6:8] == ["2", "0.700"] and tables[2].split()[6:8] == ["1", "0.590"]
    # What is known of another size says nothing of the search's own.
    assert search.again == {} and search.accuracy(search.models[2]) == pytest.approx(0.52)


def test_a_ladder_goes_on_after_a_stop_at_any_run(searched, tmp_path):
    rungs = ladder("3x1 epochs=10, 2x2 width=64")
    low = {(mid, 1): 0.6 - mid / 100 for mid in range(1, 4)}
    high = {(1, 1): 0.7, (1, 2): None, (2, 1): 0.6, (2, 2): 0.8}
    for stop in range(3):
        record, reward = searched()
        rung = 0 if stop < 2 else 1
        with pytest.raises(KeyboardInterrupt):
            trainers = [Trainers(low, last=1), Trainers(high, last=2)][rung]
            climb(reward, rungs, lambda rung, trainers=trainers: nullcontext(trainers))
        assert not is_complete(record, rungs)
        assert standings(record, rungs)[-1].rung == rungs[rung]
        record.__exit__()
    record, reward = searched()
    climb(reward, rungs, lambda rung: nullcontext(Trainers(high)))
    assert is_complete(record, rungs) and not is_complete(record, ladder("3x1 epochs=10, 3x2 width=64"))
    assert [run["run"] for run in map(json.loads, record.files.final_candidates.open())] == [
        *(1, 1, 1),
        *(1, 2, 1, 2),
    ]
    # A run that failed counts neither for nor against: 0.7 is the mean of both.
    assert read_architecture(record.files.best).accuracy == pytest.approx(0.7)


def test_where_all_runs_of_a_size_fail_the_best_is_that_of_the_one_before(searched, tmp_path):
    rungs = ladder("2x1 epochs=10, 1x1 width=64")
    record, reward = searched()
    good, bad = Trainers({(3, 1): 0.6, (2, 1): 0.5}), Trainers({(3, 1): None})
    climb(reward, rungs, lambda rung: nullcontext(good if rung == rungs[0] else bad))
    found = read_architecture(record.files.best)
    assert (found.mid, found.accuracy, found.config.epochs) == (3, 0.6, 10)
    assert found.accuracy_of == "one run after the search at epochs=10"


def test_more_runs_count_before_luckier_ones(searched):
    """Three runs of a model say more than one of another, which may have been lucky."""
    record, reward = searched()
    climb(
        reward, ladder("1x3 width=64"), lambda rung: nullcontext(Trainers({(3, n): 0.5 for n in (1, 2, 3)}))
    )
    others = Trainers({(mid, 1): 0.9 for mid in range(4)})
    climb(reward, ladder("4x1 width=64"), lambda rung: nullcontext(others))
    assert len(others.jobs) == 3 and read_architecture(record.files.best).mid == 3


@pytest.mark.parametrize("size", ["width", "width=0", "num_nodes=3", "\\u001b[31m", "x" * 999])
def test_a_size_that_is_none_is_one_line(searched, size):
    record, reward = searched()
    climb(reward, ladder("1x1 width=64"), lambda rung: nullcontext(Trainers({(3, 1): 0.5})))
    path = record.files.final_candidates
    path.write_text(path.read_text().replace('"size": "width=64"', f'"size": "{size}"'))
    with pytest.raises(RecordError, match="final_candidates.jsonl: size") as refused:
        reward.write_best()
    assert "\n" not in str(refused.value) and str(refused.value).isprintable()


def test_trainers_of_a_users_own_have_one_size(tmp_path):
    settings = AllSettings.of(log_dir=str(tmp_path), num_models=3, batch_size=3, ladder="2 width=8")
    with pytest.raises(SettingsError, match="trainers of your own train at one size"):
        main.search(settings, trainers=Trainers({}))
