"""What a search shows: lines for every model, and on a terminal a status that adds up."""

import os
import sys

from model_records import CACHED, FAILED, model

from record.progress import Progress
from trainers.job import Epoch


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


def test_lines_are_whole_and_plain_where_they_go_to_a_file(capsys):
    progress = make_progress()
    line = "[bold] :smile: " + "long " * 100
    with progress:
        progress.print(line)
        progress.epoch_done(Epoch(0, 1, 2.0, 0.1))
    assert capsys.readouterr().out == line + "\n"


def test_status_follows_the_models():
    progress = make_progress()
    assert str(progress._status()) == "step 0, 0 of 4 models, time left unknown"
    progress.epoch_done(Epoch(5, 3, 2.0, 0.125))
    progress.epoch_done(Epoch(6, 1, 2.0, 0.25))
    status = str(progress._status())
    assert status.endswith(
        "| model 5 epoch 3/20 training accuracy 0.12, model 6 epoch 1/20 training accuracy 0.25"
    )
    progress.started -= 10  # seconds ago
    progress.model_done(model(5, 0.25, step=2))
    status = str(progress._status())
    assert status.startswith("step 2, 1 of 4 models, time left 0:00:30") and "model 5" not in status
    progress.model_done(model(6, **FAILED))
    assert "|" not in str(progress._status())


def test_no_search_is_too_long_for_the_status():
    progress = Progress(total_models=10**16, num_epochs=20)
    progress.started -= 3600
    progress.model_done(model(0, 0.25))
    assert "time left years" in str(progress._status())


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
    text = os.read(reader, 2**16).decode()
    os.close(reader)
    assert "0 of 4 models" in text and "  model 1: accuracy 0.250\r\n" in text
