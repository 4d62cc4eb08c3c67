"""Rules about keys that are negotiated, and about keys that arrive, in a policy document."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any, Final

from policy.document_fields import (
    NAMES,
    ONE,
    RESOURCE,
    SELECTORS,
    TIME,
    Field,
    WrongError,
    list_of,
    named_places,
    names_of,
    one_of,
    read,
    table_of,
    text_of,
    within,
    written,
)
from policy.model import ANY_PEER, HYBRIDS, MOST_PATHS, PURPOSES, Arrival, Sharing, Use
from policy.sharing import is_name, paths_of

_LARGEST_POOL: Final = 4096


def _name(value: Any) -> str:
    if not is_name(text_of(value)):
        raise WrongError("has at most 64 characters")
    return text_of(value)


def _paths(value: Any) -> str:
    if paths_of(text_of(value)) is None:
        raise WrongError(f'is k/n such as "2/3", with k <= n <= {MOST_PATHS}')
    return text_of(value)


def _among(known: tuple[str, ...]) -> Callable[[Any], str]:
    def read_one(value: Any) -> str:
        if value not in known:
            raise WrongError(f"is one of {', '.join(known)}")
        return text_of(value)

    return read_one


def _pool(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LARGEST_POOL:
        raise WrongError(f"is a whole number from 0 to {_LARGEST_POOL}")
    return value


def _seconds(value: Any) -> int:
    """A time, or the number 0: never, none."""
    if type(value) is int and value == 0:
        return 0
    try:
        seconds: int = TIME.read(value)
    except WrongError:
        raise WrongError('is a time such as "12h", "30m" or "45s", or 0') from None
    return seconds


def _purposes(value: Any) -> frozenset[str]:
    return frozenset(map(_among(PURPOSES), list_of(value)))


def _peers(value: Any) -> frozenset[str]:
    if value == ANY_PEER:
        return frozenset({ANY_PEER})
    peers = names_of(value)
    if not peers:
        raise WrongError(f'names nobody; "{ANY_PEER}" is every peer')
    return frozenset(map(_name, peers))


_NAME: Final = Field(_name, str)
_TIME_OR_NEVER: Final = Field(_seconds, lambda seconds: TIME.write(seconds) if seconds else 0)
_SHARING: Final = {
    "name": ONE,
    "subjects": SELECTORS,
    "exempt": SELECTORS,
    "resource": RESOURCE,
    "peer": _NAME,
    "group": _NAME,
    "use": one_of(Use),
    "purpose": Field(_among(PURPOSES), str),
    "policy": _NAME,
    "paths": Field(_paths, str),
    "hybrid": Field(_among(HYBRIDS), str),
    "pool": Field(_pool, int),
    "rotate": _TIME_OR_NEVER,
    "overlap": _TIME_OR_NEVER,
    "lifetime": _TIME_OR_NEVER,
}
_ARRIVAL: Final = {
    "name": ONE,
    "peers": Field(_peers, lambda peers: ANY_PEER if ANY_PEER in peers else sorted(peers)),
    "purposes": Field(_purposes, sorted),
    "groups": NAMES,
    "resource": RESOURCE,
    "owner": ONE,
    "tell": NAMES,
}


def _sharing(value: Any) -> Sharing:
    rule = Sharing(**read(table_of(value), _SHARING, ("name", "subjects")))
    if bool(rule.peer) == bool(rule.group):
        raise WrongError(".peer or .group says with whom: one of them, and not both")
    if rule.rotate and rule.overlap >= rule.rotate:
        raise WrongError(".overlap is shorter than .rotate: no more than two keys are in use at a time")
    if rule.lifetime and rule.rotate and rule.lifetime < rule.rotate + rule.overlap:
        raise WrongError(".lifetime is not shorter than .rotate and .overlap together: so long a key is in use")
    return rule


def _arrival(value: Any) -> Arrival:
    return Arrival(**read(table_of(value), _ARRIVAL, ("name", "peers", "owner")))


def _tables(read_one: Callable[[Any], Any], known: dict[str, Field]) -> Field:
    """The field of a list of named tables."""
    return Field(
        lambda value: tuple([within(place, read_one, table) for place, table in named_places(list_of(value))]),
        lambda rules: [_written(rule, known) for rule in rules],
    )


def _written(rule: Sharing | Arrival, known: dict[str, Field]) -> dict[str, Any]:
    """What is not as it is without being said; 0 is said where something else is meant without it."""
    unsaid = {
        each.name: each.default_factory() if each.default_factory is not MISSING else each.default
        for each in fields(rule)
    }
    values = {name: value for name, usual in unsaid.items() if (value := getattr(rule, name)) != usual}
    return written(values, known)


SHARING: Final = _tables(_sharing, _SHARING)
"""The field `sharing` of a policy."""
ARRIVALS: Final = _tables(_arrival, _ARRIVAL)
"""The field `arrivals` of a policy."""
