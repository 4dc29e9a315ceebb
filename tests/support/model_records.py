"""Records of models and steps for tests of what reads a search's files."""

import json
from collections.abc import Sequence
from pathlib import Path

from autodl_design.record.history import ModelRecord
from autodl_design.record.log_dir import FINAL_NAME, HISTORY_NAME
from autodl_design.record.step_table import FIELDS, StepsWriter
from autodl_design.search_space.architecture import Architecture
from study.records import put_in

TOKENS, ADJVEC = [1, 8, 3, 0], [1, 0]  # two nodes a cell
FAILED = {"reward": 0.1, "status": "failed", "reason": "x", "seconds": None, "num_params": None}
CACHED = {"status": "cached", "reason": "the network of model 1", "seconds": 0.0}


def model(
    mid: int,
    accuracy: float | None = None,
    tokens: Sequence[int] = TOKENS,
    adjvec: Sequence[int] = ADJVEC,
    **fields,
) -> ModelRecord:
    """Two models a step; what `fields` leaves out is that of a trained one."""
    fields = {
        "step": mid // 2,
        "architecture": Architecture.of(tokens, adjvec),
        "reward": accuracy,
        "status": "ok",
        "reason": None,
        "seconds": 1.0,
        "num_params": 12345,
        **fields,
    }
    return ModelRecord(mid=mid, accuracy=accuracy, **fields)


def search(accuracies: Sequence[float]) -> list[ModelRecord]:
    """Models of as many networks."""
    return [model(mid, accuracy, network=f"{mid:016x}") for mid, accuracy in enumerate(accuracies)]


def write_steps(path: Path, *rows: dict[str, float]) -> None:
    """A steps.csv; what a row leaves out is 0, and its step the row's number."""
    writer = StepsWriter(path, 0)
    for step, row in enumerate(rows):
        writer.add({**dict.fromkeys(FIELDS, 0.0), "step": step, **row})
    writer.close()


def put_search(
    results: Path, name: str, models: Sequence[ModelRecord], final_runs: Sequence[ModelRecord] = ()
) -> None:
    """Write a search's files, and put them into an archive of the study."""
    log_dir = results / "logs" / name
    log_dir.mkdir(parents=True, exist_ok=True)
    for file, some in ((HISTORY_NAME, models), (FINAL_NAME, final_runs)):
        if some:
            (log_dir / file).write_text("".join(json.dumps(model.to_json()) + "\n" for model in some))
    put_in(results, [log_dir])
