"""LOG_DIR/steps.csv and what TensorBoard gets: rows are kept, repeated steps replaced, damage refused."""

import csv
import os

import pytest
from tensorboardX.proto.event_pb2 import Event, SessionLog

from autodl_design.record.history import RecordError
from autodl_design.record.step_log import StepLog
from autodl_design.record.step_table import FIELDS, LEARNED, StepsWriter, read_steps

ROW = {name: 0.1 + i for i, name in enumerate(FIELDS)} | {"cached": 3, "failed": 0}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "steps.csv"


def write(path, steps, first_step=0):
    writer = StepsWriter(path, first_step)
    for step in steps:
        writer.add({**ROW, "step": step})


def refusal(path):
    texts = set()
    for read in (read_steps, lambda path: StepsWriter(path, 0)):
        with pytest.raises(RecordError) as raised:
            read(path)
        texts.add(str(raised.value))
    assert len(texts) == 1
    text = texts.pop()
    assert str(path) in text and text.isprintable() and len(text) < 400
    return text


def test_rows_are_read_as_they_were_written(path):
    writer = StepsWriter(path, 0)
    writer.add({**ROW, "step": 0})
    unlearned = {name: value for name, value in {**ROW, "step": 1}.items() if name not in LEARNED}
    writer.add(unlearned)
    assert read_steps(path) == [{**ROW, "step": 0}, unlearned]
    with open(path, newline="") as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["0", "1"]


def test_repeated_steps_replace_those_before_and_earlier_rows_stay_as_they_are(path):
    write(path, range(5))
    before = path.read_bytes().splitlines(keepends=True)
    write(path, [3], first_step=3)
    assert [row["step"] for row in read_steps(path)] == [0, 1, 2, 3]
    assert path.read_bytes().splitlines(keepends=True)[:4] == before[:4]


def test_a_file_of_something_else_is_not_written_over(path):
    for content in (b"my notes", b"a,b,c"):
        path.write_bytes(content)
        with pytest.raises(RecordError, match="steps.csv: .* not the start of a line"):
            StepsWriter(path, 0)
        assert path.read_bytes() == content


@pytest.mark.parametrize("torn", [b"5,0.", b"5" + b",1" * 12, b"5" + b",1" * 12 + b"\r"])
def test_a_torn_last_row_is_left_out_and_replaced(path, torn):
    write(path, range(2))
    path.write_bytes(path.read_bytes() + torn)
    assert [row["step"] for row in read_steps(path)] == [0, 1]
    write(path, [2], first_step=2)
    assert [row["step"] for row in read_steps(path)] == [0, 1, 2]


def test_a_torn_header_is_replaced(path):
    path.write_bytes(b"step,mean_")
    write(path, [0])
    assert len(read_steps(path)) == 1


@pytest.mark.parametrize(
    ("number", "line"),
    [
        (1, b"step,accuracy"),
        (1, b"\xff\xfe\x00\x01"),
        (1, b""),
        (1, b"x" * 200_000),
        (3, b""),
        (3, b"3" + b",1" * 11),
        (3, b"3" + b",1" * 13),
        (3, b"three" + b",1" * 12),
        (3, b"-1" + b",1" * 12),
        (3, b"1.5" + b",1" * 12),
        (3, b"nan" + b",1" * 12),
        (3, b"inf" + b",1" * 12),
        (3, b",1" * 12),
        (3, b"3," + b",1" * 11),
        (3, b"3,inf" + b",1" * 11),
        (3, b"3" + b",1" * 9 + b",,1,1"),
        (3, b"3,x" + b",1" * 11),
        (3, b"3,\x00" + b",1" * 11),
        (3, b'"3' + b",1" * 12),
        (3, b"\x1b[2J" * 100_000 + b",1" * 12),
        (3, b"x" * (2**24 + 1)),
    ],
)
def test_damage_is_refused_in_one_line(path, number, line):
    write(path, range(3))
    lines = path.read_bytes().splitlines()
    lines[number - 1] = line
    path.write_bytes(b"\r\n".join(lines) + b"\r\n")
    assert f"line {number} is damaged" in refusal(path)


def test_what_is_no_file_is_refused_and_never_waited_for(path):
    os.mkfifo(path)
    assert "is not a regular file" in refusal(path)


def events(path):
    """Records of a length in 8 bytes, 4 bytes of checksum, the event, 4 more of checksum."""
    content = path.read_bytes()
    while content:
        end = 12 + int.from_bytes(content[:8], "little")
        yield Event.FromString(content[12:end])
        content = content[end + 4 :]


def curves(directory):
    """{name: {step: value}} as TensorBoard shows them: a file that starts at a step takes the place of what
    earlier files have from there on."""
    curves = {}
    for path in sorted(directory.iterdir()):
        for event in events(path):
            if event.session_log.status == SessionLog.START:
                for curve in curves.values():
                    for step in [step for step in curve if step >= event.step]:
                        del curve[step]
            for value in event.summary.value:
                curves.setdefault(value.tag, {})[event.step] = value.simple_value
    return curves


def test_a_resumed_search_is_one_curve_in_tensorboard(tmp_path):
    for first_step, steps in ((0, 3), (2, 3), (4, 1)):
        with StepLog(tmp_path, first_step) as log:
            for step in range(first_step, first_step + steps):
                log.add({**ROW, "step": step, "loss": 10 * first_step + step})
    assert [row["step"] for row in read_steps(tmp_path / "steps.csv")] == [0, 1, 2, 3, 4]
    shown = curves(tmp_path / "tensorboard")
    assert shown["loss"] == {0: 0, 1: 1, 2: 22, 3: 23, 4: 44}
    assert shown.keys() == set(FIELDS) - {"step"}
    assert all(path.is_file() for path in (tmp_path / "tensorboard").iterdir())


def test_a_fifo_in_place_of_tensorboards_directory_is_refused(tmp_path):
    os.mkfifo(tmp_path / "tensorboard")
    with pytest.raises(NotADirectoryError):
        StepLog(tmp_path, 4)
