"""A search that is hit by every kind of fault, beside one that is left alone: do they end alike?

    python dataset_maker.py
    python -m checks.faults

Runs main.py, as a user does, on real training at a tiny size. One run is never disturbed. Another has a
trainer killed (kill -9), one stopped (SIGSTOP) as soon as it starts and one while it trains, its whole
process group killed, its main process killed, gets SIGTERM and Ctrl-C, has the last line of its history
torn and its newest checkpoint damaged; wherever that ends it, the same command goes on with --resume.
Faults strike at random moments, which follow from --seed.

What was trained is counted from what each main.py prints and writes: a model was trained twice if a process
reports it, or appends it to the history, although the history held it when that process started.

Exits with 1 unless every fault was survived, no model is lost, none was trained twice and the weights of
both policies are the same bytes. Takes some minutes on two CPU cores.
"""

import contextlib
import dataclasses
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import psutil

from autodl_design.checked_io.files import read_json_lines
from autodl_design.record.history import ModelRecord, read_history
from autodl_design.settings import command_line
from autodl_design.settings.fields import Settings, setting
from autodl_design.settings.flags import define_flags, from_flags
from checks import ROOT

SIZE = [
    "--num_nodes=3", "--width=8", "--num_stages=2", "--num_cells=1", "--epochs=2", "--T_0=2",
    "--warmup=1", "--batch_size=4", "--num_models=40",
]  # fmt: skip
TIMEOUTS = ["--start_timeout=30", "--model_timeout=30"]  # a model takes a second or two
FAULTS = {
    "trainer": "kill -9 of a trainer",
    "start": "SIGSTOP of a trainer at its start",
    "training": "SIGSTOP of a trainer",
    "group": "kill -9 of the process group",
    "main": "kill -9 of the main process alone",
    "SIGTERM": "SIGTERM to the main process",
    "SIGINT": "SIGINT to the process group, as Ctrl-C is",
    "torn line": "kill -9 of the process group, last history line torn",
    "checkpoint": "kill -9 of the process group, newest checkpoint damaged",
}
GONE_WITHIN = 30  # seconds, for processes that have to end by themselves
LOST_WITHIN = 90  # seconds, for a trainer that was stopped, in which one model may be trained before


