"""The KMIP port: framing, order, deadlines, back-pressure and budgets, over real sockets."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import suppress

import pytest
from edge_support import (
    RESPONSE_TAG,
    TIMEOUT,
    ToyServer,
    World,
    eventually,
    exchange,
    is_closed,
    message,
    receive,
    rest_of,
)
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from kmip_server.identity.caller import Caller
from kmip_server.listeners.handler import Encoding, Reply
from kmip_server.ttlv.item import Limits

REFUSED = message(b"REFUSED!", RESPONSE_TAG)


def test_a_request_is_answered_and_the_caller_is_the_certificates(world: World) -> None:
    with world.edge() as edge, edge.connect() as connection:
        assert exchange(connection, b"12345678") == b"12345678"
        assert exchange(connection, b"87654321") == b"87654321"
    assert edge.toy.requests[0] == ("alice", message(b"12345678"), Encoding.TTLV)


# Framing (reliability categories B01 to B14). -------------------------------------------------------------------------


def test_b01_an_empty_connection_is_no_matter(world: World) -> None:
    with world.edge() as edge:
        edge.tcp().close()
        edge.connect().close()
        with edge.connect() as connection:
            exchange(connection)


@pytest.mark.parametrize("count", [1, 7])
def test_b02_a_header_cut_short_is_closed_without_an_answer(world: World, count: int) -> None:
    with world.edge() as edge, edge.connect() as connection:
        connection.sendall(message(bytes(8))[:count])
        socket.socket.shutdown(connection, socket.SHUT_WR)
        assert rest_of(connection) == b""
        assert edge.toy.requests == []


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n\r\n", b"SSH-2.0-OpenSSH\r\n", message(bytes(8))], ids=["B03 HTTP", "B03 SSH", "B04"]
)
def test_plain_bytes_on_the_tls_port_are_closed_without_an_answer(world: World, data: bytes) -> None:
    with world.edge() as edge, edge.tcp() as connection:
        connection.sendall(data)
        answer = rest_of(connection)
        assert answer == b"" or answer[0] == 0x15, "a TLS alert at most"


@pytest.mark.parametrize(
    "data",
    [
        message(bytes(8), b"\x42\x00\x77"),
        b"\x42\x00\x78\x02" + bytes(4),
        b"\x42\x00\x78\x01" + bytes(4),
        b"\x42\x00\x78\x01\xff\xff\xff\xf8" + bytes(64),
        b"\x42\x00\x78\x01\x00\x00\x00\x0c" + bytes(12),
        message(bytes(1024 + 8))[:8],
        b"GET / HTTP/1.1\r\n\r\n",
    ],
    ids=["B05", "B06", "B09", "B10", "B14", "B11", "B03 inside TLS"],
)
def test_lost_framing_is_answered_once_and_closed(world: World, data: bytes) -> None:
    with world.edge(limits=Limits(message_bytes=1024 + 8)) as edge, edge.connect() as connection:
        connection.sendall(data)
        assert rest_of(connection) == REFUSED
        assert edge.toy.requests == []


def test_an_answer_to_lost_framing_survives_what_the_peer_still_sends(world: World) -> None:
    with world.edge() as edge, edge.connect() as connection:
        connection.sendall(b"garbage!" + bytes(200_000))
        assert rest_of(connection) == REFUSED


def test_b07_a_response_message_goes_to_the_server_to_be_refused(world: World) -> None:
    with world.edge() as edge, edge.connect() as connection:
        connection.sendall(message(bytes(8), RESPONSE_TAG))
        receive(connection)
        assert edge.toy.requests[0][1] == message(bytes(8), RESPONSE_TAG)
        exchange(connection)


def test_b08_junk_after_a_message_is_refused_after_the_answer(world: World) -> None:
    with world.edge() as edge, edge.connect() as connection:
        connection.sendall(message(b"question") + b"junk that is no message")
        assert rest_of(connection) == message(b"question", RESPONSE_TAG) + REFUSED


def test_b12_a_message_of_the_largest_size_is_answered(world: World) -> None:
    body = bytes((1 << 20) - 8)
    with world.edge() as edge, edge.connect() as connection:
        assert exchange(connection, body) == body


def test_a_reply_that_says_so_is_the_last(world: World) -> None:
    toy = ToyServer()
    toy.answer = lambda data: Reply(b"goodbye.", close=True)
    with world.edge(toy) as edge, edge.connect() as connection:
        connection.sendall(message(b"question") * 3)
        assert rest_of(connection) == b"goodbye."
    assert len(toy.requests) == 1


# Order. ---------------------------------------------------------------------------------------------------------------


def test_pipelined_requests_are_answered_in_order_though_later_ones_are_quicker(world: World) -> None:
    toy = ToyServer()
    delays = iter([0.1, 0.0, 0.05] + [0.0] * 50)

    def answer(data: bytes) -> Deferred[Reply]:
        return deferLater(world.reactor, next(delays), lambda: Reply(RESPONSE_TAG + data[3:]))

    toy.answer = answer
    bodies = [number.to_bytes(8, "big") for number in range(50)]
    with world.edge(toy) as edge, edge.connect() as connection:
        connection.sendall(b"".join(map(message, bodies)))
        assert [receive(connection)[8:] for _ in bodies] == bodies


def test_thousands_of_pipelined_requests_need_no_deep_stack(world: World) -> None:
    with world.edge() as edge, edge.connect() as connection:
        sender = threading.Thread(target=connection.sendall, args=(message(bytes(8)) * 20_000,))
        sender.start()
        for _ in range(20_000):
            receive(connection)
        sender.join()


def test_while_a_request_is_under_way_no_more_is_read_than_fits_one_read(world: World) -> None:
    toy = ToyServer()
    pending: Deferred[Reply] = Deferred()
    answers = iter([pending])
    toy.answer = lambda data: next(answers, Reply(b"later..."))
    with world.edge(toy) as edge, edge.connect() as connection:
        connection.sendall(message(b"question"))
        assert eventually(lambda: len(toy.requests) == 1)
        connection.settimeout(1)
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 64 << 20:
                sent += connection.send(message(bytes(8)) * 4096)
        held = edge.edge.settings.buffered_bytes - edge.edge._memory._free
        assert held <= 1 << 17
        world.call(pending.callback, Reply(b"first..."))
        assert connection.recv(8) == b"first..."


# Deadlines. -----------------------------------------------------------------------------------------------------------


def test_a_connection_without_a_handshake_is_closed_in_time(world: World) -> None:
    with world.edge(handshake_seconds=0.3) as edge, edge.tcp() as silent, edge.tcp() as slow:
        slow.sendall(b"\x16\x03\x01")
        assert is_closed(silent)
        assert is_closed(slow)


def test_a_finished_handshake_lifts_its_deadline(world: World) -> None:
    with world.edge(handshake_seconds=1.0) as edge, edge.connect() as connection:
        assert not is_closed(connection, 1.5)


@pytest.mark.parametrize("part", [1, 8, 20], ids=["header begun", "header whole", "body begun"])
def test_b13_a_message_that_stops_arriving_is_closed_in_time(world: World, part: int) -> None:
    with world.edge(message_seconds=0.3) as edge, edge.connect() as connection:
        exchange(connection)
        connection.sendall(message(bytes(64))[:part])
        assert is_closed(connection)


def test_a_message_that_trickles_gets_no_more_time_for_it(world: World) -> None:
    with world.edge(message_seconds=0.4) as edge, edge.connect() as connection:
        began = time.monotonic()
        with pytest.raises((ConnectionError, ssl.SSLError)):
            for byte in message(bytes(1000)):
                connection.sendall(bytes([byte]))
                time.sleep(0.02)
        assert time.monotonic() - began < TIMEOUT / 2


def test_an_idle_connection_is_closed_in_time_and_each_request_begins_it_anew(world: World) -> None:
    with world.edge(idle_seconds=2.0) as edge, edge.connect() as connection:
        for _ in range(5):
            time.sleep(0.5)
            exchange(connection)
        assert is_closed(connection)


def test_the_server_may_take_longer_than_any_deadline_of_the_peers(world: World) -> None:
    toy = ToyServer()
    toy.answer = lambda data: deferLater(world.reactor, 1.5, lambda: Reply(b"at last."))
    with world.edge(toy, idle_seconds=1.0, message_seconds=1.0) as edge, edge.connect() as connection:
        connection.sendall(message(b"question"))
        assert connection.recv(8) == b"at last."


# Back-pressure and budgets. -------------------------------------------------------------------------------------------


def test_a_peer_that_does_not_read_is_asked_nothing_more_and_closed_in_time(world: World) -> None:
    toy = ToyServer()
    toy.answer = lambda data: Reply(bytes(1 << 20))
    with world.edge(toy, message_seconds=1.0) as edge, edge.connect() as connection:
        connection.sendall(message(bytes(8)) * 1000)
        assert eventually(lambda: not edge.edge._sessions)
        assert 1 <= len(toy.requests) < 30, "a few fit the kernel's buffers"


def test_a_slow_reader_gets_everything_and_is_served_on(world: World) -> None:
    toy = ToyServer()
    toy.answer = lambda data: Reply(bytes(4 << 20))
    with world.edge(toy) as edge, edge.connect() as connection:
        connection.sendall(message(b"question") * 2)
        received = 0
        while received < 8 << 20:
            received += len(connection.recv(1 << 18))
            time.sleep(0.002)
        assert len(toy.requests) == 2


def test_too_many_connections_are_closed_at_once_and_room_is_found_again(world: World) -> None:
    with world.edge(connections=3) as edge:
        opened = [edge.connect() for _ in range(3)]
        with pytest.raises((ConnectionError, ssl.SSLError)):
            edge.connect()
        exchange(opened[0])
        for connection in opened:
            connection.close()

        def admitted() -> bool:
            try:
                edge.connect().close()
            except (ConnectionError, ssl.SSLError):
                return False
            return True

        assert eventually(admitted)


def test_one_address_cannot_take_all_connections(world: World) -> None:
    with world.edge(connections=10, connections_per_address=2) as edge:
        first, second = edge.connect(), edge.connect()
        with pytest.raises((ConnectionError, ssl.SSLError)):
            edge.connect()
        with (
            socket.create_connection(("127.0.0.1", edge.ports[0]), TIMEOUT, source_address=("127.0.0.2", 0)) as tcp,
            world.context().wrap_socket(tcp) as other,
        ):
            exchange(other)
        first.close()
        second.close()


def test_half_messages_of_many_connections_are_bounded_together(world: World) -> None:
    with world.edge(buffered_bytes=100_000) as edge, edge.connect() as good:
        hoarders = [edge.connect() for _ in range(4)]
        for hoarder in hoarders:
            with suppress(OSError):  # the server may close while a hoarder is still sending
                hoarder.sendall(message(bytes(80_000))[:40_000])
        assert eventually(lambda: len(edge.edge._sessions) == 3), "two hoarders fit, and the good client"
        exchange(good)
        for hoarder in hoarders:
            hoarder.close()
        assert eventually(lambda: edge.edge._memory._free == 100_000), "what was held is given back"


# Faults of our own. ---------------------------------------------------------------------------------------------------


def test_a_fault_behind_the_edge_closes_the_connection_and_tells_the_peer_nothing(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    toy = ToyServer()

    def fail(data: bytes) -> Reply:
        raise RuntimeError("secret detail")

    toy.answer = fail
    with world.edge(toy) as edge:
        with edge.connect() as connection:
            connection.sendall(message(b"question"))
            assert rest_of(connection) == b""
        with edge.connect():
            pass
    assert "secret detail" in capsys.readouterr().out, "the log has it"


def test_a_fault_in_knowing_the_caller_closes_the_connection(world: World) -> None:
    toy = ToyServer()

    def fail(_: bytes) -> Caller:
        raise RuntimeError("secret detail")

    toy.caller = fail  # type: ignore[method-assign]
    with world.edge(toy) as edge, edge.connect() as connection:
        assert rest_of(connection) == b""


def test_a_fault_in_the_answer_closes_the_connection(world: World) -> None:
    toy = ToyServer()
    toy.answer = lambda data: Reply("not bytes")  # type: ignore[arg-type]
    with world.edge(toy) as edge, edge.connect() as connection:
        connection.sendall(message(b"question"))
        assert rest_of(connection) == b""


def test_a_fault_in_asking_for_admission_closes_idle_connections(world: World) -> None:
    with world.edge() as edge, edge.connect() as connection:
        exchange(connection)

        def fail(_: Caller) -> bool:
            raise RuntimeError("secret detail")

        edge.toy.admits = fail  # type: ignore[method-assign]
        assert is_closed(connection)
