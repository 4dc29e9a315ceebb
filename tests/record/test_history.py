"""Records of a history are read as they were written; anything else is refused in one line."""

import json
import os

import pytest
from helpers import limited_file_size
from model_records import CACHED, FAILED, model

from autodl_design.record.best import final_means, runs_text
from autodl_design.record.history import (
    HistoryWriter,
    RecordError,
    read_final_runs,
    read_history,
)
from autodl_design.trainers.job import CurvePoint

GOOD = model(3, 0.4, network="ab").to_json()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "history.jsonl"


def write(path, *contents):
    path.write_text("".join(json.dumps(content) + "\n" for content in contents))


def refusal(path, read=read_history):
    with pytest.raises(RecordError) as raised:
        read(path)
    text = str(raised.value)
    assert str(path) in text and "\n" not in text and len(text) < 400
    return text


def test_records_are_read_as_they_were_written(path):
    curve = CurvePoint(5, 2.0, None, 0.1), CurvePoint(10, 1.5, 2.5, 0.25)
    trained = model(1, 0.25, network="b", macs=10, curve=curve)
    stopped = model(4, 0.3, status="stopped", reason="after epoch 5", curve=curve[:1])
    models = [trained, stopped, model(0, **FAILED), model(2, 0.25, network="b", **CACHED)]
    writer = HistoryWriter(path)
    for record in models:
        writer.append(record)
    assert read_history(path) == models
    assert list(json.loads(path.read_text().splitlines()[0])) == [
        "mid", "step", "tokens", "adjvec", "accuracy", "reward", "status", "reason", "seconds",
        "num_params", "network", "macs", "curve",
    ]  # fmt: skip


def test_runs_are_read_as_they_were_written(path):
    runs = [model(4, 0.25, run=1), model(4, run=2, **FAILED), model(2, 0.25, run=1)]
    writer = HistoryWriter(path)
    for record in runs:
        writer.append(record)
    assert read_final_runs(path) == runs
    assert "line 1 is a further run" in refusal(path)
    write(path, runs[0].to_json(), GOOD)
    assert "line 2 has no run" in refusal(path, read_final_runs)
    write(path, runs[0].to_json(), runs[0].to_json())
    assert "line 2 is of model 4, as line 1 is" in refusal(path, read_final_runs)


def test_unknown_fields_are_left_out(path):
    write(path, {**GOOD, "more": [1]})
    assert read_history(path) == [model(3, 0.4, network="ab")]


def test_a_torn_last_line_is_left_out_and_cut_off(path):
    write(path, GOOD)
    whole = path.read_bytes()
    for torn in (b"{", whole[:-1]):
        path.write_bytes(whole + torn)
        assert len(read_history(path)) == 1
        HistoryWriter(path).append(model(5, 0.1))
        assert [record.mid for record in read_history(path)] == [3, 5]


def test_what_is_no_torn_record_is_never_cut_off(path):
    write(path, GOOD)
    for end in (b"my notes", b'{"minutes": 1}', b'{"mid": 5, \xff', b"[" * 1_100_000):
        path.write_bytes(path.read_bytes() + end)
        before = path.read_bytes()
        with pytest.raises(RecordError, match=f"{path}: .* not the start of a line"):
            HistoryWriter(path)
        assert path.read_bytes() == before
        path.write_bytes(before[: -len(end)])


