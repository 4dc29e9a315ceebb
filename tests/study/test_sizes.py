"""How cheap sizes rank networks."""

import pytest
from helpers import run
from model_records import model

from autodl_design.record.history import RecordError
from autodl_design.search_space.child import ChildSettings
from autodl_design.settings.fields import SettingsError
from study import sizes
from study.records import FULL_SIZE, write_runs


def test_a_size_is_named_by_what_differs_from_the_default():
    assert sizes.config_of(sizes.DEFAULT) == ChildSettings()
    small = sizes.config_of("w16_c1_e2_lr0.1_b8")
    assert (small.width, small.num_cells, small.epochs, small.schedule) == (16, 1, 2, (2.0, 0.2))
    assert (small.lr_max, small.train_batch_size) == (0.1, 8)
    for size in ("w16", "w0_c1_e1", "w08_c1_e1", "w8_c1_e1_lr1.2.3", "w6_c1_e1"):
        with pytest.raises(SettingsError):
            sizes.config_of(size)


def test_the_table(tmp_path, capsys):
    def with_edges(count):  # six nodes a cell
        return {"tokens": 12 * [0], "adjvec": count * [1] + (30 - count) * [0]}

    networks = [
        model(mid, accuracy, network=f"{mid:016x}", run=1, num_params=mid, **with_edges(edges))
        for mid, (accuracy, edges) in enumerate([(0.4, 2), (0.5, 1), (0.6, 0), (0.3, 13)])
    ]
    write_runs(tmp_path / FULL_SIZE, networks)
    cheap = [run._replace(accuracy=0.2 + run.mid / 100) for run in networks]
    folder = tmp_path / "sizes"
    write_runs(folder / "w8_c1_e1.jsonl.gz", cheap)
    write_runs(folder / "w8_c1_e2.jsonl.gz", cheap[1:3])
    write_runs(folder / "w8_c1_e3.jsonl.gz", cheap[:1])
    chosen = [networks[3].network]
    sizes.print_table(sizes.Group(folder, (tmp_path / FULL_SIZE,)), chosen)
    table = capsys.readouterr().out.splitlines()
    assert table[0] == "4 networks, 3 of them drawn at random"
    # Of 6 pairs those of the fourth network, which a search chose, are in the wrong order.
    size, count, runs, tau, _, drawn, _, edges, parameters, seconds, mean, _ = table[2].split()
    assert (size, count, runs, tau, drawn) == ("w8_c1_e1", "4", "1", "0.00", "1.00")
    assert (edges, parameters, seconds, mean) == ("0.68", "1.00", "1.0", "0.215")
    assert table[3].split()[:4] == ["w8_c1_e2", "2", "1", "1.00"]
    assert table[4] == "w8_c1_e3 has no complete run yet"
    assert table[5].startswith("w64_c3_e20") and table[5].endswith("0.450  0.129")
    with pytest.raises(RecordError, match="0 networks; two are needed"):
        sizes.print_table(sizes.Group(folder, (tmp_path / "none",)), chosen)


def test_a_wrong_size_ends_in_one_line():
    done = run("-m", "study.sizes", "--train=w8", "--data_path=/nowhere")
    assert done.returncode == 1
    assert done.stderr == "study.sizes: w8 is no size; one is w64_c3_e20\n"
