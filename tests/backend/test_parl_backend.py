"""Importing PARL changes nothing of the user's program."""

import pytest
from helpers import run


@pytest.mark.parametrize("method", ["spawn", None])
def test_the_start_method_stays_the_users(method):
    choose = f"multiprocessing.set_start_method({method!r})" if method else "pass"
    code = f"import multiprocessing; {choose}; from autodl_design.backend.parl_backend import parl; "
    done = run("-c", f"{code}print(multiprocessing.get_start_method(allow_none=True))")
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, str(method), "")


def test_what_is_postponed_works():
    code = "from autodl_design.backend.parl_backend import parl; from parl.utils import rl_utils; "
    done = run("-c", f"{code}print(rl_utils.calc_discount_sum_rewards([1.0, 2.0, 3.0], 0.5))")
    assert (done.returncode, done.stdout, done.stderr) == (0, "[2.75 3.5  3.  ]\n", "")
