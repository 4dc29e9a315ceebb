"""Settings: one place for default, type, bounds and help; flags and messages follow from it."""

import dataclasses
import math
import subprocess
import sys

import numpy as np
import pytest
from absl import flags
from helpers import ROOT, run

from autodl_design.search_loop.settings import (
    PRESETS,
    AllSettings,
    PolicySettings,
    RunSettings,
)
from autodl_design.search_space.child import ChildSettings
from autodl_design.settings.fields import Settings, SettingsError, setting
from autodl_design.settings.flags import define_flags


@dataclasses.dataclass(frozen=True)
class Example(Settings):
    """An example"""

    count: int = setting(3, "How many.", low=1, high=9, odd=True)
    share: float = setting(0.5, "Which part.", above=0, below=1)
    limit: float = setting(math.inf, "How long.", above=0, may_be_infinite=True)
    name: str = setting("a", "Which one.", choices=("a", "b"))
    size: int | None = setting(None, "How large.", low=1)
    quick: bool = setting(False, "Whether it is quick.")


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("count", 0, "count cannot be 0: it must be at least 1 and at most 9"),
        ("count", 4, "must be odd"),
        ("count", 3.0, "must be a whole number"),
        ("count", True, "must be a whole number"),
        ("count", "3", "must be a whole number"),
        ("count", 10**400, "must be at least 1 and at most 9"),
        ("share", 1.0, "must be more than 0 and less than 1"),
        ("share", math.nan, "must be finite"),
        ("share", math.inf, "must be finite"),
        ("share", 10**400, "must be finite"),
        ("share", None, "must be a number"),
        ("share", [0.5], "must be a number"),
        ("limit", math.nan, "must be finite"),
        ("limit", -math.inf, "must be finite"),
        ("name", "c", "must be a or b"),
        ("name", 1, "must be a text"),
        ("size", 0, "must be at least 1"),
        ("quick", 1, "must be true or false"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_value_out_of_bounds_is_refused(name, value, complaint):
    with pytest.raises(SettingsError) as raised:
        Example(**{name: value})
    assert complaint in str(raised.value) and len(str(raised.value)) < 200


def test_numbers_of_numpy_become_plain_ones():
    example = Example(count=np.int64(5), share=np.float32(0.25), limit=7, size=np.int32(2))
    assert [type(value) for value in dataclasses.astuple(example)[:3]] == [int, float, float]
    assert example == Example(count=5, share=0.25, limit=7.0, size=2)


@pytest.mark.parametrize("group", AllSettings.classes())
def test_every_float_setting_refuses_what_is_not_finite(group):
    for field in dataclasses.fields(group):
        if field.type is float:
            for value in (math.nan, -math.inf, *([] if field.name == "model_timeout" else [math.inf])):
                with pytest.raises(SettingsError, match="must be finite"):
                    group(**{field.name: value})


def test_every_setting_either_decides_results_or_is_free():
    """What --resume compares is complete: a new setting is in it unless its field says otherwise."""
    names = {field.name for group in AllSettings.classes() for field in dataclasses.fields(group)}
    decides = {
        **AllSettings.of(agent="evolution").of_results(),
        **AllSettings.of(agent="predictor").of_results(),
    }
    free = {
        "preset", "log_dir", "resume", "data_path", "chunk_size", "final_candidates", "ladder",
        "num_models", "max_minutes",
        "trainers", "cluster", "retries", "model_timeout", "start_timeout",
    }  # fmt: skip
    assert set(decides) | free == names and not set(decides) & free
    assert decides["bn_shift"] == 2.0 and decides["cache"] is True
    # Other agents have no such settings, and a search that began before evolution was there goes on.
    assert set(decides) - set(AllSettings().of_results()) == {
        *("population_size", "tournament_size"),
        *("first_random", "pool_size", "num_parents", "random_share"),
    }


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: ChildSettings(width=30), "width 30 must be a multiple of ratio 4"),
        (lambda: ChildSettings(warmup=20.0), "warmup 20 must be less than T_0 20"),
        (
            lambda: PolicySettings(input_size=3),
            "input_size 3 must be at least num_nodes - 1 and num_tokens",
        ),
        (lambda: PolicySettings(num_nodes=200, hidden_size=10_000), "the policy would have"),
        (lambda: AllSettings(policy=PolicySettings(num_tokens=11)), "there are 10 operations"),
        (
            lambda: AllSettings(run=RunSettings(batch_size=100_000), policy=PolicySettings(num_nodes=200)),
            "batch_size",
        ),
    ],
)
def test_settings_that_do_not_fit_each_other_are_refused(make, complaint):
    with pytest.raises(SettingsError, match=complaint):
        make()


