"""A search's record: exact resuming after kills, and every way in which LOG_DIR may be unusable."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import ROOT

from record.search_record import RunRecord, RunRecordError

SETTINGS = {"seed": 0}
STATE = {"updates": 3, "baseline": 0.25, "tensors": {"w": np.arange(6.0).reshape(2, 3)}}
ACTIONS = np.zeros((2, 4), np.int64), np.ones((2, 2), np.int64)


def pseudo_search(log_dir, *flags, num_models=39, **options):
    command = [sys.executable, "tests/pseudo_search.py", "--num_nodes=4", "--batch_size=4"]
    command += [f"--log_dir={log_dir}", f"--num_models={num_models}", *flags]
    return subprocess.Popen(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
    )


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
def test_killed_and_resumed_is_as_never_stopped(tmp_path, kills):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    _, errors = pseudo_search(whole).communicate()
    assert errors == ""
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


def test_a_finished_search_goes_on_to_more_models(tmp_path):
    assert pseudo_search(tmp_path / "whole").wait() == 0
    assert pseudo_search(tmp_path / "parts", num_models=11).wait() == 0
    assert pseudo_search(tmp_path / "parts", "--resume").wait() == 0
    assert_same_search(tmp_path / "parts", tmp_path / "whole", 10)


def test_a_damaged_newest_checkpoint_costs_one_step(tmp_path):
    assert pseudo_search(tmp_path / "whole").wait() == 0
    assert pseudo_search(tmp_path / "parts", num_models=23).wait() == 0
    path = tmp_path / "parts/checkpoint_6.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    output, errors = pseudo_search(tmp_path / "parts", "--resume").communicate()
    assert "going on with step 5" in output, output + errors
    assert_same_search(tmp_path / "parts", tmp_path / "whole", 10)


def test_a_torn_last_line_is_trained_again(tmp_path):
    assert pseudo_search(tmp_path / "whole").wait() == 0
    assert pseudo_search(tmp_path / "parts", num_models=23).wait() == 0
    path = tmp_path / "parts/history.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    output, errors = pseudo_search(tmp_path / "parts", "--resume").communicate()
    assert "going on with step 5" in output, output + errors  # though there is a checkpoint after it
    assert_same_search(tmp_path / "parts", tmp_path / "whole", 10)


def test_a_full_disk_stops_with_one_line_and_loses_nothing(tmp_path):
    def limit_file_size():  # what a process sees of a full disk, but for the error's name
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    assert pseudo_search(tmp_path / "whole").wait() == 0
    process = pseudo_search(tmp_path / "parts", num_models=0)
    assert process.wait() == 0
    process = pseudo_search(tmp_path / "parts", "--resume", preexec_fn=limit_file_size)
    _, errors = process.communicate()
    assert process.returncode == 1
    assert errors.count("\n") == 1 and str(tmp_path / "parts") in errors
    assert pseudo_search(tmp_path / "parts", "--resume").wait() == 0
    assert_same_search(tmp_path / "parts", tmp_path / "whole", 10)


def test_round_trip(tmp_path):
    record = RunRecord(tmp_path, SETTINGS, resume=False)
    for step in range(4):
        record.save_step(step, STATE, *ACTIONS)
    models = {mid: {"mid": mid, "accuracy": 0.1} for mid in range(7)}
    for model in models.values():
        record.append(model)
    record.lock.close()
    assert len(list(tmp_path.glob("checkpoint_*"))) == 2
    again = RunRecord(tmp_path, SETTINGS, resume=True)
    assert again.known == models
    assert again.checkpoint.step == 3
    assert again.checkpoint.state["baseline"] == 0.25 and again.checkpoint.state["updates"] == 3
    np.testing.assert_array_equal(again.checkpoint.state["tensors"]["w"], STATE["tensors"]["w"])
    np.testing.assert_array_equal(again.checkpoint.adjvec, ACTIONS[1])


def test_a_resumed_step_gets_the_architectures_it_had(tmp_path):
    record = RunRecord(tmp_path, SETTINGS, resume=False)
    record.save_step(0, STATE, *ACTIONS)
    record.lock.close()
    record = RunRecord(tmp_path, SETTINGS, resume=True)
    with pytest.raises(RunRecordError, match="step 0 .* other architectures"):
        record.save_step(0, STATE, ACTIONS[0] + 1, ACTIONS[1])
    record.save_step(0, STATE, *ACTIONS)
    record.save_step(1, STATE, ACTIONS[0] + 1, ACTIONS[1])


def test_no_damage_to_a_checkpoint_goes_unseen(tmp_path):
    """Wherever it is damaged, what is read is a whole state: the newest or the one before."""
    record = RunRecord(tmp_path, SETTINGS, resume=False)
    record.save_step(0, STATE, *ACTIONS)
    record.append({"mid": 0})
    record.append({"mid": 1})
    record.save_step(1, STATE, *ACTIONS)
    record.lock.close()
    path = tmp_path / "checkpoint_1.npz"
    whole = path.read_bytes()
    for i in range(0, len(whole), 3):
        path.write_bytes(whole[:i] + bytes([whole[i] ^ 1 << i % 7]) + whole[i + 1 :])
        checkpoint = RunRecord(tmp_path, SETTINGS, resume=True).checkpoint
        assert checkpoint.state.keys() == STATE.keys()
        np.testing.assert_array_equal(checkpoint.state["tensors"]["w"], STATE["tensors"]["w"])
        np.testing.assert_array_equal(checkpoint.adjvec, ACTIONS[1])


def test_missing_models_that_no_checkpoint_comes_before(tmp_path):
    record = RunRecord(tmp_path, SETTINGS, resume=False)
    for step in range(3):
        record.save_step(step, STATE, *ACTIONS)
    record.lock.close()
    with pytest.raises(RunRecordError, match="cannot be resumed"):
        RunRecord(tmp_path, SETTINGS, resume=True)


def test_checkpoints_alone_are_a_search_too(tmp_path):
    record = RunRecord(tmp_path, SETTINGS, resume=False)
    record.save_step(5, STATE, *ACTIONS)
    record.lock.close()
    for name in ("search.json", "history.jsonl"):
        (tmp_path / name).unlink()
    with pytest.raises(RunRecordError, match="holds a search"):
        RunRecord(tmp_path, SETTINGS, resume=False)
    with pytest.raises(RunRecordError, match="cannot be resumed"):
        RunRecord(tmp_path, SETTINGS, resume=True)


def test_resume_of_nothing_starts_anew(tmp_path):
    assert RunRecord(tmp_path / "new", SETTINGS, resume=True).checkpoint is None


def test_an_earlier_search_is_not_overwritten(tmp_path):
    RunRecord(tmp_path, SETTINGS, resume=False).append({"mid": 0})
    with pytest.raises(RunRecordError, match="search of 1 models.*--resume"):
        RunRecord(tmp_path, SETTINGS, resume=False)


def test_two_processes(tmp_path):
    first = pseudo_search(tmp_path, "--model_seconds=1")
    while "model" not in first.stdout.readline():
        assert first.poll() is None
    second = pseudo_search(tmp_path, "--resume")
    _, errors = second.communicate()
    assert second.returncode == 1 and errors.count("\n") == 1 and "another process" in errors
    first.kill()
    first.communicate()
    settings = json.loads((tmp_path / "search.json").read_text())
    RunRecord(tmp_path, settings, resume=True)  # the lock went with the process


def test_other_settings(tmp_path):
    RunRecord(tmp_path, SETTINGS, resume=False).lock.close()
    with pytest.raises(RunRecordError, match="seed was 0 and is 1"):
        RunRecord(tmp_path, {"seed": 1}, resume=True)


def test_unusable_directory(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunRecordError, match="--log_dir"):
        RunRecord(tmp_path / "file/log", SETTINGS, resume=False)


@pytest.mark.parametrize("name", ["search.json", "checkpoint_0.npz", "history.jsonl"])
def test_damaged_beyond_repair(tmp_path, name):
    record = RunRecord(tmp_path, SETTINGS, resume=False)
    record.save_step(0, STATE, *ACTIONS)
    record.append({"mid": 0})
    record.lock.close()
    (tmp_path / name).write_text("}\n")
    with pytest.raises(RunRecordError, match="damaged|no checkpoint"):
        RunRecord(tmp_path, SETTINGS, resume=True)


@pytest.mark.slow
def test_fault_drill(digits_path):
    """Real training under every kind of fault, among them three kills of the whole process group."""
    command = [sys.executable, "-m", "benchmarks.fault_drill", f"--data_path={digits_path}"]
    result = subprocess.run(command, cwd=ROOT, text=True, capture_output=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("survived") == 8  # seven faults and their count
    assert "models trained twice  0" in result.stdout and "weights equal   yes" in result.stdout
