"""Groups of devices on a real network: who has the key of which epoch, whoever comes, goes, is lost or revoked."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fleet import Fleet, Proxy, asynchronous, until

from dscc.device import Device
from dscc.direct_messages import Sealed
from dscc.enrolment import Address
from dscc.errors import DsccError, Reason

GROUP = "plant"


def nobody(_who: str, _what: str) -> None:
    """Tell nobody."""


async def members(fleet: Fleet, count: int) -> tuple[list[Device], dict[str, Address]]:
    """Devices in the order of their names, and where they listen."""
    devices = [await fleet.device() for _ in range(count)]
    return devices, {device.name: await device.listen() for device in devices}


async def formed(fleet: Fleet, count: int) -> tuple[list[Device], dict[str, Address]]:
    devices, places = await members(fleet, count)
    await devices[0].groups.form(GROUP, {device.name: places[device.name] for device in devices[1:]}, nobody)
    return devices, places


def agree(devices: list[Device], epoch: int, confirmed: bool = True) -> bytes:
    """The key that all of them have."""
    keys = [device.groups.key(GROUP) for device in devices]
    assert {(key.epoch, key.roster) for key in keys} == {(epoch, tuple(device.name for device in devices))}
    assert len({key.key for key in keys}) == 1 and len(keys[0].key) == 32
    assert {key.confirmed for key in keys} == {confirmed}
    return keys[0].key


async def close(devices: list[Device]) -> None:
    for device in devices:
        await device.close()


@asynchronous
async def test_members_draw_the_same_keys_from_the_present_epoch_until_one_is_revoked(fleet: Fleet) -> None:
    devices, _ = await formed(fleet, 3)
    number = bytes(range(16))
    drawn = [device.groups.draw(GROUP, 1, number, 256) for device in devices]
    assert len(set(drawn)) == 1 and drawn[0].key != devices[0].groups.key(GROUP).key
    for epoch in (0, 2):
        with pytest.raises(DsccError, match="not the present one"):
            devices[1].groups.draw(GROUP, epoch, number, 256)
    devices[1].state.put_revoked(devices[2].name, 1)
    with pytest.raises(DsccError) as error:
        devices[1].groups.draw(GROUP, 1, number, 256)
    assert error.value.reason is Reason.REVOKED
    await close(devices)


@asynchronous
async def test_a_group_has_one_key_for_as_many_handshakes_as_there_are_other_members(fleet: Fleet) -> None:
    devices, places = await members(fleet, 4)
    told: list[tuple[str, str]] = []
    others = {device.name: places[device.name] for device in devices[1:]}
    with pytest.raises(DsccError, match="forms this group"):
        await devices[1].groups.form(GROUP, {devices[0].name: places[devices[0].name]}, nobody)
    key = await devices[0].groups.form(GROUP, others, lambda who, what: told.append((who, what)))
    assert agree(devices, 1) == key.key
    assert key.key.hex() not in repr(key) and str(key.key) not in repr(key)
    assert sum("pair key" in what for _, what in told) == 3 == len(devices[0].all_keys())
    assert [len(device.all_keys()) for device in devices[1:]] == [1, 1, 1]
    again = await devices[2].close(), Device.open(devices[2].folder)
    devices[2] = again[1]
    assert agree(devices, 1) == key.key
    with pytest.raises(DsccError, match="there already"):
        await devices[0].groups.form(GROUP, others, nobody)
    await close(devices)


@asynchronous
async def test_who_joins_has_no_earlier_key_and_who_leaves_no_later_one(fleet: Fleet) -> None:
    devices, places = await formed(fleet, 3)
    first = agree(devices, 1)
    new = await fleet.device()
    await devices[0].groups.add(GROUP, new.name, await new.listen(), nobody)
    devices.append(new)
    second = agree(devices, 2)
    # The others were told in one message, without a handshake.
    assert [len(device.all_keys()) for device in devices] == [3, 1, 1, 1]
    left = devices.pop(1)
    old = left.state.groups[GROUP]
    await left.groups.leave(GROUP, places[devices[0].name])
    await until(lambda: devices[0].groups.key(GROUP).epoch == 3 and devices[0].groups.key(GROUP).confirmed)
    await until(lambda: all(device.groups.key(GROUP).confirmed for device in devices))
    third = agree(devices, 3)
    assert len({first, second, third}) == 3
    assert GROUP not in left.state.groups and old.epoch.key == second
    with pytest.raises(DsccError):
        left.groups.key(GROUP)
    await close([*devices, left])


@asynchronous
async def test_a_member_that_is_not_reached_is_behind_and_told_later(fleet: Fleet) -> None:
    devices, places = await formed(fleet, 3)
    late = devices[2]
    await late.close()
    told: list[tuple[str, str]] = []
    new = await fleet.device()
    await devices[0].groups.add(GROUP, new.name, await new.listen(), lambda who, what: told.append((who, what)))
    assert devices[0].state.groups[GROUP].behind == (late.name,)
    assert [who for who, what in told if "behind" in what] == [late.name]
    assert not devices[0].groups.key(GROUP).confirmed
    devices[2] = Device.open(late.folder)
    place = await devices[2].listen(places[late.name].host, places[late.name].port)
    assert devices[2].groups.key(GROUP).epoch == 1 and place == places[late.name]
    await devices[0].groups.sync(GROUP, nobody)
    agree([*devices, new], 2)
    await close([*devices, new])


@asynchronous
async def test_a_confirmation_that_is_lost_is_given_again(fleet: Fleet) -> None:
    devices, places = await members(fleet, 2)
    proxy = Proxy(places[devices[1].name])
    through = await proxy.start()
    proxy.judge = lambda passing: (
        "cut" if isinstance(passing.said, Sealed) and passing.said.what == "confirm" else "pass"
    )
    await devices[0].groups.form(GROUP, {devices[1].name: through}, nobody)
    assert devices[0].state.groups[GROUP].behind == (devices[1].name,)
    assert devices[1].groups.key(GROUP).key == devices[0].groups.key(GROUP).key
    proxy.judge = lambda _: "pass"
    await devices[0].groups.sync(GROUP, nobody)
    agree(devices, 1)
    await proxy.close()
    await close(devices)


@asynchronous
async def test_the_next_one_takes_over_when_the_leader_is_lost(fleet: Fleet) -> None:
    devices, places = await formed(fleet, 4)
    before = agree(devices, 1)
    lost, *rest = devices
    await lost.close()
    for device in rest:
        for other in rest:
            if other is not device:
                device.state.put_peer(other.name, places[other.name])
    with pytest.raises(DsccError, match="takes this group over"):
        await rest[1].groups.take_over(GROUP, nobody)
    await rest[0].groups.take_over(GROUP, nobody)
    assert agree(rest, 2) != before
    assert [len(device.all_keys(rest[0].name)) for device in rest[1:]] == [1, 1]
    # And the one before leads no more.
    back = Device.open(lost.folder)
    with pytest.raises(DsccError):
        await back.groups.remove(GROUP, frozenset({rest[2].name}), nobody)
        back.groups.key(GROUP)
        assert agree(rest, 2)
        raise DsccError(Reason.FAILED, "nobody follows it")
    agree(rest, 2)
    await close([back, *rest])


@asynchronous
async def test_a_new_member_with_the_lowest_name_leads_from_then_on(fleet: Fleet) -> None:
    low, one, two = [await fleet.device() for _ in range(3)]
    places = {device.name: await device.listen() for device in (low, one, two)}
    await one.groups.form(GROUP, {two.name: places[two.name]}, nobody)
    await one.groups.add(GROUP, low.name, places[low.name], nobody)
    agree([low, one, two], 2)
    with pytest.raises(DsccError, match="leads"):
        await one.groups.remove(GROUP, frozenset({two.name}), nobody)
    low.state.put_peer(one.name, places[one.name])
    await low.groups.remove(GROUP, frozenset({two.name}), nobody)
    agree([low, one], 3)
    await close([low, one, two])


@asynchronous
async def test_what_was_recorded_is_not_taken_twice_and_others_seal_nothing(fleet: Fleet) -> None:
    devices, places = await members(fleet, 3)
    proxy = Proxy(places[devices[1].name])
    through = await proxy.start()
    others = {devices[1].name: through, devices[2].name: places[devices[2].name]}
    await devices[0].groups.form(GROUP, others, nobody)
    seeds = [each.said for each in proxy.seen if isinstance(each.said, Sealed) and each.said.what == "seed"]
    await devices[0].groups.remove(GROUP, frozenset({devices[2].name}), nobody)
    key = devices[1].groups.key(GROUP)
    assert key.epoch == 2
    for said, reason in (
        (seeds[0], Reason.OUT_OF_ORDER),
        (seeds[0]._replace(body=bytes(100)), Reason.NOT_AUTHENTIC),
        (seeds[0]._replace(group="other"), Reason.NOT_AUTHENTIC),
        (seeds[0]._replace(what="else"), Reason.UNSUPPORTED),
        (seeds[0]._replace(what="rekey"), Reason.NOT_AUTHENTIC),
    ):
        with pytest.raises(DsccError) as error:
            await devices[0]._direct.exchange(devices[1].name, through, said, 5)
        assert error.value.reason is reason
    assert devices[1].groups.key(GROUP) == key
    await proxy.close()
    await close(devices)


@asynchronous
async def test_an_epoch_with_a_revoked_member_is_not_used_and_the_next_one_is_without_it(own_fleet: Fleet) -> None:
    devices, _ = await formed(own_fleet, 3)
    for device in devices:
        await device.connect()
    before = agree(devices, 1)
    gone = devices.pop(2)
    used: list[Any] = []

    def look(_node: str, _event: object) -> None:
        try:
            used.append(devices[0].groups.key(GROUP).epoch)
        except DsccError as error:
            used.append(error.reason)

    devices[0].on_change = lambda: look("", None)
    await asyncio.to_thread(own_fleet.nodes.nodes["n1"].run, "device", "revoke", gone.name)
    await until(lambda: gone.name in devices[0].state.revoked)
    await until(lambda: all(device.state.groups[GROUP].epoch.number == 2 for device in devices))
    await until(lambda: all(device.state.groups[GROUP].confirmed for device in devices))
    assert agree(devices, 2) != before and used[0] is Reason.REVOKED
    await close([*devices, gone])
