"""The lifecycle of managed objects (KMIP 2.1 s4.57): the ten transitions, and the dates that make some of them."""

from __future__ import annotations

from itertools import product

import pytest

from kmip_server.errors import KmipError
from kmip_server.objects.attribute_set import AttributeSet
from kmip_server.objects.lifecycle import DESTROYED, Event, after, next_transition, settle
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.ttlv.enumerations import ResultReason, State
from kmip_server.ttlv.tags import Tag

ALLOWED = {
    (State.PRE_ACTIVE, Event.DESTROY): State.DESTROYED,  # 2
    (State.PRE_ACTIVE, Event.COMPROMISE): State.COMPROMISED,  # 3
    (State.PRE_ACTIVE, Event.ACTIVATE): State.ACTIVE,  # 4
    (State.ACTIVE, Event.COMPROMISE): State.COMPROMISED,  # 5
    (State.ACTIVE, Event.DEACTIVATE): State.DEACTIVATED,  # 6
    (State.DEACTIVATED, Event.DESTROY): State.DESTROYED,  # 7
    (State.DEACTIVATED, Event.COMPROMISE): State.COMPROMISED,  # 8
    (State.COMPROMISED, Event.DESTROY): State.DESTROYED_COMPROMISED,  # 9
    (State.DESTROYED, Event.COMPROMISE): State.DESTROYED_COMPROMISED,  # 10
}
"""The transitions of the standard by their numbers; the first is the object's creation, in Pre-Active."""

NOW = 1000


def in_state(state: State) -> ManagedObject:
    return ManagedObject("alice", AttributeSet({}).with_value(Tag.STATE, state))


@pytest.mark.parametrize(("state", "event"), list(product(State, Event)))
def test_only_the_transitions_of_the_standard_are_permitted(state: State, event: Event) -> None:
    assert after(state, event) is ALLOWED.get((state, event))


@pytest.mark.parametrize(("state", "event"), list(product(State, Event)))
def test_an_object_makes_them_and_refuses_the_others_without_a_change(state: State, event: Event) -> None:
    target = in_state(state)
    if (state, event) in ALLOWED:
        target.transition(event)
        assert target.state is ALLOWED[state, event]
    else:
        with pytest.raises(KmipError) as refused:
            target.transition(event)
        assert refused.value.reason is ResultReason.WRONG_KEY_LIFECYCLE_STATE
        assert target.state is state


def test_nothing_leaves_the_state_destroyed_compromised() -> None:
    assert not [event for event in Event if after(State.DESTROYED_COMPROMISED, event)]
    assert frozenset({State.DESTROYED, State.DESTROYED_COMPROMISED}) == DESTROYED


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("activation", [None, NOW - 1, NOW, NOW + 1])
@pytest.mark.parametrize("deactivation", [None, NOW - 1, NOW, NOW + 1])
def test_time_makes_transitions_4_and_6_alone(state: State, activation: int | None, deactivation: int | None) -> None:
    expected = state
    if expected is State.PRE_ACTIVE and activation is not None and activation <= NOW:
        expected = State.ACTIVE
    if expected is State.ACTIVE and deactivation is not None and deactivation <= NOW:
        expected = State.DEACTIVATED
    assert settle(state, activation, deactivation, NOW) is expected


@pytest.mark.parametrize("state", State)
def test_the_next_transition_is_the_date_that_ends_the_state(state: State) -> None:
    expected = {State.PRE_ACTIVE: 5, State.ACTIVE: 9}.get(state)
    assert next_transition(state, 5, 9) == expected
    assert next_transition(state, None, None) is None


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("activation", [None, NOW - 1, NOW + 1])
@pytest.mark.parametrize("deactivation", [None, NOW - 1, NOW + 1])
def test_after_settling_no_transition_is_due(state: State, activation: int | None, deactivation: int | None) -> None:
    settled = settle(state, activation, deactivation, NOW)
    due = next_transition(settled, activation, deactivation)
    assert due is None or due > NOW
