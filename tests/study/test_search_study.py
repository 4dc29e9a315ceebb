"""The pages of the study of what a search finds: their printed tables are what the commands print."""

import pytest
from helpers import ROOT, run

DENSE = "--results=study/records/small_dense"


@pytest.mark.parametrize(
    ("page", "command"),
    [
        ("README.md", "study.proxy"),
        ("README.md", "study.comparison"),
        ("README.md", "study.full_size"),
        ("README.md", "study.full_size --choose_at=w16_c3_e10"),
        ("README.md", "study.cheap_sizes"),
        ("README.md", "study.study_sizes"),
        pytest.param("README.md", "study.study_searches", marks=pytest.mark.slow),
        ("dense_cells.md", f"study.comparison {DENSE}"),
        ("dense_cells.md", f"study.full_size {DENSE} --edge_probability=0.5 --finalists=3"),
    ],
)
def test_a_table_of_a_page_is_what_its_command_prints(page, command, tmp_path):
    picture = [f"--picture={tmp_path / 'picture.png'}"] if "comparison" in command else []
    printed = run("-m", *command.split(), *picture, check=True).stdout
    assert f"```\n{printed}```\n" in (ROOT / "study" / page).read_text()
