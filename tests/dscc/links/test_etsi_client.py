"""The client against a real HTTPS server with mutual TLS, and an independent client against the same server."""

from __future__ import annotations

import base64
import json
import logging
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from etsi_qkd_014_client import QKD014Client
from optics import seeded
from support.kme import Authority, Kme, reply

from dscc.links.chain import Answering, Asking, begin_link, draw, hear
from dscc.links.etsi_client import Credentials, Etsi014Client
from dscc.links.local import LocalPSK
from dscc.links.satellite import Orbit, Pass, SimSatellite
from dscc.links.source import (
    LinkError,
    SourceAnswerError,
    SourceEmptyError,
    SourceRefusedError,
    SourceRequestError,
    SourceUnreachableError,
)
from dscc.primitives import S384

TIMEOUT = 2.0


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def satellite() -> SimSatellite:
    """Behind the KME: the simulated network, with a buffer that is full."""
    now = [0.0]
    orbit = Orbit(5600, (Pass("n1", "n2", 0, 100, (20, 20)),), pulse_rate=5e6)
    network = SimSatellite(orbit, lambda: now[0], seeded(1))
    now[0] = 300.0
    assert network.status("n1", "n2").stored_keys > 20
    return network


@pytest.fixture(scope="module")
def shared(authority: Authority, satellite: SimSatellite) -> Iterator[Kme]:
    running = Kme(authority, {name: satellite.end(name) for name in ("n1", "n2")})
    yield running
    running.stop()


@pytest.fixture
def kme(shared: Kme) -> Iterator[Kme]:
    yield shared
    shared.instead = None
    shared.requests.clear()


def client(kme: Kme, credentials: Credentials, timeout: float = TIMEOUT) -> Etsi014Client:
    return Etsi014Client("127.0.0.1", kme.port, credentials, timeout)


@pytest.fixture
def one(kme: Kme, authority: Authority) -> Etsi014Client:
    return client(kme, authority.issue("n1"))


@pytest.fixture
def other(kme: Kme, authority: Authority) -> Etsi014Client:
    return client(kme, authority.issue("n2"))


def test_two_nodes_get_the_same_keys_by_their_ids(one: Etsi014Client, other: Etsi014Client, kme: Kme) -> None:
    before = one.status("n2").stored_keys
    keys = one.get_key("n2", 32, 3)
    assert len({key.secret for key in keys}) == 3
    ids = tuple(key.key_id for key in keys)
    assert other.get_by_id("n1", ids[::-1]) == keys[::-1]
    assert one.status("n2").stored_keys == before - 3
    assert all(key.simulated for key in keys)
    assert kme.requests[1:3] == [("n1", "POST", "/api/v1/keys/n2/enc_keys"), ("n2", "POST", "/api/v1/keys/n1/dec_keys")]


def test_the_servers_errors_are_the_standards(one: Etsi014Client, other: Etsi014Client, kme: Kme) -> None:
    with pytest.raises(SourceRequestError, match="400"):
        one.status("n9")
    with pytest.raises(SourceRequestError, match="400"):
        other.get_by_id("n1", ("550e8400-e29b-41d4-a716-446655440000",))
    with pytest.raises(SourceEmptyError, match="503"):
        one.get_key("n2", 512, 128)
    assert draw_too_much(one) is None


def draw_too_much(source: Etsi014Client) -> object:
    """As the chain does, until there is nothing left."""
    for _ in range(10_000):
        if draw(source, "n2") is None:
            return None
    return "never dry"


def test_a_node_that_is_not_served_is_refused(kme: Kme, authority: Authority) -> None:
    with pytest.raises(SourceRefusedError, match="401"):
        client(kme, authority.issue("n3")).get_key("n2", 32)


@pytest.fixture(scope="module")
def steady(authority: Authority) -> Iterator[Kme]:
    """A KME whose keys never run out."""
    secret = secrets.token_bytes(32)
    ends = {name: LocalPSK(name, {peer: secret}, secrets.token_bytes) for name, peer in (("n1", "n2"), ("n2", "n1"))}
    running = Kme(authority, ends)
    yield running
    running.stop()


def test_an_independent_client_gets_the_same_keys_from_the_same_server(steady: Kme, authority: Authority) -> None:
    paths = {name: authority.issue(name) for name in ("n1", "n2")}
    theirs = {
        name: QKD014Client(f"127.0.0.1:{steady.port}", str(own.certificate), str(own.key), str(own.authority))
        for name, own in paths.items()
    }
    code, status = theirs["n1"].get_status("n2")
    assert (code, status.key_size, status.master_sae_id) == (200, 256, "n1")
    ours = client(steady, paths["n1"])
    assert ours.status("n2").key_bytes == status.key_size // 8
    (key,) = ours.get_key("n2", 32)
    code, found = theirs["n2"].get_key_with_key_IDs("n1", [key.key_id])
    assert (code, base64.b64decode(found.keys[0].key)) == (200, key.secret)
    for asked in ({}, {"number": 2, "size": 256}):
        code, drawn = theirs["n1"].get_key("n2", **asked)
        assert (code, len(drawn.keys)) == (200, asked.get("number", 1))
        ids = tuple(one.key_id for one in drawn.keys)
        found = client(steady, paths["n2"]).get_by_id("n1", ids)
        assert [base64.b64decode(one.key) for one in drawn.keys] == [one.secret for one in found]
    code, _ = theirs["n1"].get_status("n9")
    assert code == 400