@pytest.mark.parametrize(
    ("flag", "complaint"),
    [
        ("--no_such_flag=1", "Unknown command line flag 'no_such_flag'"),
        ("--num_nodes=0", "flag --num_nodes=0: must be at least 1 and at most 200"),
        ("--num_models=many", "flag --num_models=many: "),
        ("--batch_size=ten", "flag --batch_size=ten: "),
        ("--batch_size=" + 5000 * "9", "flag --batch_size=9"),
        ("--advantage_power=2", "flag --advantage_power=2: must be odd"),
        ("--learning_rate=-0.1", "flag --learning_rate=-0.1: must be more than 0 and less than 1"),
        ("--bl_decay=1", "flag --bl_decay=1.0: must be at least 0 and less than 1"),
        ("--lr_max=nan", "flag --lr_max=nan: must be finite"),
        ("--agent=magic", "flag --agent=magic: must be reinforce or evolution or predictor or random"),
        ("--cache=perhaps", "flag --cache=perhaps: "),
        ("--seed=-1", "flag --seed=-1: "),
        ("--log_dir=", "flag --log_dir=: must be something, not an empty text"),
    ],
    ids=lambda value: value[:20],
)
def test_a_wrong_flag_is_refused_by_name(flag, complaint):
    values = flags.FlagValues()
    define_flags(*AllSettings.classes(), into=values)
    with pytest.raises(flags.Error) as raised:
        values(["main.py", flag])
    assert complaint in str(raised.value)


def test_settings_by_the_names_of_their_flags():
    settings = AllSettings.of(preset="quick", num_nodes=3, seed=np.int64(5), log_dir="x")
    assert settings.child == ChildSettings(width=8, num_cells=1, epochs=5)
    assert (settings.policy.num_nodes, settings.run.seed, settings.files.log_dir) == (3, 5, "x")
    assert AllSettings.of() == AllSettings()
    with pytest.raises(SettingsError, match="there is no setting wdith"):
        AllSettings.of(wdith=8)


def test_the_learning_rate_falls_over_all_epochs_unless_told_otherwise():
    assert ChildSettings().schedule == (20.0, 2.0)
    assert AllSettings.of(preset="quick", epochs=40).child.schedule == (40.0, 4.0)
    assert ChildSettings(epochs=40, T_0=10.0).schedule == (10.0, 1.0)
    assert ChildSettings(epochs=40, warmup=0.0).schedule == (40.0, 0.0)


def test_the_original_preset_has_the_originals_values():
    settings = AllSettings.of(preset="original")
    assert settings.policy == PolicySettings(
        edge_probability=0.5, shared_heads=False, learning_rate=1e-3, advantage_power=3
    )
    assert settings.child == ChildSettings(
        train_batch_size=128, lr_max=0.1, T_0=200.0, warmup=0.0, bn_shift=0.0, dropout_rate=0.5
    )
    assert settings.run.num_models == 10_000
    names = {field.name for group in AllSettings.classes() for field in dataclasses.fields(group)}
    assert all(values.keys() <= names for values in PRESETS.values())


def test_flags_of_the_original_keep_their_names():
    values = flags.FlagValues()
    define_flags(*AllSettings.classes(), into=values)
    values(["main.py", "--early_stop=7"])
    assert values["epochs"].value == 7


def test_help_shows_every_flag_of_the_program_with_its_default():
    result = run("main.py", "--help")
    assert result.returncode == 0 and result.stderr == ""
    for group in AllSettings.classes():
        assert f"\n{group.__doc__}:\n" in result.stdout
        for field in dataclasses.fields(group):
            assert f"\n  --{field.name}=" in result.stdout
    assert "--width=64" in result.stdout and "--cache=true" in result.stdout
    assert "absl" not in result.stdout


