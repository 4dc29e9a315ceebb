"""simple_main.py as a user runs it: it prints its lines, and the agent learns."""

import re

import pytest
from helpers import run


def simple_main(*arguments: str):
    return run("simple_main.py", *arguments, timeout=300)


def averages(output: str) -> list[float]:
    return [float(value) for value in re.findall(r"average rewards=(.*)", output)]


def test_prints_the_target_and_every_tenth_average():
    result = simple_main("--num_updates=21")
    assert result.returncode == 0 and result.stderr == ""
    target, *lines = result.stdout.splitlines()
    assert target == "Simple run target is 20"
    assert lines[-1].startswith("average rewards from ") and lines[-1].endswith(" of 20")
    for mid, line in zip((0, 10, 20), lines[:3], strict=True):
        assert re.fullmatch(rf"mid={mid}, average rewards=\d+\.\d\d\d", line)


def test_the_seed_decides_the_run_and_the_target_follows_the_nodes():
    arguments = ["--num_models=10", "--num_nodes=3", "--num_tokens=2", "--batch_size=7"]
    runs = [simple_main(*arguments, f"--seed={seed}").stdout for seed in (1, 1, 2)]
    assert runs[0].startswith("Simple run target is 6\n")
    assert runs[0] == runs[1] != runs[2]


def converges(seed: int) -> None:
    result = simple_main(f"--seed={seed}")
    assert result.returncode == 0, result.stderr
    assert "\nmid=460, " in result.stdout
    rewards = averages(result.stdout)
    assert rewards[0] < 5  # a token is 1 by chance once in ten
    assert sum(rewards[-5:]) / 5 >= 17.0, rewards


def test_converges():
    converges(seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 10))
def test_converges_for_other_seeds(seed):
    converges(seed)


def test_without_token_1_there_is_nothing_to_count():
    result = simple_main("--num_tokens=1")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "simple_main.py: --num_tokens must be at least 2, for token 1 to exist\n"


def test_a_policy_that_leaves_the_finite_numbers_stops():
    run = simple_main("--num_nodes=100", "--batch_size=4", "--advantage_power=99")
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1 and "the policy's update 0 left the finite numbers" in run.stderr


def test_a_batch_that_fits_no_memory_is_refused():
    run = simple_main("--num_nodes=100", "--batch_size=100000")
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == "simple_main.py: batch_size 100000 is too large for 100 nodes\n"
