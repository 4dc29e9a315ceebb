"""One hostile input to one command: how it is run, and whether it ended as the README promises."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from checks import ROOT
from checks.hostile import forks

MOST_SECONDS = 120
MOST_MEMORY = 2 * 2**30  # bytes; Paddle and PARL alone take a quarter of it
LONGEST_LINE = 6000  # a path has up to 4,096


def nothing(here: Path) -> None:
    """For cases without files of their own."""


class Case(NamedTuple):
    """command: a script and its flags; {here} stands for the directory of the case, {base} for what all
    share.
    prepare: makes the files of the case in its directory. codes: the exit codes that are promised.
    shell: how bash starts the command, which is "$@" there. lines: the most on standard error.
    forked: whether it runs in a fork of this process, without bash and in this environment; see forks.py.
    """

    group: str
    name: str
    command: list[str]
    prepare: Callable[[Path], None] = nothing
    codes: tuple[int, ...] = (1,)
    shell: str = 'exec "$@"'
    lines: int = 1
    environment: dict[str, str | None] = {}
    forked: bool = False


def run(case: Case, here: Path, base: Path) -> str | None:
    """What was not as promised, or None."""
    here.mkdir()
    case.prepare(here)
    before = contents(here)
    script, *flags = (
        part.replace("{here}", str(here)).replace("{base}", str(base)) for part in case.command
    )
    command = [sys.executable, str(ROOT / script), *flags]
    environment = {**os.environ, "HOME": str(base / "home"), **case.environment}
    started = time.monotonic()
    with open(f"{here}.out", "wb") as output, open(f"{here}.err", "wb") as errors:
        if case.forked:
            pid = forks.start(ROOT / script, flags, here, output, errors)
        else:
            process = subprocess.Popen(
                ["bash", "-c", case.shell, "bash", *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                cwd=here,
                start_new_session=True,
                env={name: value for name, value in environment.items() if value is not None},
            )
            pid = process.pid
        while not (ended := os.wait4(pid, os.WNOHANG))[0]:
            if time.monotonic() - started > MOST_SECONDS:
                os.killpg(pid, signal.SIGKILL)
                os.wait4(pid, 0)
                return f"still running after {MOST_SECONDS} s"
            time.sleep(0.005 if case.forked else 0.02)
    _, status, usage = ended
    code = os.waitstatus_to_exitcode(status)
    if not case.forked:
        process.returncode = code
    text = Path(f"{here}.err").read_bytes() + Path(f"{here}.out").read_bytes()
    if b"Traceback" in text:
        return "a traceback"
    if code not in case.codes:
        return f"exit code {code}: {complaint(here)}"
    if usage.ru_maxrss * 1024 > MOST_MEMORY:
        return f"{usage.ru_maxrss / 2**20:.1f} GB of memory"
    return wrong_message(here, code, case.lines) or lost(before, here, code)


def complaint(here: Path) -> str:
    return Path(f"{here}.err").read_text(errors="backslashreplace")[:200]


def wrong_message(here: Path, code: int, most: int) -> str | None:
    lines = Path(f"{here}.err").read_text(errors="surrogateescape").split("\n")[:-1]
    if code and len(lines) > most:
        return f"{len(lines)} lines on standard error: {complaint(here)}"
    if code == 1 and not lines:
        return "exit code 1 without a reason"
    if any(len(line) > LONGEST_LINE or not line.isprintable() for line in lines):
        return f"a line that is no text or is too long: {complaint(here)!r}"
    return None


def contents(here: Path) -> dict[Path, str]:
    """Checksums of the files in a directory, and where links lead."""
    found = {}
    for path in sorted(here.rglob("*")):
        if path.is_symlink():
            found[path] = os.readlink(path)
        elif path.is_file():
            found[path] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def lost(before: dict[Path, str], here: Path, code: int) -> str | None:
    """After a refusal all files are as before; after a success those whose name begins with "mine"."""
    after = contents(here)
    for path, content in before.items():
        grows = path.name in ("history.jsonl", "steps.csv") and path in after  # a torn last line is cut off
        if (code == 1 or path.name.startswith("mine")) and after.get(path) != content and not grows:
            return f"{path.name} was changed or removed"
    return None
