"""Tables of networks that others have trained, as search spaces of this project's agents.

    pip install -r requirements/bench.txt

    benchmark = open_benchmark("nas-bench-graph:cora")
    trained = benchmark.look_up(tokens, adjvec)     # of one architecture

nas-bench-graph: 26,206 graph neural networks on nine data sets (Qin et al. 2022, "NAS-Bench-Graph"). Four
nodes, each with one of nine operations (of five on proteins) and one input: the raw input or an earlier
node. Here the input of a node is the last of its edges that is set, else the raw input; only the first of
the two cells counts. A network that does nothing but pass its input on is not in the tables; it has
accuracy 0, as in the script that comes with them.

nas-bench-201: all 15,625 cells of Dong and Yang 2020, "NAS-Bench-201", six edges with one of five
operations each, as trained anew on CIFAR-10 for the package analog-nasbench. It has one accuracy of each.
Here cells have three nodes, so that an architecture has six tokens, and its edges mean nothing.
"""

import importlib.util
import pickle
import struct
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

GRAPH_DATA_SETS = ("cora", "citeseer", "pubmed", "cs", "physics", "photo", "computers", "arxiv", "proteins")
NAMES = (*(f"nas-bench-graph:{data_set}" for data_set in GRAPH_DATA_SETS), "nas-bench-201")
GRAPH_OPERATIONS = ("gat", "gcn", "gin", "cheb", "sage", "arma", "graph", "fc", "skip")
PROTEINS_OPERATIONS = ("gcn", "sage", "arma", "fc", "skip")


class BenchmarkError(Exception):
    """A benchmark that cannot be read; the text is for the user."""


class Trained(NamedTuple):
    network: Hashable  # equal where two architectures are the same network
    validation: (
        float | None
    )  # accuracies, between 0 and 1; None where the table has one of each network only
    test: float


class Benchmark(NamedTuple):
    num_nodes: int
    num_tokens: int
    look_up: Callable[[Sequence[int], Sequence[int]], Trained]  # of tokens [2N] and adjvec [N(N-1)]


def open_benchmark(name: str) -> Benchmark:
    """One of NAMES. Raises BenchmarkError."""
    if name == "nas-bench-201":
        return _nas_bench_201()
    return _nas_bench_graph(name.removeprefix("nas-bench-graph:"))


def graph_of(tokens: Sequence[int], adjvec: Sequence[int], operations: Sequence[str]) -> tuple[list, list]:
    """Of the first cell: the number of each node's input (0 is the raw input, 1 the first node), and each
    node's operation."""
    num_nodes = len(tokens) // 2
    inputs = []
    for node in range(num_nodes):
        start = node * (node - 1) // 2
        inputs.append(max((j + 1 for j in range(node) if adjvec[start + j]), default=0))
    return inputs, [operations[token] for token in tokens[:num_nodes]]


def _nas_bench_graph(data_set: str) -> Benchmark:
    path = _package("nas-bench-graph") / "light" / f"{data_set}.bench"
    from nas_bench_graph.architecture import Arch

    table = {
        key: Trained(key, _accuracy(path, entry["valid_perf"]), _accuracy(path, entry["perf"]))
        for key, entry in _read(path).items()
    }
    operations = PROTEINS_OPERATIONS if data_set == "proteins" else GRAPH_OPERATIONS
    passes_on = Trained("passes its input on", 0.0, 0.0)

    def look_up(tokens: Sequence[int], adjvec: Sequence[int]) -> Trained:
        inputs, names = graph_of(tokens, adjvec, operations)
        if set(names) == {"skip"}:
            return passes_on
        return table[Arch(inputs, names).valid_hash()]

    return Benchmark(4, len(operations), look_up)


def _nas_bench_201() -> Benchmark:
    path = _package("analog-nasbench") / "data.anb"
    table = {
        tokens: Trained(tokens, None, _accuracy(path, entry.baseline_accuracy / 100))
        for tokens, entry in _read(path).items()
    }
    return Benchmark(3, 5, lambda tokens, adjvec: table[tuple(map(int, tokens))])


def _package(distribution: str) -> Path:
    """Where it is installed. Its own code is not run by this."""
    spec = importlib.util.find_spec(
        {"analog-nasbench": "analognasbench"}.get(distribution, "nas_bench_graph")
    )
    if spec is None:
        raise BenchmarkError(f"{distribution} is not installed: pip install -r requirements/bench.txt")
    return Path(spec.submodule_search_locations[0])


def _accuracy(path: Path, value: Any) -> float:
    if type(value) is not float or not 0 <= value <= 1:
        raise BenchmarkError(f"{path}: {value!r} is no accuracy")
    return value


# --- The files are pickles, read without running what they ask for --------------------------------


class _Entry:
    """In the place of a package's own classes: attributes, and no code."""


class _Float64:
    """In the place of NumPy's dtype, which obeys what a file says of it."""

    def __init__(self, name: str, *flags: bool):
        if name != "f8":
            raise pickle.UnpicklingError(f"numbers of the type {name!r}")

    def __setstate__(self, state: tuple) -> None:
        if state[1] != "<":
            raise pickle.UnpicklingError(f"numbers of the byte order {state[1]!r}")


def _scalar(of_type: _Float64, content: bytes) -> float:
    return struct.unpack("<d", content)[0]


class _Unpickler(pickle.Unpickler):
    ALLOWED = {
        ("numpy", "dtype"): _Float64,
        ("numpy.core.multiarray", "scalar"): _scalar,
        ("analognasbench.data", "Architecture"): _Entry,
        ("analognasbench.data", "DriftMeasurement"): _Entry,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return self.ALLOWED[module, name]


def _read(path: Path) -> dict[Hashable, Any]:
    try:
        with path.open("rb") as file:
            content = _Unpickler(file).load()
    except (OSError, EOFError, pickle.UnpicklingError, struct.error) as error:
        raise BenchmarkError(f"{path} cannot be read: {error}") from error
    if type(content) is not dict:
        raise BenchmarkError(f"{path} is no table")
    return content
