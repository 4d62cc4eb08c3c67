"""Keys for two devices on a real network: what is lost, late, twice or refused on the way, and what comes of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fleet import Fleet, Passing, Proxy, asynchronous, cut_once, until

from dscc.agreement import KeyState, Limits, Wanted
from dscc.device import Device, Key
from dscc.device.framed import connect
from dscc.direct_messages import D1, D2, D3, D4, Abort
from dscc.enrolment import Address
from dscc.errors import DsccError, Reason
from dscc.messages import Event, Refused
from dscc.pairwise import Initiator
from dscc.wire import FrameKind, FrameReader, decode, encode, write_frame

TUNNEL = Wanted("tunnel")


async def close(*devices: Device) -> None:
    for device in devices:
        await device.close()


def same(one: Device, other: Device, key: Key) -> Key:
    """The key as both have it: the other one's."""
    theirs = next(each for each in other.all_keys(one.name) if each.kid == key.kid)
    assert theirs.key == key.key and len(key.key) == key.bits // 8
    assert (theirs.purpose, theirs.bits, theirs.nodes, theirs.trust) == (key.purpose, key.bits, key.nodes, key.trust)
    return theirs


async def reopened(device: Device) -> Device:
    """The device after a crash: what was not stored is forgotten, and nothing is said in the end."""
    await device.close()
    return Device.open(device.folder)


@asynchronous
async def test_both_have_the_same_key_and_it_rests_on_three_paths_and_then_on_the_pair_chain(fleet: Fleet) -> None:
    one, other, address = await fleet.pair()
    keys = [await one.negotiate(other.name, str(address), bits=bits, kem=bits == 512) for bits in (256, 128, 192, 512)]
    assert [key.trust for key in keys] == [
        "3 paths, pure",
        "3 paths, pair chain",
        "3 paths, pair chain",
        "3 paths, ML-KEM + pair chain",
    ]
    assert len({key.key for key in keys}) == 4
    for key in keys:
        assert same(one, other, key).state is key.state is KeyState.ACTIVE
        assert key.key.hex() not in repr(key) and str(key.key) not in repr(key)
    await close(one, other)


@asynchronous
async def test_keys_are_there_after_a_restart_and_the_pair_chain_goes_on(fleet: Fleet) -> None:
    one, other, address = await fleet.pair()
    key = await one.negotiate(other.name, address)
    one = await reopened(one)
    assert same(one, other, key) and one.all_keys() == [key]
    assert (await one.negotiate(other.name, address)).trust == "3 paths, pair chain"
    await close(one, other)


@pytest.mark.parametrize("lost", [D1, D2, D3, D4])
@asynchronous
async def test_a_message_that_is_lost_costs_a_try_and_no_more(fleet: Fleet, lost: type) -> None:
    one, other, address = await fleet.pair()
    proxy = Proxy(address)
    through = await proxy.start()
    # The connection has been used before: a question that was lost on it is asked again.
    first = await one.negotiate(other.name, through)
    proxy.judge = cut_once(lost)
    key = await one.negotiate(other.name, through)
    assert same(one, other, key).state is KeyState.ACTIVE
    assert [each.state for each in one.all_keys()] == [each.state for each in other.all_keys()] == [KeyState.ACTIVE] * 2
    assert key.trust == "3 paths, pair chain" and first.kid != key.kid
    await proxy.close()
    await close(one, other)


@asynchronous
async def test_messages_are_as_many_as_the_design_says(fleet: Fleet) -> None:
    one, other, address = await fleet.pair()
    proxy = Proxy(address)
    through = await proxy.start()
    await one.negotiate(other.name, through)
    assert [type(each.said) for each in proxy.seen] == [D1, D2, D3, D4]
    await proxy.close()
    await close(one, other)


