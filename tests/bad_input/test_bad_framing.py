"""B01 to B14: what arrives before a message has any meaning. Each leaves the server alive."""

from __future__ import annotations

import re
import socket
import time
from pathlib import Path

import pytest
from support import requests as ask
from support.bad import (
    CODEC_ERROR,
    INVALID_MESSAGE,
    answers_until_closed,
    assert_alive,
    assert_closed,
    assert_refused,
)
from support.numbers import Operation, Tag
from support.server import Client, RunningServer
from support.wire import (
    STRUCTURE,
    batch_item,
    boolean,
    message,
    octets,
    raw,
    read_response,
    structure,
    text,
)

MESSAGE_BYTES = 1 << 20
"""limits.message_bytes of the default configuration."""
GOOD = ask.one((2, 1), ask.discover_versions())
TLS_ALERT = 0x15


def padded_to(size: int) -> bytes:
    """A good request of exactly this many bytes: its padding is an unknown extension that is not critical."""

    def build(filler: int) -> bytes:
        extension = structure(
            Tag.MESSAGE_EXTENSION,
            text(Tag.VENDOR_IDENTIFICATION, "padding"),
            boolean(Tag.CRITICALITY_INDICATOR, False),
            structure(Tag.VENDOR_EXTENSION, octets(Tag.DATA, bytes(filler))),
        )
        return message((2, 1), batch_item(Operation.DISCOVER_VERSIONS, extension=extension))

    built = build(size - len(build(0)))
    assert len(built) == size
    return built


def test_b01_connecting_and_closing_without_a_word(client: Client) -> None:
    client.connect().close()
    assert_alive(client)


@pytest.mark.parametrize("count", [1, 4, 7])
def test_b02_a_header_cut_short_by_the_end_of_the_stream_is_not_answered(client: Client, count: int) -> None:
    with client.connect() as connection:
        connection.send(GOOD[:count])
        connection.socket.shutdown(socket.SHUT_WR)
        assert_closed(connection)
    assert_alive(client)


OTHER_PROTOCOLS = {
    "HTTP": b"GET / HTTP/1.1\r\nHost: kmip\r\n\r\n",
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "TLS": bytes.fromhex("16030100c8010000c40303") + bytes(190),
}


@pytest.mark.parametrize("banner", OTHER_PROTOCOLS.values(), ids=OTHER_PROTOCOLS.keys())
def test_b03_another_protocol_inside_tls_is_refused_and_the_connection_closed(client: Client, banner: bytes) -> None:
    with client.connect() as connection:
        connection.send(banner)
        for response in answers_until_closed(connection):
            assert_refused(response.result, response.version, CODEC_ERROR)
    assert_alive(client)


@pytest.mark.parametrize(
    "data", [OTHER_PROTOCOLS["HTTP"], OTHER_PROTOCOLS["SSH"], GOOD], ids=["B03 HTTP", "B03 SSH", "B04 TTLV"]
)
def test_b04_plain_bytes_to_the_tls_port_get_no_kmip_answer(server: RunningServer, client: Client, data: bytes) -> None:
    with socket.create_connection(server.kmip, 20) as plain:
        plain.sendall(data)
        received = b""
        try:
            while part := plain.recv(4096):
                received += part
        except ConnectionError:
            pass
    assert received == b"" or received[0] == TLS_ALERT, received
    assert_alive(client)


REFUSED_HEADERS = {
    "B05 first tag is not a message": raw(0x420077, STRUCTURE, 8, bytes(8)),
    "B06 first type is not Structure": raw(Tag.REQUEST_MESSAGE, 0x02, 8, bytes(8)),
    "B09 length 0": raw(Tag.REQUEST_MESSAGE, STRUCTURE, 0, b""),
    "B10 length 0xFFFFFFFF": raw(Tag.REQUEST_MESSAGE, STRUCTURE, 0xFFFFFFFF, b""),
    "B10 length 0xFFFFFFF8": raw(Tag.REQUEST_MESSAGE, STRUCTURE, 0xFFFFFFF8, b""),
    "B11 one step above the largest message": raw(Tag.REQUEST_MESSAGE, STRUCTURE, MESSAGE_BYTES, b""),
    "B14 length is not a multiple of 8": raw(Tag.REQUEST_MESSAGE, STRUCTURE, 100, bytes(100)),
}


@pytest.mark.parametrize("data", REFUSED_HEADERS.values(), ids=REFUSED_HEADERS.keys())
def test_a_header_that_frames_no_message_is_refused_and_the_connection_closed(client: Client, data: bytes) -> None:
    with client.connect() as connection:
        connection.send(data)
        (response,) = answers_until_closed(connection)
        assert_refused(response.result, response.version, CODEC_ERROR)
        assert response.result.operation is None
    assert_alive(client)


def test_b10_a_huge_length_allocates_nothing(server: RunningServer, client: Client) -> None:
    def peak_kib() -> int:
        statuses = [Path(f"/proc/{pid}/status").read_text() for pid in server.processes()]
        return sum(int(re.findall(r"VmPeak:\s+(\d+)", status)[0]) for status in statuses)

    before = peak_kib()
    for _ in range(8):
        with client.connect() as connection:
            connection.send(REFUSED_HEADERS["B10 length 0xFFFFFFF8"] + bytes(1000))
            answers_until_closed(connection)
    assert peak_kib() - before < 64 * 1024


def test_b07_a_response_message_is_refused(client: Client) -> None:
    data = structure(Tag.RESPONSE_MESSAGE, GOOD[8:])
    with client.connect() as connection:
        response = connection.exchange(data)
        assert_refused(response.result, response.version, INVALID_MESSAGE)
    assert_alive(client)


def test_b08_pipelined_messages_are_answered_in_order(client: Client) -> None:
    with client.connect() as connection:
        connection.send(ask.one((1, 4), ask.discover_versions()) + GOOD + ask.one((1, 2), ask.query(1)))
        responses = [read_response(connection.receive()) for _ in range(3)]
    assert [(response.version, response.result.operation) for response in responses] == [
        ((1, 4), Operation.DISCOVER_VERSIONS),
        ((2, 1), Operation.DISCOVER_VERSIONS),
        ((1, 2), Operation.QUERY),
    ]


def test_b08_junk_after_a_message_is_refused_after_the_answer(client: Client) -> None:
    with client.connect() as connection:
        connection.send(GOOD + b"junk that is no message")
        good, junk = answers_until_closed(connection)
    good.result.expect_success()
    assert_refused(junk.result, junk.version, CODEC_ERROR)
    assert_alive(client)


def test_b12_a_message_of_the_largest_size_is_answered(client: Client) -> None:
    with client.connect() as connection:
        connection.exchange(padded_to(MESSAGE_BYTES)).result.expect_success()


def test_b11_a_whole_message_above_the_largest_size_is_refused(client: Client) -> None:
    with client.connect() as connection:
        connection.send(padded_to(MESSAGE_BYTES + 8)[:65536])
        (response,) = answers_until_closed(connection)
        assert_refused(response.result, response.version, CODEC_ERROR)
    assert_alive(client)


def test_b13_a_message_that_never_ends_is_closed_at_its_deadline(impatient: Client) -> None:
    with impatient.connect() as connection:
        connection.send(GOOD[:-8])
        began = time.monotonic()
        assert_closed(connection)
        assert time.monotonic() - began >= 0.5
    assert_alive(impatient)


def test_the_good_request_of_these_tests_is_good(client: Client) -> None:
    """The negative control: the same bytes, unbent."""
    with client.connect() as connection:
        connection.exchange(GOOD).result.expect_success()
