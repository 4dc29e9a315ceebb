"""A search as a report shows it, and others beside it.

    search = read_search(Path("log"))
    groups = grouped([search, read_search(Path("log-random"))])

Searches whose settings differ in nothing but the seed are one group: its numbers are means over searches.
"""

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from autodl_design.checked_io.messages import quoted
from autodl_design.record.best import Best, FinalMean, best_by_reward, best_overall, read_final_means
from autodl_design.record.history import ModelRecord, RecordError
from autodl_design.record.policy import Policy, read_policy
from autodl_design.record.reading import chance_of, read_models, read_settings, read_steps
from autodl_design.report_page.statistics import Estimate, first_and_last, mean_of, pareto_front, trained
from autodl_design.search_space.cells import OPERATION_NAMES

# Settings that say how long, from where and with which seed, not how.
NOT_COMPARED = {
    "seed", "num_models", "data_path", "absolute_data_path", "final_candidates", "ladder",
    "training_images", "validation_images", "balanced_accuracy", "num_classes", "image_size",
}  # fmt: skip
MOST_DIFFERENCES = 3  # that a group's name holds
WINDOWS = 20  # points of a curve


class Search:
    """What the files of LOG_DIR say. `faults` are those of files that a report can do without."""

    def __init__(self, log_dir: Path):
        """Raises RecordError where there is no history, or no model that was trained."""
        self.log_dir = log_dir
        self.faults: list[str] = []
        self.models: list[ModelRecord] = read_models(log_dir)
        self.settings: dict[str, Any] = self._optional(read_settings, {})
        self.steps: list[dict[str, float]] = self._optional(read_steps, [])
        self.final: list[FinalMean] = self._optional(read_final_means, [])
        self.policy: Policy | None = self._optional(read_policy, None)
        if self.policy and not self._is_own(self.policy):
            self.policy = None

    def _optional(self, read: Callable[[Path], Any], default: Any) -> Any:
        try:
            return read(self.log_dir)
        except RecordError as error:
            self.faults.append(str(error))
            return default

    def _is_own(self, policy: Policy) -> bool:
        num_tokens, num_operations = policy.tokens.shape
        own = len(self.models[0].architecture.tokens)
        return num_tokens == own and num_operations <= len(OPERATION_NAMES)

    @cached_property
    def chance(self) -> float | None:
        return chance_of(self.settings)

    @cached_property
    def again(self) -> dict[int, float]:
        """Mean accuracies of the models that were trained again at the search's size: better known than by
        one run, of which the highest are partly luck."""
        return {final.mid: final.mean for final in self.final if not final.size}

    @cached_property
    def final_by_size(self) -> dict[str, list[FinalMean]]:
        """The models that were trained again, in the order of `read_final_means`."""
        sizes: dict[str, list[FinalMean]] = {}
        for final in self.final:
            sizes.setdefault(final.size, []).append(final)
        return sizes

    def accuracy(self, model: ModelRecord) -> float:
        """Of a trained model, as far as it is known."""
        assert model.accuracy is not None
        return self.again.get(model.mid, model.accuracy)

    @cached_property
    def best(self) -> Best:
        found = best_overall(self.log_dir, self.models) if self.final else None
        (highest,) = best_by_reward(self.models, 1)
        return found or Best(highest, self.accuracy(highest), 1, highest.num_params or 0)

    def best_of_one_run(self, count: int) -> list[ModelRecord]:
        """Of the models that were not trained again, those of the highest reward, the best first."""
        return best_by_reward((model for model in self.models if model.mid not in self.again), count)

    @property
    def front(self) -> list[ModelRecord]:
        """The Pareto front of size and of accuracy, as far as this is known."""
        return pareto_front(self.models, self.accuracy)

    def last_steps(self) -> tuple[str, list[ModelRecord]]:
        return first_and_last(self.models)[-1]


