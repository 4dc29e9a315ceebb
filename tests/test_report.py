import json
import re
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT
from model_records import CACHED, FAILED, model
from PIL import Image

import report
from report import difference_interval
from search_space.cells import decode
from search_space.graph_layout import layered_layout
from search_space.network_picture import cell_graph, plt


def write(directory, models, name="history.jsonl"):
    directory.mkdir(exist_ok=True)
    (directory / name).write_text("".join(json.dumps(model.to_json()) + "\n" for model in models))
    return directory


def best_mids(output):
    table = output.partition("operations\n")[2].partition("An accuracy")[0]
    return [int(line.split()[0]) for line in table.splitlines()]


def test_lists_the_best_each_network_once(tmp_path, capsys):
    models = [
        model(0, 0.2, network="a"),
        model(1, 0.5, network="b"),
        model(2, 0.5, network="b", **CACHED),
        model(3, **FAILED),
        model(4, 0.3, network="a"),  # trained again, as with --cache=false
        model(5, 0.6, reward=0.25, network="c"),
    ]
    report.report(write(tmp_path / "log", models), None, tmp_path)
    output = capsys.readouterr().out
    assert "6 models: 4 trained, 1 the network of an earlier one, 1 failed" in output
    assert best_mids(output) == [1, 4, 5]
    assert re.search(r" 5 +0\.600 +12,345 +0\.250 +1  1 conv_3x3, 1 avgpool_3x3, ", output)
    assert "partly luck" in output


def test_works_while_the_last_line_is_being_written(tmp_path, capsys):
    log_dir = write(tmp_path, [model(0, 0.2)])
    with open(log_dir / "history.jsonl", "a") as file:
        file.write('{"mid": 1, "st')
    report.report(log_dir, None, tmp_path)
    assert best_mids(capsys.readouterr().out) == [0]
    for name in ("search_result.png", "cnn_net.png"):
        with Image.open(tmp_path / name) as picture:
            assert picture.format == "PNG" and min(picture.size) > 300


def test_compares_with_a_baseline(tmp_path, capsys):
    search = [model(mid, 0.2001 + 0.001 * mid) for mid in range(100)]
    random = [model(mid, 0.2001 + 0.001 * (mid % 20)) for mid in range(40)]
    report.report(write(tmp_path / "a", search), write(tmp_path / "b", random), tmp_path)
    output = capsys.readouterr().out
    assert "mean accuracy of all (100): 0.250, the baseline's 0.210; difference +0.040, " in output
    assert "mean accuracy of the last quarter (25): 0.287, the baseline's 0.210; difference" in output
    assert "best of the first 40: 0.239, the baseline's 0.219" in output


def test_interval_of_a_difference_is_the_normal_one_for_many():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.30, 0.02, 400), rng.normal(0.25, 0.03, 200)
    low, high = difference_interval(list(a), list(b))
    half = 1.96 * np.sqrt(a.var() / 400 + b.var() / 200)
    difference = a.mean() - b.mean()
    assert low == pytest.approx(difference - half, abs=0.1 * half)
    assert high == pytest.approx(difference + half, abs=0.1 * half)
    assert np.isnan(difference_interval([0.3], [0.2, 0.3])).all()


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
        figure = report.draw_search([model(0, 0.2, reward=reward)], [model(0, 0.15)])
        assert [axes.get_ylabel() for axes in figure.axes] == labels
        baseline = figure.axes[0].lines[-1]
        assert baseline.get_label() == "mean of the baseline" and set(baseline.get_ydata()) == {0.15}
        plt.close(figure)


@pytest.mark.parametrize("density", [0.1, 0.5, 1.0])
def test_layout_points_down_and_keeps_edges_clear_of_nodes(density):
    rng = np.random.default_rng(0)
    for cell in decode(rng.integers(0, 10, 20).tolist(), (rng.random(90) < density).astype(int).tolist()):
        graph = cell_graph(cell, "F")
        positions, paths = layered_layout(graph)
        assert paths.keys() == set(graph.edges)
        for (source, target), points in paths.items():
            assert points[0] == positions[source] and points[-1] == positions[target]
            assert all(below[1] == above[1] - 1 for above, below in zip(points, points[1:], strict=False))
            for x, y in points[1:-1]:
                assert all(abs(x - node_x) > 0.5 for node_x, node_y in positions.values() if node_y == y)
        for i, place in enumerate(positions.values()):
            others = list(positions.values())[:i]
            assert all(y != place[1] or abs(x - place[0]) > 0.99 for x, y in others)


@pytest.mark.parametrize("models", [[], [model(0, **FAILED)]])
def test_a_search_without_a_trained_model_is_refused(tmp_path, models):
    with pytest.raises(report.ReportError, match="history.jsonl: no model has been trained yet"):
        report.report(write(tmp_path, models), None, tmp_path)


def test_a_mistake_gets_one_line(tmp_path):
    command = [sys.executable, "report.py", f"--log_dir={tmp_path}"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.startswith(f"report.py: {tmp_path}/history.jsonl: No such file")
    assert result.stderr.count("\n") == 1
    result = subprocess.run([*command[:2], "--log_dir="], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 1 and result.stderr.startswith("report.py: --log_dir is empty")
