"""Notices between devices on a real network: keys for them, order, what is forged or lost, and who is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fleet import Fleet, Passing, Proxy, asynchronous, cut_once, until

from dscc import notices
from dscc.agreement import KeyState
from dscc.device import Device
from dscc.device.clock import ManualClock, SystemClock
from dscc.device.framed import RefusedByPeer, connect
from dscc.direct_messages import D1, Notice, Noticed
from dscc.enrolment import Address
from dscc.errors import DsccError, Reason
from dscc.messages import Refused


async def close(*devices: Device) -> None:
    for device in devices:
        await device.close()


def hears(device: Device, answer: Callable[[str, bytes], Awaitable[bytes]] | None = None) -> list[tuple[str, bytes]]:
    """What a device is told; it answers with the same backwards."""
    heard: list[tuple[str, bytes]] = []

    async def told(peer: str, body: bytes) -> bytes:
        heard.append((peer, body))
        return await answer(peer, body) if answer is not None else body[::-1]

    device.on_notice = told
    return heard


def gateway_keys(device: Device) -> list[Any]:
    return device.all_keys(purpose=notices.PURPOSE)


@asynchronous
async def test_each_tells_the_other_under_one_key_that_is_agreed_when_it_is_needed(fleet: Fleet) -> None:
    one, other, address = await fleet.pair()
    heard, mine = hears(other), hears(one)
    proxy = Proxy(address)
    through = await proxy.start()
    assert await one.notify(other.name, through, b"first") == b"tsrif"
    assert await one.notify(other.name, str(through), bytes(notices.MOST_BYTES)) == bytes(notices.MOST_BYTES)
    assert await other.notify(one.name, await one.listen(), b"back") == b"kcab"
    assert heard == [(one.name, b"first"), (one.name, bytes(notices.MOST_BYTES))] and mine == [(other.name, b"back")]
    assert [key.kid for key in gateway_keys(one)] == [key.kid for key in gateway_keys(other)]
    assert len(gateway_keys(one)) == 1
    said = [each.said for each in proxy.seen]
    assert sum(isinstance(each, D1) for each in said) == 1
    assert not any(b"first" in each.frame.body or b"tsrif" in each.frame.body for each in proxy.seen)
    with pytest.raises(DsccError, match="at most"):
        await one.notify(other.name, through, bytes(notices.MOST_BYTES + 1))
    await proxy.close()
    await close(one, other)


@asynchronous
async def test_both_begin_at_once_and_have_one_key_in_the_end(fleet: Fleet) -> None:
    one, other, address = await fleet.pair()
    hears(one), hears(other)
    place = await one.listen()
    answers = await asyncio.gather(one.notify(other.name, address, b"ab"), other.notify(one.name, place, b"cd"))
    assert answers == [b"ba", b"dc"]
    assert {key.kid for key in gateway_keys(one)} == {key.kid for key in gateway_keys(other)}
    await close(one, other)


@asynchronous
async def test_one_peer_is_told_in_order_and_several_at_once(fleet: Fleet) -> None:
    one, other, address = await fleet.pair()
    third = await fleet.device()
    place, free = await third.listen(), asyncio.Event()

    async def slowly(_peer: str, body: bytes) -> bytes:
        await free.wait()
        return body

    heard, others = hears(other, slowly), hears(third)
    asking = [asyncio.ensure_future(one.notify(other.name, address, bytes([number]))) for number in range(5)]
    await until(lambda: heard)
    # The other peer is told although the first one does not answer; and the first one is not told more.
    assert await one.notify(third.name, place, b"ab") == b"ba" and others == [(one.name, b"ab")]
    assert len(heard) == 1
    free.set()
    assert await asyncio.gather(*asking) == [bytes([number]) for number in range(5)]
    assert [body for _, body in heard] == [bytes([number]) for number in range(5)]
    await close(one, other, third)


@asynchronous
async def test_a_refusal_is_told_and_a_fault_is_not(fleet: Fleet) -> None:
    one, other, address = await fleet.pair()
    proxy = Proxy(address)
    through = await proxy.start()

    async def fails(_peer: str, body: bytes) -> bytes:
        if body == b"refuse":
            raise DsccError(Reason.NOT_AUTHENTIC, "not this")
        return bytes(10**6) if body == b"long" else body[int(body.decode())].to_bytes(1, "big")

    with pytest.raises(RefusedByPeer, match="takes no notices"):
        await one.notify(other.name, through, b"nobody")
    hears(other, fails)
    with pytest.raises(RefusedByPeer, match="not this") as error:
        await one.notify(other.name, through, b"refuse")
    assert error.value.reason is Reason.NOT_AUTHENTIC
    with pytest.raises(RefusedByPeer, match="failed; its log has more") as error:
        await one.notify(other.name, through, b"no number")
    assert error.value.reason is Reason.FAILED and "invalid literal" not in str(error.value)
    with pytest.raises(RefusedByPeer, match="at most"):
        await one.notify(other.name, through, b"long")
    # What is refused is sealed, and no reason to agree on another key.
    assert len(gateway_keys(one)) == 1 and not any(isinstance(each.said, Refused) for each in proxy.seen)
    await proxy.close()
    await close(one, other)


@asynchronous
async def test_a_peer_that_has_lost_the_key_gets_another_one_once(fleet: Fleet) -> None:
    one, other, address = await fleet.pair()
    heard = hears(other)
    await one.notify(other.name, address, b"before")
    kid = bytes.fromhex(gateway_keys(other)[0].kid)
    other.state.move([kid], KeyState.DESTROYED)
    other.state.forget_keys([kid])
    assert await one.notify(other.name, address, b"after") == b"retfa"
    assert [body for _, body in heard] == [b"before", b"after"] and len(gateway_keys(one)) == 2
    # Anybody can claim it: one more key, and the last one is not erased.
    proxy = Proxy(address)
    through = await proxy.start()
    proxy.judge = lambda passing: (
        Refused(Reason.NOT_AUTHENTIC.value, "forged") if isinstance(passing.said, Notice) else "pass"
    )
    with pytest.raises(DsccError, match="forged"):
        await one.notify(other.name, through, b"cut off")
    assert sum(isinstance(each.said, Notice) for each in proxy.seen) == 2
    assert [key.state for key in gateway_keys(one)] == [KeyState.ACTIVE] * 2
    await proxy.close()
    await close(one, other)


@asynchronous
async def test_the_key_is_renewed_hourly_and_an_old_one_opens_nothing(fleet: Fleet) -> None:
    clock = ManualClock(SystemClock().now())
    one, other = await fleet.device(clock=clock), await fleet.device(clock=clock)
    address = await other.listen()
    heard = hears(other)
    proxy = Proxy(address)
    through = await proxy.start()
    for hour in range(4):
        await one.notify(other.name, through, bytes([hour]))
        await one.notify(other.name, through, bytes([hour]))
        clock.move(3601)
    assert sum(isinstance(each.said, D1) for each in proxy.seen) == 4
    # Two are kept, and of those that were given up not even the record.
    assert len(gateway_keys(one)) == len(gateway_keys(other)) == 2
    recorded = [each.said for each in proxy.seen if isinstance(each.said, Notice)]
    connection = await connect(address, other.name, 5)
    clock.move(-3600)
    count = len(heard)
    for said in recorded[:2]:
        with pytest.raises(RefusedByPeer, match="no key here"):
            await connection.exchange(said, 5)
    # A question that comes twice is answered twice, while its key holds.
    assert isinstance(await connection.exchange(recorded[-1], 5), Noticed) and len(heard) == count + 1
    clock.move(7200)
    with pytest.raises(RefusedByPeer, match="no key here"):
        await connection.exchange(recorded[-1], 5)
    connection.abort()
    await proxy.close()
    await close(one, other)


@asynchronous
async def test_a_question_whose_answer_is_lost_is_asked_again(fleet: Fleet) -> None:
    one, other, address = await fleet.pair()
    heard = hears(other)
    proxy = Proxy(address)
    through = await proxy.start()
    await one.notify(other.name, through, b"first")
    proxy.judge = cut_once(Noticed)
    assert await one.notify(other.name, through, b"again") == b"niaga"
    assert [body for _, body in heard] == [b"first", b"again", b"again"]
    await proxy.close()
    await close(one, other)


@asynchronous
async def test_an_old_answer_and_a_reflected_question_are_no_answer(fleet: Fleet) -> None:
    one, other, address = await fleet.pair()
    heard = hears(other)
    mine = hears(one)
    proxy = Proxy(address)
    through = await proxy.start()
    await one.notify(other.name, through, b"first")
    old = next(each.said for each in proxy.seen if isinstance(each.said, Noticed))
    asked = next(each.said for each in proxy.seen if isinstance(each.said, Notice))

    def replay(passing: Passing) -> Any:
        said = passing.said
        return old._replace(question=said.question) if isinstance(said, Notice) else "pass"

    proxy.judge = replay
    with pytest.raises(DsccError) as error:
        await one.notify(other.name, through, b"second")
    assert error.value.reason is Reason.NOT_AUTHENTIC and len(heard) == 1
    back = await connect(await one.listen(), one.name, 5)
    with pytest.raises(RefusedByPeer) as refused:
        await back.exchange(asked, 5)
    assert refused.value.reason is Reason.NOT_AUTHENTIC and mine == []
    back.abort()
    await proxy.close()
    await close(one, other)


@asynchronous
async def test_a_notice_for_somebody_else_and_one_under_another_key_are_refused(fleet: Fleet) -> None:
    one, other, address = await fleet.pair()
    third = await fleet.device()
    heard, others = hears(other), hears(third)
    proxy = Proxy(address)
    through = await proxy.start()
    await one.notify(other.name, through, b"first")
    asked = next(each.said for each in proxy.seen if isinstance(each.said, Notice))
    tunnel = await one.negotiate(other.name, address)
    agreement = one.state.held[bytes.fromhex(tunnel.kid)].agreement
    under_another = notices.ask(agreement, one.name, bytes(16), b"told", bytes(12))
    for place, said in ((await third.listen(), asked), (address, under_another), (address, asked._replace(body=b""))):
        connection = await connect(Address(*place), "anybody", 5)
        with pytest.raises(RefusedByPeer) as error:
            await connection.exchange(said, 5)
        assert error.value.reason is Reason.NOT_AUTHENTIC
        connection.abort()
    assert len(heard) == 1 and others == []
    await proxy.close()
    await close(one, other, third)


@asynchronous
async def test_who_was_revoked_is_neither_heard_nor_told(fleet: Fleet) -> None:
    one, other, address = await fleet.pair()
    heard, mine = hears(other), hears(one)
    place = await one.listen()
    await one.notify(other.name, address, b"first")
    other.state.put_revoked(one.name, 1)
    with pytest.raises(RefusedByPeer) as error:
        await one.notify(other.name, address, b"second")
    assert error.value.reason is Reason.REVOKED
    with pytest.raises(DsccError) as refused:
        await other.notify(one.name, place, b"third")
    assert refused.value.reason is Reason.REVOKED and len(heard) == 1 and mine == []
    await close(one, other)


@asynchronous
async def test_an_answer_of_who_is_revoked_meanwhile_is_not_taken(fleet: Fleet) -> None:
    one, other, address = await fleet.pair()

    async def revoked(_peer: str, body: bytes) -> bytes:
        one.state.put_revoked(other.name, 1)
        return body

    hears(other, revoked)
    with pytest.raises(DsccError) as error:
        await one.notify(other.name, address, b"first")
    assert error.value.reason is Reason.REVOKED
    await close(one, other)
