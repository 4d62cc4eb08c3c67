"""A device and its nodes, on a real network: registration, steps and sessions, with what is lost on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fleet import Fleet, Passing, Proxy, asynchronous, cut_once, until

from dscc.device import Device
from dscc.device.vault import FolderError
from dscc.enrolment import Address, read_step
from dscc.errors import DsccError, Reason
from dscc.keyfill import KeyfillMode
from dscc.messages import M1, M2, M3, M4, R1, R2, R3, R4, Refused, Status, StatusRequest
from dscc.registration import Mode
from dscc.wire import FrameKind


@asynccontextmanager
async def proxied(fleet: Fleet) -> AsyncIterator[tuple[dict[str, Proxy], dict[str, Address]]]:
    """A proxy before each node, and where they are."""
    entries = {entry.node: entry.address for entry in fleet.code(fleet.name()).nodes}
    proxies = {node: Proxy(address) for node, address in entries.items()}
    places = {node: await proxy.start() for node, proxy in proxies.items()}
    yield proxies, places
    for proxy in proxies.values():
        await proxy.close()


async def reopened(device: Device) -> Device:
    await device.close()
    return Device.open(device.folder)


# Registration.


@pytest.mark.parametrize("mode", [Mode.QKEY, Mode.OTA_KEM])
@asynchronous
async def test_a_device_is_registered_at_each_node_and_its_tokens_are_gone(fleet: Fleet, mode: Mode) -> None:
    name = fleet.name()
    code = fleet.code(name, mode)
    device = await Device.enrol(fleet.folder / name, code, attributes=(("firmware", "2.1"),))
    assert device.stages == dict.fromkeys(("n1", "n2", "n3"), "production")
    assert all(record.registering is None for record in device.state.nodes.values())
    for node in device.stages:
        assert (await device.node_status(node)).stage == "production"
    await device.close()
    with pytest.raises(DsccError) as error:
        await Device.enrol(fleet.folder / f"thief-of-{name}", code)
    assert error.value.reason is Reason.TOKEN_REFUSED


@pytest.mark.parametrize("lost", [R1, R2, R3, R4])
@asynchronous
async def test_a_registration_whose_message_is_lost_is_finished_by_itself(fleet: Fleet, lost: type) -> None:
    async with proxied(fleet) as (proxies, places):
        proxies["n2"].judge = cut_once(lost)
        name = fleet.name()
        device = await Device.enrol(fleet.folder / name, fleet.code(name, Mode.OTA_KEM, places))
        assert set(device.stages.values()) == {"production"}
        assert (await device.node_status("n2")).stage == "production"
        await device.close()


@pytest.mark.parametrize("lost", [R3, R4])
@asynchronous
async def test_a_device_that_crashed_while_it_registered_goes_on_with_the_same_code(fleet: Fleet, lost: type) -> None:
    async with proxied(fleet) as (proxies, places):
        proxies["n2"].judge = lambda passing: "cut" if isinstance(passing.said, lost) else "pass"
        name = fleet.name()
        code = fleet.code(name, Mode.OTA_KEM, places)
        with pytest.raises(DsccError, match="n2"):
            await Device.enrol(fleet.folder / name, code)
        proxies["n2"].judge = lambda _: "pass"
        device = await Device.enrol(fleet.folder / name, code.text())
        assert (await device.node_status("n2")).stage == "production"
        # What was registered before was not done twice.
        assert sum(isinstance(each.said, R1) for each in proxies["n1"].seen) == 1
        await device.close()


@asynchronous
async def test_a_folder_is_for_one_device_and_one_process(fleet: Fleet) -> None:
    device = await fleet.device()
    with pytest.raises(FolderError, match="in use"):
        Device.open(device.folder)
    await device.close()
    with pytest.raises(FolderError, match="the folder of the device"):
        await Device.enrol(device.folder, fleet.code(fleet.name()))
    with pytest.raises(FolderError, match="no device"):
        Device.open(device.folder / "nothing")


@asynchronous
async def test_tokens_roots_and_keys_are_nowhere_in_clear(fleet: Fleet, caplog: pytest.LogCaptureFixture) -> None:
    name = fleet.name()
    code = fleet.code(name)
    one = await Device.enrol(fleet.folder / name, code, passphrase=b"a passphrase")
    other = await fleet.device()
    key = await one.negotiate(other.name, await other.listen())
    await one.close(), await other.close()
    secrets = [key.key, b"a passphrase", *[entry.token.secret for entry in code.nodes]]
    for folder in (one.folder, other.folder):
        for path in folder.iterdir():
            for secret in secrets:
                assert secret not in path.read_bytes() and secret.hex().encode() not in path.read_bytes()
    with pytest.raises(FolderError, match="wrong"):
        Device.open(one.folder, passphrase=b"another one")
    async with Device.open(one.folder, passphrase=b"a passphrase") as again:
        assert again.all_keys() == [key]


@asynchronous
async def test_without_tokens_administrators_compare_short_strings(own_fleet: Fleet) -> None:
    nodes = own_fleet.nodes.nodes
    for node in nodes.values():
        node.stop()
        settings = node.folder / "node.toml"
        settings.write_text(settings.read_text().replace("trust_on_first_use = false", "trust_on_first_use = true"))
        await asyncio.to_thread(node.start)
    one, other = own_fleet.name(), await own_fleet.device()
    device = await Device.enrol(own_fleet.folder / one, own_fleet.code(one, Mode.OTA_TOFU))
    address = await other.listen()
    assert len(set(device.short_strings.values())) == 3
    with pytest.raises(DsccError):
        await device.negotiate(other.name, address)
    for name, short_string in device.short_strings.items():
        await asyncio.to_thread(nodes[name].run, "device", "accept", one, short_string)
    await device.connect()
    await until(lambda: all(map(device.is_connected, device.stages)))
    assert (await device.negotiate(other.name, address)).trust == "3 paths, pure"
    await device.close(), await other.close()


# Steps.


@asynchronous
async def test_a_device_takes_its_stages_one_after_another_at_every_node(fleet: Fleet) -> None:
    device = await fleet.device("lo0")
    told: list[tuple[str, str]] = []
    assert set(device.stages.values()) == {"bootstrap"}
    assert await device.advance(tell=lambda who, what: told.append((who, what))) == "quarantine"
    assert sorted(told) == [(node, "at quarantine") for node in ("n1", "n2", "n3")]
    device = await reopened(device)
    assert await device.advance() == "production"
    assert await device.advance() == ""
    assert set(device.stages.values()) == {"production"}
    ratchets = {record.present.ratchet for record in device.state.nodes.values() if record.present}
    assert await device.advance(again=True) == "production"
    again = {record.present.ratchet for record in device.state.nodes.values() if record.present}
    assert (ratchets, again) == ({2}, {3})
    await device.close()


@asynchronous
async def test_a_step_waits_for_who_has_to_approve_it_and_asks_the_same_across_a_restart(own_fleet: Fleet) -> None:
    fleet = own_fleet
    device = await fleet.device("carl")
    told: list[str] = []
    asking = asyncio.ensure_future(device.advance(poll_seconds=0.05, tell=lambda _, what: told.append(what)))
    await until(lambda: sum("approve" in what for what in told) >= 6)
    begun = {node: record.step for node, record in device.state.nodes.items()}
    asking.cancel()
    device = await reopened(device)
    assert {node: record.step for node, record in device.state.nodes.items()} == begun
    asking = asyncio.ensure_future(device.advance(poll_seconds=0.05))
    for node in ("n1", "n2", "n3"):
        assert not asking.done()
        await asyncio.to_thread(fleet.nodes.nodes[node].run, "device", "approve", "carl", "--as", "olga")
    assert await asking == "production"
    assert all(record.step is None for record in device.state.nodes.values())
    await device.close()


@asynchronous
async def test_a_step_with_a_code_takes_that_code_and_no_other_mode(fleet: Fleet) -> None:
    device = await fleet.device("cody")
    codes = [
        await asyncio.to_thread(node.run, "device", "code", "cody", "production") for node in fleet.nodes.nodes.values()
    ]
    parts = [read_step(each) for each in codes]
    code = parts[0]._replace(codes={node: each for part in parts for node, each in part.codes.items()})
    with pytest.raises(DsccError, match="takes kem and no other") as error:
        await device.advance()
    assert error.value.reason is Reason.FAILED
    with pytest.raises(DsccError, match="another way"):
        await device.advance(mode=KeyfillMode.KEM_OOB)
    assert set(device.stages.values()) == {"bootstrap"}
    wrong = code._replace(codes=dict.fromkeys(code.codes, bytes(32)))
    with pytest.raises(DsccError):
        await device.advance(mode=KeyfillMode.KEM_OOB, code=wrong, poll_seconds=0.01)
    assert set(device.stages.values()) == {"bootstrap"}
    assert await device.advance(mode=KeyfillMode.KEM_OOB, code=code) == "production"
    for node in device.stages:
        assert (await device.node_status(node)).stage == "production"
    await device.close()


@asynchronous
async def test_a_step_over_several_paths(fleet: Fleet) -> None:
    device = await fleet.device("mary")
    assert await device.advance(mode=KeyfillMode.MULTIPATH) == "production"
    await device.close()


def records_after_m4(number: int, outward: bool) -> Any:
    """Ends the connection instead of passing on the record of this number, of those that go this way, once."""
    seen = {"cut": False, "records": 0}

    def judge(passing: Passing) -> str:
        if isinstance(passing.said, M1):
            seen["records"] = 0
        if passing.frame.kind is FrameKind.RECORD and passing.outward is outward:
            seen["records"] += 1
            if seen["records"] == number and not seen["cut"]:
                seen["cut"] = True
                return "cut"
        return "pass"

    return judge


@pytest.mark.parametrize(
    ("number", "outward", "name"),
    [(3, True, "lo1"), (3, False, "lo2"), (4, True, "lo3"), (4, False, "lo4")],
    ids=["T1 lost", "T2 lost", "T3 lost", "T4 lost"],
)
@asynchronous
async def test_a_step_whose_message_is_lost_ends_with_one_chain_at_both(
    fleet: Fleet, number: int, outward: bool, name: str
) -> None:
    async with proxied(fleet) as (proxies, places):
        device = await Device.enrol(fleet.folder / name, fleet.code(name, through=places))
        proxies["n1"].judge = records_after_m4(number, outward)
        assert await device.advance(poll_seconds=0.05) == "quarantine"
        record = device.state.nodes["n1"]
        assert record.following is None and record.step is None
        assert (await device.node_status("n1")).stage == "quarantine" == record.stage
        assert await device.advance(poll_seconds=0.05) == "production"
        await device.close()


@pytest.mark.parametrize(("outward", "name"), [(True, "lo5"), (False, "lo6")], ids=["T3 lost", "T4 lost"])
@asynchronous
async def test_a_crash_between_t3_and_t4_leaves_two_slots_and_the_next_session_tells(
    fleet: Fleet, outward: bool, name: str
) -> None:
    async with proxied(fleet) as (proxies, places):
        device = await Device.enrol(fleet.folder / name, fleet.code(name, through=places))
        judge = records_after_m4(4, outward)
        dead = [False]

        def judging(passing: Passing) -> str:
            dead[0] = dead[0] or judge(passing) == "cut"
            return "cut" if dead[0] else "pass"

        proxies["n1"].judge = judging
        asking = asyncio.ensure_future(device.advance(poll_seconds=0.05))
        await until(lambda: dead[0])
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        device = await reopened(device)
        assert device.state.nodes["n1"].following is not None
        # A node that cannot be reached, and refusals that are forged, drop nothing.
        for forged in ("cut", Refused("chain-broken", "that is not the stage"), Refused("revoked", "go away")):
            proxies["n1"].judge = lambda _, forged=forged: forged  # type: ignore[misc]
            with pytest.raises(DsccError):
                await device.node_status("n1")
            device = await reopened(device)
            assert device.state.nodes["n1"].following is not None and device.state.nodes["n1"].present is not None
        proxies["n1"].judge = lambda _: "pass"
        assert (await device.node_status("n1")).stage == ("bootstrap" if outward else "quarantine")
        assert device.state.nodes["n1"].following is None
        while set(device.stages.values()) != {"production"}:
            assert await device.advance(poll_seconds=0.05)
        await device.close()


# Sessions.


@pytest.mark.parametrize("lost", [M1, M2, M3, M4])
@asynchronous
async def test_a_session_whose_handshake_is_lost_is_opened_the_next_time(fleet: Fleet, lost: type) -> None:
    async with proxied(fleet) as (proxies, places):
        name = fleet.name()
        device = await Device.enrol(fleet.folder / name, fleet.code(name, through=places))
        for _ in range(3):
            proxies["n1"].judge = cut_once(lost)
            device = await reopened(device)
            with pytest.raises(DsccError):
                await device.node_status("n1")
            device = await reopened(device)
            assert (await device.node_status("n1")).stage == "production"
        await device.close()


@asynchronous
async def test_many_questions_share_a_session_and_one_handshake(fleet: Fleet) -> None:
    async with proxied(fleet) as (proxies, places):
        name = fleet.name()
        device = await Device.enrol(fleet.folder / name, fleet.code(name, through=places))
        before = proxies["n1"].connections
        answers = await asyncio.gather(*[device.node_status("n1") for _ in range(50)])
        assert len(answers) == 50 and proxies["n1"].connections == before + 1
        await device.keep("n1", "wrapped", "key", b"sealed by me")
        assert (await device.fetch("n1", "wrapped")).body == b"sealed by me"
        with pytest.raises(DsccError):
            await device.fetch("n1", "nothing")
        await device.close()


@asynchronous
async def test_a_session_that_is_kept_is_opened_again_and_what_was_under_way_is_asked_again(fleet: Fleet) -> None:
    async with proxied(fleet) as (proxies, places):
        name = fleet.name()
        device = await Device.enrol(fleet.folder / name, fleet.code(name, through=places))
        await device.connect()
        assert all(map(device.is_connected, device.stages))
        proxies["n1"].judge = records_after_m4(1, outward=False)
        assert (await device.node_status("n1")).stage == "production"
        epochs = [record.present.epoch for record in device.state.nodes.values() if record.present]
        assert sorted(epochs) == [1, 1, 2]
        await device.close()


@asynchronous
async def test_a_session_that_is_old_is_followed_by_a_new_one(fleet: Fleet) -> None:
    device = await fleet.device()
    await device.connect()
    link = device._links["n1"]
    for age, epoch in ((3000, 1), (500, 2), (3700, 3)):
        link._opened -= age
        assert (await device.node_status("n1")).stage == "production"
        present = device.state.nodes["n1"].present
        assert present is not None and present.epoch == epoch
    await device.close()


@asynchronous
async def test_a_connection_over_which_nothing_comes_is_replaced(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dscc.device.shares.SHARE_SECONDS", 0.8)
    async with proxied(fleet) as (proxies, places):
        name = fleet.name()
        device = await Device.enrol(fleet.folder / name, fleet.code(name, through=places))
        peer = await fleet.device()
        address = await peer.listen()
        await device.connect(), await peer.connect()
        proxies["n1"].judge = lambda passing: "pass" if passing.outward else "lose"
        before = proxies["n1"].connections
        with pytest.raises(DsccError, match="did not answer"):
            await device._link("n1").request(Status, StatusRequest(), seconds=0.2)
        await until(lambda: proxies["n1"].connections == before + 1)
        proxies["n1"].judge = lambda _: "pass"
        await device.close()
        device = Device.open(device.folder)
        await device.connect()
        proxies["n1"].judge = lambda passing: "pass" if passing.outward else "lose"
        before = proxies["n1"].connections
        assert (await device.negotiate(peer.name, address)).nodes == ("n2", "n3")
        # Seen by who waited for a share; the session is opened anew, and works.
        await until(lambda: proxies["n1"].connections == before + 1)
        await device.close(), await peer.close()


@asynchronous
async def test_a_node_that_is_down_costs_no_wait_after_the_first_time_and_is_found_again(fleet: Fleet) -> None:
    async with proxied(fleet) as (proxies, places):
        name = fleet.name()
        device = await Device.enrol(fleet.folder / name, fleet.code(name, through=places))
        proxies["n1"].judge = lambda _: "cut"
        for _ in range(3):
            with pytest.raises(DsccError):
                await device.node_status("n1")
        # The later two were not tried.
        assert proxies["n1"].connections == 2
        proxies["n1"].judge = lambda _: "pass"
        await device.connect()
        await until(lambda: device.is_connected("n1"))
        await device.close()


@asynchronous
async def test_a_forged_answer_opens_no_session(fleet: Fleet) -> None:
    """Another network's node, which has the address of the right one, does not know the chain."""
    async with proxied(fleet) as (proxies, places):
        name = fleet.name()
        device = await Device.enrol(fleet.folder / name, fleet.code(name, through=places))
        proxies["n1"].target = proxies["n2"].target
        with pytest.raises(DsccError) as error:
            await device.node_status("n1")
        assert error.value.reason is Reason.NOT_AUTHENTIC
        await device.close()


@asynchronous
async def test_nearer_nodes_come_first(fleet: Fleet, tmp_path: Path) -> None:
    device = await fleet.device(config='region = "east"\n[keys]\noffer = 2\n')
    for region, node in (("west", "n1"), ("east", "n2"), ("east", "n3")):
        device.state.put_node(node, device.state.nodes[node]._replace(region=region))
    resources = device._resources
    assert resources.nearest(2) == ("n2", "n3") and resources.nearest(3) == ("n2", "n3", "n1")
    device._links["n2"].latency, device._links["n3"].latency = 0.2, 0.1
    assert resources.nearest(3) == ("n3", "n2", "n1")
    peer = await fleet.device()
    key = await device.negotiate(peer.name, await peer.listen())
    assert key.nodes == ("n2", "n3")
    await device.close(), await peer.close()
