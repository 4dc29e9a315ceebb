import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def simple_main(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "simple_main.py", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def averages(output: str) -> list[float]:
    return [float(value) for value in re.findall(r"average rewards=(.*)", output)]


def test_prints_the_target_and_every_tenth_average():
    run = simple_main("--num_models=20")
    assert run.returncode == 0 and run.stderr == ""
    target, *lines = run.stdout.splitlines()
    assert target == "Simple run target is 20"
    assert len(lines) == 3
    for mid, line in zip((0, 10, 20), lines, strict=True):
        assert re.fullmatch(rf"mid={mid}, average rewards=\d+\.\d\d\d", line)


def test_the_seed_decides_the_run_and_the_target_follows_the_nodes():
    arguments = ["--num_models=10", "--num_nodes=3", "--num_tokens=2", "--batch_size=7"]
    runs = [simple_main(*arguments, f"--seed={seed}").stdout for seed in (1, 1, 2)]
    assert runs[0].startswith("Simple run target is 6\n")
    assert runs[0] == runs[1] != runs[2]


def converges(seed: int) -> None:
    run = simple_main(f"--seed={seed}")
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1].startswith("mid=460, ")
    rewards = averages(run.stdout)
    assert rewards[0] < 5  # a token is 1 by chance once in ten
    assert sum(rewards[-5:]) / 5 >= 17.0, rewards


def test_converges():
    converges(seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 5))
def test_converges_for_other_seeds(seed):
    converges(seed)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--no_such_flag=1", "simple_main.py: Unknown command line flag 'no_such_flag'"),
        ("extra", "simple_main.py: unknown argument extra"),
        ("--num_nodes=0", "simple_main.py: flag --num_nodes=0: must be at least 1"),
        ("--num_tokens=1", "simple_main.py: --num_tokens must be at least 2"),
        ("--input_size=3", "simple_main.py: input_size 3 must be at least num_nodes - 1 and num_tokens"),
    ],
)
def test_a_bad_argument_gets_one_clear_line(argument, message):
    run = simple_main(argument)
    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr.count("\n") == 1 and message in run.stderr
