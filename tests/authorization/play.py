"""Plays cells against a server, over the wire or in this process, and says which were answered otherwise than expected.

What is refused shares an object with what else is refused, and the object must be at the end what it was at the start.
What is allowed has an object of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import count
from typing import Final, NamedTuple, TypeVar

from authorization.cast import AWAITS, FOREIGN, OWNER, not_
from authorization.expectation import NOTHING, SUCCESS, expected, expected_of_server
from authorization.matrix import Cell
from authorization.probes import SERVER_REQUESTS, VERSION
from authorization.things import SETUP_VERSION, Thing
from support import requests as ask
from support.numbers import Reason, Tag
from support.requests import Request
from support.wire import Response, Result, Version, enumeration

Exchange = Callable[[str, Version, bytes], Response]
"""Carries out a message as a client, by its name."""

CONTINUE: Final = (enumeration(Tag.BATCH_ERROR_CONTINUATION_OPTION, 1),)
MOST: Final = 60
"""Batch items in a message."""
_numbers = count(1)
T = TypeVar("T")


class Wrong(NamedTuple):
    """A cell that was answered otherwise, or an object that a refusal changed."""

    cell: str
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.cell}\n  expected {self.expected or 'success'}, got {self.got or 'success'}"


def outcome(result: Result, operation: str) -> str:
    """ "" for success, or the name of the Result Reason; "nothing" for a Locate that finds nothing."""
    if not result.ok:
        return Reason(result.reason).name if result.reason is not None else f"status {result.status}"
    return NOTHING if operation == "LOCATE" and result.get(Tag.UNIQUE_IDENTIFIER) is None else SUCCESS


def make(exchange: Exchange, things: Sequence[Thing]) -> list[str]:
    """Make objects of the owner, and answer their Unique Identifiers."""
    made = []
    for part in _parts(things, MOST // 4):
        steps = [thing.made_by(next(_numbers)) for thing in part]
        asked = [request for requests in steps for request in requests]
        results = exchange(OWNER, SETUP_VERSION, ask.batch(SETUP_VERSION, *asked)).results
        for result in results:
            result.expect_success()
        first = 0
        for requests in steps:
            made.append(results[first].unique_identifier)
            first += len(requests)
    return made


def play(exchange: Exchange, cells: Sequence[Cell], *, at_once: int = MOST) -> Iterator[Wrong]:
    """Play the cells, and answer what is wrong as it is found."""
    answers = {cell: expected(*cell) for cell in cells}
    refused = list(dict.fromkeys(cell.thing for cell in cells if answers[cell] not in (SUCCESS,)))
    shared = dict(zip(refused, make(exchange, refused), strict=True))
    before = _looks(exchange, shared)
    allowed = [cell for cell in cells if answers[cell] == SUCCESS]
    own = dict(zip(allowed, make(exchange, [cell.thing for cell in allowed]), strict=True))
    by_client = defaultdict(list)
    for cell in cells:
        by_client[cell.who].append(cell)
    for who, asked in by_client.items():
        for part in _parts(asked, at_once):
            requests = [cell.probe.build(own.get(cell) or shared[cell.thing], next(_numbers)) for cell in part]
            results = exchange(who, VERSION, ask.batch(VERSION, *requests, fields=CONTINUE)).results
            for cell, result in zip(part, results, strict=True):
                got = outcome(result, cell.probe.operation)
                if got != answers[cell]:
                    yield Wrong(f"{cell} {result.message or ''}", answers[cell], got)
    after = _looks(exchange, shared)
    for thing, was in before.items():
        if after[thing] != was:
            yield Wrong(f"what was refused changed {thing}", was, after[thing])


def play_server(exchange: Exchange, operations: Collection[str]) -> Iterator[Wrong]:
    """Ask the server itself for these operations: who is not denied one may use it."""
    for operation in operations:
        for who in (OWNER, "nemo", FOREIGN, AWAITS, not_(operation), not_("GET")):
            got = outcome(exchange(who, VERSION, ask.one(VERSION, SERVER_REQUESTS[operation])).result, operation)
            wanted = expected_of_server(who, operation)
            if got != wanted:
                yield Wrong(f"{who}: {operation}", wanted, got)


def _looks(exchange: Exchange, shared: dict[Thing, str]) -> dict[Thing, str]:
    """What the owner sees of each object."""
    found = {}
    for part in _parts(list(shared.items()), MOST):
        asked: list[Request] = [ask.get_attributes(VERSION, identifier) for _, identifier in part]
        results = exchange(OWNER, VERSION, ask.batch(VERSION, *asked, fields=CONTINUE)).results
        found.update({thing: repr(result.payload) for (thing, _), result in zip(part, results, strict=True)})
    return found


def _parts(items: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    return (items[at : at + size] for at in range(0, len(items), size))