class Search:
    """One process of main.py, with the flags of its data and trainers, and what it does."""

    def __init__(self, log_dir: Path, flags: list[str]):
        self.log_dir = log_dir
        self.held = {model.mid for model in history(log_dir)}  # before it starts
        command = [sys.executable, "main.py", *SIZE, *TIMEOUTS, f"--log_dir={log_dir}"]
        if (log_dir / "search.json").exists():
            command.append("--resume")
        self.process = subprocess.Popen(
            command + flags, cwd=ROOT, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.reported: list[int] = []
        self.lines: list[str] = []

    def read_until_model(self) -> bool:
        """Read on until a model is reported; False where the process ends without."""
        for line in self.process.stdout:
            self.lines.append(line)
            if match := re.match(r"  model (\d+): ", line):
                self.reported.append(int(match[1]))
                return True
        return False

    def finish(self) -> int:
        while self.read_until_model():
            pass
        return self.process.wait()

    def trained_again(self) -> set[int]:
        return self.held.intersection(self.reported)

    def family(self) -> list[psutil.Process]:
        """The process, its trainers and helpers."""
        main = psutil.Process(self.process.pid)
        return [main, *main.children(recursive=True)]

    def trainers(self) -> list[psutil.Process]:
        found = []
        for process in self.family():
            with contextlib.suppress(psutil.Error):  # it has just ended
                if "spawn_main" in " ".join(process.cmdline()):
                    found.append(process)
        return found


def history(log_dir: Path) -> list[ModelRecord]:
    path = log_dir / "history.jsonl"
    return read_history(path) if path.exists() else []


def results(log_dir: Path) -> dict[int, ModelRecord]:
    """The history without times, by mid."""
    return {model.mid: model._replace(seconds=None) for model in history(log_dir)}


def newest_checkpoint(log_dir: Path) -> Path:
    return max(log_dir.glob("checkpoint_*.npz"), key=lambda path: int(path.stem.split("_")[1]))


def weights(log_dir: Path) -> dict[str, bytes]:
    """Of the policy, as the newest checkpoint has them."""
    with np.load(newest_checkpoint(log_dir)) as file:
        return {name: file[name].tobytes() for name in file}


def lose_trainer(fault: str, search: Search, rng: random.Random) -> str | None:
    """As `inject`, for the faults of a single trainer."""
    trainers = search.trainers()
    victim = rng.choice(trainers)
    if fault == "training":
        victim.suspend()
    else:
        victim.kill()
    if fault == "start":
        while not (started := set(search.trainers()) - set(trainers)):
            time.sleep(0.01)
        (victim,) = started
        victim.suspend()
    _, left = psutil.wait_procs([victim], timeout=LOST_WITHIN)
    if left:
        return "the trainer was kept"
    return None if search.read_until_model() else "the search ended"


def inject(fault: str, search: Search, rng: random.Random) -> str | None:
    """Returns what went wrong with a fault that was not survived, else None."""
    if fault in ("trainer", "start", "training"):
        return lose_trainer(fault, search, rng)
    family = search.family()
    exit_code = -signal.SIGKILL
    if fault == "SIGTERM":
        family[0].terminate()
        exit_code = 128 + signal.SIGTERM
    elif fault == "SIGINT":
        os.killpg(search.process.pid, signal.SIGINT)
        exit_code = 128 + signal.SIGINT
    elif fault == "main":
        family[0].kill()
    else:
        os.killpg(search.process.pid, signal.SIGKILL)
    code = search.finish()
    _, left = psutil.wait_procs(family, timeout=GONE_WITHIN)
    if left:
        return f"{len(left)} processes were left behind"
    if code != exit_code:
        return f"exit code {code}"
    if any("Traceback" in line for line in search.lines):
        return "a traceback"
    if fault == "torn line":
        path = search.log_dir / "history.jsonl"
        path.write_bytes(path.read_bytes()[: -rng.randint(2, 50)])
    elif fault == "checkpoint":
        path = newest_checkpoint(search.log_dir)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    return None


def disturbed_search(
    log_dir: Path, flags: list[str], rng: random.Random, wait: float
) -> tuple[Counter, Counter, set[int]]:
    """Runs a search through all faults to its end. Returns the faults injected and survived, and the models
    that were trained twice. wait: the longest time, in seconds, from a model's end to the next fault."""
    injected, survived, again = Counter(), Counter(), set()
    waiting = list(FAULTS)
    rng.shuffle(waiting)
    search = Search(log_dir, flags)
    while waiting:
        if not search.read_until_model():
            sys.exit(f"checks.faults: a search ended before its fault:\n{''.join(search.lines)}")
        time.sleep(rng.uniform(0, wait))
        if waiting[-1] == "checkpoint" and newest_checkpoint(log_dir).stem == "checkpoint_0":
            continue  # there has to be one before it
        fault = waiting.pop()
        injected[fault] += 1
        wrong = inject(fault, search, rng)
        if search.process.poll() is not None:
            again |= search.trained_again()
            search = Search(log_dir, flags)
        if wrong is None:
            survived[fault] += 1
        print(f"{FAULTS[fault]}, {len(history(log_dir))} models done: {wrong or 'survived'}", flush=True)
    code = search.finish()
    if code != 0:
        sys.exit(f"checks.faults: the last search ended with {code}:\n{''.join(search.lines)}")
    again |= search.trained_again()
    # As they stand there: a reading of the history would refuse a model that is in it twice.
    written = Counter(line["mid"] for line in read_json_lines(log_dir / "history.jsonl"))
    return injected, survived, again | {mid for mid, times in written.items() if times > 1}


@dataclasses.dataclass(frozen=True)
class FaultSettings(Settings):
    """The faults"""

    data_path: str = setting("cifar/pickle-cifar-10", "Where dataset_maker.py wrote the images.")
    trainers: str = setting("cpu:2", "As main.py's.")
    wait: float = setting(2.0, "Longest time, in seconds, from a model's end to the next fault.", low=0)
    seed: int = setting(0, "Decides when faults come, and in which order.")


def main(arguments: list[str]) -> None:
    settings = from_flags(FaultSettings)
    flags = [f"--data_path={settings.data_path}", f"--trainers={settings.trainers}"]
    with tempfile.TemporaryDirectory() as directory:
        whole, disturbed = Path(directory, "whole"), Path(directory, "disturbed")
        search = Search(whole, flags)
        if search.finish() != 0:
            sys.exit(f"checks.faults: the undisturbed search failed:\n{''.join(search.lines)}")
        print(f"a search of {len(history(whole))} models, undisturbed", flush=True)
        injected, survived, again = disturbed_search(
            disturbed, flags, random.Random(settings.seed), settings.wait
        )
        expected, found = results(whole), results(disturbed)
        lost = [mid for mid in expected if found.get(mid) != expected[mid]]
        equal = weights(whole) == weights(disturbed)
    print(f"faults injected       {injected.total()}")
    print(f"faults survived       {survived.total()}")
    print(f"models lost           {len(lost)}  # of {len(expected)}: missing, or with another result")
    print(f"models trained twice  {len(again)}")
    print(f"final weights equal   {'yes' if equal else 'no'}")
    sys.exit(survived != injected or bool(lost) or bool(again) or not equal)


if __name__ == "__main__":
    define_flags(FaultSettings)
    command_line.start(main, (FaultSettings,))
