"""Whether a search learned, and what.

    python main.py --log_dir=log
    python main.py --log_dir=log-random --agent=random
    python -m benchmarks.learning --log_dir=log --baseline_dir=log-random --output=results.csv

Compares the mean accuracy of a search's last steps with that of its first ones and with random search's,
in standard errors, and its first architectures with its last: edges and operations. --output gets a row a
step: mean accuracy, best so far, entropies.
"""

import csv
import io
import math
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from absl import app, flags

from nn_paddle import OPERATIONS
from record.files import write_whole
from record.history import ModelRecord, RecordError
from report import ReportError, read_models
from search_space.cells import decode

FLAGS = flags.FLAGS


def mean_and_error(models: list[ModelRecord]) -> tuple[float, float]:
    """Mean accuracy and its standard error, over the models as independent ones."""
    accuracies = np.array([model.accuracy for model in models])
    return accuracies.mean(), accuracies.std(ddof=1) / math.sqrt(len(accuracies))


def describe(name: str, models: list[ModelRecord]) -> tuple[float, float]:
    mean, error = mean_and_error(models)
    edges = np.mean([np.mean(model.adjvec) for model in models])
    print(f"{name}: mean {mean:.4f} +- {error:.4f} of {len(models)} models, {edges:.0%} of all edges")
    return mean, error


def compare(name: str, later: tuple[float, float], earlier: tuple[float, float]) -> None:
    difference, error = later[0] - earlier[0], math.hypot(later[1], earlier[1])
    print(f"{name}: {difference:+.4f}, {difference / error:.1f} standard errors")


def shares(models: list[ModelRecord], reduction: bool) -> Counter:
    """How often each operation is taken, of all nodes of one of the two cells."""
    counts: Counter[str] = Counter()
    for model in models:
        counts.update(decode(model.tokens, model.adjvec)[reduction].operations)
    return Counter({name: count / counts.total() for name, count in counts.items()})


def main(argv: list[str]) -> None:
    try:
        models, _ = read_models(Path(FLAGS.log_dir))
        first = [model for model in models if model.step < FLAGS.steps]
        last = [model for model in models if model.step > models[-1].step - FLAGS.steps]
        start = describe(f"first {FLAGS.steps} steps", first)
        end = describe(f"last {FLAGS.steps} steps", last)
        compare("last - first", end, start)
        if FLAGS.baseline_dir:
            random, _ = read_models(Path(FLAGS.baseline_dir))
            compare("last - random search", end, describe("random search", random))
        if FLAGS.output:
            write_steps(Path(FLAGS.log_dir) / "steps.csv", Path(FLAGS.output))
    except (ReportError, RecordError, OSError) as error:
        sys.exit(f"benchmarks.learning: {error}")
    print("share of operations, first -> last       normal cell     reduction cell")
    cells = [(shares(first, reduction), shares(last, reduction)) for reduction in (False, True)]
    for name in OPERATIONS:
        told = "   ".join(f"{before[name]:6.0%} -> {after[name]:4.0%}" for before, after in cells)
        print(f"{name:36s} {told}")


def write_steps(steps: Path, output: Path) -> None:
    text = io.StringIO()
    columns = ["step", "mean_accuracy", "best_so_far", "token_entropy", "edge_entropy"]
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    best = 0.0
    with open(steps, newline="") as file:
        for row in csv.DictReader(file):
            best = max(best, float(row["best_accuracy"]))
            entropies = {name: f"{float(row[name]):.3f}" for name in columns[3:] if row[name]}
            mean = f"{float(row['mean_accuracy']):.4f}"
            writer.writerow({**row, "mean_accuracy": mean, "best_so_far": best, **entropies})
    output.parent.mkdir(parents=True, exist_ok=True)
    write_whole(output, text.getvalue().encode())


if __name__ == "__main__":
    FLAGS.set_default("log_dir", "log")
    flags.DEFINE_string("baseline_dir", None, "LOG_DIR of a random search.")
    flags.DEFINE_integer("steps", 50, "So many steps at the start and at the end are compared.", 1)
    flags.DEFINE_string("output", None, "Where a CSV file of the steps goes.")
    app.run(main)
