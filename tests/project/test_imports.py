"""Who imports whom: rooms import in one direction, the package imports no script, and what reads files does
without Paddle and PARL."""

import ast

import pytest
from helpers import ROOT, run

PACKAGE = "autodl_design"
# Each imports only those before it.
ROOMS = [
    *(
        "checked_io",
        "settings",
        "search_space",
        "image_data",
        "agents",
        "backend",
        "policy",
        "child_network",
        "trainers",
    ),
    *("record", "search_loop", "pictures", "report_page", "trained_model", "retraining"),
]
SCRIPTS = [
    *("distribute_generator", "policy_model", "reinforce_policy_gradient", "nn_paddle", "autodl"),
    *("dataset_maker", "simple_main", "main", "report", "retrain", "predict", "export"),
]
OUTSIDE = ["benchmarks", "checks", "study", "docs"]
ORDER = [*(f"{PACKAGE}.{room}" for room in ROOMS), *SCRIPTS, *OUTSIDE]


def owner(path):
    """Of a file, relative to the root: the room of the package, else the folder or the script."""
    if path.parts[0] == PACKAGE and len(path.parts) > 2:
        return f"{PACKAGE}.{path.parts[1]}"
    return path.parts[0].removesuffix(".py")


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def sources():
    folders = [PACKAGE, *OUTSIDE]
    paths = [*ROOT.glob("*.py"), *(path for folder in folders for path in (ROOT / folder).rglob("*.py"))]
    return [path.relative_to(ROOT) for path in paths]


def test_rooms_and_scripts_import_in_one_direction():
    paths = sources()
    owners = {owner(path) for path in paths}
    assert owners - {PACKAGE} == set(ORDER)
    wrong = [
        f"{path} imports {name}"
        for path in paths
        if owner(path) != PACKAGE
        for name in imports(ROOT / path)
        for later in ORDER[ORDER.index(owner(path)) + 1 :]
        if f"{name}.".startswith(f"{later}.")
    ]
    assert not wrong


def test_every_room_and_script_is_in_the_plan_of_contributing():
    plan = (ROOT / "CONTRIBUTING.md").read_text()
    places = [*(f"`{PACKAGE}/{room}/`" for room in ROOMS), *(f"`{script}.py`" for script in SCRIPTS)]
    assert [place for place in places if place not in plan] == []


def test_the_package_imports_no_script():
    outside = {*SCRIPTS, *OUTSIDE, "tests"}
    wrong = [
        f"{path} imports {name}"
        for path in sources()
        if path.parts[0] == PACKAGE
        for name in imports(ROOT / path)
        if name.split(".")[0] in outside
    ]
    assert not wrong


def imported_by(*statements):
    """Names of the modules that a fresh process holds after these statements."""
    code = "\n".join([*statements, "import sys", "print(*sys.modules)"])
    return set(run("-c", code, check=True).stdout.split())


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("main", {"torch", "scipy.signal"}),  # PARL and tensorboardX would, and it takes seconds
        ("report", {"paddle", "parl"}),
        ("autodl_design", {"numpy"}),  # which every import of a room imports first
        ("autodl_design.loading", {"paddle", "parl", "absl"}),
        ("autodl_design.report_page.server", {"paddle", "parl"}),
        ("autodl_design.pictures.network_picture", {"paddle", "parl", "absl"}),
        ("retrain", {"parl"}),
        ("predict", {"paddle", "parl"}),
        ("export", {"paddle", "parl", "torch"}),
        ("dataset_maker", {"paddle", "parl"}),
    ],
)
def test_a_command_imports_no_more_than_it_needs(module, absent):
    assert not imported_by(f"import {module}") & absent


def test_the_search_space_needs_no_framework():
    modules = ("cells", "child", "network_id", "architecture_file")
    imported = imported_by(*(f"import autodl_design.search_space.{module}" for module in modules))
    assert not imported & {"paddle", "parl", "absl", "matplotlib", "networkx"}
