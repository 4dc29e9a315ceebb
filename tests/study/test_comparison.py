"""The benchmarks that compare sizes and agents."""

import gzip

import numpy as np
import pytest
from helpers import run
from model_records import ADJVEC, CACHED, model, put_search

from autodl_design.image_data.errors import DatasetError
from autodl_design.record.best import FINAL_NAME
from autodl_design.record.history import RecordError
from autodl_design.search_space.architecture import Architecture
from autodl_design.search_space.child import ChildConfig
from autodl_design.settings.fields import SettingsError
from study import full_size, proxy
from study.comparison import best_models, curve_of
from study.records import ARCHIVE, read_runs, read_searches, write_runs


def test_a_size_is_named_by_what_differs_from_the_default():
    assert proxy.config_of(proxy.DEFAULT) == ChildConfig()
    small = proxy.config_of("w16_c1_e2_lr0.1_b8")
    assert (small.width, small.num_cells, small.epochs, small.T_0, small.warmup) == (16, 1, 2, 2.0, 0.2)
    assert (small.lr_max, small.train_batch_size) == (0.1, 8)
    for size in ("w16", "w0_c1_e1", "w08_c1_e1", "w8_c1_e1_lr1.2.3", "w6_c1_e1"):
        with pytest.raises(SettingsError):
            proxy.config_of(size)


def test_tau_b():
    everything = np.ones((4, 4), bool)
    x = np.array([1, 2, 3, 4])
    assert proxy.tau_b(x, x, everything) == 1
    assert proxy.tau_b(x, -x, everything) == -1
    # Of 6 pairs one is a tie in y, four agree and one does not: (4 - 1) / sqrt(6 * 5).
    assert proxy.tau_b(x, np.array([1, 1, 3, 2]), everything) == pytest.approx(3 / 30**0.5)
    within = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]], bool)
    assert proxy.tau_b(x, np.array([2, 3, 0, 1]), within) == 1


def records(accuracies):
    """Of runs [runs, architectures] of the study's first architectures."""
    architectures = proxy.read_architectures(proxy.Path("/nowhere"))
    return [
        model(mid, accuracy, *architectures[mid].architecture, run=run)
        for run, row in enumerate(accuracies, 1)
        for mid, accuracy in enumerate(row)
    ]


def test_a_row_takes_complete_runs_only():
    kinds = np.array(["random", "random", "sparse"])
    reference = np.array([0.1, 0.2, 0.3])
    runs = records([[0.25, 0.5, 0.75], [0.25, 0.75, 0.5], [0.5]])
    row = proxy.row_of("w8_c1_e1", runs, reference, kinds)
    assert (row.runs, row.tau, row.within) == (2, pytest.approx(2 / 3), 1)
    assert row.noise == pytest.approx((2 * 0.03125 / 3) ** 0.5)
    assert proxy.row_of("w8_c1_e1", records([[0.5]]), reference, kinds) is None
    assert np.isnan(proxy.row_of(proxy.DEFAULT, runs, reference, kinds).tau)


def test_a_record_of_another_architecture_is_refused(tmp_path):
    path = tmp_path / "w8_c1_e1.jsonl"
    writer = proxy.HistoryWriter(path)
    writer.append(records([[0.5]])[0]._replace(mid=1))
    writer.close()
    with pytest.raises(RecordError, match="w8_c1_e1.jsonl: model 1 is another architecture"):
        proxy.read_runs(path, proxy.read_architectures(tmp_path))


def search(accuracies):
    """Models of as many networks."""
    return [model(mid, accuracy, network=f"{mid:016x}") for mid, accuracy in enumerate(accuracies)]


def test_curves_count_trained_models():
    models = search([*np.linspace(0.3, 0.4, 100), 0.9, *np.full(99, 0.2)])
    models.insert(50, model(1000, 0.8, **CACHED))
    assert [best.mid for best in best_models(models)] == [99, 100]
    curve = curve_of({7: models}, {f"{99:016x}": 0.35})
    assert curve.seeds == [7] and curve.cached == 1
    assert curve.trained == pytest.approx(np.array([[0.35, (0.9 + 99 * 0.2) / 100]]))
    assert curve.best[0][0] == 0.35 and np.isnan(curve.best[0][1])