class Group:
    """Searches that differ in nothing but the seed."""

    def __init__(self, searches: list[Search]):
        self.searches = searches
        self.name = ""
        self.other_images = False  # than those of the first group

    def mean(self, of: Callable[[Search], Estimate]) -> Estimate:
        """Over the searches; its error is that between them, of one search that of its models."""
        estimates = [of(search) for search in self.searches]
        if len(estimates) == 1:
            return estimates[0]
        means = np.array([estimate.mean for estimate in estimates])
        error = float(means.std(ddof=1) / math.sqrt(len(means)))
        return Estimate(float(means.mean()), error, sum(estimate.count for estimate in estimates))

    def last(self) -> Estimate:
        return self.mean(lambda search: mean_of(search.last_steps()[1], "accuracy"))

    def curve(self, window: int) -> tuple[list[int], list[Estimate]]:
        """Means of every `window` models one after another: numbers of models, and means as far as all of
        the group's searches go."""
        ends = range(window, min(len(search.models) for search in self.searches) + 1, window)

        def of(end: int) -> Estimate:
            return self.mean(lambda search: mean_of(search.models[end - window : end], "accuracy"))

        known = [(end, estimate) for end in ends if not math.isnan((estimate := of(end)).mean)]
        return [end for end, _ in known], [estimate for _, estimate in known]

    def best(self, count: int) -> float:
        """Mean of the best accuracies among the first so many trained models: of more models it is higher
        by chance alone."""
        return float(np.mean([max(map(s.accuracy, trained(s.models)[:count])) for s in self.searches]))


def against(own: Group, other: Group) -> tuple[str, Estimate]:
    """What of another group the last steps of one are compared with, and the difference. Random search is
    the same in every step, so that all of its models count."""
    if all(search.settings.get("agent") == "random" for search in other.searches):
        return "all models", own.last() - other.mean(lambda search: mean_of(search.models, "accuracy"))
    return "last steps", own.last() - other.last()


class Compared(NamedTuple):
    """A group of searches beside the first one."""

    name: str  # where they lie, and in what their settings differ from the others'
    searches: int
    last: Estimate  # mean accuracy of their last steps
    best: float  # mean of their best accuracies, of as many trained models as the smallest search has
    of: str  # what of them is compared: their last steps, or all models of random search
    difference: Estimate | None  # last steps of the first group less that; None on other images


def smallest(groups: Sequence[Group]) -> int:
    """Trained models of the search that has the fewest."""
    return min(len(trained(search.models)) for group in groups for search in group.searches)


def side_by_side(groups: Sequence[Group]) -> list[Compared]:
    """A row for each group."""
    rows, num_models = [], smallest(groups)
    for group in groups:
        what, difference = against(groups[0], group)
        alone = group is groups[0] or group.other_images
        rows.append(
            Compared(
                group.name,
                len(group.searches),
                group.last(),
                group.best(num_models),
                what,
                None if alone else difference,
            )
        )
    return rows


def window_of(groups: Sequence[Group]) -> int:
    """Models whose mean is a point of the curves of these groups."""
    most = max(len(search.models) for group in groups for search in group.searches)
    return max(1, min(max(10, most // WINDOWS), most))


def grouped(searches: Sequence[Search]) -> list[Group]:
    """In the order of the first search of each."""
    groups: list[Group] = []
    for search in searches:
        for group in groups:
            if _compared(search) == _compared(group.searches[0]) and search.settings:
                group.searches.append(search)
                break
        else:
            groups.append(Group([search]))
    first = groups[0].searches[0].settings
    for group in groups:
        settings = group.searches[0].settings
        group.other_images = None not in (first.get("images"), settings.get("images")) and (
            settings["images"] != first["images"]
        )
        group.name = _name(group, groups)
    return groups


def _compared(search: Search) -> dict[str, Any]:
    return {name: value for name, value in search.settings.items() if name not in NOT_COMPARED}


def _name(group: Group, groups: Sequence[Group]) -> str:
    """Where its searches lie, and in what their settings differ from those of other groups."""
    searches = group.searches
    name = str(searches[0].log_dir)
    if len(searches) > 1:
        name += f" and {len(searches) - 1} more"
    every = [_compared(other.searches[0]) for other in groups if other.searches[0].settings]
    own = _compared(searches[0])
    different = [
        f"{setting} {quoted(str(own[setting]))}"
        for setting in own
        if setting != "images" and any(settings.get(setting) != own[setting] for settings in every)
    ]
    remarks = different[:MOST_DIFFERENCES] + ["..."] * (len(different) > MOST_DIFFERENCES)
    remarks += ["other images"] * group.other_images
    return f"{name} ({', '.join(remarks)})" if remarks else name
