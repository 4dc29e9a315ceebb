"""What a search shows: lines for every model, and on a terminal a status that adds up."""

import contextlib
import math
import os
import sys

import pytest
from model_records import CACHED, FAILED, model

from autodl_design.search_loop.progress import Progress, rounded
from autodl_design.trainers.job import Epoch


def make_progress():
    return Progress(total_models=4, num_epochs=20)


def test_every_model_gets_a_line(capsys):
    progress = make_progress()
    progress.model_done(model(1, 0.25))
    progress.model_done(model(2, **FAILED))
    progress.model_done(model(3, 0.25, **CACHED))
    progress.model_done(model(1, 0.5, run=2))
    assert capsys.readouterr().out.splitlines() == [
        "  model 1: accuracy 0.250",
        "  model 2: failed, x",
        "  model 3: accuracy 0.250",
        "  model 1, run 2: accuracy 0.500",
    ]


@pytest.mark.parametrize("variable", ["FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "NOTHING"])
def test_lines_are_whole_and_plain_where_they_go_to_a_file(capsys, monkeypatch, variable):
    monkeypatch.setenv(variable, "1")
    progress = make_progress()
    line = "[bold] :smile: " + "long " * 100
    with progress:
        progress.print(line)
        progress.epoch_done(Epoch(0, 1, 2.0, 0.1))
    assert capsys.readouterr().out == line + "\n"


def status_of(progress):
    return str(progress._status()).splitlines()


def test_status_follows_the_models():
    progress = make_progress()
    assert status_of(progress) == ["step 0   models 0 of 4   best none", "elapsed 0:00:00   left unknown"]
    for mid in (5, 6):
        progress.epoch_done(Epoch(mid, 0, math.nan, math.nan))
    progress.epoch_done(Epoch(5, 3, 2.0, 0.125))
    assert status_of(progress)[2:] == [
        "  model 5: epoch 3 of 20, training accuracy 0.12",
        "  model 6: epoch 0 of 20, starting",
    ]
    progress.started -= 10  # seconds ago
    progress.phase_started -= 10
    progress.model_done(model(5, 0.25, step=2))
    progress.epoch_done(Epoch(5, 20, 2.0, 0.5))  # comes late
    assert status_of(progress) == [
        "step 2   models 1 of 4   best 0.250",
        "elapsed 0:00:10   left 0:00:30",
        "  model 6: epoch 0 of 20, starting",
    ]
    progress.model_done(model(6, **FAILED))
    assert len(status_of(progress)) == 2


def test_status_counts_over_resumes_and_further_runs():
    progress = Progress(total_models=4, num_epochs=20, done=3, best=0.5)
    assert status_of(progress)[0] == "step 0   models 3 of 4   best 0.500"
    progress.model_done(model(3, 0.25))
    progress.begin_phase(2, 20)
    for run in (1, 2):
        progress.epoch_done(Epoch(0, 0, math.nan, math.nan, run))
    assert len(status_of(progress)) == 4
    progress.model_done(model(0, 0.75, run=1))
    progress.model_done(model(0, 0.75, run=2))
    status = status_of(progress)
    assert status[0] == "step 0   models 6 of 6   best 0.500" and status[1].endswith("left 0:00:00")


def test_the_status_shows_what_guessing_would_be():
    assert status_of(Progress(4, 20, best=0.5, chance=0.25))[0].endswith("best 0.500 (chance 0.250)")


def test_the_time_that_is_left_is_said_once_it_can_be_told(capsys):
    progress = Progress(total_models=100, num_epochs=20)
    progress.phase_started -= 1000  # the start of the trainers
    progress.epoch_done(Epoch(0, 0, math.nan, math.nan))
    progress.phase_started -= 50
    for mid in range(9):
        progress.model_done(model(mid, 0.25))
    assert "about" not in capsys.readouterr().out  # neither ten models nor a minute
    progress.epoch_done(Epoch(10, 0, math.nan, math.nan))
    progress.epoch_done(Epoch(10, 10, 2.0, 0.5))  # half of it counts
    progress.phase_started -= 2
    progress.model_done(model(9, 0.25))
    assert capsys.readouterr().out.splitlines()[-1] == "about 7 minutes for the other 90 models"
    progress.model_done(model(10, 0.25))
    assert "about" not in capsys.readouterr().out


def test_a_search_of_long_models_is_estimated_by_its_first(capsys):
    progress = Progress(total_models=10_000, num_epochs=20)
    progress.epoch_done(Epoch(0, 0, math.nan, math.nan))
    progress.phase_started -= 180
    progress.model_done(model(0, 0.25))
    assert capsys.readouterr().out.splitlines()[-1] == "about 21 days for the other 9,999 models"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "a second"), (2, "2 seconds"), (119, "119 seconds"), (5400, "90 minutes"), (1e5, "28 hours"),
     (1e7, "116 days"), (1e9, "32 years")],
)  # fmt: skip
def test_times_are_said_in_a_unit_of_their_size(seconds, text):
    assert rounded(seconds) == text


def test_no_search_is_too_long_for_the_status():
    progress = Progress(total_models=10**16, num_epochs=20)
    progress.phase_started -= 3600
    progress.model_done(model(0, 0.25))
    assert "left years" in status_of(progress)[1]


def test_a_terminal_gets_a_status_line_that_goes_when_the_search_ends(monkeypatch):
    reader, writer = os.openpty()
    with open(writer, "w") as terminal:
        monkeypatch.setattr(sys, "stdout", terminal)
        monkeypatch.setenv("TERM", "xterm")
        progress = make_progress()
        assert progress.console.is_terminal
        with progress:
            progress.live.refresh()
            progress.model_done(model(1, 0.25))
    text = ""
    with contextlib.suppress(OSError):  # the end, with all writers gone
        while part := os.read(reader, 2**16):
            text += part.decode()
    os.close(reader)
    assert "models 0 of 4" in text and "  model 1: accuracy 0.250\r\n" in text
