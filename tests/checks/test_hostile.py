"""checks.hostile: a sample of it, all of it, and whether it finds what is not as promised."""

import pytest
from helpers import run

from checks.hostile import case
from checks.hostile.case import Case


def test_a_sample_of_the_cheap_groups():
    result = run("-m", "checks.hostile", "--groups=archives,pictures,stops,pairs", "--sample=30")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "| archives | 2 | 2 | none |" in result.stdout


@pytest.mark.slow
def test_all():
    result = run("-m", "checks.hostile")
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("sys.exit('no')", None),
        ("sys.exit('no\\nno')", "2 lines on standard error"),
        ("sys.exit('\\x1b[2J')", "a line that is no text"),
        ("sys.exit(1)", "exit code 1 without a reason"),
        ("sys.exit()", "exit code 0"),
        ("1 / 0", "a traceback"),
        ("open('mine', 'w'); sys.exit('no')", "mine was changed or removed"),
        ("text = b'x' * 21 * 10**8; sys.exit('no')", "GB of memory"),
        ("while True: pass", "still running after 5 s"),
    ],
)
def test_what_is_not_as_promised_is_found(tmp_path, monkeypatch, code, complaint):
    script = tmp_path / "script.py"
    script.write_text(f"import sys\n{code}\n")
    if "while True" in code:  # the others end, later on a busy machine
        monkeypatch.setattr(case, "MOST_SECONDS", 5)
    monkeypatch.setattr(case, "MOST_MEMORY", 2 * 10**9)  # a child counts what this process holds

    def prepare(here):
        (here / "mine").write_text("mine")

    fault = case.run(Case("group", "name", [str(script)], prepare), tmp_path / "here", tmp_path)
    assert complaint in fault if complaint else fault is None
