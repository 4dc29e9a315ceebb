"""The settings of a search as tables in Markdown, for the README:

python -m docs.make_flags
"""

from dataclasses import fields

from autodl_design.search_loop.settings import PRESETS, AllSettings
from autodl_design.settings.fields import Settings
from autodl_design.settings.flags import explanation, shown


def table(group: type[Settings]) -> str:
    lines = [f"{group.__doc__}:", "", "| flag | default | |", "|---|---|---|"]
    for field in fields(group):
        lines.append(f"| `--{field.name}` | {shown(field.default)} | {explanation(field)} |")
    return "\n".join(lines)


def table_of_presets() -> str:
    defaults = {field.name: field.default for group in AllSettings.classes() for field in fields(group)}
    lines = [
        "What `--preset` sets; what it leaves out stays as it is:",
        "",
        f"| flag | default | {' | '.join(PRESETS)} |",
        f"|---|---|{'---|' * len(PRESETS)}",
    ]
    for name in dict.fromkeys(name for values in PRESETS.values() for name in values):
        values = [shown(values[name]) if name in values else "" for values in PRESETS.values()]
        lines.append(f"| `--{name}` | {shown(defaults[name])} | {' | '.join(values)} |")
    return "\n".join(lines)


def tables() -> str:
    return "\n\n".join([table_of_presets(), *map(table, AllSettings.classes())])


if __name__ == "__main__":
    print(tables())
