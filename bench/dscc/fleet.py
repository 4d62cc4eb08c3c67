"""A fleet: so many devices in sessions with three nodes, each a process; what a session takes, and keys a second."""

from __future__ import annotations

import asyncio
import resource
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import NamedTuple

from network import Network
from rich.progress import Progress

from bench import machine
from dscc.agreement import Limits, Wanted
from dscc.messages import (
    M2,
    M4,
    R2,
    R4,
    Acknowledged,
    Keep,
    Receipt,
    Refused,
    RevokeKey,
    ShareResponse,
    StatusRequest,
)
from dscc.node import registry
from dscc.node.cli.opened import open_node
from dscc.pairwise import Initiator, Responder
from dscc.registration import DeviceRegistration, Mode, Token
from dscc.session import Chain, DeviceHandshake, Session, begin_chain
from dscc.wire import FrameKind, FrameReader, Message, decode, encode, expect, write_frame

POLICY = """
[workflows.default]
version = 2
stages = [{ name = "production" }]

[[rules]]
name = "the fleet forms keys"
effect = "allow"
subjects = ["anyone"]
actions = ["DSCC_NEGOTIATE", "DSCC_TUNNEL"]
resource = { object_types = ["PAIR"] }
"""
AT_ONCE = 100
IN_A_PROCESS = 5000
PAIRS = 16


class FleetCost(NamedTuple):
    """What was found out: KiB a session and node, keys a second, milliseconds."""

    devices: int
    enrolled_a_second: float
    session_kib: dict[str, float]
    keys_a_second: float
    key_p50_ms: float
    key_p99_ms: float
    node_us_a_key: float
    round_trip_ms: float
    committed_round_trip_ms: float
    revocation_ms: float


@dataclass
class Wire:
    """A device's connection to a node."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    frames: FrameReader = field(default_factory=FrameReader)
    read: list[bytes] = field(default_factory=list)
    session: Session | None = None

    @classmethod
    async def open(cls, port: int) -> Wire:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    def say(self, said: Message) -> None:
        self.writer.write(write_frame(FrameKind.MESSAGE, encode(said)))

    async def hear(self) -> Message:
        while True:
            while not self.read:
                data = await self.reader.read(65536)
                if not data:
                    raise ConnectionError("the node closed the connection")
                self.read += [frame.body for frame in self.frames.feed(data)]
            body = self.read.pop(0)
            plain = bytes(7) + b"\1" + body if self.session is None else self.session.open(body)
            # What the node says unasked has the number 0.
            if plain[:8] != bytes(8):
                return decode(plain[8:])

    def tell(self, said: Message) -> None:
        assert self.session is not None
        self.writer.write(write_frame(FrameKind.RECORD, self.session.seal(b"\0" * 7 + b"\1" + encode(said))))

    async def ask(self, said: Message) -> Message:
        self.tell(said)
        answer = await self.hear()
        if isinstance(answer, Refused):
            raise RuntimeError(f"{answer.reason}: {answer.words}")  # noqa: TRY004 - no type is wrong
        return answer


@dataclass
class Device:
    """A device that takes part."""

    name: str
    chains: dict[str, Chain] = field(default_factory=dict)
    wires: dict[str, Wire] = field(default_factory=dict)

    async def enrol(self, node: str, port: int, token: Token) -> None:
        asks = DeviceRegistration(self.name, node, Mode.QKEY, token, secrets.token_bytes(32))
        wire = await Wire.open(port)
        wire.say(asks.r1)
        wire.say(asks.on_r2(expect(R2, await wire.hear())))
        self.chains[node] = begin_chain(asks.on_r4(expect(R4, await wire.hear())))
        wire.writer.close()

    async def meet(self, node: str, port: int) -> None:
        wire = await Wire.open(port)
        begun = DeviceHandshake(self.name, node, self.chains[node], secrets.token_bytes(32))
        wire.say(begun.m1)
        self.chains[node], m3 = begun.on_m2(expect(M2, await wire.hear()))
        wire.say(m3)
        session = begun.on_m4(expect(M4, await wire.hear()))
        wire.session = session
        self.wires[node] = wire


class Slice(NamedTuple):
    """A part of the fleet, which a process of its own holds: a process has so many files open and no more."""

    names: tuple[str, ...]
    ports: dict[str, int]
    tokens: dict[str, dict[str, Token]]


def hold(part: Slice, report: Connection) -> None:
    """In a process: enrol and open sessions, tell of each step, and hold them until told to end."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(_hold(part, report))


async def _hold(part: Slice, report: Connection) -> None:
    fleet = [Device(name) for name in part.names]
    await _all([partial(d.enrol, n, part.ports[n], part.tokens[n][d.name]) for d in fleet for n in part.ports])
    report.send("enrolled")
    await asyncio.to_thread(report.recv)
    await _all([partial(d.meet, n, part.ports[n]) for d in fleet for n in part.ports])
    report.send("open")
    await asyncio.to_thread(report.recv)
    for device in fleet:
        for wire in device.wires.values():
            wire.writer.close()


