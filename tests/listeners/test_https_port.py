"""The HTTPS port: POST /kmip in three encodings, exact status codes, and the same safeguards as on the KMIP port."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from edge_support import RunningEdge, ToyServer, World, eventually, is_closed, message, rest_of
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from kmip_server.listeners.edge import Port
from kmip_server.listeners.handler import Encoding, Reply
from kmip_server.ttlv.item import Limits

TTLV = "application/octet-stream"
SMALL = Limits(message_bytes=200_000)


@contextmanager
def connected(world: World, edge: RunningEdge) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1")
    connection.sock = edge.connect(port=Port.HTTPS)
    try:
        yield connection
    finally:
        connection.close()


def ask(
    connection: http.client.HTTPConnection,
    body: bytes | None = b"question",
    content_type: str | None = TTLV,
    method: str = "POST",
    path: str = "/kmip",
    **headers: str,
) -> tuple[int, str | None, bytes]:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    if content_type is not None:
        fields["Content-Type"] = content_type
    connection.request(method, path, body, fields)
    response = connection.getresponse()
    return response.status, response.getheader("Content-Type"), response.read()


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        (TTLV, Encoding.TTLV),
        ("text/xml", Encoding.XML),
        ("application/xml", Encoding.XML),
        ("application/json", Encoding.JSON),
        ("Application/JSON; charset=UTF-8", Encoding.JSON),
        ('text/xml;charset="utf-8"', Encoding.XML),
    ],
)
def test_a_request_is_answered_in_its_own_encoding(world: World, content_type: str, encoding: Encoding) -> None:
    with world.edge() as edge, connected(world, edge) as connection:
        body = message(b"question") if encoding is Encoding.TTLV else b"question"
        status, answered, answer = ask(connection, body, content_type)
        assert (status, answered) == (200, content_type.partition(";")[0].lower())
        assert answer.endswith(b"question")
        assert edge.toy.requests == [("alice", body, encoding)]


def test_a_connection_is_kept_for_many_requests(world: World) -> None:
    with world.edge() as edge, connected(world, edge) as connection:
        first = connection.sock
        for _ in range(20):
            assert ask(connection)[0] == 200
        assert connection.sock is first
        assert ask(connection, Connection="close")[0] == 200
        assert first is not None


def test_a_large_body_is_taken_and_a_large_answer_given(world: World) -> None:
    with world.edge() as edge, connected(world, edge) as connection:
        body = message(bytes((1 << 20) - 8))
        assert len(ask(connection, body)[2]) == len(body)


def test_a_large_answer_is_whole_though_the_connection_closes_after_it_and_the_peer_is_slow(world: World) -> None:
    toy = ToyServer()
    toy.answer = lambda data: Reply(bytes(8 << 20))
    with world.edge(toy) as edge, edge.connect(port=Port.HTTPS) as connection:
        connection.sendall(
            b"POST /kmip HTTP/1.1\r\nConnection: close\r\nContent-Type: application/octet-stream\r\n"
            b"Content-Length: 8\r\n\r\nquestion"
        )
        received = 0
        time.sleep(0.6)
        while part := connection.recv(1 << 16):
            received += len(part)
            time.sleep(0.003)
        assert received > 8 << 20


def test_health_is_one_word(world: World) -> None:
    with world.edge() as edge, connected(world, edge) as connection:
        status, _, body = ask(connection, None, None, "GET", "/healthz")
        assert (status, body) == (200, b"ok\n")


@pytest.mark.parametrize(
    ("status", "asked"),
    [
        (400, {"body": b""}),
        (404, {"path": "/"}),
        (404, {"path": "/kmip/"}),
        (404, {"path": "/kmip?x=1"}),
        (404, {"path": "/../etc/passwd"}),
        (405, {"method": "GET"}),
        (405, {"method": "PUT"}),
        (405, {"method": "DELETE"}),
        (405, {"method": "POST", "path": "/healthz"}),
        (413, {"body": bytes(SMALL.message_bytes + 1)}),
        (415, {"content_type": None}),
        (415, {"content_type": "text/plain"}),
        (415, {"content_type": "multipart/form-data; boundary=x"}),
        (415, {"content_type": "application/json; charset=utf-16"}),
        (415, {"Content_Encoding": "gzip"}),
    ],
)
def test_these_are_refused_in_plain_text(world: World, status: int, asked: dict[str, object]) -> None:
    with world.edge(limits=SMALL) as edge, connected(world, edge) as connection:
        answered, content_type, body = ask(connection, **asked)  # type: ignore[arg-type]
        assert answered == status
        assert content_type == "text/plain; charset=utf-8"
        assert 0 < len(body) < 200
        assert edge.toy.requests == []


def test_a_chunked_body_is_taken(world: World) -> None:
    with world.edge() as edge, edge.connect(port=Port.HTTPS) as connection:
        connection.sendall(
            b"POST /kmip HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"4\r\nques\r\n4;extension=1\r\ntion\r\n0\r\n\r\n"
        )
        assert connection.recv(4096).endswith(b"json:question")


BROKEN = {
    "no length": (411, b"POST /kmip HTTP/1.1\r\nContent-Type: text/xml\r\n\r\n"),
    "not HTTP": (400, b"hello there\r\n\r\n"),
    "a KMIP message": (400, message(b"question") + b"\r\n\r\n"),
    "two lengths": (400, b"POST /kmip HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
    "length and chunked": (
        400,
        b"POST /kmip HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    "a negative length": (400, b"POST /kmip HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
    "a transfer encoding that is not known": (400, b"POST /kmip HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n"),
    "a chunk that is no number": (
        400,
        b"POST /kmip HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ),
    "a declared length beyond the limit": (413, b"POST /kmip HTTP/1.1\r\nContent-Length: 200001\r\n\r\n"),
    "a length that no memory has": (413, b"POST /kmip HTTP/1.1\r\nContent-Length: " + b"9" * 1000 + b"\r\n\r\n"),
    "a header that is too long": (431, b"POST /kmip HTTP/1.1\r\nX: " + b"x" * 40_000),
    "too many headers": (400, b"POST /kmip HTTP/1.1\r\n" + b"X: x\r\n" * 1000),
}


@pytest.mark.parametrize(("status", "data"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_no_request_is_answered_and_closed(world: World, status: int, data: bytes) -> None:
    with world.edge(limits=SMALL) as edge, edge.connect(port=Port.HTTPS) as connection:
        connection.sendall(data)
        if status == 411:
            socket.socket.shutdown(connection, socket.SHUT_WR)
        answer = rest_of(connection)
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert answer.count(b"HTTP/1.1") == 1
        assert b"text/plain" in answer
        assert edge.toy.requests == []


def test_a_length_of_more_digits_than_a_number_has_closes_the_connection(world: World) -> None:
    with world.edge() as edge, edge.connect(port=Port.HTTPS) as connection:
        connection.sendall(b"POST /kmip HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n")
        assert b"Traceback" not in rest_of(connection)
        assert edge.toy.requests == []


def test_chunks_without_end_are_cut_at_the_limit(world: World) -> None:
    chunk = b"8000\r\n" + bytes(0x8000) + b"\r\n"
    with world.edge(limits=SMALL) as edge, edge.connect(port=Port.HTTPS) as connection:
        connection.sendall(b"POST /kmip HTTP/1.1\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.sendall(chunk * 20)
        assert rest_of(connection).startswith(b"HTTP/1.1 413 ")
        assert eventually(lambda: edge.edge._memory._free == edge.edge.settings.buffered_bytes)
        assert edge.toy.requests == []


def test_a_body_never_touches_the_disk(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("a temporary file")

    monkeypatch.setattr("tempfile.TemporaryFile", forbidden)
    with world.edge() as edge, connected(world, edge) as connection:
        assert ask(connection, message(bytes(200_000)))[0] == 200


def test_expect_100_is_met_before_the_body_and_refused_for_one_too_large(world: World) -> None:
    head = b"POST /kmip HTTP/1.1\r\nContent-Type: text/xml\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    with world.edge(limits=SMALL) as edge:
        with edge.connect(port=Port.HTTPS) as connection:
            connection.sendall(head % 8)
            assert connection.recv(4096).startswith(b"HTTP/1.1 100 ")
            connection.sendall(b"question")
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
        with edge.connect(port=Port.HTTPS) as connection:
            connection.sendall(head % 1_000_000)
            assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


# Identity, revocation, stop. ------------------------------------------------------------------------------------------


def test_the_client_certificate_is_required(world: World) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(world.authority.file)
    with (
        world.edge() as edge,
        pytest.raises((ConnectionError, ssl.SSLError)),
        edge.connect(context, Port.HTTPS) as connection,
    ):
        connection.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
        connection.recv(1)


def test_a_revoked_client_loses_its_open_connection(world: World) -> None:
    with world.edge() as edge, connected(world, edge) as connection:
        ask(connection)
        edge.toy.revoked.add("alice")
        assert is_closed(connection.sock)


def test_a_revoked_client_is_not_served_between_two_sweeps(world: World) -> None:
    with world.edge(sweep_seconds=3600) as edge, connected(world, edge) as connection:
        ask(connection)
        edge.toy.revoked.add("alice")
        with pytest.raises((http.client.HTTPException, OSError)):
            ask(connection)
        assert len(edge.toy.requests) == 1


def test_a_stop_answers_what_was_taken(world: World) -> None:
    toy = ToyServer()
    pending: Deferred[Reply] = Deferred()
    toy.answer = lambda data: pending
    with world.edge(toy) as edge, connected(world, edge) as connection, edge.connect(port=Port.HTTPS) as idle:
        connection.request("POST", "/kmip", message(b"question"), {"Content-Type": TTLV})
        assert eventually(lambda: len(toy.requests) == 1)
        world.call(lambda: (edge.edge.stop(), None)[1])
        assert is_closed(idle)
        world.call(pending.callback, Reply(b"an answer"))
        assert connection.getresponse().read() == b"an answer"


# Deadlines and back-pressure. -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "begun",
    [
        b"P",
        b"POST /kmip HTTP/1.1\r\nX: x\r\n",
        b"POST /kmip HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc",
        b"GET /healthz HTTP/1.1\r\n\r\nPOST",
    ],
    ids=["request line", "headers", "body", "the next request"],
)
def test_a_request_that_stops_arriving_is_closed_in_time(world: World, begun: bytes) -> None:
    with world.edge(message_seconds=0.3, idle_seconds=1.0) as edge, edge.connect(port=Port.HTTPS) as connection:
        connection.sendall(begun)
        began = time.monotonic()
        rest_of(connection)
        assert time.monotonic() - began < 10


def test_a_request_that_trickles_gets_no_more_time_for_it(world: World) -> None:
    with (
        world.edge(message_seconds=0.4) as edge,
        edge.connect(port=Port.HTTPS) as connection,
        pytest.raises((ConnectionError, ssl.SSLError)),
    ):
        for _ in range(500):
            connection.sendall(b"X")
            time.sleep(0.02)


def test_an_idle_connection_is_closed_in_time(world: World) -> None:
    with world.edge(idle_seconds=1.0) as edge, connected(world, edge) as connection:
        ask(connection)
        assert is_closed(connection.sock)


def test_the_server_may_take_longer_than_any_deadline_of_the_peers(world: World) -> None:
    toy = ToyServer()
    toy.answer = lambda data: deferLater(world.reactor, 1.5, lambda: Reply(b"at last."))
    with world.edge(toy, idle_seconds=1.0, message_seconds=1.0) as edge, connected(world, edge) as connection:
        assert ask(connection)[2] == b"at last."


def test_a_peer_that_pipelines_and_does_not_read_is_asked_nothing_more_and_closed(world: World) -> None:
    toy = ToyServer()
    toy.answer = lambda data: Reply(bytes(1 << 20))
    request = b"POST /kmip HTTP/1.1\r\nContent-Type: application/octet-stream\r\nContent-Length: 8\r\n\r\nquestion"
    with world.edge(toy, message_seconds=1.0) as edge, edge.connect(port=Port.HTTPS) as connection:
        connection.sendall(request * 500)
        assert eventually(lambda: not edge.edge._sessions)
        assert 1 <= len(toy.requests) < 30


def test_what_waits_behind_a_request_counts_as_buffered(world: World) -> None:
    toy = ToyServer()
    toy.answer = lambda data: Deferred()
    request = b"POST /kmip HTTP/1.1\r\nContent-Type: application/octet-stream\r\nContent-Length: 8\r\n\r\nquestion"
    with world.edge(toy, buffered_bytes=10_000) as edge, edge.connect(port=Port.HTTPS) as connection:
        connection.sendall(request)
        assert eventually(lambda: len(toy.requests) == 1)
        connection.sendall(request * 150)
        assert is_closed(connection)


def test_pipelined_requests_are_answered_in_order(world: World) -> None:
    request = b"POST /kmip HTTP/1.1\r\nContent-Type: text/xml\r\nContent-Length: 1\r\n\r\n%d"
    with world.edge() as edge, edge.connect(port=Port.HTTPS) as connection:
        connection.sendall(b"".join(request % number for number in range(10)))
        answers = b""
        while answers.count(b"xml:") < 10:
            answers += connection.recv(4096)
        assert [answers.find(b"xml:%d" % number) for number in range(10)] == sorted(
            answers.find(b"xml:%d" % number) for number in range(10)
        )


def test_a_fault_behind_the_edge_closes_the_connection_and_tells_the_peer_nothing(world: World) -> None:
    toy = ToyServer()

    def fail(data: bytes) -> Reply:
        raise RuntimeError("secret detail")

    toy.answer = fail
    with world.edge(toy) as edge, connected(world, edge) as connection:
        connection.request("POST", "/kmip", b"question", {"Content-Type": TTLV})
        assert rest_of(connection.sock) == b""
