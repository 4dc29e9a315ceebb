"""A search's record: exact resuming after kills, and every way in which LOG_DIR may be unusable."""

import errno
import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from helpers import ROOT
from model_records import model, write_steps

import main
from autodl_design.checked_io.files import read_arrays, write_arrays
from autodl_design.record.history import HistoryWriter, RecordError, read_final_runs, read_history
from autodl_design.record.reading import read_settings
from autodl_design.record.search_record import SearchRecord
from autodl_design.record.step_table import read_steps
from autodl_design.report_page.verdict import planned_models
from autodl_design.search_loop.settings import AllSettings
from autodl_design.trainers.pseudo import PseudoTrainers

pytestmark = pytest.mark.xdist_group("search_record")  # `whole` is made once
SETTINGS = {"seed": 0}
STATE = {"updates": 3, "baseline": 0.25, "tensors": {"w": np.arange(6.0).reshape(2, 3)}}
ACTIONS = np.zeros((2, 4), np.int64), np.ones((2, 2), np.int64)


def pseudo_search(log_dir, *flags, num_models=40, **options):
    command = [sys.executable, "-m", "checks.hostile.pseudo_search", "--num_nodes=4", "--batch_size=4"]
    command += [f"--log_dir={log_dir}", *flags, *([f"--num_models={num_models}"] if num_models else [])]
    return subprocess.Popen(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
    )


