"""Devices of the SDK on a real network, a proxy that loses what passes through it, and tests that are coroutines."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from network import Network
from support.streams import StreamServer

from dscc.device import Device
from dscc.enrolment import Address, EnrolmentCode, read_enrolment
from dscc.registration import Mode
from dscc.wire import Frame, FrameKind, FrameReader, Message, decode, encode, write_frame

NAMES = tuple(f"d{number:03}" for number in range(300))
POLICY = f"""
group_workflows = {{ fleet = "short", careful = "careful", coded = "coded", long = "long", many = "many" }}

[users]
olga = {{ roles = ["security officer"] }}

[devices]
{chr(10).join(f'{name} = {{ groups = ["fleet"] }}' for name in NAMES)}
stranger = {{ groups = [] }}
carl = {{ groups = ["careful"] }}
cody = {{ groups = ["coded"] }}
mary = {{ groups = ["many"] }}
{chr(10).join(f'lo{number} = {{ groups = ["long"] }}' for number in range(9))}

[workflows.short]
version = 1
stages = [{{ name = "production" }}]

[workflows.long]
version = 1
stages = [{{ name = "bootstrap" }}, {{ name = "quarantine" }}, {{ name = "production" }}]

[workflows.careful]
version = 1
stages = [{{ name = "bootstrap" }}, {{ name = "production", approvals = [
    {{ needed = 1, roles = ["security officer"], within = "1h" }},
] }}]

[workflows.coded]
version = 1
stages = [{{ name = "bootstrap" }}, {{ name = "production", keyfill = "kem+oob" }}]

[workflows.many]
version = 1
stages = [{{ name = "bootstrap" }}, {{ name = "production", keyfill = "multipath" }}]

[[rules]]
name = "the fleet forms keys"
effect = "allow"
subjects = ["group:fleet"]
actions = ["DSCC_NEGOTIATE", "DSCC_TUNNEL", "DSCC_GROUP_JOIN"]
resource = {{ object_types = ["PAIR"], pair = ["group:fleet", "group:fleet"] }}

[[rules]]
name = "what lies for long is hardened"
effect = "require"
subjects = ["anyone"]
actions = ["DSCC_NEGOTIATE"]
resource = {{ object_types = ["PAIR"], uses = ["hardened"] }}
require = {{ kem = true }}
"""


class Fleet:
    """A network, and devices on it, in folders of their own."""

    _names = count()

    def __init__(self, nodes: Network, folder: Path) -> None:
        self.nodes, self.folder = nodes, folder

    def name(self) -> str:
        """A name that no other test has: each is lower than the next."""
        return NAMES[next(self._names)]

    def code(self, name: str, mode: Mode = Mode.QKEY, through: dict[str, Address] | None = None) -> EnrolmentCode:
        """An enrolment code; `through` has addresses of proxies instead of nodes'."""
        read = read_enrolment(self.nodes.code(name, mode))
        nodes = [each._replace(address=(through or {}).get(each.node, each.address)) for each in read.nodes]
        return read._replace(nodes=tuple(nodes))

    async def device(self, name: str | None = None, config: str = "", **how: Any) -> Device:
        """A device that is enrolled, and open."""
        name = name or self.name()
        folder = self.folder / name
        if config:
            folder.mkdir(mode=0o700, parents=True)
            (folder / "device.toml").write_text(config)
        return await Device.enrol(folder, self.code(name), **how)

    async def pair(self, config: str = "") -> tuple[Device, Device, Address]:
        """Two devices, the first of which has the lower name, and where the second one listens."""
        one, other = await self.device(config=config), await self.device(config=config)
        return one, other, await other.listen()


def asynchronous(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """A test that is a coroutine, in an event loop of its own. What is left undone in a minute fails."""

    @functools.wraps(test)
    def run(*positional: Any, **named: Any) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(60):
                await test(*positional, **named)

        asyncio.run(bounded())

    return run


async def until(holds: Callable[[], Any]) -> None:
    """Wait until something holds."""
    while not holds():
        await asyncio.sleep(0.01)


class Passing(NamedTuple):
    """A frame on its way through a proxy; `outward` is from who connected."""

    outward: bool
    frame: Frame
    number: int

    @property
    def said(self) -> Message | None:
        """The message, if it is in the clear."""
        return decode(self.frame.body) if self.frame.kind is FrameKind.MESSAGE else None


class Proxy(StreamServer):
    """Passes frames on. `judge` says of each: "pass", "lose" (it never arrives), or "cut" (the connection ends).

    It may also give a message, which its sender gets as the answer.
    """

    def __init__(self, target: Address) -> None:
        super().__init__()
        self.target = target
        self.judge: Callable[[Passing], str | Message] = lambda _: "pass"
        self.seen: list[Passing] = []
        self.connections = 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            inward, outward = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        passing = [self._pass(reader, outward, True, writer), self._pass(inward, writer, False, outward)]
        ends = [asyncio.ensure_future(each) for each in passing]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
            writer.transport.abort()
            outward.transport.abort()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, outward: bool, back: asyncio.StreamWriter
    ) -> None:
        frames, number = FrameReader(), 0
        while data := await reader.read(65_536):
            for frame in frames.feed(data):
                passing = Passing(outward, frame, number)
                number += 1
                self.seen.append(passing)
                verdict = self.judge(passing)
                if verdict == "cut":
                    return
                if isinstance(verdict, tuple):
                    back.write(write_frame(FrameKind.MESSAGE, encode(verdict)))
                elif verdict == "pass":
                    writer.write(write_frame(frame.kind, frame.body))


def cut_once(kind: type, times: int = 1) -> Callable[[Passing], str]:
    """Ends the connection so often instead of passing a message of this type on."""
    left = [times]

    def judge(passing: Passing) -> str:
        if left[0] and isinstance(passing.said, kind):
            left[0] -= 1
            return "cut"
        return "pass"

    return judge
