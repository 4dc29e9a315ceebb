"""Whether a search learned, and what.

    python main.py --log_dir=log
    python main.py --log_dir=log-random --agent=random
    python -m study.learning --log_dir=log --baseline_dir=log-random --output=results.csv

Compares the mean accuracy of a search's last steps with that of its first ones and with random search's, as
report.py does, and the share of the edges and of the operations that the first and the last architectures
take. --output gets a row a step: mean accuracy, best so far, entropies.
"""

import csv
import io
import sys
from pathlib import Path

from absl import app, flags

from autodl_design.checked_io.files import write_whole
from autodl_design.record.history import RecordError
from autodl_design.record.steps import read_steps
from autodl_design.report_page.reading import read_models
from autodl_design.report_page.statistics import compare, first_and_last, operation_shares, share_of_edges
from autodl_design.report_page.text import comparison_lines
from autodl_design.search_space.cells import OPERATION_NAMES

FLAGS = flags.FLAGS


def main(argv: list[str]) -> None:
    try:
        models = read_models(Path(FLAGS.log_dir))
        baseline = read_models(Path(FLAGS.baseline_dir)) if FLAGS.baseline_dir else []
        if FLAGS.output:
            write_steps(Path(FLAGS.log_dir) / "steps.csv", Path(FLAGS.output))
    except (RecordError, OSError) as error:
        sys.exit(f"study.learning: {error}")
    for line in comparison_lines(compare(models, baseline)):
        print(line)
    windows = [part for _, part in first_and_last(models)]
    first, last = windows[0], windows[-1]
    print(f"share, first -> last steps{'normal cell':>18}     reduction cell")
    print(f"{'all edges':31}{share_of_edges(first):6.0%} -> {share_of_edges(last):4.0%}   (both cells)")
    shares = [[operation_shares(part, reduction) for part in (first, last)] for reduction in (False, True)]
    for token, name in enumerate(OPERATION_NAMES):
        cells = (f"{before[token].mean():6.0%} -> {after[token].mean():4.0%}" for before, after in shares)
        print(f"{name:31}{'   '.join(cells)}")


def write_steps(steps: Path, output: Path) -> None:
    text = io.StringIO()
    columns = ["step", "mean_accuracy", "best_so_far", "token_entropy", "edge_entropy"]
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    best = 0.0
    for row in read_steps(steps):
        best = max(best, row["best_accuracy"])
        numbers = {"step": int(row["step"]), "mean_accuracy": f"{row['mean_accuracy']:.4f}"}
        entropies = {name: f"{row[name]:.3f}" for name in columns[3:] if name in row}
        writer.writerow({**numbers, "best_so_far": best, **entropies})
    output.parent.mkdir(parents=True, exist_ok=True)
    write_whole(output, text.getvalue().encode())


if __name__ == "__main__":
    FLAGS.set_default("log_dir", "log")
    flags.DEFINE_string("baseline_dir", None, "LOG_DIR of a random search.")
    flags.DEFINE_string("output", None, "Where a CSV file of the steps goes.")
    app.run(main)
