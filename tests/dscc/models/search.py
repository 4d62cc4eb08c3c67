"""Breadth-first search: every state that a model reaches, within bounds, and what is wrong with one of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from typing import NamedTuple, Protocol, TypeVar


class State(Protocol):
    """A state tells itself from all others by what matters."""

    def key(self) -> Hashable: ...


S = TypeVar("S", bound=State)
Step = tuple[str, S]


class Searched(NamedTuple):
    """How much was searched, and the first state that was wrong: what, and the way there (empty: none)."""

    states: int
    transitions: int
    wrong: str
    way: tuple[str, ...]


def search(start: S, steps: Callable[[S], Iterator[Step[S]]], wrong: Callable[[S], str], most: int) -> Searched:
    """Visit all states, the nearest first, so that the way to a wrong one is the shortest.

    Raises AssertionError at more than `most` states: then the bounds are wrong, and nothing was shown.
    """
    came: dict[Hashable, tuple[Hashable, str]] = {start.key(): (None, "")}
    queue, transitions = deque([start]), 0
    while queue:
        state = queue.popleft()
        fault = wrong(state)
        if fault:
            return Searched(len(came), transitions, fault, _way(came, state.key()))
        for name, following in steps(state):
            transitions += 1
            key = following.key()
            if key not in came:
                came[key] = (state.key(), name)
                queue.append(following)
                assert len(came) <= most, f"more than {most} states"
    return Searched(len(came), transitions, "", ())


def _way(came: dict[Hashable, tuple[Hashable, str]], key: Hashable) -> tuple[str, ...]:
    names = []
    while came[key][0] is not None:
        key, name = came[key]
        names.append(name)
    return tuple(reversed(names))
