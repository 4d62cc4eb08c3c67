"""A real network for tests: nodes as processes with their own folders, and devices that speak to them over sockets.

The devices here do what docs/dscc-protocol.md says and no more, one thing after the other: they are not the SDK.
"""

from __future__ import annotations

import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from dscc.agreement import Agreement, Limits, Wanted
from dscc.enrolment import EnrolmentCode, EnrolmentNode, read_enrolment
from dscc.errors import DsccError, Reason
from dscc.hardening import KemKey
from dscc.keyfill import STEP_KEM, DeviceKeyfill, KeyfillMode
from dscc.messages import (
    M2,
    M4,
    R2,
    R4,
    T2,
    T4,
    Missed,
    MissedRequest,
    PieceRequest,
    Receipt,
    Refused,
    ShareResponse,
    StatusRequest,
)
from dscc.node.cli.main import main
from dscc.pairwise import Initiator, Responder
from dscc.primitives import NOTHING
from dscc.registration import REGISTRATION_KEM, DeviceRegistration, Mode
from dscc.session import Chain, DeviceHandshake, Session, begin_chain
from dscc.wire import FrameKind, FrameReader, Message, decode, encode, expect, write_frame

TUNNEL, ANY = Wanted("tunnel"), Limits()
NODE = str(Path(sys.executable).with_name("dscc-node"))
POLICY = """
[users]
olga = { roles = ["security officer"] }
otto = { roles = ["operator"] }

[devices]
alice = { groups = ["fleet"] }
bob = { groups = ["fleet"] }
carol = { groups = ["fleet"] }
dave = { groups = ["fleet"] }

[[rules]]
name = "the fleet forms keys"
effect = "allow"
subjects = ["group:fleet"]
actions = ["DSCC_NEGOTIATE", "DSCC_TUNNEL", "DSCC_GROUP_JOIN"]
resource = { object_types = ["PAIR"], pair = ["group:fleet", "group:fleet"] }
"""
WORKFLOW = """
[workflows.default]
version = 1
stages = [{ name = "bootstrap", keyfill = "MODE" }, { name = "production", keyfill = "MODE" }]
"""


def command(*words: object, check: bool = True) -> str:
    """What dscc-node prints, run in this process; its refusal is raised unless `check` is false, and then answered."""
    said, refused = StringIO(), StringIO()
    with redirect_stdout(said), redirect_stderr(refused):
        code = main([str(word) for word in words])
    if check and code:
        raise AssertionError(f"dscc-node {' '.join(map(str, words))}: {refused.getvalue()}")
    return said.getvalue() if code == 0 else refused.getvalue()


class RunningNode:
    """A node's folder and, while it runs, its process."""

    def __init__(self, folder: Path, name: str, port: int) -> None:
        self.folder, self.name, self.port = folder, name, port
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        asked = [NODE, "serve", str(self.folder), "--log-format", "json"]
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(asked, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith(f"dscc-node ready {self.name}"), (self.folder / "log").read_text()

    @property
    def links(self) -> int:
        """How many links were opened since the log began."""
        return (self.folder / "log").read_text().count('"link open"')

    def wait_linked(self, links: int) -> None:
        """Wait until so many links were opened since the log began."""
        deadline = time.monotonic() + 20
        while self.links < links:
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.02)

    def stop(self, how: int = signal.SIGTERM) -> int:
        if self.process is None:
            return 0
        self.process.send_signal(how)
        code = self.process.wait(20)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.process = None
        return code

    def run(self, *words: object, check: bool = True) -> str:
        """A command about this node: the first word or two are the command's, its folder follows."""
        at = 2 if words[0] in ("device", "policy", "peer") else 1
        return command(*words[:at], self.folder, *words[at:], check=check)


