"""--stop_poor: who is stopped, what reward that one gets, and that nothing else decides it."""

import json
from statistics import median

import numpy as np
import pytest
from model_records import CACHED, model

import main
from autodl_design.record.best import best_by_reward
from autodl_design.search_loop.settings import AllSettings
from autodl_design.search_loop.stop_poor import hurdles_of
from autodl_design.search_space.child import ChildSettings
from autodl_design.settings.fields import SettingsError
from autodl_design.trainers.job import CurvePoint, Outcome, TrainResult

CONFIG = ChildSettings(epochs=20)
EPOCHS = (5, 10, 20)


def curve(*accuracies):
    points = zip(EPOCHS, accuracies, strict=False)
    return tuple(CurvePoint(epoch, 1.0, 1.0, accuracy) for epoch, accuracy in points)


class Interrupted(Exception):
    pass


class Trainers:
    """Train nothing: the accuracies of a model follow from its number. As so many trainers that finish in
    the opposite order."""

    description = "trainers that train nothing"

    def __init__(self, number=1, models=10_000):
        self.number, self.models = number, models

    def run(self, jobs):
        jobs = list(jobs)
        for first in range(0, len(jobs), self.number):
            for job in reversed(jobs[first : first + self.number]):
                if not self.models:
                    raise Interrupted
                self.models -= 1
                yield job, Outcome(self.train(job))

    @staticmethod
    def train(job):
        accuracies = np.sort(np.random.default_rng(job.mid).random(3)).tolist()
        seen = []
        for point in curve(*accuracies):
            seen.append(point)
            if hurdle := job.failed_hurdle(point.epoch, point.accuracy):
                break
        return TrainResult(point.accuracy, 1.0, 1.0, 100, 1.0, 1000, tuple(seen), hurdle)


def search(log_dir, trainers, **values):
    settings = {"num_nodes": 2, "num_models": 100, "epochs": 20, "stop_poor": True, **values}
    return main.search(AllSettings.of(log_dir=str(log_dir), resume=True, **settings), trainers=trainers)


def test_the_median_and_the_gain_are_those_of_models_of_earlier_steps():
    models = [
        model(mid, mid / 100 + 0.3, curve=curve(mid / 100, mid / 100 + 0.1, mid / 100 + 0.3))
        for mid in range(19)
    ]
    models.append(model(19, 0.9, **CACHED, curve=curve(0.9, 0.9, 0.9)))  # one training counts once
    assert hurdles_of(models, 10, CONFIG) == ()
    models.append(model(20, 0.5, curve=curve(0.95, 0.96, 0.97), step=10))
    assert hurdles_of(models, 10, CONFIG) == ()
    models.append(model(21, 0.8, status="stopped", reason="x", curve=curve(0.05), step=9))
    (hurdle,) = hurdles_of(models, 10, CONFIG)  # at half of the way there are 19 models
    assert hurdle.epoch == 5 and hurdle.accuracy == pytest.approx((0.08 + 0.09) / 2)
    assert hurdle.gain == pytest.approx(0.3)
    assert hurdles_of(models, 10, ChildSettings(epochs=5)) == ()


def test_a_poor_model_is_stopped_and_its_reward_is_as_stated(tmp_path):
    models = search(tmp_path / "log", Trainers())
    stopped = [model for model in models if model.stopped]
    assert 20 < len(stopped) < 80 and min(model.mid for model in stopped) >= 20
    assert {model.curve[-1].epoch for model in stopped} == {5, 10}
    for poor in stopped:
        place = len(poor.curve) - 1
        earlier = [m for m in models if m.step < poor.step and (m.trained or m.stopped)]
        earlier = [m for m in earlier if len(m.curve) > place]
        there = [m.curve[place].accuracy for m in earlier]
        gains = [m.accuracy - m.curve[place].accuracy for m in earlier if m.trained]
        assert poor.curve[place].accuracy < median(there)
        expected = min(poor.curve[place].accuracy + median(gains), 1.0)
        assert poor.accuracy == poor.reward == pytest.approx(expected)
        assert poor.reason.startswith(f"after epoch {EPOCHS[place]} with 0.")
    (best,) = best_by_reward(models, 1)
    assert json.loads((tmp_path / "log" / "best.json").read_text())["mid"] == best.mid and best.trained
    assert not any(model.stopped for model in search(tmp_path / "all", Trainers(), stop_poor=False))


def test_results_depend_neither_on_trainers_nor_on_interruptions(tmp_path):
    whole = search(tmp_path / "one", Trainers(1))
    for models in (7, 30, 18):
        with pytest.raises(Interrupted):
            search(tmp_path / "two", Trainers(2, models))
    assert search(tmp_path / "two", Trainers(2)) == whole
    for path in (tmp_path / "two").glob("checkpoint_*.npz"):
        path.unlink()
    history = tmp_path / "two" / "history.jsonl"
    kept = [line for line in history.read_text().splitlines(True) if json.loads(line)["mid"] != 57]
    history.write_text("".join(kept))
    assert search(tmp_path / "two", Trainers(3)) == whole


def test_it_needs_a_training_that_is_evaluated_on_the_way():
    with pytest.raises(SettingsError, match="--stop_poor: a training of 5 epochs .* give 10 --epochs"):
        AllSettings.of(preset="quick", stop_poor=True)
