"""The final candidates: a search's most promising models, trained again to find the best of them.

The highest of several hundred rewards, each of one training on few images, are mostly lucky. So only the
first candidate is the model of the highest reward. The others are those that a regression on counts of
edges and operations, fitted to all models of the search, ranks highest: it averages the luck of single
trainings (agents/count_regression.py). It is fitted to models that --stop_poor stopped too, since it could
not learn from the good ones alone what makes a model poor; they are no candidates. Which ones are follows
from the history alone.

They climb a ladder of sizes (ladder.py): each rung trains the best of the rung before, by the mean of their
runs there. Without --ladder it has one rung, of the search's own size.

LOG_DIR/final_candidates.jsonl gets a record a run, as soon as it is known.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

from autodl_design.agents.count_regression import rank_by_counts
from autodl_design.record.best import (
    FinalMean,
    at_size,
    best_by_reward,
    best_overall,
    final_means,
    runs_text,
)
from autodl_design.record.history import HistoryWriter, ModelRecord, RecordError, read_final_runs
from autodl_design.record.search_record import SearchRecord
from autodl_design.search_loop.ladder import Rung
from autodl_design.search_loop.training_reward import TrainingReward
from autodl_design.trainers.job import Job, Trainers


def choose_candidates(models: Iterable[ModelRecord], count: int) -> list[ModelRecord]:
    """As the top of this file says; every network once, fewer than `count` where there are not so many."""
    models = sorted(models, key=lambda model: model.mid)
    fitted = [*best_by_reward(models, len(models)), *(model for model in models if model.stopped)]
    architectures = [model.architecture for model in fitted]
    ranking = rank_by_counts(architectures, [model.reward for model in fitted]) if fitted else []
    ranked = [fitted[place] for place in dict.fromkeys([0, *ranking]) if fitted]
    return [model for model in ranked if model.trained][:count]


class Standing(NamedTuple):
    """Of a rung."""

    rung: Rung
    missing: list[Job]  # that are still to be trained
    ranking: list[FinalMean]  # of the rung's models by the runs it asks for, the best first


def standings(record: SearchRecord, rungs: Sequence[Rung]) -> list[Standing]:
    """Of the rungs from the first one on, as far as one that is not complete. Raises RecordError where the
    file of the runs that are done is not of this search."""
    runs = _known_runs(record)
    models = choose_candidates(record.known.values(), rungs[0].networks) if rungs else []
    reached: list[Standing] = []
    for rung in rungs:
        own = {(run.mid, run.run): run for run in runs if (run.size or "") == rung.size}
        jobs = [
            Job(model.mid, model.architecture, run)
            for model in models[: rung.networks]
            for run in range(1, rung.runs + 1)
        ]
        missing = [job for job in jobs if (job.mid, job.run) not in own]
        # Of these jobs alone: another ladder may have had more.
        ranking = final_means(own[job.mid, job.run] for job in jobs if (job.mid, job.run) in own)
        reached.append(Standing(rung, missing, ranking))
        if missing:
            break
        models = [record.known[final.mid] for final in ranking]
    return reached


def is_complete(record: SearchRecord, rungs: Sequence[Rung]) -> bool:
    return not any(standing.missing for standing in standings(record, rungs))


def climb(
    reward: TrainingReward,
    rungs: Sequence[Rung],
    start: Callable[[Rung], AbstractContextManager[Trainers]],
) -> None:
    """Train what is missing of the rungs, one after the other, and print their rankings. start: trainers
    for a rung. best.json follows after each run."""
    record, progress = reward.record, reward.progress
    for number, rung in enumerate(rungs):
        missing = standings(record, rungs)[number].missing
        progress.begin_phase(len(missing), rung.config.epochs)
        if missing:
            with start(rung) as trainers:
                _train(reward, rung, missing, trainers)
        ranking = standings(record, rungs)[number].ranking
        for line in _ranking_lines(record, rung, ranking):
            progress.print(line)
    best = best_overall(record.directory, list(record.known.values()))
    assert best is not None  # since there are candidates
    place = "the first of them" if best.model.mid == ranking[0].mid else "a candidate of an earlier time"
    progress.print(f"{record.files.best} is model {best.model.mid} now, {place}")


def _train(reward: TrainingReward, rung: Rung, jobs: Sequence[Job], trainers: Trainers) -> None:
    writer = HistoryWriter(reward.record.files.final_candidates)
    for job, outcome in trainers.run(jobs):
        model = reward.record.known[job.mid]
        run = reward.model_record(model.step, job, outcome)
        run = run._replace(run=job.run, network=model.network, size=rung.size or None)
        writer.append(run)
        reward.write_best()
        reward.progress.model_done(run)
    writer.check()
    writer.close()


def _ranking_lines(record: SearchRecord, rung: Rung, ranking: Sequence[FinalMean]) -> Iterator[str]:
    runs = "one more run" if rung.runs == 1 else f"{rung.runs} more runs"
    yield f"{len(ranking)} final candidates{at_size(rung.size)}, by their mean accuracy over {runs}:"
    for final in ranking:
        in_search, of_runs = record.known[final.mid].accuracy, runs_text(final.accuracies)
        yield f"  model {final.mid}: mean {final.mean:.3f} ({of_runs}); in the search {in_search:.3f}"


def _known_runs(record: SearchRecord) -> list[ModelRecord]:
    path = record.files.final_candidates
    runs = read_final_runs(path) if path.exists() else []
    for run in runs:
        model = record.known.get(run.mid)
        if model is None or run.architecture != model.architecture:
            raise RecordError(f"{path} has runs of other models than this search's: remove it")
    return runs
