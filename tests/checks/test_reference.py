"""checks.reference: the network against numbers of the original, and what it says where they differ."""

import json

import pytest

from checks.reference import DEFAULT_CASES, main


@pytest.fixture
def small_case():
    cases = json.loads(DEFAULT_CASES.read_text())
    return next(case for case in cases if case["num_cells"] == 1 and case["width"] == 16)


def test_all_cases_pass(capsys):
    status = main(DEFAULT_CASES)
    output = capsys.readouterr().out
    assert status == 0 and "6 cases, 0 deviations beyond their bounds" in output, output


def test_what_differs_is_found(tmp_path, small_case, capsys):
    wrong = dict(small_case)
    wrong["trainable_params"] += 1
    wrong["train_loss"] += 0.01
    wrong["weight_grad_norms"] = [1.05 * norm for norm in small_case["weight_grad_norms"]]
    wrong["tokens"] = [small_case["tokens"][0] ^ 1, *small_case["tokens"][1:]]
    path = tmp_path / "cases.json"
    path.write_text(json.dumps([wrong]))
    assert main(path) == 1
    output = capsys.readouterr().out
    assert output.count("BEYOND") >= 4, output


@pytest.mark.parametrize("text", ["", "{}", "[{}]", '[{"tokens": 3}]'])
def test_a_file_that_is_none(tmp_path, text, capsys):
    path = tmp_path / "cases.json"
    path.write_text(text)
    assert main(path) == 2
    errors = capsys.readouterr().err
    assert len(errors.strip().splitlines()) == 1 and str(path) in errors
