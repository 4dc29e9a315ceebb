"""The final candidates: a search's most promising models, trained again to find the best of them.

The highest of several hundred rewards, each of one training on few images, are mostly lucky. So only the
first candidate is the model of the highest reward. The others are those that a regression on counts of
edges and operations, fitted to all models of the search, ranks highest: it averages the luck of single
trainings (agents/count_regression.py). It is fitted to models that --stop_poor stopped too, since it could
not learn from the good ones alone what makes a model poor; they are no candidates. Which ones are follows
from the history alone.

LOG_DIR/final_candidates.jsonl gets a record a run, as soon as it is known.
"""

from collections.abc import Iterable

from autodl_design.agents.count_regression import rank_by_counts
from autodl_design.record.best import best_by_reward, best_overall, read_final_means, runs_text
from autodl_design.record.history import HistoryWriter, ModelRecord, RecordError, read_final_runs
from autodl_design.record.search_record import SearchRecord
from autodl_design.search_loop.training_reward import TrainingReward
from autodl_design.trainers.job import Job

RUNS = 3  # of each candidate, besides the one in the search


def choose_candidates(models: Iterable[ModelRecord], count: int) -> list[ModelRecord]:
    """As the top of this file says; every network once, fewer than `count` where there are not so many."""
    models = sorted(models, key=lambda model: model.mid)
    fitted = [*best_by_reward(models, len(models)), *(model for model in models if model.stopped)]
    architectures = [model.architecture for model in fitted]
    ranking = rank_by_counts(architectures, [model.reward for model in fitted]) if fitted else []
    ranked = [fitted[place] for place in dict.fromkeys([0, *ranking]) if fitted]
    return [model for model in ranked if model.trained][:count]


def missing_runs(record: SearchRecord, count: int) -> list[Job]:
    """What is still to be trained of the `count` candidates. Raises RecordError where the file that holds
    the others is not of this search."""
    done = {(run.mid, run.run) for run in _known_runs(record)}
    return [
        Job(model.mid, model.architecture, run)
        for model in choose_candidates(record.known.values(), count)
        for run in range(1, RUNS + 1)
        if (model.mid, run) not in done
    ]


def train_candidates(reward: TrainingReward, count: int) -> None:
    """Train the `count` candidates RUNS times more, from other random numbers, and rank them by the mean of
    these runs. best.json follows after each run."""
    record, progress = reward.record, reward.progress
    jobs = missing_runs(record, count)
    progress.begin_phase(len(jobs))
    writer = HistoryWriter(record.files.final_candidates)
    for job, outcome in reward.trainers.run(jobs):
        model = record.known[job.mid]
        run = reward.model_record(model.step, job, outcome)._replace(run=job.run, network=model.network)
        writer.append(run)
        reward.write_best()
        progress.model_done(run)
    writer.check()
    writer.close()

    candidates = {model.mid: model for model in choose_candidates(record.known.values(), count)}
    progress.print(f"{len(candidates)} final candidates, by their mean accuracy over {RUNS} more runs:")
    ranking = [final for final in read_final_means(record.directory) if final.mid in candidates]
    for final in ranking:
        in_search = candidates[final.mid].accuracy
        runs = runs_text(final.accuracies)
        progress.print(
            f"  model {final.mid}: mean {final.mean:.3f} ({runs}); in the search {in_search:.3f}"
        )
    best = best_overall(record.directory, list(record.known.values()))
    assert best is not None  # since there are candidates
    place = "the first of them" if best.model.mid == ranking[0].mid else "a candidate of an earlier time"
    progress.print(f"{record.files.best} is model {best.model.mid} now, {place}")


def _known_runs(record: SearchRecord) -> list[ModelRecord]:
    path = record.files.final_candidates
    runs = read_final_runs(path) if path.exists() else []
    for run in runs:
        model = record.known.get(run.mid)
        if model is None or run.architecture != model.architecture:
            raise RecordError(f"{path} has runs of other models than this search's: remove it")
    return runs
