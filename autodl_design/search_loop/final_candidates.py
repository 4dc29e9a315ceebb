"""The best models of a search, trained again: the accuracy that made them the best of many is partly luck.

LOG_DIR/final_candidates.jsonl gets a record a run, as soon as it is known.
"""

from autodl_design.record.best import best_of, read_final_means, runs_text, the_best
from autodl_design.record.history import HistoryWriter, ModelRecord, RecordError, read_final_runs
from autodl_design.record.search_record import SearchRecord
from autodl_design.search_loop.training_reward import TrainingReward
from autodl_design.trainers.job import Job

RUNS = 3  # of each candidate, besides the one in the search


def missing_runs(record: SearchRecord, count: int) -> list[Job]:
    """What is still to be trained of the best `count` models. Raises RecordError where the file that holds
    the others is not of this search."""
    done = {(run.mid, run.run) for run in _known_runs(record)}
    return [
        Job(model.mid, model.architecture, run)
        for model in best_of(record.known.values(), count)
        for run in range(1, RUNS + 1)
        if (model.mid, run) not in done
    ]


def train_candidates(reward: TrainingReward, count: int) -> None:
    """Train the best `count` models of a search RUNS times more, from other random numbers, and rank them
    by the mean of these runs. best.json follows after each run."""
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

    candidates = {model.mid: model for model in best_of(record.known.values(), count)}
    progress.print(f"The {len(candidates)} best, by their mean accuracy over {RUNS} more runs:")
    ranking = [final for final in read_final_means(record.directory) if final.mid in candidates]
    for final in ranking:
        in_search = candidates[final.mid].accuracy
        runs = runs_text(final.accuracies)
        progress.print(
            f"  model {final.mid}: mean {final.mean:.3f} ({runs}); in the search {in_search:.3f}"
        )
    best = the_best(record.directory, list(record.known.values()))
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
