"""The benchmark of what a search learned."""

import json

from helpers import run
from model_records import model, write_steps


def test_compares_first_and_last_steps_and_writes_a_row_a_step(tmp_path):
    models = [
        model(mid, 0.2 + 0.01 * mid, tokens=tokens, adjvec=adjvec)
        for mid, (tokens, adjvec) in enumerate(2 * [([1, 1, 9, 0], [1, 1])] + 6 * [([4, 4, 9, 9], [0, 1])])
    ]
    (tmp_path / "history.jsonl").write_text("".join(json.dumps(model.to_json()) + "\n" for model in models))
    write_steps(
        tmp_path / "steps.csv",
        {"mean_accuracy": 0.2, "best_accuracy": 0.3, "token_entropy": 2.5, "edge_entropy": ""},
        {"mean_accuracy": 0.25, "best_accuracy": 0.28, "token_entropy": 2.25, "edge_entropy": 1.5},
    )
    output = tmp_path / "steps_of_search.csv"
    flags = [f"--log_dir={tmp_path}", f"--output={output}"]
    text = run("-m", "study.learning", *flags, check=True).stdout
    rows = {" ".join(line.split()) for line in text.splitlines()}
    assert "last - first +0.0600 +- 0.0071, 8.5 standard errors" in rows
    assert "conv_3x3 100% -> 0% 0% -> 0%" in rows
    assert "avgpool_5x5 0% -> 0% 50% -> 100%" in rows
    assert "all edges 100% -> 50% (both cells)" in rows
    assert output.read_text() == (
        "step,mean_accuracy,best_so_far,token_entropy,edge_entropy\n"
        "0,0.2000,0.3,2.500,\n1,0.2500,0.3,2.250,1.500\n"
    )
