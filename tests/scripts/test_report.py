"""report.py as a user runs it."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from helpers import ROOT
from model_records import CACHED, FAILED, model
from PIL import Image

import report
from autodl_design.record.history import RecordError
from autodl_design.report_page.pictures import draw_search
from autodl_design.report_page.text import report_lines


def write(directory, models, name="history.jsonl"):
    directory.mkdir(exist_ok=True)
    (directory / name).write_text("".join(json.dumps(model.to_json()) + "\n" for model in models))
    return directory


def best_mids(output):
    table = output.partition("edges\n")[2].partition("An accuracy")[0]
    return [int(line.split()[0]) for line in table.splitlines()]


def test_lists_the_best_their_operations_and_the_pareto_front(tmp_path, capsys):
    models = [
        model(0, 0.2, network="a"),
        model(1, 0.5, network="b"),
        model(2, 0.5, network="b", **CACHED),
        model(3, **FAILED),
        model(4, 0.3, num_params=100, network="c"),
        model(5, 0.6, reward=0.25, network="d"),
    ]
    report.report(write(tmp_path / "log", models), None, tmp_path)
    output = capsys.readouterr().out
    assert "6 models: 4 trained, 1 with the network of an earlier one, 1 failed" in output
    assert best_mids(output) == [1, 4, 5, 0]
    assert re.search(r" 5 +0\.600 +12,345 +0\.250 +1\+0\n", output)
    operations = output.partition("Their nodes")[2]
    assert re.search(r"\nmid +1 +4 +5 +0\nconv_1x1 +0\+1 +0\+1 ", operations)
    assert re.search(r"\nconv_3x3 +1\+0 +1\+0 ", operations)
    front = output.partition("Pareto front")[2].partition("edges\n")[2].partition("\n\n")[0]
    assert [int(line.split()[0]) for line in front.splitlines()] == [4, 5]
    assert "partly luck" in output


def test_text_fits_100_columns():
    rng = np.random.default_rng(0)
    models = [
        model(
            10**6 + mid,
            0.123456,
            network=str(mid),
            num_params=12_345_678_901,
            tokens=rng.integers(0, 10, 40).tolist(),
            adjvec=[1] * 380,
        )
        for mid in range(12)
    ]
    text = "\n".join(report_lines(models, models))
    assert max(map(len, text.splitlines())) <= 100


def test_works_while_the_last_line_is_being_written(tmp_path, capsys):
    log_dir = write(tmp_path, [model(0, 0.2)])
    with open(log_dir / "history.jsonl", "a") as file:
        file.write('{"mid": 1, "st')
    report.report(log_dir, None, tmp_path)
    assert best_mids(capsys.readouterr().out) == [0]
    assert "model</th>" in (tmp_path / "report.html").read_text()
    for name in ("search_result.png", "cnn_net.png"):
        with Image.open(tmp_path / name) as picture:
            assert picture.format == "PNG" and min(picture.size) > 300


def test_compares_with_a_baseline(tmp_path, capsys):
    search = [model(mid, 0.2001 + 0.001 * mid) for mid in range(100)]
    random = [model(mid, 0.2001 + 0.001 * (mid % 20)) for mid in range(40)]
    report.report(write(tmp_path / "a", search), write(tmp_path / "b", random), tmp_path)
    output = capsys.readouterr().out
    # 12 of 50 steps of two models each: 24 accuracies with a spread of 0.00707, over the root of 24.
    assert re.search(r"first 12 steps +0\.2116 \+- 0\.0014 of 24 models", output)
    assert re.search(r"last 12 steps +0\.2876 \+- 0\.0014 of 24 models", output)
    assert re.search(r"baseline +0\.2096 \+- 0\.0009 of 40 models", output)
    assert re.search(r"last - first +\+0\.0760 \+- 0\.0020, 37\.\d standard errors", output)
    assert "best of the first 40 trained models: 0.239, the baseline's 0.219" in output


def test_ranks_final_candidates_by_their_mean(tmp_path, capsys):
    log_dir = write(tmp_path, [model(0, 0.2), model(1, 0.5), model(2, 0.4)])
    runs = [(1, 1, 0.25), (1, 2, 0.35), (2, 1, 0.45), (2, 2, None), (2, 3, 0.35), (0, 1, None)]
    runs = [model(mid, accuracy, run=run, **({} if accuracy else FAILED)) for mid, run, accuracy in runs]
    write(log_dir, runs, "final_candidates.jsonl")
    report.report(log_dir, None, tmp_path)
    table = capsys.readouterr().out.partition("in the search  runs\n")[2].splitlines()[:3]
    assert [line.split() for line in table] == [
        ["2", "0.400", "0.400", "0.450,", "failed,", "0.350"],
        ["1", "0.300", "0.500", "0.250,", "0.350"],
        ["0", "0.000", "0.200", "failed"],
    ]


def test_reward_is_drawn_where_it_is_not_the_accuracy():
    for reward, labels in (
        (0.2, ["accuracy on held-out images", "parameters"]),
        (0.1, ["accuracy on held-out images", "parameters", "reward"]),
    ):
        figure = draw_search([model(0, 0.2, reward=reward)], [model(0, 0.15)], None)
        assert [axes.get_ylabel() for axes in figure.axes] == labels
        baseline = figure.axes[0].lines[-1]
        assert baseline.get_label() == "mean of the baseline" and set(baseline.get_ydata()) == {0.15}


@pytest.mark.parametrize("models", [[], [model(0, **FAILED)]])
def test_a_search_without_a_trained_model_is_refused(tmp_path, models):
    with pytest.raises(RecordError, match="history.jsonl: no model has been trained yet"):
        report.report(write(tmp_path, models), None, tmp_path)


def test_one_step_is_drawn_between_whole_numbers():
    figure = draw_search([model(0, 0.2), model(1, 0.3)], [], 4)
    low, high = figure.axes[-1].get_xlim()
    assert low <= -0.5 and high >= 0.5
    assert all(float(tick).is_integer() for tick in figure.axes[-1].get_xticks())
    chance = figure.axes[0].lines[-1]
    assert chance.get_label() == "chance" and set(chance.get_ydata()) == {1 / 4}


def run_report(*arguments, **options):
    command = [sys.executable, "report.py", *arguments]
    return subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, **options)


def test_a_mistake_gets_one_line(tmp_path):
    for arguments, complaint in (
        ([f"--log_dir={tmp_path}"], f"{tmp_path}/history.jsonl: No such file"),
        (["--log_dir="], "flag --log_dir="),
        (["--serve", f"--log_dir={tmp_path}/none"], f"{tmp_path}/none is no directory"),
        (["--serve", "--port=65536"], "flag --port=65536: must be at least 0 and at most 65,535"),
    ):
        result = run_report(*arguments)
        assert result.returncode == 1
        assert result.stderr.startswith(f"report.py: {complaint}") and result.stderr.count("\n") == 1


def test_a_full_disk_and_a_closed_pipe_give_no_traceback(tmp_path):
    write(tmp_path, [model(0, 0.2)])
    with open("/dev/full", "w") as full:
        result = run_report(f"--log_dir={tmp_path}", stdout=full)
    assert result.returncode == 1
    assert result.stderr == "report.py: standard output: No space left on device\n"
    read, wrote = os.pipe()
    os.close(read)
    with open(wrote, "w") as closed:
        assert run_report(f"--log_dir={tmp_path}", stdout=closed).stderr == ""