def search_here(log_dir, num_models=40, resume=False):
    """The same in this process, which has imported Paddle already."""
    settings = AllSettings.of(
        num_nodes=4, batch_size=4, log_dir=str(log_dir), num_models=num_models, resume=resume
    )
    main.search(settings, trainers=PseudoTrainers())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A search of ten steps that nobody disturbed."""
    directory = tmp_path_factory.mktemp("whole")
    _, errors = pseudo_search(directory).communicate()
    assert errors == ""
    return directory


@pytest.fixture(scope="module")
def six_steps(tmp_path_factory):
    """The first six of them."""
    directory = tmp_path_factory.mktemp("six_steps")
    search_here(directory, num_models=24)
    return directory


@pytest.fixture
def parts(six_steps, tmp_path):
    """A copy of six steps, to go on with."""
    return shutil.copytree(six_steps, tmp_path / "parts")


def history(log_dir):
    records = [json.loads(line) for line in (log_dir / "history.jsonl").open()]
    return sorted(records, key=lambda record: record["mid"])


def weights(log_dir, step):
    with np.load(log_dir / f"checkpoint_{step}.npz") as file:
        return {name: file[name].tobytes() for name in file}


def assert_same_search(log_dir, expected_dir, num_steps):
    assert history(log_dir) == history(expected_dir)
    assert weights(log_dir, num_steps) == weights(expected_dir, num_steps)


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_and_resumed_is_as_never_stopped(whole, tmp_path, kills):
    broken = tmp_path / "broken"
    rng = random.Random(kills)
    done = 0
    while done < kills:
        process = pseudo_search(broken, "--resume", "--model_seconds=0.05", start_new_session=True)
        # Mostly at work, now and then in the middle of starting.
        if rng.random() < 0.8:
            process.stdout.readline()
        time.sleep(rng.uniform(0, 0.5))
        if process.poll() is not None:
            break
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        done += 1
    assert done == kills, "the search was over before all kills"
    _, errors = pseudo_search(broken, "--resume").communicate()
    assert errors == ""
    assert_same_search(broken, whole, 10)
    mids = [json.loads(line)["mid"] for line in (broken / "history.jsonl").open()]
    assert sorted(mids) == list(range(40))  # none lost, none trained twice


def twice(path):
    path.write_bytes(2 * path.read_bytes())


def three_nodes(path):
    path.write_text(json.dumps({**json.loads(path.read_text()), "num_nodes": 3}))


def runs_without_number(path):
    path.write_bytes((path.parent / "history.jsonl").read_bytes())


def no_state(path):
    numbers, arrays = read_arrays(path)
    write_arrays(path, {**numbers, "baseline": None}, arrays)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("steps.csv", twice),
        ("search.json", three_nodes),
        ("final_candidates.jsonl", runs_without_number),
        ("checkpoint_6.npz", no_state),
    ],
)
def test_a_resumption_that_is_refused_late_changes_no_file(parts, name, damage):
    """And does not count as the one that the search was last started with."""
    damage(parts / name)
    before = looks(parts)
    result = pseudo_search(parts, "--resume", num_models=44)
    _, errors = result.communicate()
    assert result.returncode == 1 and errors.count("\n") == 1
    after = looks(parts)
    assert {name for name in after if after[name] != before.get(name)} <= {"best.json"}  # as it was, anew


def test_a_finished_search_goes_on_to_more_models(whole, parts):
    search_here(parts, resume=True)
    assert_same_search(parts, whole, 10)


def test_a_damaged_newest_checkpoint_costs_one_step(whole, parts, capsys):
    path = parts / "checkpoint_6.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    search_here(parts, resume=True)
    assert "going on with step 5" in capsys.readouterr().out
    assert_same_search(parts, whole, 10)


def test_a_torn_last_line_is_trained_again(whole, parts, capsys):
    path = parts / "history.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    search_here(parts, resume=True)
    assert "going on with step 5" in capsys.readouterr().out  # though there is a checkpoint after it
    assert_same_search(parts, whole, 10)


def test_a_full_disk_stops_with_one_line_and_loses_nothing(whole, tmp_path):
    def limit_file_size():  # see helpers.limited_file_size
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    search_here(tmp_path / "parts", num_models=1)
    process = pseudo_search(tmp_path / "parts", "--resume", preexec_fn=limit_file_size)
    _, errors = process.communicate()
    assert process.returncode == 1
    assert errors.count("\n") == 1 and str(tmp_path / "parts") in errors
    search_here(tmp_path / "parts", resume=True)
    assert_same_search(tmp_path / "parts", whole, 10)


def of_step(mid, step, tokens=(0, 0, 0, 0), adjvec=(1, 1)):
    return model(mid, 0.1, tokens, adjvec, step=step, network="a")


def search(log_dir, num_steps, num_models=None):
    """A search whose every step has the same two architectures, stopped in step `num_steps`."""
    with SearchRecord(log_dir, SETTINGS, resume=False) as record:
        for step in range(num_steps + 1):
            record.save_step(step, STATE, *ACTIONS)
        for mid in range(2 * num_steps if num_models is None else num_models):
            record.append(of_step(mid, mid // 2))


def resume(log_dir):
    """Where it goes on, and what it knows."""
    with SearchRecord(log_dir, SETTINGS, resume=True) as record:
        return record


def looks(log_dir):
    stats = {path.name: path.lstat() for path in log_dir.iterdir() if path.name != "lock"}
    return {name: (stat.st_mode, stat.st_size, stat.st_mtime_ns) for name, stat in stats.items()}


def refusal(log_dir, resume=True, settings=SETTINGS):
    """One line that names the place; nothing is changed."""
    before = looks(log_dir)
    with pytest.raises(RecordError) as raised:
        SearchRecord(log_dir, settings, resume, earlier=AllSettings.of_earlier_searches())
    assert looks(log_dir) == before
    text = str(raised.value)
    assert str(log_dir) in text and "\n" not in text and len(text) < 2000
    return text


def test_round_trip(tmp_path):
    search(tmp_path, 3)
    assert {path.name for path in tmp_path.glob("checkpoint_*")} == {"checkpoint_2.npz", "checkpoint_3.npz"}
    again = resume(tmp_path)
    assert again.known == {mid: of_step(mid, mid // 2) for mid in range(6)}
    assert again.checkpoint.step == 3
    assert again.checkpoint.state["baseline"] == 0.25 and again.checkpoint.state["updates"] == 3
    np.testing.assert_array_equal(again.checkpoint.state["tensors"]["w"], STATE["tensors"]["w"])
    np.testing.assert_array_equal(again.checkpoint.adjvec, ACTIONS[1])


def test_a_resumed_step_gets_the_architectures_it_had(tmp_path):
    search(tmp_path, 0)
    with SearchRecord(tmp_path, SETTINGS, resume=True) as record:
        with pytest.raises(RecordError, match="step 0 .* other architectures"):
            record.save_step(0, STATE, ACTIONS[0] + 1, ACTIONS[1])
        record.save_step(0, STATE, *ACTIONS)
        record.save_step(1, STATE, ACTIONS[0] + 1, ACTIONS[1])


@pytest.mark.parametrize("change", [{"tokens": [0, 0, 0, 1]}, {"adjvec": [1, 0]}, {"step": 2}])
def test_a_record_of_another_architecture_does_not_pass_for_one_of_the_step(tmp_path, change):
    search(tmp_path, 1)
    with SearchRecord(tmp_path, SETTINGS, resume=True) as record:
        record.append(of_step(3, **{"step": 1, **change}))
    with SearchRecord(tmp_path, SETTINGS, resume=True) as record:
        with pytest.raises(RecordError, match=r"history.jsonl: model 3 is not the one that step 1"):
            record.save_step(1, STATE, *ACTIONS)


def test_no_damage_to_a_checkpoint_goes_unseen(tmp_path):
    """Wherever it is damaged, what is read is a whole state: the newest or the one before."""
    search(tmp_path, 1)
    path = tmp_path / "checkpoint_1.npz"
    whole = path.read_bytes()
    for i in range(0, len(whole), 3):
        path.write_bytes(whole[:i] + bytes([whole[i] ^ 1 << i % 7]) + whole[i + 1 :])
        checkpoint = resume(tmp_path).checkpoint
        assert checkpoint.state.keys() == STATE.keys()
        np.testing.assert_array_equal(checkpoint.state["tensors"]["w"], STATE["tensors"]["w"])
        np.testing.assert_array_equal(checkpoint.adjvec, ACTIONS[1])


WHOLE = {"tokens": ACTIONS[0], "adjvec": ACTIONS[1], "tensors.w": STATE["tensors"]["w"]}


@pytest.mark.parametrize(
    ("numbers", "arrays"),
    [
        ({}, {"tokens": WHOLE["tokens"]}),
        ({}, {"adjvec": WHOLE["adjvec"]}),
        *(({}, {**WHOLE, "tokens": value}) for value in (
            np.array(3), np.zeros(4, int), np.zeros((3, 4), int), np.zeros((2, 5), int),
            np.zeros((2, 4)), np.full((2, 4), -1), np.full((2, 4), 10), np.zeros((0, 4), int),
        )),
        *(({}, {**WHOLE, "adjvec": value}) for value in (np.full((2, 2), 2), np.zeros((2, 3), int))),
        ({}, {**WHOLE, "more": np.zeros(1)}),
        *((numbers, WHOLE) for numbers in (None, 3, "x", [1])),
    ],
)  # fmt: skip
def test_a_checkpoint_of_something_else_is_passed_over(tmp_path, numbers, arrays):
    search(tmp_path, 1)
    write_arrays(tmp_path / "checkpoint_1.npz", numbers, arrays)
    assert resume(tmp_path).checkpoint.step == 0
    (tmp_path / "checkpoint_0.npz").unlink()
    assert "no checkpoint is whole" in refusal(tmp_path)


def test_files_that_are_no_checkpoints_are_left_alone(tmp_path):
    search(tmp_path, 1)
    names = [
        "checkpoint_x.npz", "checkpoint_.npz", "checkpoint_4 (copy).npz", "checkpoint_-1.npz",
        "checkpoint_07.npz", "checkpoint_٣.npz", "checkpoint_1.npz.bak", "checkpoint_1e3.npz",
        "checkpoint_" + "9" * 100 + ".npz",
    ]  # fmt: skip
    for name in names:
        (tmp_path / name).write_bytes(b"mine")
    with SearchRecord(tmp_path, SETTINGS, resume=True) as record:
        assert record.checkpoint.step == 1
        for step in range(1, 5):
            record.save_step(step, STATE, *ACTIONS)
    assert all((tmp_path / name).read_bytes() == b"mine" for name in names)


def test_pruning_removes_older_checkpoints_only(tmp_path):
    search(tmp_path, 3)
    later = [tmp_path / f"checkpoint_{step}.npz" for step in (900, 901, 902)]
    for path in later:
        path.write_bytes(b"x")
    with SearchRecord(tmp_path, SETTINGS, resume=True) as record:
        assert record.checkpoint.step == 3
        record.save_step(3, STATE, *ACTIONS)
        record.save_step(4, STATE, *ACTIONS)
    kept = [tmp_path / f"checkpoint_{step}.npz" for step in (3, 4)]
    assert sorted(tmp_path.glob("checkpoint_*")) == sorted([*kept, *later])
    assert resume(tmp_path).checkpoint.step == 3


def test_missing_models_that_no_checkpoint_comes_before(tmp_path):
    search(tmp_path, 2, num_models=0)
    assert "cannot be resumed" in refusal(tmp_path)


def test_checkpoints_alone_are_a_search_too(tmp_path):
    search(tmp_path, 5)
    for name in ("search.json", "history.jsonl"):
        (tmp_path / name).unlink()
    assert "holds a search" in refusal(tmp_path, resume=False)
    assert "cannot be resumed" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["history.jsonl", "final_candidates.jsonl"])
def test_a_file_without_a_line_end_is_refused_and_left_alone(tmp_path, name):
    search(tmp_path, 0)
    (tmp_path / "checkpoint_0.npz").unlink()
    notes = tmp_path / "notes"
    notes.write_bytes(b"x" * 1_100_000)
    (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / name).symlink_to(notes)
    assert f"{name}: what stands behind its last line end" in refusal(tmp_path)
    assert notes.stat().st_size == 1_100_000


def test_a_history_that_is_replaced_during_the_search_ends_it_and_loses_nothing(tmp_path):
    search(tmp_path, 1)
    path = tmp_path / "history.jsonl"
    with SearchRecord(tmp_path, SETTINGS, resume=True) as record:
        shutil.copy(path, tmp_path / "edited")
        record.append(of_step(2, 1))
        (tmp_path / "edited").rename(path)
        with pytest.raises(RecordError, match=r"history.jsonl: was replaced .* in history.jsonl.kept"):
            record.append(of_step(3, 1))
        with pytest.raises(RecordError, match="was replaced"):
            record.save_step(2, STATE, *ACTIONS)
    (tmp_path / "history.jsonl.kept").rename(path)
    again = resume(tmp_path)
    assert sorted(again.known) == [0, 1, 2, 3] and again.checkpoint.step == 1


def test_resume_of_nothing_starts_from_the_beginning(tmp_path):
    assert resume(tmp_path / "new").checkpoint is None


def test_an_earlier_search_is_not_overwritten(tmp_path):
    search(tmp_path, 1)
    text = refusal(tmp_path, resume=False)
    assert "holds a search of 2 models" in text and "--resume" in text


def test_two_processes(tmp_path):
    first = pseudo_search(tmp_path, "--model_seconds=1")
    while "model" not in first.stdout.readline():
        assert first.poll() is None
    second = pseudo_search(tmp_path, "--resume")
    _, errors = second.communicate()
    assert second.returncode == 1 and errors.count("\n") == 1 and "another process" in errors
    first.kill()
    first.communicate()
    settings = read_settings(tmp_path)
    SearchRecord(tmp_path, settings, resume=True)  # the lock went with the process


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EBADF])
def test_a_file_system_without_locks_is_used_after_a_line(tmp_path, monkeypatch, capsys, number):
    def refuse(file, operation):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    search(tmp_path, 1)
    (line,) = capsys.readouterr().out.splitlines()
    assert f"{tmp_path}/lock: this file system has no locks ({os.strerror(number)})" in line
    assert len(resume(tmp_path).known) == 2


def test_a_refused_directory_can_be_used_again(tmp_path):
    search(tmp_path, 1)
    with pytest.raises(RecordError) as kept:  # with its traceback, as in a notebook
        SearchRecord(tmp_path, {}, resume=True)
    assert kept and resume(tmp_path).checkpoint.step == 1


def test_other_settings(tmp_path):
    search(tmp_path, 1)
    assert "seed was 0 and is 1" in refusal(tmp_path, settings={"seed": 1})


def test_a_search_from_before_a_setting_goes_on_with_what_it_did(tmp_path):
    search(tmp_path, 1)  # whose settings name none of them
    text = refusal(tmp_path, settings={**SETTINGS, "edge_probability": 0.15})
    assert "edge_probability was 0.5 and is 0.15" in text
    text = refusal(tmp_path, settings={**SETTINGS, "shared_heads": True})
    assert "shared_heads was False and is True" in text
    as_they_were = {
        "edge_probability": 0.5, "shared_heads": False, "shortcut": False, "macs_penalty": 0.0,
        "stop_poor": False,
    }  # fmt: skip
    assert AllSettings.of_earlier_searches() == as_they_were
    SearchRecord(tmp_path, {**SETTINGS, **as_they_were}, resume=True, earlier=as_they_were)


def test_a_search_that_began_under_other_defaults_goes_on_under_its_own(tmp_path):
    """One of a version that had neither of two settings, and other defaults."""
    values = {"num_nodes": 4, "batch_size": 4, "log_dir": str(tmp_path), "num_models": 8}
    own = {"shared_heads": False, "edge_probability": 0.5, "learning_rate": 0.002, "advantage_power": 3}
    main.search(AllSettings.of(**values, **own), trainers=PseudoTrainers())
    path = tmp_path / "search.json"
    saved = json.loads(path.read_text())
    del saved["shared_heads"], saved["edge_probability"]
    path.write_text(json.dumps(saved))
    _, errors = pseudo_search(tmp_path, "--resume", num_models=16).communicate()
    assert errors == "" and len(read_history(tmp_path / "history.jsonl")) == 16
    assert own.items() <= json.loads(path.read_text()).items()


def test_num_models_of_an_earlier_version_is_the_number_of_the_last_model(tmp_path, capsys):
    search_here(tmp_path, num_models=8)
    path = tmp_path / "search.json"
    saved = json.loads(path.read_text())
    assert saved.pop("planned_models") == 8 and "num_models" not in saved
    path.write_text(json.dumps({**saved, "num_models": 7}))
    assert read_settings(tmp_path)["num_models"] == 8
    assert planned_models(read_settings(tmp_path)) == (8, 4)
    output, errors = pseudo_search(tmp_path, "--resume", num_models=None).communicate()
    assert errors == "" and "is complete" in output  # it is as long as it was
    path.write_text(json.dumps({**saved, "num_models": 10}))  # eleven
    output, errors = pseudo_search(tmp_path, "--resume", num_models=None).communicate()
    assert errors == "" and sorted(read_history(tmp_path / "history.jsonl"))[-1].mid == 11
    assert json.loads(path.read_text())["planned_models"] == 11


def test_unusable_directory(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="--log_dir"):
        SearchRecord(tmp_path / "file/log", SETTINGS, resume=False)
    with pytest.raises(RecordError, match="--log_dir is empty"):
        SearchRecord("", SETTINGS, resume=False)


@pytest.mark.parametrize("name", ["search.json", "checkpoint_0.npz", "history.jsonl"])
def test_damaged_beyond_repair(tmp_path, name):
    search(tmp_path, 0, num_models=1)
    (tmp_path / name).write_text("}\n")
    text = refusal(tmp_path)
    assert "damaged" in text or "no checkpoint" in text


@pytest.mark.parametrize(
    "content",
    ["[1]", "null", "5", '"abc"', "[" * 200_000, "", "{", b"\xff\x00", '{"seed": 1e999}', '{"seed": NaN}',
     json.dumps({f"\x1b{n}" * 1000: "y" * 1000 for n in range(1000)})],
)  # fmt: skip
def test_settings_that_are_none_are_refused(tmp_path, content):
    search(tmp_path, 1)
    (tmp_path / "search.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert "search.json is damaged" in (text := refusal(tmp_path)) or "other settings" in text
    assert text.isprintable()


def fifo(path):
    os.mkfifo(path)


def listener(path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(path))  # an absolute one may be too long


def device(path):
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [fifo, listener, device, os.mkdir])
@pytest.mark.parametrize("name", ["lock", "history.jsonl", "search.json", "checkpoint_1.npz"])
def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path, name, make):
    search(tmp_path, 1)
    (tmp_path / name).unlink()
    make(tmp_path / name)
    text = refusal(tmp_path)
    assert name in text and ("is not a regular file" in text or "Is a directory" in text)


def spoil(content, others, rng):
    """The content of a file, damaged in one of many ways."""
    damaged = bytearray(content)
    lines = content.splitlines(keepends=True)
    place = rng.randrange(len(content))
    kind = rng.choice(["bytes", "cut", "hole", "insert", "line", "swap", "other file", "number", "text"])
    if kind == "bytes":
        for _ in range(rng.choice([1, 3, 30])):
            damaged[rng.randrange(len(content))] = rng.randrange(256)
    elif kind == "cut":
        del damaged[place:]
    elif kind == "hole":
        del damaged[place : place + rng.randrange(100)]
    elif kind == "insert":
        damaged[place:place] = rng.choice([rng.randbytes(20), b"\n", b"\x00", b"[" * 10_000, b"9" * 1000])
    elif kind == "line":
        damaged = b"".join(lines + rng.choices(lines, k=1))
    elif kind == "swap":
        damaged = b"".join(rng.sample(lines, len(lines)))
    elif kind == "other file":
        damaged = rng.choice(others)
    else:
        value = rng.choice([b"null", b"NaN", b"-1", b"1e999", b'"x"', b"{}", b"true"])
        pattern = rb"(?<=[:, \[])[0-9.]+(?=[,\]}\r\n])" if kind == "number" else rb'"[a-z]+"(?=[,}\n])'
        found = list(re.finditer(pattern, content))
        if found:
            start, end = rng.choice(found).span()
            damaged[start:end] = value
    return bytes(damaged)


def test_random_damage_ends_in_one_line_or_costs_nothing_that_was_whole(tmp_path):
    """Every file, damaged in many ways: it is read as what it was, or refused in one line that names it."""
    search(tmp_path, 3)
    runs = HistoryWriter(tmp_path / "final_candidates.jsonl")
    for run in range(1, 4):
        runs.append(of_step(2, 1)._replace(network=None, run=run))
    write_steps(tmp_path / "steps.csv", *3 * [{"mean_accuracy": 0.1}])
    files = {path: path.read_bytes() for path in tmp_path.iterdir() if path.name != "lock"}
    assert len(files) == 6
    readers = {
        "history.jsonl": read_history,
        "final_candidates.jsonl": read_final_runs,
        "steps.csv": read_steps,
    }
    rng = random.Random(0)
    refused = 0
    for _ in range(250):
        path = rng.choice(list(files))
        path.write_bytes(spoil(files[path], list(files.values()), rng))
        try:
            record = resume(tmp_path)
            for name, read in readers.items():
                read(tmp_path / name)
        except RecordError as error:
            refused += 1
            text = str(error)
            assert str(tmp_path) in text and text.isprintable() and len(text) < 2000, text
        else:
            assert record.checkpoint.state.keys() == STATE.keys()
            np.testing.assert_array_equal(record.checkpoint.state["tensors"]["w"], STATE["tensors"]["w"])
            assert all(mid in record.known for mid in range(2 * record.checkpoint.step))
        finally:
            for spoilt, content in files.items():
                spoilt.write_bytes(content)
    assert refused > 80


@pytest.mark.slow
def test_fault_drill(digits_path):
    """Real training under every kind of fault, among them three kills of the whole process group."""
    command = [sys.executable, "-m", "checks.faults", f"--data_path={digits_path}"]
    result = subprocess.run(command, cwd=ROOT, text=True, capture_output=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("survived") == 10  # nine faults and their count
    assert "models trained twice  0" in result.stdout and "weights equal   yes" in result.stdout
