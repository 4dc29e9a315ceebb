"""The agents on tables of trained networks."""

import pickle

import numpy as np
import pytest

from autodl_design.record.history import RecordError
from study import tabular, tabular_tables
from study.rows import read_rows, write_rows
from study.tabular_benchmarks import BenchmarkError, _read, graph_of, open_benchmark

NAN = float("nan")


@pytest.fixture(scope="module")
def cora():
    pytest.importorskip("nas_bench_graph", reason="pip install -r requirements/bench.txt")
    return open_benchmark("nas-bench-graph:cora")


def result(benchmark="nas-bench-graph:cora", agent="random", seed=0, **more):
    values = {"best_test": 0.8, "best_validation": 0.8, "test_of_best_validation": 0.8, **more}
    return tabular.Result(
        benchmark,
        "validation",
        "proposals",
        agent,
        seed,
        **values,
        last_reward=0.7,
        proposals=20,
        networks=9,
    )


def test_the_input_of_a_node_is_its_last_edge():
    operations = ["a", "b", "c"]
    #         node  1  2     3
    assert graph_of([0, 1, 2, 2] * 2, [1, 0, 0, 1, 1, 0] * 2, operations) == (
        [0, 1, 0, 2],
        ["a", "b", "c", "c"],
    )
    assert graph_of([0] * 8, [0, 1, 1, 0, 0, 1] * 2, operations)[0] == [0, 0, 2, 3]


def test_a_table_knows_every_architecture(cora):
    rng = np.random.default_rng(0)
    trained = [cora.look_up(rng.integers(0, 9, 8), rng.integers(0, 2, 12)) for _ in range(500)]
    assert all(0.1 < entry.validation < 0.85 and 0.1 < entry.test < 0.85 for entry in trained)
    # Two numberings of one network: inputs 0, 1, 2, 1 and 0, 1, 1, 3.
    same = cora.look_up([1, 2, 7, 3] * 2, [1, 0, 1, 1, 0, 0] * 2)
    assert same == cora.look_up([1, 3, 2, 7] * 2, [1, 1, 0, 0, 0, 1] * 2)
    assert cora.look_up([8] * 8, [0] * 12).test == 0  # passes its input on


def test_tables_of_other_sizes():
    pytest.importorskip("nas_bench_graph", reason="pip install -r requirements/bench.txt")
    proteins = open_benchmark("nas-bench-graph:proteins")
    assert proteins.num_tokens == 5 and 0.7 < proteins.look_up([0, 1, 2, 3] * 2, [1] * 12).test < 0.8
    cells = open_benchmark("nas-bench-201")
    assert cells.look_up([2, 2, 0, 2, 3, 2], [0] * 6).test == pytest.approx(0.940664)  # its best


def test_reinforce_beats_random_search_on_cora(cora):
    """By the mean of its last hundred proposals, in each of five searches."""
    last = {}
    for agent in ("reinforce", "random"):
        results = [
            tabular.run_search(
                "cora", cora, "validation", "proposals", tabular.settings_of(agent, cora, seed), 520
            )
            for seed in range(5)
        ]
        last[agent] = [result.last_reward for result in results]
    assert min(last["reinforce"]) > max(last["random"]) + 0.01


def test_files_that_ask_for_other_code_are_refused(tmp_path):
    path = tmp_path / "cora.bench"
    path.write_bytes(pickle.dumps({0: print}))
    with pytest.raises(BenchmarkError, match="asks for builtins.print"):
        _read(path)
    path.write_bytes(pickle.dumps({0: np.float32(1)}).replace(b"numpy._core", b"numpy.core"))
    with pytest.raises(BenchmarkError, match="cannot be read"):
        _read(path)
    path.write_bytes(pickle.dumps([1]))
    with pytest.raises(BenchmarkError, match="no table"):
        _read(path)


def test_results_are_read_as_they_were_written(tmp_path):
    path = tmp_path / "results.csv.gz"
    results = [result(seed=seed) for seed in range(12)] + [result("nas-bench-201", best_validation=NAN)]
    write_rows(path, tabular.Result, results[::-1])
    read = read_rows(path, tabular.Result)
    assert str(sorted(read)) == str(sorted(results))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(RecordError, match="cannot be read"):
        read_rows(path, tabular.Result)


def test_means_and_differences(tmp_path, capsys):
    results = [
        result(name, agent, seed, test_of_best_validation=0.5 + 0.01 * seed + lead)
        for name in ("nas-bench-graph:cora", "nas-bench-graph:cs")
        for agent, lead in (("random", 0.0), ("reinforce", 0.1))
        for seed in range(3)
    ]
    values = tabular_tables.values_of(results, "validation", "proposals", "test_of_best_validation")
    tabular_tables.print_means(values)
    tabular_tables.print_differences(values)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    # Standard deviation 1, so an error of 1 / sqrt(3), and 10 / sqrt(2 / 3) = 12.2 for the difference.
    assert lines[1] == ["nas-bench-graph:cora", *"61.00 +- 0.58 51.00 +- 0.58".split()]
    assert lines[4] == ["nas-bench-graph:cora", "+10.00", "t", "+12.2"]
    assert lines[-1] == [*"all 2 of nas-bench-graph".split(), "+10.00", "t", "+17.3"]
