"""The fields of a policy document: how each kind of value and of table is read, with every mistake named, and written.

A field is declared once, as a reader and a writer; what a table does not have is refused by name.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from enum import Enum
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

from policy.model import NOTHING, Match, Selector, When, Who
from policy.parameters import FIELDS

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION: Final = re.compile(r"(\d{1,9})([smhdw])")
_Made = TypeVar("_Made")


class WrongError(ValueError):
    """What is wrong with one value, without where it stands."""


def text_of(value: Any) -> str:
    """A text that prints."""
    if not isinstance(value, str) or not value or not value.isprintable():
        raise WrongError("is a text that prints and is not empty")
    return value


def number_of(value: Any) -> int:
    """A whole number above 0."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise WrongError("is a whole number above 0")
    return value


def flag_of(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise WrongError("is true or false")
    return value


def list_of(value: Any) -> list[Any]:
    """A list of anything."""
    if not isinstance(value, list):
        raise WrongError("is a list")
    return value


def table_of(value: Any) -> dict[str, Any]:
    """A table of anything."""
    if not isinstance(value, dict):
        raise WrongError("is a table")
    return value


def _names_among(known: tuple[str, ...], value: Any) -> frozenset[str]:
    """Names of which each is known."""
    found = names_of(value)
    for name in sorted(found - set(known)):
        near = difflib.get_close_matches(name.upper().replace("-", "_"), known, n=1)
        raise WrongError(f": KMIP has no {name!r} there" + (f"; did you mean {near[0]}?" if near else ""))
    return found


def names_of(value: Any) -> frozenset[str]:
    """A list of texts, each of which counts once."""
    return frozenset(map(text_of, list_of(value)))


def _selector(value: Any) -> Selector:
    who, colon, name = text_of(value).partition(":")
    try:
        kind = Who(who)
    except ValueError:
        raise WrongError(
            f"names subjects as {', '.join(each.value + ':NAME' for each in Who if each is not Who.ANYONE)}"
            f" or anyone, not as {value!r}"
        ) from None
    if bool(name) == (kind is Who.ANYONE) or (colon and not name):
        raise WrongError(f"names a {kind.value} as {kind.value}:NAME" if kind is not Who.ANYONE else "is just: anyone")
    return Selector(kind, name)


def selectors(value: Any) -> tuple[Selector, ...]:
    """A list of subjects that is not empty."""
    found = tuple(map(_selector, list_of(value)))
    if not found:
        raise WrongError('names nobody; "anyone" is everybody')
    return found


def _duration(value: Any) -> int:
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None or int(found[1]) == 0:
        raise WrongError('is a time such as "90d", "12h", "30m" or "45s"')
    return int(found[1]) * _UNITS[found[2]]


def _written_duration(seconds: int) -> str:
    unit = next(unit for unit in "wdhms" if seconds % _UNITS[unit] == 0)
    return f"{seconds // _UNITS[unit]}{unit}"


def _algorithms(value: Any) -> tuple[tuple[str, frozenset[int]], ...]:
    return tuple(
        (text_of(name), frozenset(map(number_of, list_of(lengths))))
        for name, lengths in sorted(table_of(value).items())
    )


def _attributes(value: Any) -> tuple[tuple[str, str], ...]:
    return tuple((text_of(name), text_of(wanted)) for name, wanted in sorted(table_of(value).items()))


def _pair(value: Any) -> tuple[Selector, Selector]:
    found = selectors(value)
    if len(found) != 2:
        raise WrongError("is a list of two subjects")
    return found[0], found[1]


class Field(NamedTuple):
    """How a field of a table is read, and written so that it is read as the same."""

    read: Callable[[Any], Any]
    write: Callable[[Any], Any]


def read(table: Mapping[str, Any], known: Mapping[str, Field], required: tuple[str, ...] = ()) -> dict[str, Any]:
    """The values of a table. Raises WrongError for what is unknown, missing or amiss, with the path to it."""
    for name in table:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise WrongError(f".{name} is nothing that stands there" + (f"; did you mean {near[0]}?" if near else ""))
    for name in required:
        if name not in table:
            raise WrongError(f".{name} is missing")
    return {name: within(name, known[name].read, value) for name, value in table.items()}


def within(name: str, read: Callable[[Any], _Made], value: Any) -> _Made:
    """A value that is read, with the name of its place in what is wrong with it."""
    try:
        return read(value)
    except WrongError as error:
        words = str(error)
        raise WrongError(f".{name}{words if words[0] in '.:' else ' ' + words}") from None


def named_places(tables: list[Any]) -> list[tuple[str, Any]]:
    """The tables of a list with the places to name them by: the number, and the name if there is one."""
    places = []
    for number, table in enumerate(tables, 1):
        name = table.get("name") if isinstance(table, dict) else None
        places.append((f"{number} ({name})" if isinstance(name, str) else str(number), table))
    return places


def written(values: Mapping[str, Any], known: Mapping[str, Field]) -> dict[str, Any]:
    """The table that is read as these values."""
    return {name: field.write(values[name]) for name, field in known.items() if name in values}


def stated(made: Any, known: Mapping[str, Field]) -> dict[str, Any]:
    """What is said of a part of the model: all that is not as it is without being said."""
    empty = {each.name: each for each in fields(made)}
    values = {name: getattr(made, name) for name in empty}
    return written(said(values), known)


def said(values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values that are not as they are without being said."""
    return {name: value for name, value in values.items() if value not in _UNSAID}


_UNSAID: Final[tuple[Any, ...]] = ("", (), {}, frozenset(), None, False, Match(), When(), NOTHING)


def one_of(kind: type[Enum]) -> Field:
    """The field of a value that is one of an enumeration's."""

    def read_one(value: Any) -> Enum:
        try:
            return kind(value)
        except ValueError:
            raise WrongError(f"is one of {', '.join(each.value for each in kind)}") from None

    return Field(read_one, lambda one: one.value)


NAMES: Final = Field(names_of, sorted)
ONE: Final = Field(text_of, str)
SELECTORS: Final = Field(selectors, lambda selectors: [str(each) for each in selectors])
TIME: Final = Field(_duration, _written_duration)

MATCH: Final = {
    "object_types": NAMES,
    "operation_policies": NAMES,
    "own": Field(flag_of, bool),
    "owners": NAMES,
    "tenants": NAMES,
    "groups": NAMES,
    "names": Field(lambda value: tuple(sorted(names_of(value))), list),
    "attributes": Field(_attributes, dict),
    "algorithms": Field(_algorithms, lambda known: {name: sorted(lengths) for name, lengths in known}),
    "uses": NAMES,
    "states": NAMES,
    "pair": Field(_pair, lambda pair: [str(each) for each in pair]),
    **{name: Field(partial(_names_among, known), sorted) for name, (_, known) in FIELDS.items()},
}
RESOURCE: Final = Field(lambda value: Match(**read(table_of(value), MATCH)), lambda match: stated(match, MATCH))