async def measure(made: Network, devices: int, seconds: float, progress: Progress) -> FleetCost:
    """Enrol, open the sessions, negotiate for a while, revoke."""
    ports = {name: node.port for name, node in made.nodes.items()}
    pids = {name: node.process.pid for name, node in made.nodes.items() if node.process is not None}
    names = [f"device-{number:05d}" for number in range(devices)]
    tokens = {name: _tokens(node.folder, names) for name, node in made.nodes.items()}
    holders = [
        _holder(Slice(tuple(names[at : at + IN_A_PROCESS]), ports, tokens)) for at in range(0, devices, IN_A_PROCESS)
    ]
    task = progress.add_task("enrolling", total=None)
    began = time.monotonic()
    await _told(holders, "enrolled")
    enrolled = devices * len(ports) / (time.monotonic() - began)
    before = {name: machine.resident_mib(pid) * 1024 for name, pid in pids.items()}
    progress.update(task, description="opening sessions")
    for _, pipe in holders:
        pipe.send("open")
    await _told(holders, "open")
    taken = {name: (machine.resident_mib(pid) * 1024 - before[name]) / devices for name, pid in pids.items()}
    progress.update(task, description="negotiating")
    found = await _keys(made, ports, seconds, list(pids.values()))
    progress.remove_task(task)
    for process, pipe in holders:
        pipe.send("end")
        process.join()
    return FleetCost(devices, enrolled, taken, *found)


def _holder(part: Slice) -> tuple[SpawnProcess, Connection]:
    here, there = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=hold, args=(part, there), daemon=True)
    process.start()
    return process, here


async def _told(holders: list[tuple[SpawnProcess, Connection]], what: str) -> None:
    for process, pipe in holders:
        while not await asyncio.to_thread(pipe.poll, 1):
            if not process.is_alive():
                raise RuntimeError("a process of the fleet has ended")
        if pipe.recv() != what:
            raise RuntimeError("a process of the fleet said something else")


async def _keys(made: Network, ports: dict[str, int], seconds: float, pids: list[int]) -> tuple[float, ...]:
    """Devices of this process negotiate beside the idle ones: keys a second, times, and what the nodes spend."""
    names = [f"busy-{number:02d}" for number in range(2 * PAIRS)]
    tokens = {name: _tokens(node.folder, names) for name, node in made.nodes.items()}
    fleet = [Device(name) for name in names]
    await _all([partial(d.enrol, n, ports[n], tokens[n][d.name]) for d in fleet for n in ports])
    await _all([partial(d.meet, n, ports[n]) for d in fleet for n in ports])
    wire = fleet[0].wires["n1"]
    round_trip = await _median(wire, StatusRequest(), 50)
    committed = await _median(wire, Keep("bench", "bench", bytes(64)), 50)
    spent = machine.processor_seconds(pids)
    times = sorted(await _negotiate(fleet, seconds))
    spent = machine.processor_seconds(pids) - spent
    return (
        len(times) / seconds,
        times[len(times) // 2] * 1e3,
        times[int(len(times) * 0.99)] * 1e3,
        spent / len(times) * 1e6,
        round_trip * 1e3,
        committed * 1e3,
        await _revocation(fleet) * 1e3,
    )


def _tokens(folder: Path, names: list[str]) -> dict[str, Token]:
    node = open_node(folder)
    with node.database.writing() as connection:
        return {
            name: registry.mint_token(connection, node.key, name, Mode.QKEY, node.now, 86_400, "bench")
            for name in names
        }


async def _all(jobs: list[Callable[[], Awaitable[None]]]) -> None:
    waiting = iter(jobs)

    async def worker() -> None:
        for job in waiting:
            await job()

    await asyncio.gather(*[worker() for _ in range(AT_ONCE)])


async def _median(wire: Wire, said: Message, times: int) -> float:
    found = []
    for _ in range(times):
        began = time.perf_counter()
        await wire.ask(said)
        found.append(time.perf_counter() - began)
    return sorted(found)[times // 2]


async def _negotiate(fleet: list[Device], seconds: float) -> list[float]:
    """Pairs of devices agree on keys, 16 at a time, each pair again and again; seconds that each took."""
    pairs = list(zip(fleet[::2], fleet[1::2], strict=True))
    until, times = time.monotonic() + seconds, []

    async def worker(one: Device, other: Device) -> None:
        while time.monotonic() < until:
            began = time.perf_counter()
            await agree(one, other)
            times.append(time.perf_counter() - began)

    await asyncio.gather(*[worker(*pair) for pair in pairs])
    return times


async def agree(one: Device, other: Device) -> bytes:
    """One key; the direct messages are handed over, those with the nodes travel."""
    nodes = tuple(one.wires)
    first = Initiator(
        one.name, other.name, Wanted("tunnel"), nodes, secrets.token_bytes(32), limits=Limits(), chains={}
    )
    second = Responder(other.name, first.d1, secrets.token_bytes(32), limits=Limits(), chains={}, nodes=nodes)
    first.on_d2(second.d2)
    asked = [(device, side, node) for device, side in ((one, first), (other, second)) for node in nodes]
    answers = await asyncio.gather(*[device.wires[node].ask(side.share_request()) for device, side, node in asked])
    for (_, side, node), answer in zip(asked, answers, strict=True):
        side.on_share(node, expect(ShareResponse, answer))
    mine, d3 = first.derive()
    _, d4 = second.on_d3(d3)  # type: ignore[misc]
    first.on_d4(d4)  # type: ignore[arg-type]
    for device in (one, other):
        for node in nodes:
            device.wires[node].tell(Receipt(mine.sid, mine.kid, 1))
    return mine.kid


async def _revocation(fleet: list[Device]) -> float:
    """From the request to the acknowledgement of a quorum: the middle one of nine."""
    one, other = fleet[0], fleet[1]
    found = []
    for _ in range(9):
        kid = await agree(one, other)
        await one.wires["n1"].ask(StatusRequest())
        began = time.perf_counter()
        answer = expect(Acknowledged, await one.wires["n1"].ask(RevokeKey(kid, 0, other.name, "bench")))
        found.append(time.perf_counter() - began)
        if answer.nodes < answer.needed:
            raise RuntimeError("no quorum has acknowledged the revocation")
    return sorted(found)[4]
