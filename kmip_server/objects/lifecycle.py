"""The lifecycle of managed objects: one table of transitions, and the dates that make them by themselves.

KMIP 2.1 s4.57. Two rules: a transition that is not in the table does not exist; and a state that depends on a date is
settled before anybody looks at it, so that no one ever sees an object in a state that time has already ended.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from kmip_server.ttlv.enumerations import State


class Event(Enum):
    """What can happen to an object."""

    ACTIVATE = auto()
    DEACTIVATE = auto()
    COMPROMISE = auto()
    DESTROY = auto()


TRANSITIONS: Final[dict[tuple[State, Event], State]] = {
    (State.PRE_ACTIVE, Event.DESTROY): State.DESTROYED,
    (State.PRE_ACTIVE, Event.COMPROMISE): State.COMPROMISED,
    (State.PRE_ACTIVE, Event.ACTIVATE): State.ACTIVE,
    (State.ACTIVE, Event.COMPROMISE): State.COMPROMISED,
    (State.ACTIVE, Event.DEACTIVATE): State.DEACTIVATED,
    (State.DEACTIVATED, Event.DESTROY): State.DESTROYED,
    (State.DEACTIVATED, Event.COMPROMISE): State.COMPROMISED,
    (State.COMPROMISED, Event.DESTROY): State.DESTROYED_COMPROMISED,
    (State.DESTROYED, Event.COMPROMISE): State.DESTROYED_COMPROMISED,
}
"""Transitions 2 to 10 of s4.57; transition 1 is the creation of an object, which is Pre-Active."""

DESTROYED: Final = frozenset({State.DESTROYED, State.DESTROYED_COMPROMISED})


def after(state: State, event: Event) -> State | None:
    """The state that the event leads to, or None if it is not allowed in this state."""
    return TRANSITIONS.get((state, event))


def settle(state: State, activation: int | None, deactivation: int | None, now: int) -> State:
    """The state at `now`, given the Activation and Deactivation Dates (transitions 4 and 6; POSIX seconds)."""
    if state is State.PRE_ACTIVE and activation is not None and activation <= now:
        state = State.ACTIVE
    if state is State.ACTIVE and deactivation is not None and deactivation <= now:
        state = State.DEACTIVATED
    return state


def next_transition(state: State, activation: int | None, deactivation: int | None) -> int | None:
    """When time alone will next change the state, or None."""
    if state is State.PRE_ACTIVE:
        return activation
    if state is State.ACTIVE:
        return deactivation
    return None
