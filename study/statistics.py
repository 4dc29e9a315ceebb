"""The study's statistics: means with standard errors, comparisons, ranks, noise.

Everything here is plain arithmetic on accuracies; reading them is `study.records`.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import ttest_ind

from autodl_design.record.history import ModelRecord
from autodl_design.report_page.statistics import Estimate

RESAMPLED = 1000


def mean_and_error(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Over the first axis of values [n, ...]; the standard error of one value is NaN."""
    if len(values) < 2:
        return values.mean(axis=0), np.full(values.shape[1:], np.nan)
    return values.mean(axis=0), values.std(axis=0, ddof=1) / len(values) ** 0.5


def estimate_of(values: ArrayLike) -> Estimate:
    mean, error = mean_and_error(np.array(values))
    return Estimate(float(mean), float(error), len(values))


def shown(some: Estimate) -> str:
    return f"{some.mean:.3f} +- {some.error:.3f}"


def welch(some: Sequence[float], others: Sequence[float]) -> str:
    """Welch's t-test of the difference of two means, as text."""
    if min(len(some), len(others)) < 2:
        return "too few to test"
    test = ttest_ind(some, others, equal_var=False)
    return f"t {test.statistic:.2f}, {test.df:.1f} degrees of freedom, p {test.pvalue:.3f}"


def tau_b(x: ArrayLike, y: ArrayLike) -> float:
    """Kendall's tau-b of x [n] and y [n] (Kendall 1945, "The treatment of ties in ranking problems"); NaN
    where all of one are equal. It is scipy.stats.kendalltau without the p-value, which would make a
    bootstrap thirty times slower."""
    x, y = (np.sign(np.subtract.outer(values, values)) for values in (np.asarray(x), np.asarray(y)))
    both = np.abs(x).sum() * np.abs(y).sum()
    return float((x * y).sum() / both**0.5) if both else float("nan")


def tau_and_error(accuracies: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """Mean over the runs [runs, n] of their tau-b with the reference [n], and its standard error by
    bootstrap over the n networks; NaN for fewer than two."""
    n = len(reference)
    if n < 2:
        return float("nan"), float("nan")

    def tau(places: np.ndarray) -> float:
        return float(np.mean([tau_b(run[places], reference[places]) for run in accuracies]))

    resampled = np.random.default_rng(0).integers(0, n, (RESAMPLED, n))
    return tau(np.arange(n)), float(np.nanstd([tau(places) for places in resampled]))


def by_network(runs: Iterable[ModelRecord]) -> dict[str, list[ModelRecord]]:
    """The trainings of each network, by its id; one that stands in two files counts once."""
    networks: dict[str, dict[int, ModelRecord]] = defaultdict(dict)
    for run in runs:
        networks[run.network].setdefault(run.run, run)
    return {name: list(networks[name].values()) for name in sorted(networks)}


def mean_accuracies(networks: dict[str, list[ModelRecord]]) -> dict[str, float]:
    return {name: float(np.mean([run.accuracy for run in runs])) for name, runs in networks.items()}


def accuracies_of(runs: Iterable[ModelRecord], networks: Sequence[str]) -> np.ndarray:
    """[runs, networks]: of the runs that have all of these networks."""
    places = {name: place for place, name in enumerate(networks)}
    own = [run for run in runs if run.network in places]
    values = np.full((max((run.run for run in own), default=0), len(places)), np.nan)
    for run in own:
        values[run.run - 1, places[run.network]] = run.accuracy
    return values[np.isfinite(values).all(axis=1)]


def between_and_noise(accuracies: np.ndarray) -> tuple[float, float]:
    """Standard deviations of [runs, networks] between networks, without what the noise adds, and between
    the runs of one network, which is the noise; NaN where there is one run."""
    if len(accuracies) < 2:
        return np.nan, np.nan
    noise = accuracies.var(axis=0, ddof=1).mean()
    between = max(accuracies.mean(axis=0).var(ddof=1) - noise / len(accuracies), 0)
    return between**0.5, noise**0.5
