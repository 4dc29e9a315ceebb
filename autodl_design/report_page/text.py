"""The report as text, at most 100 columns wide: report_lines(models, baseline)."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from autodl_design.record.best import FinalMean, best_of, runs_text
from autodl_design.record.history import ModelRecord
from autodl_design.report_page.statistics import (
    Comparison,
    compare,
    operation_counts,
    pareto_front,
    trained,
)
from autodl_design.search_space.cells import OPERATION_NAMES

NUM_BEST = 10
NOISE = (
    "An accuracy p on n images has a standard error of sqrt(p (1 - p) / n), and the highest of many\n"
    "is partly luck: train the best again before you believe it (main.py --final_candidates)."
)


def report_lines(models: Sequence[ModelRecord], baseline: Sequence[ModelRecord]) -> Iterator[str]:
    yield f"{count_line(models)}. The best:"
    best = best_of(models, NUM_BEST)
    yield from model_table(best)
    yield NOISE
    yield ""
    yield "Their nodes by operation, in the normal cell + in the reduction cell:"
    yield from operation_table(best)
    yield ""
    yield "The Pareto front: no other network is more accurate without being larger."
    yield from model_table(pareto_front(models))
    yield ""
    yield from comparison_lines(compare(models, baseline))
    if baseline:
        both = trained(models), trained(baseline)
        n = min(map(len, both))  # the best of more models is higher by chance alone
        highest = [f"{max(model.accuracy for model in part[:n]):.3f}" for part in both]
        yield f"best of the first {n} trained models: {highest[0]}, the baseline's {highest[1]}"


def count_line(models: Sequence[ModelRecord]) -> str:
    status = Counter(model.status for model in models)
    return (
        f"{len(models):,} models: {status['ok']:,} trained, {status['cached']:,} with the network of an "
        f"earlier one, {status['failed']:,} failed"
    )


def model_table(models: Sequence[ModelRecord]) -> Iterator[str]:
    yield "   mid  accuracy   parameters   reward   edges"
    for model in models:
        edges = "+".join(map(str, model.architecture.edges()))
        sizes = f"{model.num_params:11,d}  {model.reward:7.3f}  {edges:>6}"
        yield f"{model.mid:6d}  {model.accuracy:8.3f}  {sizes}"


def operation_table(models: Sequence[ModelRecord]) -> Iterator[str]:
    """One column a model; "2+1" where two nodes of the normal cell and one of the other have it."""
    counts = [operation_counts(model) for model in models]
    yield f"{'mid':14}" + "".join(f"{model.mid:>8}" for model in models)
    for name in OPERATION_NAMES:
        cells = [f"{normal.get(name, 0)}+{reduction.get(name, 0)}" for normal, reduction in counts]
        yield f"{name:14}" + "".join(f"{'-' if cell == '0+0' else cell:>8}" for cell in cells)


def comparison_lines(comparison: Comparison) -> Iterator[str]:
    yield "Mean accuracy, with its standard error:"
    for name, estimate in comparison.means.items():
        yield f"  {name:16} {estimate.mean:.4f} +- {estimate.error:.4f} of {estimate.count} models"
    for name, estimate in comparison.differences.items():
        in_errors = "" if estimate.in_errors is None else f", {estimate.in_errors:.1f} standard errors"
        yield f"  {name:16} {estimate.mean:+.4f} +- {estimate.error:.4f}{in_errors}"


def final_lines(means: Sequence[FinalMean], models: Sequence[ModelRecord]) -> Iterator[str]:
    """The models that were trained again, by their mean; see `read_final_means`."""
    in_search = {model.mid: model.accuracy for model in models}
    if means:
        yield "Trained again from other random numbers, by their mean:"
        yield "   mid    mean  in the search  runs"
    for final in means:
        accuracy = in_search.get(final.mid, math.nan)
        yield f"{final.mid:6d}  {final.mean:6.3f}  {accuracy:13.3f}  {runs_text(final.accuracies)}"
