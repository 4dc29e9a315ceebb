"""The settings of a search as tables in Markdown, for the README:

python -m docs.make_flags
"""

import dataclasses

from autodl_design.search_loop.settings import AllSettings
from autodl_design.settings.fields import Settings
from autodl_design.settings.flags import explanation, shown


def table(group: type[Settings]) -> str:
    lines = [f"{group.__doc__}:", "", "| flag | default | |", "|---|---|---|"]
    for field in dataclasses.fields(group):
        lines.append(f"| `--{field.name}` | {shown(field.default)} | {explanation(field)} |")
    return "\n".join(lines)


def tables() -> str:
    return "\n\n".join(table(group) for group in AllSettings.classes())


if __name__ == "__main__":
    print(tables())