def test_compares_agents_over_seeds(tmp_path):
    rising = np.repeat([0.25, 0.5], 100)
    histories = {"reinforce-0": rising, "reinforce-1": rising + 0.02, "random-0": np.full(200, 0.25)}
    for name, accuracies in histories.items():
        put_search(tmp_path, name, search(accuracies))
    again = [model._replace(run=run) for model in search([0.25]) for run in (1, 2, 3)]
    write_runs(tmp_path / "retrained.jsonl.gz", again)
    picture = tmp_path / "comparison.png"
    flags = [f"--results={tmp_path}", f"--picture={picture}"]
    table = run("-m", "study.comparison", *flags, check=True).stdout
    rows = [" ".join(line.split()) for line in table.splitlines()]
    assert "random 100 0.2500 +- nan 0.2500 +- nan 0.0000 +- nan" in rows
    assert "reinforce 200 0.5100 +- 0.0100 nan +- nan 0.2500 +- nan" in rows
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_archive_keeps_what_is_not_replaced(tmp_path):
    put_search(tmp_path, "random-0", search([0.5]))
    put_search(tmp_path, "random-10", search([0.25, 0.5]))
    before = (tmp_path / ARCHIVE).read_bytes()
    put_search(tmp_path, "random-0", search([0.5]))
    assert (tmp_path / ARCHIVE).read_bytes() == before
    assert read_searches(tmp_path) == {"random": {0: search([0.5]), 10: search([0.25, 0.5])}}
    put_search(tmp_path, "random-0", search([0.5]), search([0.5]))
    assert read_searches(tmp_path, FINAL_NAME) == {"random": {0: search([0.5])}}
    (tmp_path / "logs" / "random-0" / FINAL_NAME).unlink()  # as in another search of this name
    put_search(tmp_path, "random-0", search([0.5]))
    with pytest.raises(RecordError, match="holds no AGENT-SEED/final_candidates.jsonl"):
        read_searches(tmp_path, "final_candidates.jsonl")
    with pytest.raises(RecordError, match="is not named AGENT-SEED"):
        put_search(tmp_path, "random", search([0.5]))


def test_mistakes_end_in_one_line_and_leave_the_picture(tmp_path):
    path = tmp_path / "retrained.jsonl.gz"
    write_runs(path, search([0.5]))
    for content in (path.read_bytes()[:-9], gzip.compress(b"5\n")):
        path.write_bytes(content)
        with pytest.raises(RecordError, match="retrained.jsonl.gz cannot be read"):
            read_runs(path)
    picture = tmp_path / "comparison.png"
    flags = [f"--results={tmp_path}", f"--picture={picture}"]
    for mistake in ("cannot be read", "random-0 has 1 trained models, fewer than 100"):
        done = run("-m", "study.comparison", *flags)
        assert done.returncode == 1 and not picture.exists() and mistake in done.stderr
        assert len(done.stderr.splitlines()) == 1
        put_search(tmp_path, "random-0", search([0.5]))


def test_finalists_are_the_best_of_further_runs():
    models = search([0.5, 0.25, 0.375])
    accuracies = {0: (0.25, None, 0.25), 2: (0.375, 0.25, 0.375), 1: (0.25, 0.25, 0.375)}  # of the runs
    runs = [
        models[mid]._replace(accuracy=accuracy, run=run)
        for mid, of_runs in accuracies.items()
        for run, accuracy in enumerate(of_runs, 1)
    ]
    assert [job.mid for job in full_size.best_means(runs)] == [2, 1, 0]


def test_the_table_at_full_size(tmp_path):
    at_full_size = []
    for agent, accuracies in {"reinforce": (0.5, 0.52), "random": (0.45, 0.47)}.items():
        for seed, accuracy in enumerate(accuracies):
            tokens = [seed, 0, len(agent) % 9, 0]
            found = model(seed, 0.3, tokens=tokens, network=Architecture.of(tokens, ADJVEC).network_id(3))
            again = [found._replace(run=run) for run in (1, 2, 3)]
            put_search(tmp_path, f"{agent}-{seed}", [found], again)
            at_full_size += [run._replace(accuracy=accuracy) for run in again]
    write_runs(tmp_path / full_size.TRAINED, at_full_size)
    table = run("-m", "study.full_size", f"--results={tmp_path}", check=True).stdout
    assert "reinforce: 0.5100 +- 0.0100 over 2" in table
    assert "reinforce less random: +0.0500 +- 0.0141" in table
    assert "reinforce           1      1" in table and "0.5200 (0.520, 0.520, 0.520)" in table


