"""The gateway: devices are passed on to services behind a node, if the policy allows it, and no further."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from network import POLICY, PlainDevice, network

from dscc.errors import Reason
from dscc.messages import Refused, Route, Routed

ROUTED = """
[[rules]]
name = "billing"
effect = "allow"
subjects = ["device:alice"]
actions = ["DSCC_ROUTE"]
resource = { object_types = ["SERVICE"], names = ["billing", "silent", "gone", "large"] }
"""


class Service:
    """A service that reads two frames and does what a test wants."""

    def __init__(self, answer: Callable[[socket.socket, bytes, bytes], None]) -> None:
        self._answer = answer
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with connection:
                self._answer(connection, _frame(connection), _frame(connection))

    def close(self) -> None:
        self._server.close()


def _frame(connection: socket.socket) -> bytes:
    (size,) = struct.unpack(">I", connection.recv(4, socket.MSG_WAITALL))
    return connection.recv(size, socket.MSG_WAITALL) if size else b""


def echo(connection: socket.socket, device: bytes, body: bytes) -> None:
    said = device + b": " + body
    connection.sendall(struct.pack(">I", len(said)) + said)


def silent(connection: socket.socket, device: bytes, body: bytes) -> None:
    return


def large(connection: socket.socket, device: bytes, body: bytes) -> None:
    connection.sendall(struct.pack(">I", 1 << 31) + bytes(1000))


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PlainDevice, PlainDevice]]:
    services = {"billing": Service(echo), "silent": Service(silent), "large": Service(large)}
    with network(Path(tmp_path_factory.mktemp("gateway")), count=1, policy=POLICY + ROUTED, linked=False) as made:
        node = made.nodes["n1"]
        node.stop()
        lines = [f'{name} = "{service.address}"' for name, service in services.items()]
        settings = node.folder / "node.toml"
        kept = settings.read_text().replace("[services]\n", "")
        settings.write_text(kept + "\n[services]\n" + "\n".join(lines) + '\ngone = "127.0.0.1:1"\n')
        node.start()
        yield made.produce("alice"), made.produce("bob")
        made.close_devices()
    for service in services.values():
        service.close()


def ask(device: PlainDevice, service: str, body: bytes = b"a bill") -> object:
    return device.session("n1").ask(Route(service, body))


def test_what_a_device_says_reaches_the_service_with_its_name(gateway: tuple[PlainDevice, PlainDevice]) -> None:
    alice, _ = gateway
    assert ask(alice, "billing") == Routed(b"alice: a bill")
    assert ask(alice, "billing", b"") == Routed(b"alice: ")
    whole = bytes(40_000)
    assert ask(alice, "billing", whole) == Routed(b"alice: " + whole)


@pytest.mark.parametrize("service", ["silent", "large", "gone"])
def test_a_service_that_does_not_answer_is_a_refusal_and_the_session_goes_on(
    gateway: tuple[PlainDevice, PlainDevice], service: str
) -> None:
    alice, _ = gateway
    answer = ask(alice, service)
    assert isinstance(answer, Refused) and answer.reason == Reason.FAILED
    assert alice.status("n1").stage == "production"


def test_nobody_is_passed_on_whom_no_rule_allows_and_nowhere_else(gateway: tuple[PlainDevice, PlainDevice]) -> None:
    alice, bob = gateway
    for device, service in ((bob, "billing"), (alice, "payroll")):
        answer = ask(device, service)
        assert isinstance(answer, Refused) and answer.reason == Reason.POLICY_DENIED