@asynchronous
async def test_who_crashes_before_d4_comes_has_a_key_that_is_not_used_and_confirms_it_at_the_next_contact(
    fleet: Fleet,
) -> None:
    one, other, address = await fleet.pair()
    proxy = Proxy(address)
    through = await proxy.start()
    proxy.judge = lambda passing: "lose" if isinstance(passing.said, D4) else "pass"
    asking = asyncio.ensure_future(one.negotiate(other.name, through))
    await until(lambda: other.all_keys(one.name))
    asking.cancel()
    one = await reopened(one)
    assert [key.state for key in one.all_keys()] == [KeyState.PRE_ACTIVE]
    assert one.key_to_protect(other.name) is None and one.keys_to_process(other.name) == []
    proxy.judge = lambda _: "pass"
    second = await one.negotiate(other.name, through)
    assert [key.state for key in one.all_keys()] == [KeyState.ACTIVE] * 2
    for key in one.all_keys():
        same(one, other, key)
    assert second.trust == "3 paths, pair chain"
    await proxy.close()
    await close(one, other)


@asynchronous
async def test_the_peer_answers_d3_again_after_its_own_crash(fleet: Fleet) -> None:
    one, other, address = await fleet.pair()
    proxy = Proxy(address)
    through = await proxy.start()
    proxy.judge = lambda passing: "cut" if isinstance(passing.said, D4) else "pass"
    asking = asyncio.ensure_future(one.negotiate(other.name, through))
    await until(lambda: other.all_keys(one.name))
    other = await reopened(other)
    await other.listen(address.host, address.port)
    proxy.judge = lambda _: "pass"
    key = await asking
    assert same(one, other, key).state is KeyState.ACTIVE
    await proxy.close()
    await close(one, other)