NO_COUNT = [None, True, -1, 1.0, "1", [1], {}, 2**63, 10**400]
NO_LIST = [None, 1, "1", {}, [None], [True], [1.0], ["1"], [[1]], [-1], [10**400]]
NO_NUMBER = [True, "0.5", [0.5], {}, float("nan"), float("inf"), -float("inf"), 10**400]
NO_TEXT = [True, 1, [], ["a"], {}]
WRONG = {
    "mid": NO_COUNT,
    "step": NO_COUNT,
    "tokens": [*NO_LIST, [10, 0, 0, 0], [], [1], [1, 1, 1], [1] * 6],
    "adjvec": [*NO_LIST, [2, 0], [], [1], [1] * 3],
    "accuracy": [*NO_NUMBER, None, -0.1, 1.1],
    "reward": [*NO_NUMBER, None, 1e39],
    "status": [None, True, 1, [], {}, "OK", "", "failed", "done"],
    "reason": NO_TEXT,
    "seconds": [*NO_NUMBER, -1],
    "num_params": [*NO_COUNT],
    "network": [*NO_TEXT, None],
    "macs": [*NO_COUNT],
    "curve": [
        None,
        1,
        {},
        [],
        [1],
        [[]],
        [[1, 2, 3]],
        *([[1, x, 0.5, 0.5]] for x in [*NO_NUMBER, None]),
        *([[1, 0.5, x, 0.5]] for x in NO_NUMBER),
        [[1, 0.5, 0.5, 1.5]],
        [[-1, 0.5, 0.5, 0.5]],
    ],
    "run": [*NO_COUNT, 0],
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_refused(path, name):
    assert GOOD.keys() | {"macs", "curve", "run"} == WRONG.keys()
    for value in WRONG[name]:
        write(path, model(1, 0.1).to_json(), {**GOOD, name: value})
        assert "line 2" in refusal(path), value


def test_a_missing_field_is_refused(path):
    for name in GOOD.keys() - {"network"}:
        write(path, {key: value for key, value in GOOD.items() if key != name})
        assert f"line 1: has no {name}" in refusal(path)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"", "damaged"),
        (b'{"mid": ', "damaged"),
        (b"null", "damaged"),
        (b"[1]", "damaged"),
        (b'"mid"', "damaged"),
        (b"\xff\xfe\x00", "damaged"),
        (b"\x80\x04N.", "damaged"),
        (b"[" * 100_000, "damaged"),
        (b'{"mid": ' * 100_000, "damaged"),
        (b'{"mid": ' + b"9" * 5000 + b"}", ""),
        (json.dumps({**GOOD, "status": "\x1b[2J" + "x" * 10_000}).encode(), "status cannot be '"),
        (json.dumps(model(0, 0.1).to_json()).encode(), "line 2 is of model 0, as line 1 is"),
        (json.dumps({**GOOD, "tokens": [1, 1], "adjvec": []}).encode(), "has 2 tokens, not 4"),
        (b"x" * (2**24 + 1), "damaged"),
    ],
)
def test_a_line_that_is_no_record_is_refused(path, line, complaint):
    write(path, model(0, 0.1).to_json())
    path.write_bytes(path.read_bytes() + line + b"\n")
    text = refusal(path)
    assert "line 2" in text and complaint in text and text.isprintable()


def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path, path):
    assert "No such file" in refusal(path)
    os.mkfifo(path)
    assert "is not a regular file" in refusal(path)
    with pytest.raises(RecordError, match="is not a regular file"):
        HistoryWriter(path)
    path.unlink()
    path.symlink_to(path)
    assert "symbolic links" in refusal(path)
    assert "Is a directory" in refusal(tmp_path)


def test_a_full_disk_is_one_line_and_the_rest_stays(path):
    with limited_file_size(400):
        writer = HistoryWriter(path)
        with pytest.raises(RecordError, match=f"{path}: File too large"):
            for mid in range(10):
                writer.append(model(mid, 0.1))
        writer.close()
    assert [record.mid for record in read_history(path)] == [0, 1]
    writer = HistoryWriter(path)
    writer.append(model(2, 0.1))
    assert [record.mid for record in read_history(path)] == [0, 1, 2]


def test_means_of_further_runs():
    runs = [
        model(4, 0.5, run=1),
        model(4, **FAILED, run=2),
        model(4, 0.25, run=3),
        model(2, **FAILED, run=1),
    ]
    means = [(final.mid, final.mean, final.accuracies) for final in final_means(runs)]
    assert means == [(4, 0.375, [0.5, None, 0.25]), (2, 0, [None])]
    assert runs_text([0.5, None, 0.25]) == "0.500, failed, 0.250"
