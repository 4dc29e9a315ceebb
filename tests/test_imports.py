"""What importing a module costs: a reader of files waits neither for Paddle nor for PARL."""

import subprocess
import sys

import pytest
from conftest import ROOT


def imported_by(*statements):
    """Names of the modules that a fresh process holds after these statements."""
    code = "\n".join([*statements, "import sys", "print(*sys.modules)"])
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return set(result.stdout.split())


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("report", {"paddle", "parl"}),
        ("report_page.server", {"paddle", "parl"}),
        ("search_space.network_picture", {"paddle", "parl", "absl"}),
        ("retrain", {"parl"}),
        ("predict", {"paddle", "parl"}),
        ("dataset_maker", {"paddle", "parl"}),
    ],
)
def test_a_command_imports_no_more_than_it_needs(module, absent):
    assert not imported_by(f"import {module}") & absent


def test_the_search_space_needs_no_framework():
    modules = ("cells", "child", "network_id", "architecture_file")
    imported = imported_by(*(f"import search_space.{module}" for module in modules))
    assert not imported & {"paddle", "parl", "absl", "matplotlib", "networkx"}