class Network:
    """Nodes that are linked and have the same policy."""

    def __init__(self, folder: Path, count: int = 3, policy: str = POLICY, *, linked: bool = True) -> None:
        self.folder = folder
        self.nodes: dict[str, RunningNode] = {}
        self.devices: list[PlainDevice] = []
        for number, port in enumerate(free_ports(count), 1):
            name = f"n{number}"
            command("init", folder / name, "--name", name, "--port", port)
            self.nodes[name] = RunningNode(folder / name, name, port)
        if linked:
            self._link()
        self.adopt(policy)
        for node in self.nodes.values():
            node.start()

    def _link(self) -> None:
        names = sorted(self.nodes)
        for place, one in enumerate(names):
            for other in names[place + 1 :]:
                code = self.folder / f"{one}-{other}.code"
                code.write_text(command("peer", "code"))
                for mine, theirs in ((one, other), (other, one)):
                    address = f"127.0.0.1:{self.nodes[theirs].port}"
                    self.nodes[mine].run("peer", "add", theirs, address, "--code-file", code)

    def adopt(self, policy: str) -> None:
        file = self.folder / "policy.toml"
        file.write_text(policy)
        for node in self.nodes.values():
            node.run("policy", "import", file)

    def adopt_device(self, name: str) -> None:
        """Have one more device in the fleet, by another version of the policy."""
        policy = (self.folder / "policy.toml").read_text()
        self.adopt(policy.replace("[devices]", f'[devices]\n{name} = {{ groups = ["fleet"] }}'))

    def code(self, device: str, mode: Mode = Mode.QKEY) -> str:
        parts = [node.run("device", "add", device, "--mode", mode.value).strip() for node in self.nodes.values()]
        return command("code", "join", *parts).strip()

    def enrol(self, device: str, mode: Mode = Mode.QKEY) -> PlainDevice:
        made = self.device(device)
        made.enrol(self.code(device, mode))
        return made

    def device(self, name: str) -> PlainDevice:
        """A device that has nothing yet; `close_devices` closes its connections."""
        made = PlainDevice(name)
        self.devices.append(made)
        return made

    def close_devices(self) -> None:
        for device in self.devices:
            device.close()
        self.devices.clear()

    def produce(self, device: str) -> PlainDevice:
        """A device that is enrolled and has come to production at every node, by the default workflow."""
        made = self.enrol(device)
        for name in self.nodes:
            made.advance(name, "quarantine")
            made.advance(name, "production")
        return made

    def wait_linked(self) -> None:
        """Wait until every node has links to all others."""
        for node in self.nodes.values():
            node.wait_linked(len(self.nodes) - 1)

    def stop(self) -> None:
        self.close_devices()
        for node in self.nodes.values():
            node.stop(signal.SIGKILL)


@contextmanager
def network(folder: Path, **how: Any) -> Iterator[Network]:
    made = Network(folder, **how)
    try:
        yield made
    finally:
        made.stop()


