"""Finalists of searches at the default size."""

import pytest
from model_records import model, put_search, search

from autodl_design.image_data.errors import DatasetError
from autodl_design.record.history import RecordError
from study import finalists
from study.finalists import NUM_STAGES, best_at, best_means, final_candidates
from study.records import TrainingSettings, write_runs


def found(mid, accuracy, agent=""):
    tokens = [mid, 0, len(agent) % 9, 0]
    one = model(mid, accuracy, tokens=tokens)
    return one._replace(network=one.architecture.network_id(NUM_STAGES))


def test_finalists_are_the_best_of_further_runs():
    models = search([0.5, 0.25, 0.375])
    accuracies = {0: (0.25, None, 0.25), 2: (0.375, 0.25, 0.375), 1: (0.25, 0.25, 0.375)}  # of the runs
    runs = [
        models[mid]._replace(accuracy=accuracy, run=run)
        for mid, of_runs in accuracies.items()
        for run, accuracy in enumerate(of_runs, 1)
    ]
    assert [job.mid for job in best_means(runs)] == [2, 1, 0]


def test_the_table(tmp_path, capsys):
    at_full_size = []
    for agent, accuracies in {"reinforce": (0.5, 0.52), "random": (0.45, 0.47)}.items():
        for seed, accuracy in enumerate(accuracies):
            one = found(seed, 0.3, agent)
            again = [one._replace(run=run) for run in (1, 2, 3)]
            put_search(tmp_path, f"{agent}-{seed}", [one], again)
            at_full_size += [run._replace(accuracy=accuracy) for run in again]
    candidates = [search[0] for search in final_candidates(tmp_path)]
    finalists.print_table(candidates, at_full_size)
    table = capsys.readouterr().out
    assert "reinforce: 0.5100 +- 0.0100 over 2" in table
    # Two of each: t is 0.05 / sqrt(2 * 0.01 ** 2), of two degrees of freedom.
    difference = "reinforce less random: +0.0500 +- 0.0141, t 3.54, 2.0 degrees of freedom, p 0.072"
    assert difference in table
    assert "reinforce           1      1" in table and "0.5200 (0.520, 0.520, 0.520)" in table


def test_finalists_chosen_at_a_further_size(tmp_path):
    models = [found(mid, accuracy) for mid, accuracy in enumerate((0.5, 0.4, 0.3))]
    again = [one._replace(run=1) for one in models]
    put_search(tmp_path, "reinforce-0", models, again)
    searches = final_candidates(tmp_path)
    with pytest.raises(RecordError, match="w8_c3_e5.jsonl.gz has no network"):
        best_at("w8_c3_e5", searches, tmp_path, TrainingSettings())
    write_runs(tmp_path / "w8_c3_e5.jsonl.gz", [run._replace(accuracy=0.1 * run.mid) for run in again])
    (best, *_) = best_at("w8_c3_e5", searches, tmp_path, TrainingSettings())
    assert [candidate.job.mid for candidate in best] == [2, 1, 0]


def test_test_images_are_needed(digits_path):
    with pytest.raises(DatasetError, match="has no test.pkl"):
        finalists.on_test_images(str(digits_path))
