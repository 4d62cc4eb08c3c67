"""No node knows the key: its store, its log, what it sends and receives, and its memory are searched for it.

A node does hold the shares while a session is under way: that is the control which shows that the search finds things.
"""

from __future__ import annotations

import base64
import re
import socket
import threading
from pathlib import Path

from network import Network, PlainDevice, agree, network

from dscc.agreement import Agreement


def forms(secret: bytes) -> list[bytes]:
    """A secret as it may stand somewhere."""
    return [secret, secret.hex().encode(), base64.b64encode(secret), base64.urlsafe_b64encode(secret), secret[::-1]]


def memory_of(pid: int) -> bytes:
    """All that a process has in its memory and may write."""
    found = []
    with Path(f"/proc/{pid}/maps").open() as maps, Path(f"/proc/{pid}/mem").open("rb", 0) as memory:
        for line in maps:
            area = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if area is None:
                continue
            start, end = int(area[1], 16), int(area[2], 16)
            try:
                memory.seek(start)
                found.append(memory.read(end - start))
            except (OSError, ValueError, OverflowError):
                continue
    return b"".join(found)


def everything_of(made: Network) -> bytes:
    """What all nodes have in files and in memory."""
    parts = []
    for node in made.nodes.values():
        assert node.process is not None
        parts += [file.read_bytes() for file in node.folder.iterdir() if file.is_file()]
        parts.append(memory_of(node.process.pid))
    return b"".join(parts)


class Tap:
    """A port before a node's that passes on and keeps what goes through it."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.heard = bytearray()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._to))
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(65536):
                self.heard += data
                other.sendall(data)
        except OSError:
            pass
        finally:
            one.close(), other.close()

    def close(self) -> None:
        self._server.close()


def secrets_of(agreement: Agreement) -> list[bytes]:
    return [agreement.key, agreement.chain.secret]


def produced(made: Network, taps: dict[str, Tap], name: str) -> PlainDevice:
    device = made.produce(name)
    device.close()
    device.ports = {node: tap.port for node, tap in taps.items()}
    return device


def test_nothing_that_nodes_have_and_nothing_on_the_wire_holds_the_key(tmp_path: Path) -> None:
    with network(tmp_path, linked=False) as made:
        taps = {name: Tap(node.port) for name, node in made.nodes.items()}
        alice, bob = produced(made, taps, "alice"), produced(made, taps, "bob")
        keys = [secret for _ in range(3) for secret in secrets_of(agree(alice, bob)[0])]
        alice.status("n1"), bob.status("n1")
        nodes, wire = everything_of(made), b"".join(bytes(tap.heard) for tap in taps.values())
        assert len(nodes) > 10_000_000 and len(wire) > 5_000
        for secret in keys:
            for form in forms(secret):
                assert form not in nodes and form not in wire
        made.close_devices()
        for tap in taps.values():
            tap.close()


def test_the_search_finds_what_a_node_does_have(tmp_path: Path) -> None:
    """A share that is under way is in the memory of its node, and of no other, and never in a file."""
    from dscc.messages import ShareRequest, ShareResponse

    with network(tmp_path, count=2, linked=False) as made:
        alice = made.produce("alice")
        made.produce("bob")
        answer = alice.session("n1").ask(ShareRequest(bytes(48), "alice", "bob", "initiator", "tunnel", "AES", 256, 0))
        assert isinstance(answer, ShareResponse)
        pids = {name: node.process.pid for name, node in made.nodes.items() if node.process is not None}
        assert answer.share in memory_of(pids["n1"])
        assert answer.share not in memory_of(pids["n2"])
        files = b"".join(file.read_bytes() for node in made.nodes.values() for file in node.folder.iterdir())
        assert answer.share not in files
        made.close_devices()


def test_a_share_is_gone_from_a_node_when_both_are_done(tmp_path: Path) -> None:
    with network(tmp_path, count=1, linked=False) as made:
        from dscc.messages import Receipt, ShareRequest, ShareResponse

        alice, bob = made.produce("alice"), made.produce("bob")
        asked = ShareRequest(bytes(48), "alice", "bob", "initiator", "tunnel", "AES", 256, 0)
        first = alice.session("n1").ask(asked)
        bob.session("n1").ask(asked._replace(role="responder"))
        for device in (alice, bob):
            device.session("n1").say(Receipt(bytes(48), bytes(16), 1))
            device.status("n1")
        again = alice.session("n1").ask(asked)
        assert isinstance(first, ShareResponse) and isinstance(again, ShareResponse)
        assert first.share != again.share
        made.close_devices()
