"""report.py as a user runs it."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from helpers import ROOT
from matplotlib.backends.backend_agg import FigureCanvasAgg
from model_records import CACHED, FAILED, model
from PIL import Image

import report
from autodl_design.pictures.figures import svg
from autodl_design.record.history import RecordError
from autodl_design.report_page.pictures import draw_course, draw_front, draw_search
from autodl_design.report_page.searches import Search, grouped
from autodl_design.report_page.text import report_lines
from autodl_design.trainers.job import CurvePoint


def write(directory, models, name="history.jsonl"):
    directory.mkdir(exist_ok=True)
    (directory / name).write_text("".join(json.dumps(model.to_json()) + "\n" for model in models))
    return directory


def best_mids(output):
    table = output.partition("The best by one run")[2].partition("edges\n")[2].partition("An accuracy")[0]
    return [int(line.split()[0]) for line in table.splitlines()]


CURVE = CurvePoint(5, 2.0, None, 0.1), CurvePoint(10, 1.5, 2.5, 0.5)


def test_lists_the_best_their_operations_and_the_pareto_front(tmp_path, capsys):
    models = [
        model(0, 0.2, network="a"),
        model(1, 0.5, network="b", macs=2_340_000, curve=CURVE),
        model(2, 0.5, network="b", **CACHED),
        model(3, **FAILED),
        model(4, 0.3, num_params=100, network="c"),
        model(5, 0.6, reward=0.25, network="d"),
    ]
    report.report(write(tmp_path / "log", models), [], tmp_path)
    output = capsys.readouterr().out
    assert "6 models: 4 trained, 1 with the network of an earlier one, 1 failed" in output
    assert (
        "Its training in the search: after epoch 5 training loss 2.00, accuracy 0.100; after epoch 10\n"
        "training loss 1.50, validation loss 2.50, accuracy 0.500.\n"
    ) in output
    assert best_mids(output) == [1, 4, 5, 0]
    assert re.search(r" 1 +0\.500 +12,345 +2\.34 +0\.500 +1\+0\n", output)
    assert re.search(r" 5 +0\.600 +12,345 +- +0\.250 +1\+0\n", output)
    operations = output.partition("Their nodes")[2]
    assert re.search(r"\nmid +1 +4 +5 +0\nconv_1x1 +0\+1 +0\+1 ", operations)
    assert re.search(r"\nconv_3x3 +1\+0 +1\+0 ", operations)
    front = output.partition("Pareto front")[2].partition("edges\n")[2].partition("\n\n")[0]
    assert [int(line.split()[0]) for line in front.splitlines()] == [4, 5]
    assert "partly luck" in output


def test_operations_that_are_not_there_any_more_are_named(tmp_path):
    log_dir = write(tmp_path / "log", [model(0, 0.5)])
    (log_dir / "search.json").write_text(json.dumps({"operations": ["conv_1x1", "skip"]}))
    Search(log_dir)  # none of its models has it
    path = log_dir / "history.jsonl"
    path.write_text(path.read_text().replace('"tokens": [1', '"tokens": [10'))
    with pytest.raises(RecordError, match="the operation skip, which is not among those of this"):
        Search(log_dir)


def test_text_fits_100_columns(tmp_path):
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
    own, other = (Search(write(tmp_path / name, models)) for name in ("own", "other"))
    text = "\n".join(report_lines(own, grouped([own, other]))).partition("to train the best")[0]
    assert max(map(len, text.replace(str(tmp_path), "tmp").splitlines())) <= 100


def test_works_while_the_last_line_is_being_written(tmp_path, capsys):
    log_dir = write(tmp_path, [model(0, 0.2)])
    with open(log_dir / "history.jsonl", "a") as file:
        file.write('{"mid": 1, "st')
    report.report(log_dir, [], tmp_path)
    assert best_mids(capsys.readouterr().out) == [0]
    assert "model</th>" in (tmp_path / "report.html").read_text()
    for name in ("search_result.png", "cnn_net.png"):
        with Image.open(tmp_path / name) as picture:
            assert picture.format == "PNG" and min(picture.size) > 300


def settings_of(directory, **settings):
    (directory / "search.json").write_text(json.dumps({"agent": "reinforce", "images": "a", **settings}))
    return directory


def test_first_line_says_whether_it_has_learned(tmp_path, capsys):
    rising = write(
        tmp_path / "log", [model(mid, 0.2 + 0.001 * mid, network=str(mid)) for mid in range(100)]
    )
    settings_of(rising, num_classes=4)
    report.report(rising, [], tmp_path)
    output = capsys.readouterr().out
    assert output.startswith("Has it learned? Yes, since step ")
    assert "chance is 0.250" in output.partition("The best by one run")[0]
    assert "The best is model 99: accuracy 0.299 (one run; chance is 0.250)" in " ".join(output.split())


def test_compares_searches_side_by_side(tmp_path, capsys):
    """Two seeds of one search, a random one, and one on other images."""
    rising = [model(mid, 0.2001 + 0.001 * mid, network=str(mid)) for mid in range(100)]
    higher = [one._replace(accuracy=one.accuracy + 0.01) for one in rising]
    flat = [model(mid, 0.2001 + 0.001 * (mid % 20), network=str(mid)) for mid in range(40)]
    own = settings_of(write(tmp_path / "a", rising), seed=0)
    second = settings_of(write(tmp_path / "b", higher), seed=1)
    random = settings_of(write(tmp_path / "r", flat), seed=0, agent="random")
    other = settings_of(write(tmp_path / "o", rising), seed=0, images="b")
    report.report(own, [second, random, other], tmp_path)
    output = " ".join(capsys.readouterr().out.split())
    # Last 12 of 50 steps: 0.2876 and 0.2976; the error is that between the two searches.
    assert "1 0.2926 +- 0.0050 0.244, 2 searches" in output
    assert f"{own} and 1 more (agent reinforce)" in output and f"{random} (agent random)" in output
    # All 40 models of the random search: 0.2096.
    assert re.search(
        r"last steps of 1 less all models of 2: \+0\.0830 \+- 0\.0051, 16\.\d standard", output
    )
    assert f"{other} (agent reinforce, other images)" in output
    assert "3 searched on other images: its accuracies say nothing beside those of 1" in output
    shown = (tmp_path / "report.html").read_text()
    assert "Searches side by side" in shown and "none: it searched on other images" in shown


def test_refuted_values_leave_the_best_and_the_front(tmp_path, capsys):
    """Model 1 was lucky: its further runs average 0.25."""
    log_dir = write(
        tmp_path, [model(mid, value, network=str(mid)) for mid, value in enumerate((0.3, 0.5, 0.4))]
    )
    settings_of(log_dir, num_classes=4)
    runs = [
        model(mid, value, run=run, network=str(mid))
        for mid, run, value in ((1, 1, 0.25), (1, 2, 0.25), (2, 1, 0.37), (2, 2, 0.39))
    ]
    write(log_dir, runs, "final_candidates.jsonl")
    report.report(log_dir, [], tmp_path)
    output = capsys.readouterr().out
    assert "The best is model 2: accuracy 0.380 (mean of 2 more runs; chance is 0.250)" in " ".join(
        output.split()
    )
    assert best_mids(output) == [0]
    front = output.partition("Pareto front")[2].partition("edges\n")[2].partition("\n\n")[0]
    assert [line.split()[:2] for line in front.splitlines()] == [["2", "0.380"]]
    course = draw_course(Search(log_dir)).axes[0]
    (best,) = [line for line in course.lines if line.get_label() == "best so far"]
    assert best.get_ydata()[-1] == pytest.approx(0.38)


def test_ranks_final_candidates_by_their_mean(tmp_path, capsys):
    log_dir = write(tmp_path, [model(0, 0.2), model(1, 0.5), model(2, 0.4)])
    runs = [(1, 1, 0.25), (1, 2, 0.35), (2, 1, 0.45), (2, 2, None), (2, 3, 0.35), (0, 1, None)]
    runs = [model(mid, accuracy, run=run, **({} if accuracy else FAILED)) for mid, run, accuracy in runs]
    write(log_dir, runs, "final_candidates.jsonl")
    report.report(log_dir, [], tmp_path)
    table = capsys.readouterr().out.partition("in the search  runs\n")[2].splitlines()[:3]
    assert [line.split() for line in table] == [
        ["2", "0.400", "0.400", "0.450,", "failed,", "0.350"],
        ["1", "0.300", "0.500", "0.250,", "0.350"],
        ["0", "0.000", "0.200", "failed"],
    ]


def test_reward_is_drawn_where_it_is_not_the_accuracy(tmp_path):
    for reward, labels in (
        (0.2, ["accuracy on held-out images", "parameters"]),
        (0.1, ["accuracy on held-out images", "parameters", "reward"]),
    ):
        search = Search(write(tmp_path, [model(0, 0.2, reward=reward)]))
        figure = draw_search(search, grouped([search]))
        assert [axes.get_ylabel() for axes in figure.axes] == labels


def test_legends_cover_no_points_and_chance_is_a_line(tmp_path):
    rng = np.random.default_rng(0)
    models = [
        model(mid, float(rng.random()), network=str(mid), num_params=int(rng.integers(1, 9999)))
        for mid in range(80)
    ]
    search = Search(settings_of(write(tmp_path, models), num_classes=4))
    for figure in (draw_course(search), draw_front(search), draw_search(search, grouped([search]))):
        canvas = FigureCanvasAgg(figure)
        canvas.draw()  # places all parts
        axes, renderer = figure.axes[0], canvas.get_renderer()
        (chance,) = [line for line in axes.lines if line.get_label().startswith("chance")]
        assert set(chance.get_ydata()) == {0.25} and chance.get_label() == "chance, 0.250"
        legends = [*figure.legends, *filter(None, [one.get_legend() for one in figure.axes])]
        assert legends
        for legend in legends:
            assert not any(legend.get_window_extent(renderer).overlaps(one.bbox) for one in figure.axes)
        low, high = axes.get_ylim()
        assert low < 0.05 and high > 0.95 and high - low < 1.2


def test_points_link_to_their_models(tmp_path):
    search = Search(write(tmp_path, [model(mid, 0.1 + 0.01 * mid, network=str(mid)) for mid in range(5)]))
    for figure in (draw_course(search), draw_front(search)):
        picture = svg(figure).decode()
        assert all(f'xlink:href="#model-{mid}"' in picture for mid in range(5))


@pytest.mark.parametrize("models", [[], [model(0, **FAILED)]])
def test_a_search_without_a_trained_model_is_refused(tmp_path, models):
    with pytest.raises(RecordError, match="history.jsonl: no model has been trained yet"):
        report.report(write(tmp_path, models), [], tmp_path)


def test_one_step_is_drawn_between_whole_numbers(tmp_path):
    axes = draw_course(Search(write(tmp_path, [model(0, 0.2), model(1, 0.3)]))).axes[0]
    low, high = axes.get_xlim()
    assert low <= -0.5 and high >= 0.5
    assert all(float(tick).is_integer() for tick in axes.get_xticks())


def run_report(*arguments, **options):
    command = [sys.executable, "report.py", *arguments]
    return subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, **options)


def test_a_mistake_gets_one_line(tmp_path):
    for arguments, complaint in (
        ([f"--log_dir={tmp_path}"], f"{tmp_path}/history.jsonl: No such file"),
        (["--log_dir="], "flag --log_dir="),
        (["--serve", f"--log_dir={tmp_path}/none"], f"{tmp_path}/none is no directory"),
        (["--compare=a", "--compare=b"], "--compare=a and --compare=b: name all searches in one"),
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


def test_the_old_name_of_compare_says_the_new_one(tmp_path):
    write(tmp_path, [model(0, 0.2)])
    result = run_report(f"--log_dir={tmp_path}", f"--baseline_dir={tmp_path}", stdout=subprocess.PIPE)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"--baseline_dir is called --compare now: --compare={tmp_path}\n")


@pytest.mark.parametrize("name", ["$\\frac$", "<img src=x onerror=alert(1)> é 猫 \x07"])
def test_directories_of_any_name_are_drawn(tmp_path, capsys, recwarn, name):
    own, other = (
        write(tmp_path / f"{number}{name}", [model(0, 0.2), model(1, 0.3)]) for number in range(2)
    )
    settings_of(own)
    settings_of(other, agent=name)
    report.report(own, [other], tmp_path)
    assert "wrote" in capsys.readouterr().out and not recwarn.list
    assert "<img src=x" not in (tmp_path / "report.html").read_text()
