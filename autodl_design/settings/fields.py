"""A setting's type, default, bounds and help stand in one place: a field of a dataclass.

    @dataclasses.dataclass(frozen=True)
    class TrainingSettings(Settings):
        '''The training of one network.'''

        epochs: int = setting(20, "Epochs of training.", low=1)

    TrainingSettings(epochs=0)    # SettingsError: epochs cannot be 0: it must be at least 1

flags.py makes command-line flags of such a class. The first line of the class's docstring is the heading
of its flags.
"""

import dataclasses
import math
import numbers
import types
from typing import Any, get_args, get_origin

LONGEST_VALUE = 60  # characters of a refused value that a message shows


def setting(
    default: Any,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    below: float | None = None,
    choices: tuple[str, ...] = (),
    odd: bool = False,
    may_be_infinite: bool = False,
    free: bool = False,
    remembered: bool = False,
    before: Any = dataclasses.MISSING,
    alias: str | None = None,
) -> Any:
    """A field of a `Settings` class.

    low, high: the lowest and the highest value. above, below: bounds that are no values themselves.
    odd: only odd numbers. choices: the values that a text may have.
    may_be_infinite: floats are finite unless this says otherwise; none may be NaN.
    free: no result depends on the setting, so a search may go on under another value.
    remembered: for a free one, whether a resumed search keeps its value unless the command line says
        another.
    before: for one that is not free and newer than some searches, the value that they had; without it they
        cannot be resumed.
    alias: another name of the flag, as the original or an earlier version had it.
    """
    bounds = {"low": low, "high": high, "above": above, "below": below, "odd": odd}
    metadata = {
        "help": help,
        "choices": choices,
        "may_be_infinite": may_be_infinite,
        "free": free,
        "remembered": remembered,
        "before": before,
        "alias": alias,
        **bounds,
    }
    return dataclasses.field(default=default, metadata=metadata)


class SettingsError(ValueError):
    """Settings that cannot be used; the text is for the user."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """Base of dataclasses of settings. Making an object raises SettingsError where a value is out of bounds
    or of another type; NumPy's numbers become Python's."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, checked(field, getattr(self, field.name)))
        self.check_together()

    def check_together(self) -> None:
        """Raises SettingsError where values do not fit each other."""


def kind_of(field: dataclasses.Field) -> tuple[Any, bool]:
    """int, float, bool or str, and whether None is a value too."""
    if get_origin(field.type) is types.UnionType:
        (kind,) = (part for part in get_args(field.type) if part is not types.NoneType)
        return kind, True
    return field.type, False


def checked(field: dataclasses.Field, value: Any) -> Any:
    """The value as the field's own type. Raises SettingsError where it is none."""
    fault = fault_of(field, value)
    if fault:
        shown = repr(value)
        if len(shown) > LONGEST_VALUE:
            shown = f"{shown[:LONGEST_VALUE]}..."
        raise SettingsError(f"{field.name} cannot be {shown}: it must be {fault}")
    kind, _ = kind_of(field)
    return value if value is None else kind(value)


def fault_of(field: dataclasses.Field, value: Any) -> str | None:
    """Why the value is refused, as the words after "must be"; None if it is fine."""
    kind, may_be_none = kind_of(field)
    if value is None and may_be_none:
        return None
    if kind is bool:
        return None if isinstance(value, bool) else "true or false"
    if kind is str:
        choices = field.metadata["choices"]
        if not isinstance(value, str):
            return "a text"
        if not value:
            return "something, not an empty text"
        return None if not choices or value in choices else " or ".join(choices)
    number = numbers.Integral if kind is int else numbers.Real
    if isinstance(value, bool) or not isinstance(value, number):
        return "a whole number" if kind is int else "a number"
    return _fault_of_number(field, kind, value)


def _fault_of_number(field: dataclasses.Field, kind: type, value: Any) -> str | None:
    bounds = field.metadata
    if kind is float:
        try:
            value = float(value)
        except OverflowError:
            return "finite"
        if not math.isfinite(value) and not (bounds["may_be_infinite"] and value == math.inf):
            return "finite"
    tests = {
        "low": ("at least", lambda bound: value >= bound),
        "above": ("more than", lambda bound: value > bound),
        "high": ("at most", lambda bound: value <= bound),
        "below": ("less than", lambda bound: value < bound),
    }
    used = {name: test for name, test in tests.items() if bounds[name] is not None}
    if not all(holds(bounds[name]) for name, (_, holds) in used.items()):
        return " and ".join(f"{words} {bounds[name]:,}" for name, (words, _) in used.items())
    if bounds["odd"] and value % 2 != 1:
        return "odd"
    return None
