"""Who imports whom: packages import in one direction, and what reads files does without Paddle and PARL."""

import ast

import pytest
from helpers import ROOT, run

# Each imports only those before it.
ORDER = [
    *("checked_io", "settings"),
    *("search_space", "search_settings", "image_data", "agents"),
    *("backend", "distribute_generator", "policy_model", "reinforce_policy_gradient", "nn_paddle"),
    *("trainers", "record", "rewards", "report_page", "trained_model", "retraining"),
    *("autodl", "dataset_maker", "simple_main", "main", "report", "retrain", "predict"),
    "benchmarks",
]


def owner(path):
    """Of a file, relative to the root: the package, or the module where it is at the root."""
    return path.parts[0].removesuffix(".py")


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def test_packages_import_in_one_direction():
    paths = [path.relative_to(ROOT) for path in [*ROOT.glob("*.py"), *ROOT.glob("[a-z]*/*.py")]]
    paths = [path for path in paths if owner(path) != "tests"]
    assert {owner(path) for path in paths} == set(ORDER)
    wrong = [
        f"{path} imports {name}"
        for path in paths
        for name in imports(ROOT / path)
        if name.split(".")[0] in ORDER[ORDER.index(owner(path)) + 1 :]
    ]
    assert not wrong


def imported_by(*statements):
    """Names of the modules that a fresh process holds after these statements."""
    code = "\n".join([*statements, "import sys", "print(*sys.modules)"])
    return set(run("-c", code, check=True).stdout.split())


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
