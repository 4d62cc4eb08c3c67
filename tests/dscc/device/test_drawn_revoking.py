"""Revocation of drawn keys at real nodes: who may, what the peer is told, and what is left as it was."""

from __future__ import annotations

import asyncio

import pytest
from fleet import Fleet, asynchronous, until

from dscc.agreement import KeyState
from dscc.device import Device, Key
from dscc.device.framed import RefusedByPeer
from dscc.drawing import draw, drawn_kid
from dscc.errors import DsccError, Reason


async def agreed(fleet: Fleet) -> tuple[Device, Device, Key, list[tuple[str, str]]]:
    """Two devices that have a key to draw from, and what the second one is told of revocations."""
    one, other, address = await fleet.pair()
    key = await one.negotiate(other.name, address, purpose="kmip:test")
    await other.connect()
    told: list[tuple[str, str]] = []
    other.on_revoked = lambda kind, subject: told.append((kind, subject))
    return one, other, key, told


async def quiet(told: list[tuple[str, str]]) -> None:
    """Wait until nothing more is told for a while."""
    before = -1
    while before != len(told):
        before = len(told)
        await asyncio.sleep(1)


async def close(*devices: Device) -> None:
    for device in devices:
        await device.close()


@asynchronous
async def test_both_draw_the_same_and_the_peer_is_told_which_key_is_revoked(fleet: Fleet) -> None:
    one, other, key, told = await agreed(fleet)
    theirs = other.all_keys(one.name)[0]
    drawn = draw(bytes.fromhex(key.kid), key.key, 7, 256)
    assert drawn == draw(bytes.fromhex(theirs.kid), theirs.key, 7, 256)
    known = await one.revoke_drawn(key.kid, 7, other.name, key.nodes)
    assert known.nodes >= known.needed == 2
    await until(lambda: told)
    assert set(told) == {("key", drawn.kid.hex())}
    # The agreed key, and what else is drawn from it, are as they were.
    assert other.all_keys(one.name)[0].state is KeyState.ACTIVE is one.all_keys()[0].state
    await close(one, other)


@asynchronous
async def test_it_can_be_revoked_when_the_agreed_key_is_erased(fleet: Fleet) -> None:
    one, other, key, told = await agreed(fleet)
    raw = bytes.fromhex(key.kid)
    for device in (one, other):
        device.erase(key.kid)
        assert device.all_keys() == []
        with pytest.raises(DsccError, match="no key"):
            device.erase(key.kid)
    for number in (1, 2):
        await one.revoke_drawn(key.kid, number, other.name, key.nodes)
    await until(lambda: {subject for _, subject in told} == {drawn_kid(raw, number).hex() for number in (1, 2)})
    await close(one, other)


@asynchronous
async def test_a_hundred_are_revoked_at_once_and_who_was_away_is_told_of_all_when_it_is_back(fleet: Fleet) -> None:
    one, other, key, told = await agreed(fleet)
    await other.close()
    raw, numbers = bytes.fromhex(key.kid), range(1, 101)
    await asyncio.gather(*[one.revoke_drawn(key.kid, number, other.name, key.nodes) for number in numbers])
    other = Device.open(other.folder)
    other.on_revoked = lambda kind, subject: told.append((kind, subject))
    await other.connect()
    await until(lambda: {("key", drawn_kid(raw, number).hex()) for number in numbers} <= set(told))
    # And what they say afterwards is read, too.
    for node in key.nodes:
        assert (await other.node_status(node)).stage == "production"
    # A session that follows does not tell it all again; what nodes tell each other late may come twice.
    await quiet(told)
    told.clear()
    for node in key.nodes:
        other._link(node).end_session()
        assert (await other.node_status(node)).stage == "production"
    assert len(set(told)) < len(numbers)
    await one.revoke_drawn(key.kid, 101, other.name, key.nodes)
    await until(lambda: ("key", drawn_kid(raw, 101).hex()) in told)
    await close(one, other)


@asynchronous
async def test_nobody_revokes_what_others_have_drawn(fleet: Fleet) -> None:
    one, other, key, told = await agreed(fleet)
    third = await fleet.device()
    attempts = [
        third.revoke_drawn(key.kid, 1, other.name, key.nodes),
        third.revoke_drawn(key.kid, 1, one.name, key.nodes),
        one.revoke_drawn(key.kid, 1, third.name, key.nodes),
        # A drawn key's name is no agreed key's: nothing is drawn from it.
        one.revoke_drawn(drawn_kid(bytes.fromhex(key.kid), 1).hex(), 1, other.name, key.nodes),
    ]
    for attempt in attempts:
        with pytest.raises(RefusedByPeer) as error:
            await attempt
        assert error.value.reason is Reason.NOT_AUTHENTIC
    for number in (0, -1, 1 << 63):
        with pytest.raises(DsccError, match="from 1"):
            await one.revoke_drawn(key.kid, number, other.name, key.nodes)
    with pytest.raises(DsccError, match="none of the key's nodes"):
        await one.revoke_drawn(key.kid, 1, other.name, ("elsewhere",))
    assert told == []
    await close(one, other, third)


@asynchronous
async def test_a_device_that_is_revoked_and_an_agreed_key_are_told_of_too(fleet: Fleet) -> None:
    one, other, key, told = await agreed(fleet)
    await one.revoke_key(key.kid)
    await until(lambda: ("key", key.kid) in told)
    await asyncio.to_thread(fleet.nodes.nodes["n1"].run, "device", "revoke", one.name)
    await until(lambda: ("device", one.name) in told)
    # What is told is in force already.
    assert one.name in other.state.revoked
    await close(one, other)
