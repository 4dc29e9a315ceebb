"""What study/printed holds is what the commands of the study print."""

import re

import pytest
from helpers import ROOT, run

PRINTED = ROOT / "study/printed"
DENSE = "--results=study/records/small_dense"
COMMANDS = {
    "sizes_mixed.txt": "study.sizes --networks=mixed",
    "sizes_sparse.txt": "study.sizes --networks=sparse",
    "compare_agents.txt": "study.compare_agents",
    "finalists.txt": "study.finalists",
    "finalists_chosen_at_w16_c3_e10.txt": "study.finalists --choose_at=w16_c3_e10",
    "compare_agents_dense.txt": f"study.compare_agents {DENSE}",
    "finalists_dense.txt": f"study.finalists {DENSE} --edge_probability=0.5 --finalists=3",
    "figures.txt": "study.figures",
    "tabular.txt": "study.tabular_tables",
    "quick.txt": "study.quick",
    "default_size.txt": "study.default_size",
}
SLOW = {"sizes_mixed.txt", "sizes_sparse.txt", "figures.txt"}
NUMBER = r"-?\d+\.\d+"


def test_each_file_has_a_command():
    assert {path.name for path in PRINTED.iterdir()} == COMMANDS.keys()


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in COMMANDS]
)
def test_a_file_is_what_its_command_prints(name):
    """Other versions of the libraries may round the last digit otherwise."""
    text = (PRINTED / name).read_text()
    printed = run("-m", *COMMANDS[name].split(), check=True).stdout
    assert " ".join(re.sub(NUMBER, "#", printed).split()) == " ".join(re.sub(NUMBER, "#", text).split())
    for new, old in zip(re.findall(NUMBER, printed), re.findall(NUMBER, text), strict=True):
        unit = 10.0 ** -len(old.split(".")[1])
        assert abs(float(new) - float(old)) < 1.5 * unit
