"""Command-line flags of `Settings` classes: define_flags(ChildSettings), then from_flags(ChildSettings)."""

import dataclasses
import shutil
import textwrap
from collections.abc import Callable
from typing import Any, TypeVar

from absl import flags

from autodl_design.settings.fields import Settings, fault_of, kind_of

FLAGS = flags.FLAGS
SomeSettings = TypeVar("SomeSettings", bound=Settings)

DEFINE: dict[type, Callable[..., Any]] = {
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    bool: flags.DEFINE_boolean,
    str: flags.DEFINE_string,
}


def define_flags(*classes: type[Settings], into: flags.FlagValues = FLAGS, **defaults: Any) -> None:
    """One flag a field. defaults: of single flags, where they differ from the fields'."""
    for field in (field for settings in classes for field in dataclasses.fields(settings)):
        kind, _ = kind_of(field)
        default = defaults.get(field.name, field.default)
        # Over a flag of absl's own: --log_dir is the only one.
        text, override = field.metadata["help"], field.name == "log_dir"
        DEFINE[kind](field.name, default, text, flag_values=into, allow_override=override)
        flags.register_validator(
            field.name, lambda value, field=field: _valid(field, value), flag_values=into
        )
        if alias := field.metadata["alias"]:
            flags.DEFINE_alias(alias, field.name, flag_values=into)


def _valid(field: dataclasses.Field, value: Any) -> bool:
    if fault := fault_of(field, value):
        raise flags.ValidationError(f"must be {fault}")
    return True


def from_flags(settings: type[SomeSettings]) -> SomeSettings:
    """Raises SettingsError where the flags do not fit each other."""
    return settings(**{field.name: FLAGS[field.name].value for field in dataclasses.fields(settings)})


def help_text(classes: tuple[type[Settings], ...]) -> str:
    """All flags with defaults and explanations, one heading a class."""
    width = max(min(shutil.get_terminal_size().columns, 108), 40)
    lines = []
    for settings in classes:
        lines += ["", f"{heading(settings)}:"]
        for field in dataclasses.fields(settings):
            lines.append(f"  --{field.name}={shown(FLAGS[field.name].default)}")
            lines += textwrap.wrap(
                explanation(field), width, initial_indent=6 * " ", subsequent_indent=6 * " "
            )
    return "\n".join(lines)


def heading(settings: type[Settings]) -> str:
    """The first line of the class's docstring, which python -OO leaves out."""
    return (settings.__doc__ or settings.__name__).strip().splitlines()[0]


def explanation(field: dataclasses.Field) -> str:
    choices = field.metadata["choices"]
    return field.metadata["help"] + (f" One of: {', '.join(choices)}." if choices else "")


def shown(default: Any) -> str:
    """A default as one would type it."""
    if default is None:
        return ""
    return str(default).lower() if isinstance(default, bool) else str(default)