def free_ports(count: int) -> list[int]:
    """Ports below those that the system gives out by itself: nobody takes one before a node binds it."""
    found: list[int] = []
    while len(found) < count:
        port = 10_000 + secrets.randbelow(22_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found


def eventually(holds: Callable[[], object], within: float = 30) -> None:
    """Wait until something holds, so many seconds at most."""
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Wire:
    """A connection to a node: messages in the clear, and records once there is a session."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=15)
        self.reader, self.frames = FrameReader(), []
        self.session: Session | None = None
        self.number = 0
        self.events: list[Message] = []

    def send(self, said: Message) -> None:
        self.socket.sendall(write_frame(FrameKind.MESSAGE, encode(said)))

    def frame(self) -> Any:
        while not self.frames:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError("closed by the node")
            self.frames += list(self.reader.feed(data))
        return self.frames.pop(0)

    def receive(self, wanted: Any) -> Any:
        return expect(wanted, _checked(decode(self.frame().body)))

    def ask(self, said: Message) -> Message:
        """Ask in the session, and answer the answer, a refusal too."""
        assert self.session is not None
        self.say(said)
        while True:
            number, answer = self.record()
            if number == self.number:
                return answer
            self.events.append(answer)

    def say(self, said: Message) -> None:
        self.socket.sendall(self.sealed(said))

    def sealed(self, said: Message) -> bytes:
        """The next frame of the session."""
        assert self.session is not None
        self.number += 1
        return write_frame(FrameKind.RECORD, self.session.seal(self.number.to_bytes(8, "big") + encode(said)))

    def record(self) -> tuple[int, Message]:
        assert self.session is not None
        plain = self.session.open(self.frame().body)
        return int.from_bytes(plain[:8], "big"), decode(plain[8:])

    def close(self) -> None:
        self.socket.close()


def _checked(said: Message) -> Message:
    if isinstance(said, Refused):
        raise DsccError(Reason(said.reason), said.words)
    return said


class PlainDevice:
    """A device: its chains, by node, and the sessions that it has open."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.chains: dict[str, Chain] = {}
        self.ports: dict[str, int] = {}
        self.wires: dict[str, Wire] = {}
        self.short_strings: dict[str, str] = {}
        self.heard: dict[str, bytes] = {}

    def enrol(self, code: str) -> None:
        read: EnrolmentCode = read_enrolment(code)
        for entry in read.nodes:
            self.ports[entry.node] = entry.address.port
            asks = self.registration(entry, read.mode)
            with closing(Wire(entry.address.port)) as wire:
                wire.send(asks.r1)
                r3 = asks.on_r2(wire.receive(R2))
                self.short_strings[entry.node] = asks.short_string
                wire.send(r3)
                self.chains[entry.node] = begin_chain(asks.on_r4(wire.receive(R4)))

    def registration(self, entry: EnrolmentNode, mode: Mode) -> DeviceRegistration:
        kem = None if mode is Mode.QKEY else KemKey(REGISTRATION_KEM)
        return DeviceRegistration(self.name, entry.node, mode, entry.token, secrets.token_bytes(32), kem)

    def session(self, node: str) -> Wire:
        """The session with a node, opened if there is none."""
        known = self.wires.get(node)
        if known is not None:
            return known
        wire = self.wires[node] = Wire(self.ports[node])
        try:
            begun = DeviceHandshake(self.name, node, self.chains[node], secrets.token_bytes(32))
            wire.send(begun.m1)
            self.chains[node], m3 = begun.on_m2(wire.receive(M2))
            wire.send(m3)
            wire.session = begun.on_m4(wire.receive(M4))
            more = 1
            while more:
                said = expect(Missed, _checked(wire.ask(MissedRequest(self.heard.get(node, b"")))))
                self.heard[node], more = said.heard, said.more
        except BaseException:
            self.close(node)
            raise
        return wire

    def close(self, node: str | None = None) -> None:
        for name in [node] if node else list(self.wires):
            if (wire := self.wires.pop(name, None)) is not None:
                wire.close()

    def status(self, node: str) -> Any:
        return self.session(node).ask(StatusRequest())

    def advance(
        self, node: str, stage: str, mode: KeyfillMode = KeyfillMode.KEM, code: bytes = NOTHING, **how: Any
    ) -> None:
        """Take a step. Raises DsccError, also if it waits."""
        kem = KemKey(STEP_KEM) if mode.takes_kem else None
        asks = DeviceKeyfill(self.chains[node], stage, secrets.token_bytes(32), kem, **how)
        wire = self.session(node)
        t2: T2 = expect(T2, _checked(wire.ask(asks.t1)))
        pieces = tuple(
            _checked(self.session(other).ask(PieceRequest(node, t2.ratchet))).piece  # type: ignore[attr-defined]
            for other in t2.pieces
        )
        chain, t3 = asks.on_t2(t2, mode, code, pieces)
        asks.on_t4(expect(T4, _checked(wire.ask(t3))))
        self.chains[node] = chain
        self.close(node)


def agree(
    one: PlainDevice,
    other: PlainDevice,
    wanted: Wanted = TUNNEL,
    limits: Limits = ANY,
    **how: Any,
) -> tuple[Agreement, Agreement]:
    """A key for two devices over the nodes that they both know, each message handed over directly."""
    nodes = tuple(sorted(set(one.ports) & set(other.ports)))
    first = Initiator(one.name, other.name, wanted, nodes, secrets.token_bytes(32), limits=limits, chains={})
    second = Responder(other.name, first.d1, secrets.token_bytes(32), limits=limits, chains={}, nodes=nodes)
    first.on_d2(second.d2)
    refusals: list[DsccError] = []
    for device, side in ((one, first), (other, second)):
        for node in side.nodes:
            try:
                answer = _checked(device.session(node).ask(side.share_request()))
            except DsccError as error:
                refusals.append(error)
            except OSError:
                device.close(node)
            else:
                side.on_share(node, expect(ShareResponse, answer))
    if refusals and any(error.reason in (Reason.POLICY_DENIED, Reason.REVOKED) for error in refusals):
        raise refusals[0]
    mine, d3 = first.derive()
    answered = second.on_d3(d3)
    assert not hasattr(answered, "_fields"), answered
    theirs, d4 = answered  # type: ignore[misc]
    first.on_d4(d4)
    for device in (one, other):
        for node in mine.nodes:
            device.session(node).say(Receipt(mine.sid, mine.kid, 1))
    return mine, theirs
