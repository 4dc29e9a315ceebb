"""Report on a search, during it or after it: the best networks, a comparison, and two pictures.

    python report.py --log_dir=log
    python report.py --log_dir=log --baseline_dir=log-random   # made by main.py --agent=random

Prints the ten best architectures of LOG_DIR/history.jsonl, how they did in training anew where main.py
--final_candidates did that, and how the search compares with a baseline's. Writes, into LOG_DIR unless
--output_dir says otherwise:
    search_result.png   the accuracy of every step, smoothed, the best so far, and the networks' sizes
    cnn_net.png         the best architecture: the network and its two cells
"""

import io
import sys
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import scipy.stats
from absl import app, flags

from record.files import write_whole
from record.history import ModelRecord, RecordError, mean_of_runs, read_final_runs, read_history
from search_space.cells import decode
from search_space.network_picture import draw_network, plt

FLAGS = flags.FLAGS

RESAMPLES = 9999  # of the bootstrap
NOISE = (
    "An accuracy p on n images has a standard error of sqrt(p (1 - p) / n), and the highest of many is\n"
    "partly luck: train the best anew before you believe it (main.py --final_candidates)."
)


class ReportError(Exception):
    """A log directory that cannot be reported on; the text is for the user."""


# --- Reading --------------------------------------------------------------------------------------


def read_models(log_dir: Path) -> tuple[list[ModelRecord], int]:
    """The models with an accuracy, by mid, and how many have none. Raises RecordError where the history
    cannot be read, and ReportError where no model has an accuracy."""
    path = log_dir / "history.jsonl"
    models = read_history(path)
    known = [model for model in models if model.status != "failed"]
    if all(model.status != "ok" for model in known):
        raise ReportError(f"{path}: no model has been trained yet")
    return sorted(known, key=lambda model: model.mid), len(models) - len(known)


# --- Text -----------------------------------------------------------------------------------------


def best_of(models: list[ModelRecord], count: int) -> list[ModelRecord]:
    """Those of the highest reward, every network once."""
    networks: dict[str | int, ModelRecord] = {}
    for model in sorted(models, key=lambda model: -model.reward):
        if model.status == "ok":  # a `cached` one is in the history already
            networks.setdefault(model.network or model.mid, model)
    return list(networks.values())[:count]


def summarise(model: ModelRecord) -> str:
    """Accuracy, size, reward and make-up of one model in a line."""
    cells = decode(model.tokens, model.adjvec)
    counts = Counter(name for cell in cells for name in cell.operations)
    operations = ", ".join(f"{n} {name}" for name, n in counts.most_common())
    return (
        f"{model.mid:6d}  {model.accuracy:8.3f}  {model.num_params:10,d}  {model.reward:6.3f}  "
        f"{sum(model.adjvec):5d}  {operations}"
    )


def print_best(models: list[ModelRecord], num_failed: int) -> None:
    status = Counter(model.status for model in models)
    print(
        f"{len(models) + num_failed} models: {status['ok']} trained, {status['cached']} the network of an "
        f"earlier one, {num_failed} failed. The best:"
    )
    print("   mid  accuracy  parameters  reward  edges  operations")
    for model in best_of(models, 10):
        print(summarise(model))
    print(NOISE)


def print_final_candidates(path: Path, models: list[ModelRecord]) -> None:
    """The ranking by the mean over the runs so far of main.py --final_candidates."""
    runs = defaultdict(list)
    for run in read_final_runs(path):
        runs[run.mid].append(run.accuracy)  # None where the run failed
    ranking = sorted(((*mean_of_runs(runs[mid]), mid) for mid in runs), key=lambda entry: -entry[0])
    in_search = {model.mid: model.accuracy for model in models}
    print("Trained anew from other random numbers, by their mean:")
    print("   mid    mean  in the search  runs")
    for mean, told, mid in ranking:
        print(f"{mid:6d}  {mean:6.3f}  {in_search.get(mid, np.nan):13.3f}  {told}")


