"""A ladder of sizes: how many networks are trained again after a search, how often, and how large.

    rungs = ladder_of("20x1 epochs=10, 4x2 width=64", ChildSettings(width=16), PRESETS)

Each rung is a number of networks, how often each is trained, and what is other than in the search: presets,
of which only the settings of child networks count, and single settings. A rung takes the best of the one
before. A size is named by the settings that differ from the search's, "epochs=10"; its own is "".
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from autodl_design.checked_io.messages import quoted
from autodl_design.search_space.child import ChildSettings
from autodl_design.settings.fields import SettingsError, kind_of
from autodl_design.settings.flags import shown

RUNS = 3  # of each network, where a rung does not say how many
MOST_RUNGS = 10
_HEAD = re.compile(r"([1-9]\d{0,3})(?:x([1-9]\d{0,2}))?")
_FIELDS = {field.name: field for field in dataclasses.fields(ChildSettings)}


class Rung(NamedTuple):
    networks: int
    runs: int  # trainings of each
    size: str
    config: ChildSettings


def ladder_of(text: str, config: ChildSettings, presets: Mapping[str, Mapping[str, Any]]) -> list[Rung]:
    """config: the search's. Raises SettingsError where the text is no ladder."""
    try:
        rungs = [_rung(part, config, presets) for part in text.split(",")]
    except SettingsError as error:
        raise SettingsError(f"ladder: {error}") from error
    if len(rungs) > MOST_RUNGS:
        raise SettingsError(f"ladder: it has {len(rungs)} rungs, more than {MOST_RUNGS}")
    for before, rung in zip(rungs, rungs[1:], strict=False):
        if rung.networks > before.networks:
            raise SettingsError(
                f"ladder: a rung takes its networks from the one before, so {rung.networks} cannot come "
                f"after {before.networks}"
            )
    sizes = [rung.size for rung in rungs]
    for size in sizes:
        if sizes.count(size) > 1:
            raise SettingsError(f"ladder: two rungs are of one size, {size or 'that of the search'}")
    return rungs


def _rung(text: str, config: ChildSettings, presets: Mapping[str, Mapping[str, Any]]) -> Rung:
    head, *changes = text.split() or [""]
    if not (match := _HEAD.fullmatch(head)):
        raise SettingsError(
            f'"{quoted(text.strip())}" does not begin with a number of networks, as 20, or 4x2 for four '
            "that are trained twice"
        )
    own = changed(config, changes, presets)
    return Rung(int(match[1]), int(match[2] or RUNS), size_of(own, config), own)


def changed(
    config: ChildSettings, changes: list[str], presets: Mapping[str, Mapping[str, Any]] | None = None
) -> ChildSettings:
    """The configuration with presets and with settings like width=64. Raises SettingsError."""
    values: dict[str, Any] = {}
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals and presets and name in presets:
            values |= {key: value for key, value in presets[name].items() if key in _FIELDS}
        elif equals and name in _FIELDS:
            values[name] = _parsed(name, text)
        else:
            raise SettingsError(
                f'"{quoted(change)}" is neither a preset nor a setting of child networks, as width=64'
            )
    return dataclasses.replace(config, **values)


def _parsed(name: str, text: str) -> Any:
    kind, may_be_none = kind_of(_FIELDS[name])
    if may_be_none and text == "":
        return None
    try:
        return {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError):
        raise SettingsError(f"{name} cannot be {quoted(text)}") from None


def size_of(config: ChildSettings, searched: ChildSettings) -> str:
    """The name of a size; `changed(searched, size.split())` is the configuration again."""
    names = [name for name in _FIELDS if getattr(config, name) != getattr(searched, name)]
    return " ".join(f"{name}={shown(getattr(config, name))}" for name in names)
