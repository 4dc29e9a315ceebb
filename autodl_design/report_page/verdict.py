"""Has the agent learned? An answer in words, with its number.

    print(verdict(models, settings).sentence)

The last steps of a search are compared with its first ones, by what the agent is to maximise: a mean that
is more than ENOUGH standard errors higher is learning.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from autodl_design.record.history import ModelRecord, RecordError
from autodl_design.record.reading import chance_of, count_of, read_models, read_settings
from autodl_design.report_page.statistics import Estimate, first_and_last, mean_of, trained
from autodl_design.report_page.terminal_curve import terminal_curve

ENOUGH = 3.0  # standard errors
MOST_WINDOWS = 200  # that are looked at for when it began
NOTICEABLE = 0.05  # change of its entropy, as a share, by which one sees that a policy has moved


class Verdict(NamedTuple):
    answer: str  # "yes", "not yet" or "no"
    reason: str

    @property
    def sentence(self) -> str:
        return f"Has it learned? {self.answer.capitalize()}{self.reason}."


def planned_models(settings: Mapping[str, Any]) -> tuple[int, int] | None:
    """Models of the whole search and of a step, where the settings say how many."""
    count, batch_size = count_of(settings, "num_models"), count_of(settings, "batch_size")
    if not count or not batch_size:
        return None
    return math.ceil(count / batch_size) * batch_size, batch_size


def field_of(models: Sequence[ModelRecord]) -> str:
    """What the agent is to maximise, where that is told by the models."""
    return "reward" if any(model.reward != model.accuracy for model in trained(models)) else "accuracy"


def verdict(models: Sequence[ModelRecord], settings: Mapping[str, Any]) -> Verdict:
    """models: at least one that was trained."""
    field = field_of(models)
    parts = first_and_last(models)
    chance = chance_of(settings)
    beside = f"; chance is {chance:.3f}" if chance and field == "accuracy" else ""
    means = [mean_of(part, field) for _, part in parts]
    if len(parts) == 1:
        return Verdict("not yet", f": there is one step, of mean {field} {means[0].mean:.3f}{beside}")
    name = parts[1][0].removeprefix("last ")
    difference = means[1] - means[0]
    errors = difference.in_errors
    numbers = (
        f"the last {name} {'has' if name == 'step' else 'have'} a mean {field} of {means[1].mean:.3f}, "
        f"{difference.mean:+.3f} "
    )
    if errors is None:
        numbers += f"against the first, of which no standard error is known{beside}"
    else:
        numbers += f"+- {difference.error:.3f} against the first ({errors:+.1f} standard errors{beside})"
    if errors is not None and errors > ENOUGH:
        return Verdict(
            "yes", f", since step {_since(models, field, means[0], len(_steps(parts[0][1])))}: {numbers}"
        )
    plan = planned_models(settings)
    needed = f"; more than {ENOUGH:g} would be learning" if errors is not None else ""
    if plan and len(models) < plan[0]:
        return Verdict("not yet", f": {numbers}{needed}")
    if errors is not None and errors < -ENOUGH:
        return Verdict("no", f", it became worse: {numbers}")
    return Verdict("no", f": {numbers}{needed}")


def _steps(models: Sequence[ModelRecord]) -> list[int]:
    return sorted({model.step for model in models})


def _since(models: Sequence[ModelRecord], field: str, first: Estimate, window: int) -> int:
    """The step from which on the mean of every `window` steps is above the first one's by ENOUGH errors."""
    by_step: dict[int, list[ModelRecord]] = {}
    for model in models:
        by_step.setdefault(model.step, []).append(model)
    steps = sorted(by_step)
    starts = np.unique(np.linspace(window, len(steps) - window, MOST_WINDOWS).astype(int))
    since = steps[-window]
    for start in reversed(starts.tolist()):
        part = [model for step in steps[start : start + window] for model in by_step[step]]
        errors = (mean_of(part, field) - first).in_errors
        if errors is None or errors <= ENOUGH:
            break
        since = steps[start]
    return since


def policy_line(steps: Sequence[Mapping[str, float]], settings: Mapping[str, Any]) -> str | None:
    """How far the policy has moved, by its entropy, where the log of steps has it."""
    left = {}  # shares of the entropy at the start
    for name, field in (("operations", "token_entropy"), ("edges", "edge_entropy")):
        entropies = [row[field] for row in steps if field in row]
        if len(entropies) < 2 or not all(map(math.isfinite, entropies)):
            return None
        if entropies[0] > 0:  # cells of one node have no edges
            left[name] = entropies[-1] / entropies[0]
    if not left:
        return None
    if all(abs(share - 1) < NOTICEABLE for share in left.values()):
        shared_heads = ", --shared_heads" * (not settings.get("shared_heads"))
        return (
            "The policy is still as at the start, by its entropy: more steps"
            f"{shared_heads} or a higher --learning_rate may move it"
        )
    shares = " and ".join(f"{100 * share:.0f} % for {name}" for name, share in left.items())
    return f"The policy has moved: its entropy is {shares} of what it was at the start"


def learning_lines(log_dir: Path, encoding: str | None = None) -> Iterator[str]:
    """For a terminal, at the end of a search: the verdict, and the mean of each step as a curve; nothing
    where no model was trained or the history is damaged. encoding: of the terminal."""
    try:
        models = read_models(log_dir)
    except RecordError:
        return
    try:
        settings = read_settings(log_dir)
    except RecordError:
        settings = {}
    yield verdict(models, settings).sentence
    by_step: dict[int, list[ModelRecord]] = {}
    for model in models:
        by_step.setdefault(model.step, []).append(model)
    if len(by_step) > 2:  # of two the verdict says all
        field, steps = field_of(models), sorted(by_step)
        yield from terminal_curve([mean_of(by_step[step], field).mean for step in steps], encoding)
        yield f"mean {field} of each step, from step {steps[0]} to step {steps[-1]}"
