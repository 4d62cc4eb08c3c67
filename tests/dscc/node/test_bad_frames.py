"""Bad input over the wire: each is told a reason or cut off, nothing stops the node, and others go on meanwhile."""

from __future__ import annotations

import json
import secrets
import socket
import struct
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from network import Network, PlainDevice, Wire

from dscc import direct_messages, messages
from dscc.direct_messages import D1
from dscc.errors import Reason
from dscc.messages import M1, M3, R1, R3, Refused, StatusRequest
from dscc.node.audit import Refusals
from dscc.session import DeviceHandshake
from dscc.wire import FRAME_BYTES, FrameKind, FrameReader, decode, encode, write_frame


@pytest.fixture(scope="module")
def witness(nodes: Network) -> Iterator[PlainDevice]:
    """A device in a session, which has to go on whatever others send; another one was never in a session."""
    nodes.enrol("untouched")
    device = nodes.enrol("witness")
    yield device
    device.close()


def sent(nodes: Network, data: bytes, *, answered: bool = False) -> list[Refused]:
    """What the node answers to these bytes until it closes; if it will not, this end does."""
    with socket.create_connection(("127.0.0.1", nodes.nodes["n1"].port), timeout=15) as plain:
        plain.sendall(data)
        if not answered:
            plain.shutdown(socket.SHUT_WR)
        reader, said = FrameReader(), []
        while received := plain.recv(65536):
            said += [decode(frame.body) for frame in reader.feed(received)]
    return said  # type: ignore[return-value]


def alive(nodes: Network) -> None:
    device = nodes.enrol(f"alive-{secrets.token_hex(4)}")
    assert device.status("n1").stage == "bootstrap"


def m1(**change: object) -> bytes:
    said = M1("witness", "n1", "bootstrap", 0, 0, bytes(32), bytes(48))
    return write_frame(FrameKind.MESSAGE, encode(said._replace(**change)))  # type: ignore[arg-type]


R1_ = R1(("DSCC1-S384",), "qkey", bytes(16), "x", "n1", (), bytes(32), b"", bytes(48))
CASES = {
    "nothing": (b"", None),
    "half a header": (b"\x00\x00", None),
    "zero length": (bytes(5), Reason.MALFORMED),
    "one byte too many": (struct.pack(">IB", FRAME_BYTES + 1, 1), Reason.MALFORMED),
    "four gigabytes": (b"\xff\xff\xff\xff\x01", Reason.MALFORMED),
    "unknown kind": (b"\x00\x00\x00\x02\x07x", Reason.MALFORMED),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(60), Reason.MALFORMED),
    "HTTP": (b"GET / HTTP/1.1\r\nHost: n1\r\n\r\n", Reason.MALFORMED),
    "no CBOR": (write_frame(FrameKind.MESSAGE, b"\xff\xff"), Reason.MALFORMED),
    "nested": (write_frame(FrameKind.MESSAGE, b"\x81" * 60_000), Reason.MALFORMED),
    "a large array": (write_frame(FrameKind.MESSAGE, b"\x9b" + b"\xff" * 8), Reason.MALFORMED),
    "unknown message": (write_frame(FrameKind.MESSAGE, b"\x81\x19\x03\xe7"), Reason.MALFORMED),
    "a record without a session": (write_frame(FrameKind.RECORD, bytes(40)), Reason.OUT_OF_ORDER),
    "devices' own message": (
        write_frame(
            FrameKind.MESSAGE,
            encode(D1((), "a", "b", "t", "AES", 256, 0, "", 0, (), bytes(32), b"", 0, b"")),
        ),
        Reason.OUT_OF_ORDER,
    ),
    "M3 first": (write_frame(FrameKind.MESSAGE, encode(M3(bytes(48)))), Reason.OUT_OF_ORDER),
    "R3 first": (write_frame(FrameKind.MESSAGE, encode(R3(bytes(48)))), Reason.OUT_OF_ORDER),
    "another node": (m1(node="n2"), Reason.NOT_AUTHENTIC),
    "a forged MAC": (m1(device="untouched"), Reason.NOT_AUTHENTIC),
    "a device that is not there": (m1(device="nobody"), Reason.NOT_AUTHENTIC),
    "a link that is not there": (m1(device="node:n9"), Reason.NOT_AUTHENTIC),
    "far ahead": (m1(epoch=1000), Reason.CHAIN_BROKEN),
    "another stage": (m1(stage="production"), Reason.CHAIN_BROKEN),
    "no such token": (write_frame(FrameKind.MESSAGE, encode(R1_)), Reason.TOKEN_REFUSED),
    "no such mode": (write_frame(FrameKind.MESSAGE, encode(R1_._replace(mode="magic"))), Reason.TOKEN_REFUSED),
    "another node's token": (write_frame(FrameKind.MESSAGE, encode(R1_._replace(node="n2"))), Reason.NOT_AUTHENTIC),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_told_and_the_connection_ends(nodes: Network, witness: PlainDevice, case: str) -> None:
    data, reason = CASES[case]
    if reason is None:
        assert sent(nodes, data) == []
    else:
        (answer,) = sent(nodes, data, answered=True)
        assert isinstance(answer, Refused) and answer.reason == reason
        assert "Traceback" not in answer.words and "/" not in answer.words
        assert any(reason in row["detail"] for row in refusals(nodes))
    assert witness.status("n1").stage == "bootstrap"


