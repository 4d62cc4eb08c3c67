"""Clients that are slow, silent or greedy are cut off at their deadline, and cost the good ones nothing."""

from __future__ import annotations

import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from support import requests as ask
from support.requests import Session
from support.server import Client, RunningServer
from support.wire import PeerClosedError

VERSION = (2, 1)
GOOD = ask.one(VERSION, ask.discover_versions())
CROWD = 60
"""How many slow clients at a time."""
PATIENCE_S = 15
"""The deadlines of these servers are 1.5 and 3 seconds; a loaded machine may be late."""

Attack = Callable[[Client], socket.socket]


def no_handshake(client: Client) -> socket.socket:
    """Connects, and says nothing."""
    return socket.create_connection(client.server.kmip, PATIENCE_S)


def half_a_handshake(client: Client) -> socket.socket:
    """Sends the first bytes of a TLS handshake."""
    plain = socket.create_connection(client.server.kmip, PATIENCE_S)
    plain.sendall(bytes.fromhex("16030100c8010000c403"))
    return plain


def silent(client: Client) -> socket.socket:
    """Connects by mutual TLS, and says nothing."""
    return client.connect(timeout=PATIENCE_S).socket


def header_alone(client: Client) -> socket.socket:
    """Announces a message, and sends none of it."""
    stream = client.connect(timeout=PATIENCE_S).socket
    stream.sendall(GOOD[:8])
    return stream


def https_headers_alone(client: Client) -> socket.socket:
    """Begins an HTTP request, and does not end it."""
    plain = socket.create_connection(client.server.https, PATIENCE_S)
    stream = client.credentials.context().wrap_socket(plain, server_hostname=client.server.https[0])
    stream.sendall(b"POST /kmip HTTP/1.1\r\nHost: kmip\r\n")
    return stream


def https_body_missing(client: Client) -> socket.socket:
    """Announces a body, and sends none of it."""
    stream = https_headers_alone(client)
    stream.sendall(b"Content-Type: application/octet-stream\r\nContent-Length: 1000\r\n\r\n")
    return stream


ATTACKS = [no_handshake, half_a_handshake, silent, header_alone, https_headers_alone, https_body_missing]


@contextmanager
def crowd(client: Client, attack: Attack, size: int = CROWD) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(attack(client)) for _ in range(size)]


def is_closed_in_time(stream: socket.socket) -> bool:
    """Whether the server ends the connection, whatever it says before that."""
    try:
        while stream.recv(4096):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def descriptors(server: RunningServer) -> int:
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in server.processes())


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_slow_client_is_cut_off_and_leaves_nothing_behind(impatient: Client, attack: Attack) -> None:
    with impatient.session(VERSION) as session:
        session.do(ask.discover_versions()).expect_success()
    before = descriptors(impatient.server)
    with crowd(impatient, attack) as slow:
        with impatient.session(VERSION) as session:
            for _ in range(20):
                session.do(ask.discover_versions()).expect_success()
        assert all(is_closed_in_time(stream) for stream in slow)
    deadline = time.monotonic() + PATIENCE_S
    while descriptors(impatient.server) > before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert descriptors(impatient.server) <= before


def test_one_byte_at_a_time_does_not_prolong_the_deadline(impatient: Client) -> None:
    with impatient.connect(timeout=PATIENCE_S) as connection:
        began = time.monotonic()
        with suppress(OSError):
            for byte in GOOD:
                connection.send(bytes([byte]))
                time.sleep(0.1)
                if time.monotonic() - began > PATIENCE_S:
                    raise AssertionError("still open")
        assert is_closed_in_time(connection.socket)
    assert len(GOOD) * 0.1 > 3, "the message would have come to its end"


def test_a_client_within_its_deadlines_is_not_cut_off(impatient: Client) -> None:
    """The negative control."""
    with impatient.session(VERSION) as session:
        for _ in range(4):
            session.do(ask.discover_versions()).expect_success()
            time.sleep(1)


def test_a_client_that_never_reads_is_cut_off_and_holds_little_memory(impatient: Client) -> None:
    with impatient.session(VERSION) as session:
        key = session.do(ask.register_opaque(VERSION, bytes(500_000))).unique_identifier
    before = impatient.server.resident_mib()
    asked = ask.one(VERSION, ask.get(key))
    with ExitStack() as stack:
        greedy = [stack.enter_context(impatient.connect(timeout=PATIENCE_S)) for _ in range(4)]
        for connection in greedy:
            connection.socket.settimeout(0.3)
            with suppress(OSError):
                for _ in range(400):
                    connection.send(asked)
        assert impatient.server.resident_mib() - before < 64
        time.sleep(3)
        with impatient.session(VERSION) as session:
            session.do(ask.discover_versions()).expect_success()
        for connection in greedy:
            connection.socket.settimeout(PATIENCE_S)
            received = 0
            with suppress(PeerClosedError):
                while True:
                    received += len(connection.receive())
            assert received < 400 * 500_000


def test_connections_that_are_reset_cost_nothing(impatient: Client) -> None:
    before = descriptors(impatient.server)
    reset = struct.pack("ii", 1, 0)
    for _ in range(500):
        plain = socket.create_connection(impatient.server.kmip, PATIENCE_S)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        plain.close()
    with impatient.session(VERSION) as session:
        session.do(ask.discover_versions()).expect_success()
    deadline = time.monotonic() + PATIENCE_S
    while descriptors(impatient.server) > before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert descriptors(impatient.server) <= before


def test_clients_without_a_certificate_are_refused_again_and_again(impatient: Client) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(impatient.credentials.authority)
    for _ in range(50):
        plain = socket.create_connection(impatient.server.kmip, PATIENCE_S)
        try:
            with context.wrap_socket(plain, server_hostname=impatient.server.kmip[0]) as stream:
                stream.sendall(GOOD)
                assert stream.recv(1) == b""
        except OSError:
            plain.close()
    with impatient.session(VERSION) as session:
        session.do(ask.discover_versions()).expect_success()


def test_a_good_client_works_while_a_crowd_of_slow_ones_is_there(fresh_server: RunningServer) -> None:
    client = fresh_server.add_client("client")
    with ExitStack() as stack:
        for attack in (no_handshake, silent, header_alone, https_body_missing):
            stack.enter_context(crowd(client, attack))
        with client.connect() as connection:
            session = Session(connection, VERSION)
            for _ in range(30):
                session.key_material(session.create_aes())