def compare(models: list[ModelRecord], baseline: list[ModelRecord]) -> None:
    """Means with the bootstrap's interval of their difference, for the whole search and for its last
    quarter, when it has learnt; the best of as many models of both."""
    accuracies, others = ([model.accuracy for model in part] for part in (models, baseline))
    print(f"Against the baseline's {len(others)} models (intervals: 95 %, bootstrap over the models):")
    for name, part in (("all", accuracies), ("the last quarter", accuracies[-len(accuracies) // 4 :])):
        difference = np.mean(part) - np.mean(others)
        low, high = difference_interval(part, others)
        print(
            f"  mean accuracy of {name} ({len(part)}): {np.mean(part):.3f}, the baseline's "
            f"{np.mean(others):.3f}; difference {difference:+.3f}, between {low:+.3f} and {high:+.3f}"
        )
    n = min(len(accuracies), len(others))  # the best of more models is higher by chance alone
    print(f"  best of the first {n}: {max(accuracies[:n]):.3f}, the baseline's {max(others[:n]):.3f}")


def difference_interval(a: list[float], b: list[float]) -> tuple[float, float]:
    """The 95 % interval of mean(a) - mean(b) (Efron 1987, "Better bootstrap confidence intervals", its
    percentile interval); not a number where a sample has one element."""
    if min(len(a), len(b)) < 2:
        return np.nan, np.nan
    interval = scipy.stats.bootstrap(
        (a, b),
        lambda a, b, axis: a.mean(axis) - b.mean(axis),
        n_resamples=RESAMPLES,
        batch=100,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return interval.low, interval.high


# --- Pictures -------------------------------------------------------------------------------------


def draw_search(models: list[ModelRecord], baseline: list[ModelRecord]) -> plt.Figure:
    """Accuracy, parameters and, where it is another thing than accuracy, reward over the steps."""
    panels = {"accuracy": "accuracy on held-out images", "num_params": "parameters"}
    if any(model.reward != model.accuracy for model in models):
        panels["reward"] = "reward"
    figure, all_axes = plt.subplots(
        len(panels), 1, sharex=True, height_ratios=[2, 1, 1][: len(panels)],
        figsize=(8, 3.5 + 1.7 * (len(panels) - 1)), layout="constrained",
    )  # fmt: skip
    for axes, (field, axis_label) in zip(all_axes, panels.items(), strict=True):
        by_step = defaultdict(list)
        for model in models:
            by_step[model.step].append(getattr(model, field))
        steps = sorted(by_step)
        means = [np.mean(by_step[step]) for step in steps]
        axes.plot(steps, means, color="#9fc5e8", marker=".", linewidth=0.8, label="mean of a step")
        window = max(1, len(steps) // 10)
        if window > 1:
            smooth = np.convolve(means, np.ones(window) / window, mode="valid")
            label = f"mean of {window} steps"
            axes.plot(steps[window - 1 :], smooth, color="#1155cc", linewidth=2, label=label)
        if field == "accuracy":
            best = np.maximum.accumulate([max(by_step[step]) for step in steps])
            axes.plot(steps, best, color="#38761d", drawstyle="steps-post", label="best model so far")
            axes.axhline(0.1, color="#999999", linestyle=":", label="chance")
        if baseline:
            mean = np.mean([getattr(model, field) for model in baseline])
            axes.axhline(mean, color="#cc0000", linestyle="--", label="mean of the baseline")
        axes.set(ylabel=axis_label)
        if field != "reward":  # which may be below 0
            axes.set_ylim(0, None)
        axes.grid(alpha=0.3)
    all_axes[0].legend(fontsize=8)
    all_axes[-1].set_xlabel("step")
    all_axes[-1].xaxis.get_major_locator().set_params(integer=True)
    return figure


def save(figure: plt.Figure, path: Path) -> None:
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, picture.getvalue())
    except OSError as error:
        raise ReportError(f"{path}: {error.strerror}") from error
    plt.close(figure)
    print(f"wrote {path}")


def report(log_dir: Path, baseline_dir: Path | None, output_dir: Path) -> None:
    models, num_failed = read_models(log_dir)
    baseline = read_models(baseline_dir)[0] if baseline_dir else []
    print_best(models, num_failed)
    final_candidates = log_dir / "final_candidates.jsonl"
    if final_candidates.exists():
        print_final_candidates(final_candidates, models)
    if baseline:
        compare(models, baseline)
    save(draw_search(models, baseline), output_dir / "search_result.png")
    best = best_of(models, 1)[0]
    title = f"model {best.mid}: accuracy {best.accuracy:.3f}, {best.num_params:,} parameters"
    save(draw_network(best.tokens, best.adjvec, title), output_dir / "cnn_net.png")


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"unknown argument {argv[1]}")
    if not FLAGS.log_dir:
        sys.exit("report.py: --log_dir is empty: name the directory of a search")
    log_dir = Path(FLAGS.log_dir)
    baseline_dir = Path(FLAGS.baseline_dir) if FLAGS.baseline_dir else None
    try:
        report(log_dir, baseline_dir, Path(FLAGS.output_dir or log_dir))
    except (ReportError, RecordError) as error:
        sys.exit(f"report.py: {error}")


if __name__ == "__main__":
    FLAGS.set_default("log_dir", "log")
    flags.DEFINE_string("baseline_dir", None, "Compare with the search in this directory.")
    flags.DEFINE_string("output_dir", None, "Where the pictures go; by default into --log_dir.")
    app.run(main)