def refusals(nodes: Network) -> list[dict[str, str]]:
    """What is on record of refused handshakes and sessions."""
    rows = json.loads(nodes.nodes["n1"].run("audit", "--json"))
    return [row for row in rows if row["action"] in ("Handshake", "Session", "Registration")]


def test_refusals_are_on_record_so_many_a_minute_and_the_rest_is_counted() -> None:
    kept = Refusals()
    entries = [kept.entry(60, "", "Handshake", "malformed: x") for _ in range(Refusals.MOST + 30)]
    assert sum(entry is not None for entry in entries) == Refusals.MOST
    later = kept.entry(120, "meter", "Session", "not-authentic: y")
    assert later is not None and later.detail.endswith("30 more were not put on record before")
    assert kept.entry(121, "", "Session", "z").detail == "z"  # type: ignore[union-attr]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=2000))
def test_no_bytes_stop_a_node(nodes: Network, witness: PlainDevice, data: bytes) -> None:
    assert len(sent(nodes, data)) <= 1
    assert witness.status("n1").stage == "bootstrap"


ALL = [each for room in (messages, direct_messages) for each in vars(room).values() if hasattr(each, "_fields")]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200))
def test_no_bytes_in_a_session_stop_a_node(nodes: Network, body: bytes) -> None:
    device = nodes.devices[0] if nodes.devices else nodes.enrol("insider")
    wire = device.session("n1")
    assert wire.session is not None
    wire.socket.sendall(write_frame(FrameKind.RECORD, wire.session.seal(body)))
    try:
        while True:
            assert isinstance(wire.record()[1], Refused)
    except ConnectionError:
        device.close("n1")
    assert device.status("n1").stage == "bootstrap"


def test_records_that_are_not_the_next_one_end_the_session(nodes: Network) -> None:
    device = nodes.enrol("replayer")
    for mangle in (lambda one: one + one, lambda one: one[:-1] + bytes([one[-1] ^ 1])):
        wire = device.session("n1")
        assert wire.session is not None
        record = write_frame(FrameKind.RECORD, wire.session.seal(bytes(8) + encode(StatusRequest())))
        wire.socket.sendall(mangle(record))
        with pytest.raises(ConnectionError):
            while True:
                wire.frame()
        device.close("n1")
    assert device.status("n1").stage == "bootstrap"


def test_a_handshake_takes_one_message_at_a_time(nodes: Network) -> None:
    device = nodes.enrol("hasty")
    begun = DeviceHandshake("hasty", "n1", device.chains["n1"], secrets.token_bytes(32))
    with closing(Wire(device.ports["n1"])) as wire:
        frame = write_frame(FrameKind.MESSAGE, encode(begun.m1))
        wire.socket.sendall(frame + frame)
        said = decode(wire.frame().body)
        assert isinstance(said, Refused) and said.reason == Reason.OUT_OF_ORDER
    assert device.status("n1").stage == "bootstrap"


def test_who_says_nothing_is_not_waited_for_by_others(nodes: Network) -> None:
    idle = [socket.create_connection(("127.0.0.1", nodes.nodes["n1"].port)) for _ in range(200)]
    try:
        alive(nodes)
    finally:
        for each in idle:
            each.close()


def test_a_frame_that_comes_byte_by_byte_is_read(nodes: Network) -> None:
    device = nodes.enrol("slow")
    begun = DeviceHandshake("slow", "n1", device.chains["n1"], secrets.token_bytes(32))
    with closing(Wire(device.ports["n1"])) as wire:
        wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in write_frame(FrameKind.MESSAGE, encode(begun.m1)):
            wire.socket.sendall(bytes([byte]))
        assert type(decode(wire.frame().body)).__name__ == "M2"