def test_finalists_chosen_at_a_further_size(tmp_path):
    found = [
        model(
            mid,
            accuracy,
            tokens=[mid, 0, 0, 0],
            network=Architecture.of([mid, 0, 0, 0], ADJVEC).network_id(3),
        )
        for mid, accuracy in enumerate((0.5, 0.4, 0.3))
    ]
    again = [one._replace(run=1) for one in found]
    put_search(tmp_path, "reinforce-0", found, again)
    write_runs(tmp_path / full_size.TRAINED, again)
    flags = [f"--results={tmp_path}", f"--choices={tmp_path}", "--choose_at=w8_c3_e5"]
    done = run("-m", "study.full_size", *flags)
    assert done.returncode == 1 and "w8_c3_e5.jsonl.gz has no network" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    write_runs(tmp_path / "w8_c3_e5.jsonl.gz", [run._replace(accuracy=0.1 * run.mid) for run in again])
    table = run("-m", "study.full_size", *flags, check=True).stdout
    assert "reinforce           0      2" in table and "0.3000 (0.300)" in table


def test_full_size_needs_test_images(digits_path):
    with pytest.raises(DatasetError, match="has no test.pkl"):
        full_size.on_test_images(str(digits_path))


def test_how_cheap_sizes_rank_the_networks_of_full_size(tmp_path):
    def with_edges(count):  # six nodes a cell
        return {"tokens": 12 * [0], "adjvec": count * [1] + (30 - count) * [0]}

    networks = [
        model(mid, accuracy, network=f"{mid:016x}", run=1, num_params=mid, **with_edges(edges))
        for mid, (accuracy, edges) in enumerate([(0.4, 2), (0.5, 1), (0.6, 0), (0.3, 13)])
    ]
    write_runs(tmp_path / full_size.TRAINED, networks)
    cheap = [run._replace(accuracy=0.2 + run.mid / 100, reward=0.2 + run.mid / 100) for run in networks]
    (tmp_path / "sizes").mkdir()
    write_runs(tmp_path / "sizes" / "w8_c1_e1.jsonl.gz", cheap)
    write_runs(tmp_path / "sizes" / "w8_c1_e2.jsonl.gz", cheap[1:3])
    write_runs(tmp_path / "sizes" / "w8_c1_e3.jsonl.gz", cheap[:1])
    flags = [f"--full_size={tmp_path}", f"--results={tmp_path / 'sizes'}"]
    table = run("-m", "study.cheap_sizes", *flags, check=True).stdout.splitlines()
    assert table[0] == "4 networks, 3 of them with at most 12 edges"
    # Of 6 pairs those of the fourth network are in the wrong order.
    size, count, runs, tau, _, few, _, edges, parameters, seconds, mean, _ = table[2].split()
    assert (size, count, runs, tau, few) == ("w8_c1_e1", "4", "1", "0.00", "1.00")
    assert (edges, parameters, seconds, mean) == ("0.68", "1.00", "1.0", "0.215")
    assert table[3].split()[:4] == ["w8_c1_e2", "2", "1", "1.00"]
    assert table[4] == "w8_c1_e3 has no complete run yet"
    assert table[5].startswith("w64_c3_e20") and table[5].endswith("0.450  0.129")
    done = run("-m", "study.cheap_sizes", *flags, "--sizes=w8", "--data_path=/nowhere")
    assert done.returncode == 1 and done.stderr.endswith("w8 is no size; one is w64_c3_e20\n")
    done = run("-m", "study.cheap_sizes", f"--full_size={tmp_path / 'sizes'}")
    assert done.returncode == 1 and "0 networks; two are needed" in done.stderr