@asynchronous
async def test_who_gives_up_destroys_the_key_and_the_peer_learns_of_it_at_the_next_contact(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dscc.device.initiating._CONFIRM_WAITS", (0.0, 0.01))
    one, other, address = await fleet.pair()
    proxy = Proxy(address)
    through = await proxy.start()
    first = await one.negotiate(other.name, through)
    proxy.judge = lambda passing: "cut" if isinstance(passing.said, D4 | Abort) else "pass"
    with pytest.raises(DsccError):
        await one.negotiate(other.name, through)
    assert [key.state for key in other.all_keys()] == [KeyState.ACTIVE] * 2
    destroyed = next(key for key in one.all_keys() if key.kid != first.kid)
    assert destroyed.state is KeyState.DESTROYED and destroyed.key == b""
    one = await reopened(one)
    proxy.judge = lambda _: "pass"
    third = await one.negotiate(other.name, through)
    assert {key.kid: key.state for key in other.all_keys()} == {
        first.kid: KeyState.ACTIVE,
        destroyed.kid: KeyState.DESTROYED,
        third.kid: KeyState.ACTIVE,
    }
    assert third.trust == "3 paths, pair chain"
    same(one, other, third)
    await proxy.close()
    await close(one, other)


@asynchronous
async def test_a_forged_refusal_of_d3_leaves_no_key_that_one_of_the_two_goes_on_using(fleet: Fleet) -> None:
    one, other, address = await fleet.pair()
    proxy = Proxy(address)
    through = await proxy.start()
    confirmed = []

    def judge(passing: Passing) -> str | Refused:
        if isinstance(passing.said, D4):
            confirmed.append(passing)
            return "cut"
        return Refused("expired", "no") if isinstance(passing.said, D3) and confirmed else "pass"

    proxy.judge = judge
    with pytest.raises(DsccError):
        await one.negotiate(other.name, through)
    assert {key.state for key in (*one.all_keys(), *other.all_keys())} == {KeyState.DESTROYED}
    proxy.judge = lambda _: "pass"
    assert (await one.negotiate(other.name, through)).trust == "3 paths, pure"
    await proxy.close()
    await close(one, other)


@asynchronous
async def test_what_was_left_open_is_settled_without_a_new_key(fleet: Fleet) -> None:
    one, other, address = await fleet.pair()
    proxy = Proxy(address)
    through = await proxy.start()
    proxy.judge = lambda passing: "lose" if isinstance(passing.said, D4) else "pass"
    asking = asyncio.ensure_future(one.negotiate(other.name, through))
    await until(lambda: other.all_keys(one.name))
    asking.cancel()
    one = await reopened(one)
    await one.settle()
    assert [key.state for key in one.all_keys()] == [KeyState.PRE_ACTIVE]
    proxy.judge = lambda _: "pass"
    await one.settle()
    same(one, other, one.all_keys()[0])
    assert [key.state for key in one.all_keys()] == [KeyState.ACTIVE]
    await proxy.close()
    await close(one, other)


@asynchronous
async def test_a_forged_abort_destroys_nothing(fleet: Fleet) -> None:
    one, other, address = await fleet.pair()
    await one.negotiate(other.name, address)
    sid = next(iter(other.state.held.values())).agreement.sid
    connection = await connect(address, "bob", 5)
    for mac in (b"", bytes(48)):
        with pytest.raises(DsccError) as error:
            await connection.exchange(Abort(sid, "failed", mac), 5)
        assert error.value.reason is Reason.NOT_AUTHENTIC
    assert [key.state for key in other.all_keys()] == [KeyState.ACTIVE]
    connection.abort()
    await close(one, other)


@asynchronous
async def test_both_ask_at_once_and_come_to_one_key(fleet: Fleet) -> None:
    one, other, address = await fleet.pair()
    back = await one.listen()
    await one.connect(), await other.connect()
    for _ in range(5):
        keys = await asyncio.gather(one.negotiate(other.name, address), other.negotiate(one.name, back))
        assert keys[0].kid == keys[1].kid and keys[0].key == keys[1].key
        assert keys[0].initiator == min(one.name, other.name)
    assert (await one.negotiate(other.name, address)).trust == "3 paths, pair chain"
    await close(one, other)


@asynchronous
async def test_many_at_once_with_many_peers(fleet: Fleet) -> None:
    devices = [await fleet.device() for _ in range(4)]
    places = {device.name: await device.listen() for device in devices}
    asked = [one.negotiate(other.name, places[other.name]) for one in devices for other in devices if one is not other]
    for end in await asyncio.gather(*asked):
        assert end.state is KeyState.ACTIVE
    for one in devices:
        for other in devices:
            if one is not other:
                assert {key.key for key in one.all_keys(other.name)} == {key.key for key in other.all_keys(one.name)}
                assert one.state.chains(other.name) == other.state.chains(one.name)
    await close(*devices)


@asynchronous
async def test_the_same_d1_gets_the_same_d2_and_another_sender_disturbs_nobody(fleet: Fleet) -> None:
    one, other, address = await fleet.pair()
    proxy = Proxy(address)
    through = await proxy.start()
    await one.negotiate(other.name, through)
    d1 = next(each.said for each in proxy.seen if isinstance(each.said, D1))
    connection = await connect(address, other.name, 5)
    replayed = [await connection.exchange(d1, 5) for _ in range(2)]
    assert replayed[0] == replayed[1]
    again = await connection.exchange(d1._replace(chain=0, mac=b"", nonce=bytes(32)), 5)  # type: ignore[attr-defined]
    assert isinstance(again, D2)
    assert same(one, other, await one.negotiate(other.name, through)).state is KeyState.ACTIVE
    connection.abort()
    await proxy.close()
    await close(one, other)


@asynchronous
async def test_what_begins_and_is_not_confirmed_is_bounded(fleet: Fleet) -> None:
    one, other, address = await fleet.pair()
    proxy = Proxy(address)
    through = await proxy.start()
    await one.negotiate(other.name, through)
    d1: Any = next(each.said for each in proxy.seen if isinstance(each.said, D1))
    connection = await connect(address, other.name, 5)
    with pytest.raises(DsccError) as error:
        for number in range(20):
            await connection.exchange(d1._replace(nonce=number.to_bytes(32, "big")), 5)
    assert error.value.reason is Reason.BUSY
    # Who has the pair chain is not kept out by who only says that it is the peer.
    assert (await one.negotiate(other.name, through)).trust == "3 paths, pair chain"
    connection.abort()
    await proxy.close()
    await close(one, other)


@pytest.mark.parametrize(
    "config", ["[keys]\nleast_bits = 256\n", '[keys]\npurposes = ["wrap"]\n', "[keys]\npaths = 4\n"]
)
@asynchronous
async def test_a_device_holds_to_its_own_limits_as_who_asks_and_as_who_is_asked(fleet: Fleet, config: str) -> None:
    strict, lax = await fleet.device(config=config), await fleet.device()
    places = {device.name: await device.listen() for device in (strict, lax)}
    for one, other in ((strict, lax), (lax, strict)):
        with pytest.raises(DsccError) as error:
            await one.negotiate(other.name, places[other.name], bits=128)
        assert error.value.reason in (Reason.POLICY_DENIED, Reason.INSUFFICIENT_PATHS)
    assert not strict.all_keys() and not lax.all_keys()
    await close(strict, lax)


@asynchronous
async def test_who_insists_on_ml_kem_or_on_the_pair_chain_takes_no_key_without(fleet: Fleet) -> None:
    strict = await fleet.device(config="[keys]\nrequire_kem = true\nrequire_chain = true\n")
    other = await fleet.device()
    place, back = await strict.listen(), await other.listen()
    with pytest.raises(DsccError, match="ML-KEM"):
        await other.negotiate(strict.name, place)
    assert (await strict.negotiate(other.name, back)).trust == "3 paths, ML-KEM"
    # The first one may have been confirmed to one side only: the chain is insisted on once there were two.
    assert (await strict.negotiate(other.name, back)).trust == "3 paths, ML-KEM + pair chain"
    other.forget_pair(strict.name)
    with pytest.raises(DsccError) as error:
        await strict.negotiate(other.name, back)
    assert error.value.reason is Reason.CHAIN_BROKEN
    strict.forget_pair(other.name)
    assert (await strict.negotiate(other.name, back)).trust == "3 paths, ML-KEM"
    await close(strict, other)


@asynchronous
async def test_a_policy_of_the_nodes_may_want_ml_kem_for_keys_of_a_purpose(fleet: Fleet) -> None:
    """The devices are not told otherwise: the one that asks begins anew with it."""
    one, other, address = await fleet.pair()
    assert (await one.negotiate(other.name, address, "hardened")).trust == "3 paths, ML-KEM"
    assert (await one.negotiate(other.name, address)).trust == "3 paths, pair chain"
    await close(one, other)


@asynchronous
async def test_an_activation_date_is_agreed_and_one_that_is_far_off_is_refused(fleet: Fleet) -> None:
    one, other, address = await fleet.pair()
    now = int(one.clock.now())
    key = await one.negotiate(other.name, address, activation=now + 1000, lifetime=500)
    assert key.activates_at == same(one, other, key).activates_at == now + 1000
    assert key.expires_at == same(one, other, key).expires_at == now + 1500
    assert one.key_to_protect(other.name) is None and one.keys_to_process(other.name) == [key]
    with pytest.raises(DsccError) as error:
        await one.negotiate(other.name, address, activation=now + 200_000)
    assert error.value.reason is Reason.POLICY_DENIED
    await close(one, other)


@asynchronous
async def test_what_the_policy_denies_is_no_key_and_both_are_told(fleet: Fleet) -> None:
    one, other = await fleet.device(), await fleet.device("stranger")
    address = await other.listen()
    with pytest.raises(DsccError) as error:
        await one.negotiate(other.name, address)
    assert error.value.reason is Reason.POLICY_DENIED
    assert not one.all_keys() and not other.all_keys()
    await close(one, other)


@asynchronous
async def test_nobody_listens_or_it_is_somebody_else(fleet: Fleet) -> None:
    one, other, address = await fleet.pair()
    with pytest.raises(DsccError, match="cannot be reached"):
        await one.negotiate(other.name, Address("127.0.0.1", 1))
    with pytest.raises(DsccError) as error:
        await one.negotiate(fleet.name(), address)
    assert error.value.reason is Reason.NOT_AUTHENTIC
    with pytest.raises(DsccError, match="itself"):
        await one.negotiate(one.name, await one.listen())
    await close(one, other)


@asynchronous
async def test_a_device_answers_no_other_message_and_says_so(fleet: Fleet) -> None:
    one, other, address = await fleet.pair()
    connection = await connect(address, other.name, 5)
    with pytest.raises(DsccError) as error:
        await connection.exchange(Refused("failed", ""), 5)
    assert error.value.reason is Reason.UNSUPPORTED
    d1 = Initiator(one.name, other.name, TUNNEL, ("n1", "n2"), bytes(32), limits=Limits(), chains={}).d1
    for wrong in (b"\xff" * 100, write_frame(FrameKind.RECORD, encode(d1))):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(wrong)
        (frame,) = FrameReader().feed(await reader.read())
        assert isinstance(decode(frame.body), Refused)
        writer.close()
    connection.abort()
    await one.negotiate(other.name, address)
    await close(one, other)


@asynchronous
async def test_who_asks_before_the_answer_has_come_is_let_go(fleet: Fleet) -> None:
    entries = {entry.node: entry.address for entry in fleet.code(fleet.name()).nodes}
    proxies = {node: Proxy(entries[node]) for node in ("n1", "n2")}
    name = fleet.name()
    through = {node: await proxy.start() for node, proxy in proxies.items()}
    other = await Device.enrol(fleet.folder / name, fleet.code(name, through=through))
    address = await other.listen()
    await other.connect()
    await until(lambda: all(map(other.is_connected, proxies)))
    # No share comes, and no refusal: D3 is not answered yet when the next question is there.
    for proxy in proxies.values():
        proxy.judge = lambda passing: "pass" if passing.outward else "lose"
    begun = Initiator("d999", name, TUNNEL, ("n1", "n2"), bytes(32), limits=Limits(), chains={})
    reader, writer = await asyncio.open_connection(*address)
    frames = FrameReader()
    writer.write(write_frame(FrameKind.MESSAGE, encode(begun.d1)))
    (frame,) = frames.feed(await reader.read(65_536))
    begun.on_d2(decode(frame.body))  # type: ignore[arg-type]
    questions = (D3(begun.sid, ("n1", "n2"), bytes(48), bytes(48)), begun.d1)
    writer.write(b"".join(write_frame(FrameKind.MESSAGE, encode(each)) for each in questions))
    said = [decode(frame.body) for frame in frames.feed(await reader.read())]
    assert [each.reason for each in said] == ["out-of-order"]  # type: ignore[attr-defined]
    writer.close()
    for proxy in proxies.values():
        await proxy.close()
    await close(other)


@asynchronous
async def test_a_device_that_is_refused_its_shares_late_gives_up_on_what_nodes_said(own_fleet: Fleet) -> None:
    """k of n: with one node killed there are keys, with two there are none, and with one of them back there are."""
    one, other, address = await own_fleet.pair()
    await one.connect(), await other.connect()
    nodes = own_fleet.nodes.nodes
    nodes["n2"].stop(9)
    key = await one.negotiate(other.name, address)
    assert key.trust == "2 paths, pure" and key.nodes == ("n1", "n3")
    same(one, other, key)
    nodes["n3"].stop(9)
    with pytest.raises(DsccError) as error:
        await one.negotiate(other.name, address)
    assert error.value.reason is Reason.INSUFFICIENT_PATHS
    nodes["n3"].start()
    await until(lambda: one.is_connected("n3") and other.is_connected("n3"))
    assert (await one.negotiate(other.name, address)).trust == "2 paths, pair chain"
    await close(one, other)


@asynchronous
async def test_each_reaches_other_nodes_and_they_agree_on_those_that_both_reach(fleet: Fleet) -> None:
    """Subset: the responder lacks a share that the initiator has used."""
    entries = {entry.node: entry.address for entry in fleet.code(fleet.name()).nodes}
    proxy = Proxy(entries["n1"])
    through = await proxy.start()
    one = await fleet.device()
    name = fleet.name()
    other = await Device.enrol(fleet.folder / name, fleet.code(name, through={"n1": through}))
    address = await other.listen()
    await one.connect(), await other.connect()
    # A node that is connected and silent: the share does not come, and the device waits no longer than it makes sense.
    proxy.judge = lambda passing: "pass" if passing.outward else "lose"
    key = await one.negotiate(other.name, address)
    assert key.nodes == ("n2", "n3") and same(one, other, key)
    assert [each.state for each in one.all_keys()] == [KeyState.ACTIVE]
    await proxy.close()
    await close(one, other)


@asynchronous
async def test_a_device_that_was_revoked_is_shut_out_at_once(own_fleet: Fleet) -> None:
    one, other, address = await own_fleet.pair()
    await one.connect(), await other.connect()
    key = await one.negotiate(other.name, address)
    await asyncio.to_thread(own_fleet.nodes.nodes["n1"].run, "device", "revoke", other.name)
    await until(lambda: other.name in one.state.revoked)
    assert one.key_to_protect(other.name) is None and one.keys_to_process(other.name) == []
    assert [each.state for each in one.all_keys()] == [KeyState.DEACTIVATED]
    place = await one.listen()
    for asking in (one.negotiate(other.name, address), other.negotiate(one.name, place)):
        with pytest.raises(DsccError) as error:
            await asking
        assert error.value.reason in (Reason.REVOKED, Reason.INSUFFICIENT_PATHS, Reason.POLICY_DENIED)
    one = await reopened(one)
    assert other.name in one.state.revoked and one.keys_to_process(other.name) == []
    assert key.kid in {each.kid for each in one.all_keys()}
    await close(one, other)


@pytest.mark.parametrize("at", [D3, D4])
@asynchronous
async def test_a_peer_that_is_revoked_while_a_key_is_agreed_gets_none(fleet: Fleet, at: type) -> None:
    one, other, address = await fleet.pair()
    proxy = Proxy(address)
    through = await proxy.start()
    deaf, gone = (other, one) if at is D3 else (one, other)

    def judge(passing: Passing) -> str:
        if isinstance(passing.said, at):
            deaf._on_event("n1", Event("device-revoked", gone.name, 1))
        return "pass"

    proxy.judge = judge
    with pytest.raises(DsccError):
        await one.negotiate(other.name, through)
    assert not [key for key in deaf.all_keys() if key.state in (KeyState.ACTIVE, KeyState.PRE_ACTIVE)]
    await proxy.close()
    await close(one, other)


@asynchronous
async def test_a_key_that_was_revoked_is_used_no_more_on_either_side(fleet: Fleet) -> None:
    one, other, address = await fleet.pair()
    await one.connect(), await other.connect()
    key, kept = await one.negotiate(other.name, address), await one.negotiate(other.name, address)
    known = await one.revoke_key(key.kid)
    assert known.nodes >= known.needed == 2
    assert next(each for each in one.all_keys() if each.kid == key.kid).key == b""
    await until(lambda: KeyState.DEACTIVATED in {each.state for each in other.all_keys()})
    assert [each.kid for each in other.keys_to_process(one.name)] == [kept.kid]
    with pytest.raises(DsccError, match="no key"):
        await one.revoke_key("00" * 16)
    await close(one, other)
