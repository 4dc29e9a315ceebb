"""Agents compared at equal numbers of trained models."""

import numpy as np
import pytest
from helpers import run
from model_records import CACHED, model, put_search, search

from study import compare_agents
from study.compare_agents import best_models, curve_of
from study.records import RETRAINED, write_runs


def test_curves_count_trained_models():
    models = search([*np.linspace(0.3, 0.4, 100), 0.9, *np.full(99, 0.2)])
    models.insert(50, model(1000, 0.8, **CACHED))
    assert [best.mid for best in best_models(models)] == [99, 100]
    curve = curve_of({7: models}, {f"{99:016x}": 0.35})
    assert curve.seeds == [7] and curve.cached == 1
    assert curve.trained == pytest.approx(np.array([[0.35, (0.9 + 99 * 0.2) / 100]]))
    assert curve.best[0][0] == 0.35 and np.isnan(curve.best[0][1])


def test_compares_agents_over_seeds(tmp_path, capsys):
    rising = np.repeat([0.25, 0.5], 100)
    histories = {"reinforce-0": rising, "reinforce-1": rising + 0.02, "random-0": np.full(200, 0.25)}
    for name, accuracies in histories.items():
        put_search(tmp_path, name, search(accuracies))
    again = [model._replace(run=run) for model in search([0.25]) for run in (1, 2, 3)]
    write_runs(tmp_path / RETRAINED, again)
    curves = compare_agents.curves_of(tmp_path)
    compare_agents.print_table(curves)
    rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "random 100 0.2500 +- nan 0.2500 +- nan 0.0000 +- nan" in rows
    assert "reinforce 200 0.5100 +- 0.0100 nan +- nan 0.2500 +- nan" in rows
    assert compare_agents.draw(curves).startswith(b"\x89PNG")


def test_a_mistake_ends_in_one_line_and_leaves_no_picture(tmp_path):
    put_search(tmp_path, "random-0", search([0.5]))
    picture = tmp_path / "comparison.png"
    done = run("-m", "study.compare_agents", f"--results={tmp_path}", f"--picture={picture}")
    assert done.returncode == 1 and not picture.exists()
    assert done.stderr == "study.compare_agents: random-0 has 1 trained models, fewer than 100\n"