CHECKS = """
from autodl_design.search_loop.settings import PolicySettings
from autodl_design.settings import command_line
from autodl_design.settings.fields import SettingsError
from autodl_design.settings.flags import define_flags, from_flags

define_flags(PolicySettings)
command_line.start(lambda arguments: from_flags(PolicySettings), (PolicySettings,), (SettingsError,))
"""


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--no_such_flag=1", "-c: Unknown command line flag 'no_such_flag'"),
        ("extra", "-c: unknown argument extra"),
        ("--num_nodes=0", "-c: flag --num_nodes=0: must be at least 1"),
        ("--input_size=3", "-c: input_size 3 must be at least num_nodes - 1 and num_tokens"),
    ],
)
def test_a_bad_argument_gets_one_clear_line(argument, message):
    result = run("-c", CHECKS, argument)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1 and result.stderr.startswith(message)


PRINTS = """
import sys
from autodl_design.settings import command_line

def main(arguments):
    for i in range(100_000):
        print("line", i)

command_line.start(main, ())
"""


def test_a_reader_that_goes_away_ends_the_program_in_silence():
    process = subprocess.Popen(
        [sys.executable, "-c", PRINTS], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait() == 141
    process.stderr.close()


def test_a_full_standard_output_gets_one_line():
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [sys.executable, "-c", PRINTS], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert result.returncode == 1
    assert result.stderr == "-c: standard output: No space left on device\n"


def test_a_closed_standard_output_is_no_error():
    result = subprocess.run(["sh", "-c", f"exec {sys.executable} - >&-"], cwd=ROOT, input=PRINTS, text=True)
    assert result.returncode == 0


def test_output_that_the_locale_cannot_show_is_escaped():
    environment = {"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)}
    code = "from autodl_design.settings.command_line import start; start(lambda _: print('\\u00f6'), ())"
    result = run("-c", code, env=environment)
    assert (result.returncode, result.stdout) == (0, "\\xf6\n")


@pytest.mark.parametrize(
    "flag",
    ["--flagfile=none", "-flagfile", "--undefok=a", "--pdb", "--norun_with_pdb", "--v=1", "--helpxml"],
)
def test_flags_of_absl_are_unknown(flag):
    code = "from autodl_design.settings.command_line import start; start(print, ())"
    result = run("-c", code, flag)
    assert result.returncode == 1 and result.stdout == "" and result.stderr.count("\n") == 1
    assert f"Unknown command line flag '{flag.strip('-').partition('=')[0]}'" in result.stderr


ELSEWHERE = """
import runpy, sys
from absl import flags
from autodl_design.backend import parl_backend
import matplotlib.pyplot  # where it has no list of fonts yet, it asks Windows' registry for them
import os
del os.sched_getaffinity
sys.modules["fcntl"] = None
sys.platform = "win32"
for script in sys.argv[1:]:
    sys.argv = [script]
    for name in list(flags.FLAGS):  # those of the script before
        delattr(flags.FLAGS, name)
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        print(end.code)
"""


def test_a_system_other_than_linux_gets_one_line():
    scripts = [
        f"{name}.py" for name in ("dataset_maker", "main", "simple_main", "report", "retrain", "predict")
    ]
    result = run("-c", ELSEWHERE, *scripts)
    complaint = "this program needs Linux, and here is win32; on Windows WSL has it"
    assert result.stdout.splitlines() == [f"{script}: {complaint}" for script in scripts]


def test_a_working_directory_that_was_deleted_gets_one_line(tmp_path):
    command = f"cd {tmp_path} && mkdir gone && cd gone && rmdir ../gone && exec {sys.executable} {ROOT}"
    result = subprocess.run(["sh", "-c", f"{command}/simple_main.py"], capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr == "the working directory has been deleted: change to one that is there\n"


@pytest.mark.parametrize("script", ["report.py", "predict.py"])
def test_help_without_docstrings(script):
    done = run("-OO", script, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"python {script}" in done.stdout
