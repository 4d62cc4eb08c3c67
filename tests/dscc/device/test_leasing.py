"""The lease of a device on a real network: who renews it, how long it lasts, and what ends it at once."""

from __future__ import annotations

import asyncio

from fleet import Fleet, Proxy, asynchronous, until

from dscc.device import Device
from dscc.device.clock import ManualClock, SystemClock
from dscc.device.framed import Unreachable
from dscc.errors import DsccError, Reason
from dscc.messages import Event, Status


async def leased(fleet: Fleet, config: str = "") -> tuple[Device, ManualClock, list[float], dict[str, Proxy]]:
    """A device behind a proxy for each node, its clock, and what it was told of its lease."""
    clock, name = ManualClock(SystemClock().now()), fleet.name()
    proxies = {entry.node: Proxy(entry.address) for entry in fleet.code(name).nodes}
    through = {node: await proxy.start() for node, proxy in proxies.items()}
    folder = fleet.folder / name
    if config:
        folder.mkdir(mode=0o700, parents=True)
        (folder / "device.toml").write_text(config)
    device = await Device.enrol(folder, fleet.code(name, through=through), clock=clock)
    told: list[float] = []
    device.on_lease = told.append
    return device, clock, told, proxies


async def stop(device: Device, keeping: asyncio.Task[None], proxies: dict[str, Proxy]) -> None:
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    await device.close()
    for proxy in proxies.values():
        await proxy.close()


@asynchronous
async def test_it_lasts_from_when_k_nodes_were_asked_and_is_renewed_every_third_of_it(fleet: Fleet) -> None:
    device, clock, told, proxies = await leased(fleet)
    began = clock.now()
    assert device.leased_until == 0
    keeping = asyncio.ensure_future(device.keep_leased())
    for _ in range(3):
        await until(lambda: device.leased_until == clock.now() + 30)
        assert told[-1] == device.leased_until
        clock.move(10)
    await until(lambda: device.leased_until == began + 60)
    assert sorted(set(told)) == told
    # The time at which a node answers does not count.
    real = device.node_status

    async def slow(node: str) -> Status:
        said = await real(node)
        clock.move(1)
        return said

    device._lease._ask = slow
    before = clock.now()
    clock.move(10)
    await until(lambda: clock.now() >= before + 13)
    await until(lambda: device.leased_until > before + 30)
    assert device.leased_until <= before + 10 + 30 + 1
    await stop(device, keeping, proxies)


@asynchronous
async def test_fewer_than_k_nodes_do_not_renew_it(fleet: Fleet) -> None:
    device, clock, _, proxies = await leased(fleet, "[keys]\nlease_seconds = 60\n")
    keeping = asyncio.ensure_future(device.keep_leased())
    began = clock.now()
    await until(lambda: device.leased_until == began + 60 and len(device._lease._heard) == 3)
    proxies["n3"].judge = lambda _: "cut"
    clock.move(20)
    await until(lambda: device.leased_until == began + 80)
    proxies["n2"].judge = lambda _: "cut"
    await until(lambda: min(device._lease._heard[node] for node in ("n1", "n2")) == began + 20)
    clock.move(20)
    # One node has answered again, and the lease goes by what the second one said last.
    await until(lambda: device._lease._heard["n1"] == began + 40)
    await until(lambda: not device.is_connected("n2"))
    assert device.leased_until == began + 80
    for proxy in proxies.values():
        proxy.judge = lambda _: "pass"
    while device.leased_until == began + 80:
        clock.move(20)
        await asyncio.sleep(0.1)
    assert device.leased_until > began + 80
    await stop(device, keeping, proxies)


@asynchronous
async def test_a_node_that_is_not_reached_is_asked_again_in_a_second(fleet: Fleet) -> None:
    device, clock, _, proxies = await leased(fleet)
    real, missed = device.node_status, set(proxies)

    async def ask(node: str) -> Status:
        if node in missed:
            missed.remove(node)
            raise Unreachable("it has just begun")
        return await real(node)

    device._lease._ask = ask
    keeping = asyncio.ensure_future(device.keep_leased())
    await until(lambda: not missed)
    assert device.leased_until == 0
    clock.move(1)
    await until(lambda: device.leased_until == clock.now() + 30)
    await stop(device, keeping, proxies)


@asynchronous
async def test_the_nodes_that_have_to_answer_are_as_many_as_a_key_rests_on(fleet: Fleet) -> None:
    device, _, told, proxies = await leased(fleet, "[keys]\npaths = 3\n")
    proxies["n2"].judge = lambda _: "cut"
    keeping = asyncio.ensure_future(device.keep_leased())
    await until(lambda: len(device._lease._heard) == 2)
    assert device.leased_until == 0 and told == []
    await stop(device, keeping, proxies)


@asynchronous
async def test_a_device_that_is_revoked_has_none_from_that_moment_on(fleet: Fleet) -> None:
    device, clock, told, proxies = await leased(fleet)
    await device.connect()
    keeping = asyncio.ensure_future(device.keep_leased())
    await until(lambda: device.leased_until == clock.now() + 30)
    await asyncio.to_thread(fleet.nodes.nodes["n2"].run, "device", "revoke", device.name)
    # The clock stands still: no node is asked.
    await until(lambda: device.leased_until == 0)
    assert told[-1] == 0
    clock.move(10)
    await until(lambda: device._lease._refusing == {"n1", "n2", "n3"})
    assert device.leased_until == 0 == told[-1]
    await stop(device, keeping, proxies)


@asynchronous
async def test_one_node_ends_it_until_it_serves_the_device_again(fleet: Fleet) -> None:
    device, clock, told, proxies = await leased(fleet)
    keeping = asyncio.ensure_future(device.keep_leased())
    await until(lambda: device.leased_until == clock.now() + 30)
    device._lease.refused("n1", DsccError(Reason.BUSY, "not now"))
    assert device.leased_until == clock.now() + 30
    device._on_event("n1", Event("device-revoked", device.name, 1))
    assert device.leased_until == 0 == told[-1]
    clock.move(10)
    await until(lambda: device.leased_until == clock.now() + 30)
    await stop(device, keeping, proxies)
