"""The report as text, at most 100 columns wide: report_lines(search, groups)."""

import math
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence

from autodl_design.record.best import at_size, runs_text
from autodl_design.record.history import ModelRecord
from autodl_design.record.reading import count_of
from autodl_design.report_page.searches import Group, Search, side_by_side, smallest
from autodl_design.report_page.statistics import Comparison, Estimate, compare, operation_counts, trained
from autodl_design.report_page.verdict import policy_line, verdict
from autodl_design.search_loop.guessing import guessing_line
from autodl_design.search_loop.summary import BALANCED, next_commands, random_start
from autodl_design.search_space.cells import OPERATION_NAMES
from autodl_design.trainers.job import CurvePoint

NUM_BEST = 10
MOST_COLUMNS = 100
NOISE = (
    "An accuracy p on n images has a standard error of sqrt(p (1 - p) / n), and the highest of many\n"
    "is partly luck: train the best again before you believe it (main.py --final_candidates)."
)


def report_lines(search: Search, groups: Sequence[Group]) -> Iterator[str]:
    """groups: the search's own first, and others that it is compared with."""
    yield from wrapped(verdict(search.models, search.settings).sentence)
    for line in remarks(search):
        yield from wrapped(f"{line}.")
    yield ""
    chance = f"; chance is {search.chance:.3f}" if search.chance else ""
    yield f"{count_line(search.models)}{chance}."
    yield from wrapped(f"The best is {describe_best(search)}.")
    if (curve := search.best.model.curve) and len(curve) > 1:
        yield from wrapped(f"Its training in the search: {curve_text(curve)}.")
    if search.final:
        yield ""
        yield from final_lines(search)
    best = search.best_of_one_run(NUM_BEST)
    if best:
        yield ""
        yield "The best by one run" + (" that were not trained again:" if search.again else ":")
        yield from model_table(search, best)
        yield NOISE
        yield ""
        yield "Their nodes by operation, in the normal cell + in the reduction cell:"
        yield from operation_table(best)
    yield ""
    yield "The Pareto front: no other network is more accurate without being larger."
    yield from model_table(search, search.front)
    yield ""
    yield from comparison_lines(compare(search.models))
    if len(groups) > 1:
        yield ""
        yield from side_by_side_lines(groups)
    yield ""
    yield from next_commands(search.log_dir)


def remarks(search: Search) -> list[str]:
    """What one has to know to read the numbers, and what explains that an agent has not learned."""
    _, last = search.last_steps()
    lines = (
        BALANCED if search.settings.get("balanced_accuracy") is True else None,
        random_start(search.settings),
        policy_line(search.steps, search.settings),
        guessing_line(f"the last {len(trained(last))}", last, search.settings),
    )
    return [line for line in lines if line]


def wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, MOST_COLUMNS, break_long_words=False, break_on_hyphens=False)


def describe_best(search: Search) -> str:
    return search.best.describe(count_of(search.settings, "validation_images"), search.chance)


def curve_text(curve: Sequence[CurvePoint]) -> str:
    return "; ".join(
        f"after epoch {point.epoch} training loss {point.train_loss:.2f}"
        + ("" if point.validation_loss is None else f", validation loss {point.validation_loss:.2f}")
        + f", accuracy {point.accuracy:.3f}"
        for point in curve
    )


def count_line(models: Sequence[ModelRecord]) -> str:
    status = Counter(model.status for model in models)
    stopped = f", {status['stopped']:,} stopped early" if status["stopped"] else ""
    return (
        f"{len(models):,} models: {status['ok']:,} trained, {status['cached']:,} with the network of an "
        f"earlier one, {status['failed']:,} failed{stopped}"
    )


def model_table(search: Search, models: Sequence[ModelRecord]) -> Iterator[str]:
    """Accuracies as far as they are known, see `Search.accuracy`."""
    yield "   mid  accuracy   parameters   million MACs   reward   edges"
    for model in models:
        edges = "+".join(map(str, model.architecture.edges()))
        macs = "-" if model.macs is None else f"{model.macs / 1e6:,.2f}"
        sizes = f"{model.num_params:11,d}  {macs:>13}  {model.reward:7.3f}  {edges:>6}"
        again = "  (mean of more runs)" if model.mid in search.again else ""
        yield f"{model.mid:6d}  {search.accuracy(model):8.3f}  {sizes}{again}"


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
        yield f"  {name:16} {difference_text(estimate)}"


def difference_text(estimate: Estimate) -> str:
    in_errors = "" if estimate.in_errors is None else f", {estimate.in_errors:.1f} standard errors"
    return f"{estimate.mean:+.4f} +- {estimate.error:.4f}{in_errors}"


def side_by_side_lines(groups: Sequence[Group]) -> Iterator[str]:
    """A line for each group; the first is compared with the others."""
    most = smallest(groups)
    yield f"Side by side: mean accuracy of the last steps, best of the first {most} trained models:"
    rows = side_by_side(groups)
    for number, row in enumerate(rows, 1):
        searches = f", {row.searches} searches" if row.searches > 1 else ""
        yield f"  {number}  {row.last.mean:.4f} +- {row.last.error:.4f}  {row.best:.3f}{searches}"
        yield from (f"     {line}" for line in wrapped(row.name))
    for number, row in enumerate(rows[1:], 2):
        if row.difference is None:
            yield f"  {number} searched on other images: its accuracies say nothing beside those of 1"
        else:
            yield f"  last steps of 1 less {row.of} of {number}: {difference_text(row.difference)}"


def final_lines(search: Search) -> Iterator[str]:
    """The models that were trained again, by their mean."""
    in_search = {model.mid: model.accuracy for model in search.models}
    for size, ranking in search.final_by_size.items():
        yield f"Trained again from other random numbers{at_size(size)}, by their mean:"
        yield "   mid    mean  in the search  runs"
        for final in ranking:
            runs = runs_text(final.accuracies)
            yield f"{final.mid:6d}  {final.mean:6.3f}  {in_search.get(final.mid, math.nan):13.3f}  {runs}"