def test_a_link_goes_on_with_keys_of_the_kme(steady: Kme, authority: Authority) -> None:
    one, other = (client(steady, authority.issue(name)) for name in ("n1", "n2"))
    secret = secrets.token_bytes(32)
    ours, theirs = (begin_link(S384, "n1", "n2", secret) for _ in range(2))
    asking = Asking(ours, draw(one, "n2"), secrets.token_bytes(32))
    assert hear(theirs, asking.l1) == theirs
    (key,) = other.get_by_id("n1", (asking.l1.key_id,))
    answering = Answering(theirs, asking.l1, key, secrets.token_bytes(32))
    _, l3, link_key = asking.on_l2(asking.state, answering.l2)
    assert answering.on_l3(answering.state, l3)[1] == link_key


def test_who_has_no_certificate_of_the_authority_is_not_spoken_with(
    kme: Kme, authority: Authority, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "stranger").issue("n1")
    with pytest.raises(SourceUnreachableError):
        client(kme, stranger._replace(authority=authority.path)).status("n2")
    with pytest.raises(SourceUnreachableError, match="CERTIFICATE_VERIFY_FAILED"):
        client(kme, authority.issue("n1")._replace(authority=stranger.authority)).status("n2")
    assert kme.requests == []


def test_the_kmes_certificate_has_to_be_of_its_address(kme: Kme, authority: Authority) -> None:
    with pytest.raises(SourceUnreachableError, match="CERTIFICATE_VERIFY_FAILED"):
        Etsi014Client("localhost", kme.port, authority.issue("n1"), TIMEOUT).status("n2")
    assert kme.requests == []


def test_nothing_is_asked_that_no_link_asks_for(one: Etsi014Client, kme: Kme) -> None:
    for size, number in ((15, 1), (513, 1), (32, 0), (32, 129)):
        with pytest.raises(SourceRequestError):
            one.get_key("n2", size, number)
    for ids in ((), ("x",), ("550e8400-e29b-41d4-a716-446655440000",) * 2):
        with pytest.raises(SourceRequestError):
            one.get_by_id("n2", ids)
    assert kme.requests == []


KEY_ID = "550e8400-e29b-41d4-a716-446655440000"
KEY = "a2V5" * 10
"""30 bytes."""


def says(status: int, body: bytes, **headers: str) -> object:
    return lambda handler: reply(handler, status, body, **headers)


def too_long(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(10**12))
    handler.end_headers()


def endless(handler: BaseHTTPRequestHandler) -> None:
    """A body without a length, as long as somebody reads."""
    handler.send_response(200)
    handler.end_headers()
    until = time.monotonic() + 2 * TIMEOUT
    try:
        while time.monotonic() < until:
            handler.wfile.write(b" " * 4096)
    except OSError:
        return


WRONG = {
    "another size": says(200, json.dumps({"keys": [{"key_ID": KEY_ID, "key": KEY}]}).encode()),
    "no json": says(200, b"<html>"),
    "no keys": says(200, b'{"keys": []}'),
    "moved": says(302, b"", Location="https://127.0.0.1:1/"),
    "not found": says(404, b"{}"),
    "too long": too_long,
    "endless": endless,
}


@pytest.mark.parametrize("wrong", WRONG)
def test_an_answer_that_is_not_the_standards_is_refused_and_not_shown(
    wrong: str, one: Etsi014Client, kme: Kme, caplog: pytest.LogCaptureFixture
) -> None:
    kme.instead = WRONG[wrong]  # type: ignore[assignment]
    with caplog.at_level(logging.DEBUG), pytest.raises(SourceAnswerError) as refused:
        one.get_key("n2", 32)
    assert KEY not in str(refused.value) + caplog.text
    assert len(kme.requests) == 1


def cut_off(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    handler.wfile.write(b'{"keys": []}')


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.close()


def drip(part: bytes, handler: BaseHTTPRequestHandler) -> None:
    """A byte now and then: each is in time, all together are not."""
    try:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + part)
        for _ in range(1000):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.05)
    except OSError:
        return


SLOW = {
    "cut off": cut_off,
    "hang up": hang_up,
    "headers drip": lambda handler: drip(b"X-Long: ", handler),
    "body drips": lambda handler: drip(b"Content-Length: 1000\r\n\r\n", handler),
}


@pytest.mark.parametrize("slow", SLOW)
def test_a_kme_that_does_not_finish_is_given_up_in_time(slow: str, kme: Kme, authority: Authority) -> None:
    kme.instead = SLOW[slow]
    source = client(kme, authority.issue("n1"), timeout=0.6)
    begun = time.monotonic()
    with pytest.raises(SourceUnreachableError):
        source.get_key("n2", 32)
    assert time.monotonic() - begun < 20


def test_a_kme_that_is_silent_in_the_handshake_is_given_up_in_time(authority: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        source = Etsi014Client("127.0.0.1", silent.getsockname()[1], authority.issue("n1"), 0.5)
        begun = time.monotonic()
        with pytest.raises(SourceUnreachableError):
            source.status("n2")
        assert time.monotonic() - begun < 20
    with pytest.raises(SourceUnreachableError, match="ConnectionRefusedError"):
        source.status("n2")


def test_no_thread_is_left_and_nothing_secret_is_shown(one: Etsi014Client) -> None:
    one.status("n2")
    until = time.monotonic() + TIMEOUT / 2
    while any(isinstance(thread, threading.Timer) for thread in threading.enumerate()):
        assert time.monotonic() < until
        time.sleep(0.01)
    assert repr(one).startswith("Etsi014Client(127.0.0.1:")


def test_every_error_of_a_source_is_one_that_a_node_can_answer_with() -> None:
    kinds = LinkError.__subclasses__()
    assert len(kinds) >= 6
    assert all(kind("x").reason is kind.why for kind in kinds)
