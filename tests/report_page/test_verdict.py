"""Has it learned? The answer in words, from searches of which it is known."""

import io
import json

import numpy as np
import pytest
from model_records import CACHED, FAILED, model

from autodl_design.record.reading import chance_of
from autodl_design.report_page.terminal_curve import terminal_curve
from autodl_design.report_page.verdict import (
    learning_lines,
    planned_models,
    policy_line,
    verdict,
)

SETTINGS = {"num_models": 40, "batch_size": 10, "num_classes": 4, "validation_images": 100}


def search(means, batch_size=10, spread=0.05, **fields):
    """A step a mean, of models that vary by `spread`."""
    rng = np.random.default_rng(0)
    accuracies = [
        (step, mean + spread * rng.standard_normal())
        for step, mean in enumerate(means)
        for _ in range(batch_size)
    ]
    return [
        model(mid, float(np.clip(accuracy, 0, 1)), step=step, network=str(mid), **fields)
        for mid, (step, accuracy) in enumerate(accuracies)
    ]


def test_yes_since_the_step_from_which_on_it_stayed_better():
    found = verdict(search([0.5] * 8 + [0.7] * 4), {**SETTINGS, "num_models": 120})
    assert found.answer == "yes"
    # The window of three steps from step 6 on is the first that is clearly better.
    assert found.reason.startswith(", since step 6: the last 3 steps have a mean accuracy of 0.7")
    assert "against the first (+" in found.reason and found.reason.endswith(
        "standard errors; chance is 0.250)"
    )
    assert found.sentence.startswith("Has it learned? Yes, since step 6: ")


def test_a_rise_that_was_lost_again_is_none():
    assert verdict(search([0.5] * 4 + [0.7] * 4 + [0.5] * 4), {}).answer == "no"


def test_not_yet_where_the_search_goes_on_and_no_where_it_is_complete():
    models = search([0.5] * 10)
    going_on = verdict(models, {**SETTINGS, "num_models": 200})
    complete = verdict(models, {**SETTINGS, "num_models": 100})
    assert (going_on.answer, complete.answer) == ("not yet", "no")
    for found in (going_on, complete):
        assert "more than 3 would be learning" in found.reason and "chance is 0.250" in found.reason
    assert verdict(search([0.7] * 5 + [0.5] * 5), SETTINGS).reason.startswith(", it became worse: ")


def test_one_step_or_one_model_a_step_is_no_evidence():
    found = verdict(search([0.5]), SETTINGS)
    assert found.answer == "not yet" and "there is one step" in found.reason
    two = [model(0, 0.2, step=0, network="a"), model(1, 0.9, step=1, network="b")]
    found = verdict(two, SETTINGS)
    assert found.answer == "not yet" and "no standard error is known" in found.reason


def test_what_is_maximised_is_compared():
    """Rewards rise while accuracies fall: the agent has learned what it was to learn."""
    models = search([0.6] * 5 + [0.5] * 5)
    models = [one._replace(reward=1 - one.accuracy) for one in models]
    found = verdict(models, SETTINGS)
    assert found.answer == "yes" and "mean reward of" in found.reason and "chance" not in found.reason


def test_failed_and_cached_models_count_as_in_the_statistics():
    models = search([0.5] * 5 + [0.7] * 5)
    repeated = [model(1000 + mid, 0.9, step=0, network="0", **CACHED) for mid in range(3)]
    failed = [model(2000 + mid, step=9, **FAILED) for mid in range(5)]
    assert verdict([*models, *failed], SETTINGS).reason == verdict(models, SETTINGS).reason
    assert verdict([*models, *repeated], SETTINGS).reason != verdict(models, SETTINGS).reason


@pytest.mark.parametrize("value", [None, "10", True, 0, 1, -3, 2.5, [10], 10**400])
def test_settings_of_a_file_may_say_anything(value):
    assert chance_of({"num_classes": value}) is None or value == 10**400
    assert planned_models({"num_models": value, "batch_size": 10}) in (None, (10, 10))
    assert planned_models({"num_models": 10, "batch_size": value}) in (None, (10, 1))
    verdict(search([0.5, 0.6]), dict.fromkeys(SETTINGS, value))


def test_a_policy_that_has_not_moved_is_named():
    rows = [
        {"token_entropy": 18.42067, "edge_entropy": 8.3},
        {"token_entropy": 18.42036, "edge_entropy": 8.3},
    ]
    assert policy_line(rows, {}).startswith("The policy is still as at the start")
    # A policy that comes to prefer operations and to take more edges may keep its entropy over all.
    rows[1] = {"token_entropy": 14.72, "edge_entropy": 12.0}
    assert policy_line(rows, {}) == (
        "The policy has moved: its entropy is 80 % for operations and 145 % for edges of what it was at "
        "the start"
    )
    no_edges = [{**row, "edge_entropy": 0.0} for row in rows]
    assert "80 % for operations of what" in policy_line(no_edges, {})
    for nothing in ([], rows[:1], [{}, {}], [rows[0], {**rows[0], "edge_entropy": float("nan")}]):
        assert policy_line(nothing, {}) is None


def test_the_end_of_a_search_shows_verdict_and_curve(tmp_path):
    def record(models):
        lines = "".join(json.dumps(one.to_json()) + "\n" for one in models)
        (tmp_path / "history.jsonl").write_text(lines)
        return list(learning_lines(tmp_path, "utf-8"))

    assert list(learning_lines(tmp_path)) == []
    (tmp_path / "search.json").write_text(json.dumps(SETTINGS))
    lines = record(search([0.5] * 5 + [0.7] * 5))
    assert lines[0].startswith("Has it learned? Yes") and "chance is 0.250" in lines[0]
    assert len(lines) == 7 and "█" in lines[1] and "█" in lines[5]
    assert lines[-1] == "mean accuracy of each step, from step 0 to step 9"
    assert record(search([0.5])) == [verdict(search([0.5]), SETTINGS).sentence]
    assert record([model(0, **FAILED)]) == []


# --- The curve --------------------------------------------------------------------------------------


def test_curve_shows_values_from_the_lowest_to_the_highest():
    lines = terminal_curve([0.0, 0.5, 1.0], "utf-8")
    assert lines[0] == "1.000 |      ███" and lines[-1] == "0.000 |▁▁▁██████"
    assert len(lines) == 5


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", None, "no such encoding"])
def test_curve_is_ascii_where_the_stream_has_no_blocks(encoding, monkeypatch):
    if encoding is None:  # then that of standard output
        monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), "latin-1"))
    lines = terminal_curve([0.0, 0.5, 1.0], encoding)
    assert all(line.isascii() for line in lines) and lines[0] == "1.000 |      ###"


@pytest.mark.parametrize(
    "values",
    [[], [0.5], [0.5] * 1000, list(range(1000)), [float("nan")] * 3, [1e38, -1e38, float("inf"), 0.5]],
)
def test_curve_of_any_values_fits_a_terminal(values):
    lines = terminal_curve(values, "utf-8")
    assert not lines or len(lines) == 5
    assert all("nan" not in line and len(line.partition("|")[2]) <= 60 for line in lines)
