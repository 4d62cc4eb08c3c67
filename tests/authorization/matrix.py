"""The cells of the matrix: every operation by everybody, and a sample in which each pair of factors appears."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, product
from random import Random
from typing import Any, Final, NamedTuple

from authorization.cast import CLIENTS, OBJECT_OPERATIONS, may, not_
from authorization.probes import PROBES, Probe
from authorization.things import AMPLE, MASKS, SCARCE, STATES, TYPES, Thing

SEED: Final = 20261127


class Cell(NamedTuple):
    """One question: who asks for what about which object."""

    who: str
    probe: Probe
    thing: Thing

    def __str__(self) -> str:
        return f"{self.who}: {self.probe.name} of {self.thing}"


GRANT, OTHER_GRANT, DENIED = "its grant", "another grant", "a denial"
"""Clients that depend on the operation: they may do this alone, or another alone, or all but this."""

_WHO: Final = (GRANT, OTHER_GRANT, DENIED, *(name for name in CLIENTS if not name.startswith(("may-", "not-"))))
FACTORS: Final[tuple[Sequence[Any], ...]] = (
    _WHO, PROBES, tuple(TYPES), STATES, tuple(MASKS), (False, True), (False, True), (True, False),
    ("default", "public", "shared"), (False, True), (None, AMPLE, SCARCE),
)  # fmt: skip


def _cell(values: Sequence[Any]) -> Cell:
    who, probe, *rest = values
    return Cell(_client(who, probe.operation), probe, Thing(*rest))


def _client(who: str, operation: str) -> str:
    at = OBJECT_OPERATIONS.index(operation)
    return {
        GRANT: may(operation),
        OTHER_GRANT: may(OBJECT_OPERATIONS[(at + 5) % len(OBJECT_OPERATIONS)]),
        DENIED: not_(operation),
    }.get(who, who)


def cells(seed: int = SEED, *, quick: bool = False) -> list[Cell]:
    """Every operation by everybody on three objects (one if quick), and the pairs; each cell once, in random order."""
    plain = [Thing(), Thing(state="PRE_ACTIVE", blue=True), Thing("PRIVATE_KEY", "DEACTIVATED", policy="shared")]
    found = [
        Cell(_client(who, probe.operation), probe, thing)
        for who, probe, thing in product(_WHO, PROBES, plain[: 1 if quick else 3])
    ]
    found += pairwise(Random(seed), more=0 if quick else 2000)
    # What an owner meets, for every state and type: what is refused here is refused for the object's sake alone.
    found += [
        Cell("olga", probe, thing)
        for probe, kind, state in product(PROBES, TYPES, STATES)
        if (thing := Thing(kind, state)).possible
    ]
    unique = list(dict.fromkeys(found))
    Random(seed).shuffle(unique)
    return unique


def pairwise(random: Random, more: int = 0) -> Iterator[Cell]:
    """Cells in which each possible pair of two factors' values appears, and some `more` at random."""
    left = {
        ((one, a), (other, b))
        for one, other in combinations(range(len(FACTORS)), 2)
        for a, b in product(range(len(FACTORS[one])), range(len(FACTORS[other])))
    }
    while left:
        wanted = min(left)
        best: tuple[int, ...] | None = None
        gained: set[Any] = set()
        for _ in range(12):
            row = _random_row(random, dict(wanted))
            if row is None:
                continue
            pairs = set(combinations(enumerate(row), 2)) & left
            if len(pairs) > len(gained):
                best, gained = row, pairs
        if best is None:
            left.discard(wanted)  # there is no such object
            continue
        left -= gained
        yield _cell([FACTORS[at][value] for at, value in enumerate(best)])
    for _ in range(more):
        row = _random_row(random, {})
        if row is not None:
            yield _cell([FACTORS[at][value] for at, value in enumerate(row)])


def _random_row(random: Random, fixed: dict[int, int]) -> tuple[int, ...] | None:
    """A row with these values and others by chance, of an object that there can be."""
    for _ in range(60):
        row = tuple(fixed.get(at, random.randrange(len(values))) for at, values in enumerate(FACTORS))
        if Thing(*(FACTORS[at][row[at]] for at in range(2, len(FACTORS)))).possible:
            return row
    return None
