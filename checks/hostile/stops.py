"""A short search that stops at one call that changes its files, and is resumed: does it end as one that was
left alone?

Each such call is stopped at in five ways: killed before it and after it, killed when half of a write is
done, with a disk that is full from there on, with an I/O error at this call alone.
"""

import json
from pathlib import Path

from autodl_design.record.log_dir import LogDir
from checks.hostile.case import Case, run
from checks.hostile.changes import WAYS

SEARCH = [
    "checks/hostile/pseudo_search.py", "--log_dir={here}/log", "--num_nodes=2", "--batch_size=2",
    "--num_models=5", "--final_candidates=2",
]  # fmt: skip
AGENTS = {"random": 1, "reinforce": 5}  # of the second, whose agent takes longer, every fifth call
KILLED = -9


def faults(base: Path, sample: int) -> dict[str, str | None]:
    """By agent, call and way, what was not as promised; of every `sample`-th only."""
    found: dict[str, str | None] = {}
    for agent, every in AGENTS.items():
        search = [*SEARCH, f"--agent={agent}"]
        alone = base / "cases" / f"alone-{agent}"
        case = Case("stops", agent, [*search, f"--calls={alone}.calls"], codes=(0,), forked=True)
        if fault := run(case, alone, base):
            found[f"{agent}, left alone"] = fault
            continue
        expected = results(alone / "log")
        calls = Path(f"{alone}.calls").read_text().split()
        chosen = [
            (number, name, way)
            for number, name in enumerate(calls)
            for way in WAYS
            if number % every == 0 and (way != "half_write" or name == "write")
        ]
        for number, name, way in chosen[::sample]:
            here = base / "cases" / f"{agent}-{number}-{way}"
            fault = fault_of(search, number, way, here, base, expected)
            found[f"{agent}, call {number} ({name}), {way}"] = fault
    return found


def fault_of(
    search: list[str], number: int, way: str, here: Path, base: Path, expected: dict
) -> str | None:
    codes = (0, 1) if way in ("full_disk", "io_error") else (KILLED,)
    stop = [f"--stop_at={number}", f"--stop_by={way}"]
    if fault := run(Case("stops", way, [*search, *stop], codes=codes, forked=True), here, base):
        return fault
    again = here.with_name(f"{here.name}-again")
    command = [part.replace("{here}", str(here)) for part in search]
    if fault := run(Case("stops", way, [*command, "--resume"], codes=(0,), forked=True), again, base):
        return f"resumed: {fault}"
    found = results(here / "log")
    others = [name for name in expected if found[name] != expected[name]]
    return f"another {' and '.join(others)} than without the stop" if others else None


def results(log_dir: Path) -> dict[str, object]:
    """What a search leaves, without the times that it took."""
    files = LogDir(log_dir)

    def models(path: Path) -> list[dict]:
        records = [json.loads(line) for line in path.read_text().splitlines()]
        of_results = ({**record, "seconds": None} for record in records)
        return sorted(of_results, key=lambda record: (record["mid"], record.get("run", 0)))

    lines = [line.split(",") for line in files.steps.read_text().splitlines()]
    left_out = lines[0].index("seconds")
    return {
        "history": models(files.history),
        "list of final runs": models(files.final_candidates),
        "best.json": json.loads(files.best.read_text()),
        "steps.csv": [line[:left_out] + line[left_out + 1 :] for line in lines],
        "policy.json": files.policy.read_text() if files.policy.exists() else None,
    }
