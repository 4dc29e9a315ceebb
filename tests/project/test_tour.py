"""docs/tour.ipynb: its cells run one after another, here at a size of seconds; it keeps its pictures."""

import json

from helpers import ROOT, run

NOTEBOOK = ROOT / "docs/tour.ipynb"
CODE = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
TINY = {
    '"num_models": 80': '"num_models": 4, "batch_size": 2, "width": 4, "epochs": 1, "trainers": "cpu:1"',
    'size["num_models"] = 20': 'size["num_models"] = 2',
    "epochs=15": "epochs=1",
}


def test_the_tour_runs_from_the_folder_it_lies_in(tmp_path):
    code = "\n".join("".join(cell["source"]) for cell in CODE)
    for text, smaller in TINY.items():
        assert text in code
        code = code.replace(text, smaller)
    code = code.replace('prefix="tour-"', f"dir={str(tmp_path)!r}")
    result = run("-c", code, cwd=ROOT / "docs", timeout=300)
    assert result.returncode == 0, result.stderr
    assert "Has it learned? " in result.stdout and "class NormalCell(nn.Layer)" in result.stdout
    (folder,) = tmp_path.iterdir()
    assert (folder / "my_network.safetensors").exists() and (folder / "confusion.png").exists()


def test_what_the_cells_showed_is_kept():
    kinds = [[output["output_type"] for output in cell["outputs"]] for cell in CODE]
    assert not [kind for kind in kinds if "error" in kind]
    shown = [output.get("data", {}) for cell in CODE for output in cell["outputs"]]
    assert sum("image/png" in data for data in shown) == 4
    assert NOTEBOOK.stat().st_size < 500_000
