"""B72: XML, JSON and HTTP that no honest client sends to POST /kmip. Nothing is fetched, expanded or executed."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from support import requests as ask
from support.bad import assert_alive
from support.numbers import Tag
from support.server import Client
from support.wire import SUCCESS, read_response

TTLV, XML, JSON = "application/octet-stream", "text/xml", "application/json"
GOOD_XML = """<?xml version="1.0" encoding="utf-8"?>
<RequestMessage>
  <RequestHeader>
    <ProtocolVersion>
      <ProtocolVersionMajor type="Integer" value="2"/><ProtocolVersionMinor type="Integer" value="1"/>
    </ProtocolVersion>
    <BatchCount type="Integer" value="1"/>
  </RequestHeader>
  <BatchItem><Operation type="Enumeration" value="DiscoverVersions"/><RequestPayload/></BatchItem>
</RequestMessage>"""


def item(tag: str, *children: object) -> dict[str, object]:
    return {"tag": tag, "value": list(children)}


def leaf(tag: str, kind: str, value: object) -> dict[str, object]:
    return {"tag": tag, "type": kind, "value": value}


GOOD_JSON = json.dumps(
    item(
        "RequestMessage",
        item(
            "RequestHeader",
            item(
                "ProtocolVersion",
                leaf("ProtocolVersionMajor", "Integer", 2),
                leaf("ProtocolVersionMinor", "Integer", 1),
            ),
            leaf("BatchCount", "Integer", 1),
        ),
        item("BatchItem", leaf("Operation", "Enumeration", "DiscoverVersions"), item("RequestPayload")),
    )
)


@contextmanager
def https(client: Client) -> Iterator[socket.socket]:
    """A TLS connection to the HTTPS port, to say anything on."""
    context = client.credentials.context()
    with (
        socket.create_connection(client.server.https, 30) as plain,
        context.wrap_socket(plain, server_hostname=client.server.https[0]) as stream,
    ):
        yield stream


def raw_exchange(client: Client, data: bytes) -> tuple[int, bytes]:
    """Send bytes to the HTTPS port; the status and body of the answer, (0, b"") if there is none."""
    with https(client) as stream:
        with suppress(OSError):  # refused before it was all sent; the answer may be there nevertheless
            stream.sendall(data)
        received = b""
        with suppress(OSError):
            while part := stream.recv(65536):
                received += part
    if not received:
        return 0, b""
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def post(client: Client, body: bytes, content_type: str, *headers: str) -> tuple[int, bytes]:
    lines = [
        "POST /kmip HTTP/1.1",
        "Host: kmip",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *headers,
    ]
    return raw_exchange(client, "\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def assert_failed(status: int, body: bytes) -> None:
    """A 4xx answer, or a KMIP answer that says Operation Failed; and nothing of the inside."""
    assert status == 200 or 400 <= status < 500, (status, body)
    if status == 200:
        assert b"OperationFailed" in body, body
    for inside in (b"Traceback", b"root:", b"canary-file", b".py"):
        assert inside not in body, body


def test_the_good_messages_of_these_tests_are_good(client: Client) -> None:
    """The negative control."""
    status, body = post(client, ask.one((2, 1), ask.discover_versions()), TTLV)
    assert status == 200
    assert read_response(body).result.status == SUCCESS
    for document, content_type in ((GOOD_XML, XML), (GOOD_JSON, JSON)):
        status, body = post(client, document.encode(), content_type)
        assert status == 200
        assert b"OperationFailed" not in body, body
        assert b"Success" in body, body


ENTITIES = """<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "lol">%s]>"""
LAUGHS = "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
BAD_XML = {
    "entity expansion": ENTITIES % LAUGHS + GOOD_XML.split("?>")[1].replace("DiscoverVersions", "&j;"),
    "external entity": ENTITIES % '<!ENTITY f SYSTEM "file:///etc/passwd">'
    + GOOD_XML.split("?>")[1].replace('value="DiscoverVersions"/>', ">&f;</Operation>"),
    "document type": ENTITIES % "" + GOOD_XML.split("?>")[1],
    "processing instruction": GOOD_XML.replace("<BatchItem>", "<?php echo 1 ?><BatchItem>"),
    "nested 100,000 deep": "<RequestMessage>" * 40_000,
    "two documents": GOOD_XML + GOOD_XML.split("?>")[1],
    "unclosed": GOOD_XML[:-10],
    "huge integer": GOOD_XML.replace('value="1"', f'value="{"9" * 100_000}"'),
    "no number": GOOD_XML.replace('value="1"', 'value="1e999"'),
    "attribute twice": GOOD_XML.replace('value="1"', 'value="1" value="2"'),
    "unknown type": GOOD_XML.replace('type="Integer" value="1"', 'type="Whole" value="1"'),
    "text between": GOOD_XML.replace("<BatchItem>", "surprise<BatchItem>"),
    "empty": "<RequestMessage/>",
}


@pytest.mark.parametrize("document", BAD_XML.values(), ids=BAD_XML.keys())
def test_b72_bad_xml_is_refused(client: Client, document: str) -> None:
    began = time.monotonic()
    assert_failed(*post(client, document.encode(), XML))
    assert time.monotonic() - began < 10
    assert_alive(client)


def test_b72_no_entity_is_ever_fetched(client: Client) -> None:
    fetched = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def listen() -> None:
            try:
                listener.accept()[0].close()
            except OSError:
                return
            fetched.set()

        thread = threading.Thread(target=listen)
        thread.start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
        for declaration in (f'<!ENTITY f SYSTEM "{address}">', f'<!ENTITY % f SYSTEM "{address}"> %f;'):
            document = ENTITIES % declaration + GOOD_XML.split("?>")[1].replace("DiscoverVersions", "&f;")
            assert_failed(*post(client, document.encode(), XML))
        document = f'<?xml version="1.0"?><!DOCTYPE x SYSTEM "{address}">' + GOOD_XML.split("?>")[1]
        assert_failed(*post(client, document.encode(), XML))
        assert not fetched.wait(0.3)
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


BAD_JSON = {
    "name twice": GOOD_JSON.replace('"tag": "BatchCount"', '"tag": "BatchCount", "tag": "BatchCount"'),
    "1e999": GOOD_JSON.replace('"value": 1}', '"value": 1e999}'),
    "NaN": GOOD_JSON.replace('"value": 1}', '"value": NaN}'),
    "fraction": GOOD_JSON.replace('"value": 1}', '"value": 1.5}'),
    "huge integer": GOOD_JSON.replace('"value": 1}', f'"value": {"9" * 100_000}}}'),
    "nested 100,000 deep": "[" * 100_000,
    "objects nested 40,000 deep": '{"value":[' * 40_000,
    "string of surrogates": GOOD_JSON.replace("DiscoverVersions", "\\ud800\\udc00\\ud800"),
    "comment": GOOD_JSON + "// done",
    "single quotes": GOOD_JSON.replace('"', "'"),
    "two documents": GOOD_JSON + GOOD_JSON,
    "array": f"[{GOOD_JSON}]",
    "null": "null",
    "unknown member": GOOD_JSON.replace('"type": "Integer"', '"type": "Integer", "surprise": 1'),
    "unknown type": GOOD_JSON.replace('"Integer"', '"Whole"'),
    "text for a number": GOOD_JSON.replace('"value": 1}', '"value": "one"}'),
}


@pytest.mark.parametrize("document", BAD_JSON.values(), ids=BAD_JSON.keys())
def test_b72_bad_json_is_refused(client: Client, document: str) -> None:
    began = time.monotonic()
    assert_failed(*post(client, document.encode(), JSON))
    assert time.monotonic() - began < 10
    assert_alive(client)


WRONG_ENCODINGS = {
    "XML in UTF-16": (GOOD_XML.replace("utf-8", "utf-16").encode("utf-16"), XML),
    "XML in UTF-7": (GOOD_XML.replace("utf-8", "utf-7").encode("utf-7"), XML),
    "XML with a NUL": (GOOD_XML.encode() + b"\0", XML),
    "JSON in UTF-16": (GOOD_JSON.encode("utf-16"), JSON),
    "JSON in Latin-1": (GOOD_JSON.replace("DiscoverVersions", "\xe9").encode("latin-1"), JSON),
    "JSON sent as XML": (GOOD_JSON.encode(), XML),
    "TTLV sent as JSON": (ask.one((2, 1), ask.discover_versions()), JSON),
    "charset named otherwise": (GOOD_JSON.encode(), "application/json; charset=utf-16"),
    "unknown content type": (GOOD_JSON.encode(), "application/x-www-form-urlencoded"),
    "several content types": (GOOD_JSON.encode(), "application/json, text/xml"),
}


@pytest.mark.parametrize(("body", "content_type"), WRONG_ENCODINGS.values(), ids=WRONG_ENCODINGS.keys())
def test_b72_a_wrong_charset_or_content_type_is_refused(client: Client, body: bytes, content_type: str) -> None:
    assert_failed(*post(client, body, content_type))
    assert_alive(client)


def test_b72_compressed_bodies_are_refused(client: Client) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    status, _ = post(client, bomb, JSON, "Content-Encoding: gzip")
    assert 400 <= status < 500
    assert_alive(client)


BROKEN_HTTP = {
    "no length": b"POST /kmip HTTP/1.1\r\nHost: k\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n",
    "two lengths": b"POST /kmip HTTP/1.1\r\nHost: k\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    "negative length": b"POST /kmip HTTP/1.1\r\nHost: k\r\nContent-Length: -1\r\n\r\n",
    "length and chunks": b"POST /kmip HTTP/1.1\r\nHost: k\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"0\r\n\r\n",
    "length that is no number": b"POST /kmip HTTP/1.1\r\nHost: k\r\nContent-Length: 5x\r\n\r\nabcde",
    "chunk of no size": b"POST /kmip HTTP/1.1\r\nHost: k\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n0\r\n\r\n",
    "huge length": b"POST /kmip HTTP/1.1\r\nHost: k\r\nContent-Type: application/json\r\n"
    b"Content-Length: 99999999999999\r\n\r\n{",
    "not HTTP": b"\x42\x00\x78\x01\x00\x00\x00\x08\r\n\r\n",
    "endless header": b"POST /kmip HTTP/1.1\r\nHost: " + b"k" * 200_000,
    "200 headers": b"POST /kmip HTTP/1.1\r\n" + b"".join(b"X-%d: x\r\n" % n for n in range(200)) + b"\r\n",
    "GET": b"GET /kmip HTTP/1.1\r\nHost: k\r\nConnection: close\r\n\r\n",
    "elsewhere": b"POST /../etc/passwd HTTP/1.1\r\nHost: k\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
}


@pytest.mark.parametrize("data", BROKEN_HTTP.values(), ids=BROKEN_HTTP.keys())
def test_b72_broken_http_is_refused(client: Client, data: bytes) -> None:
    status, body = raw_exchange(client, data)
    assert status == 0 or 400 <= status < 500, (status, body)
    assert b"root:" not in body
    assert_alive(client)


def test_b72_an_endless_body_in_chunks_is_cut_off(client: Client) -> None:
    head = (
        b"POST /kmip HTTP/1.1\r\nHost: k\r\nContent-Type: application/octet-stream\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    before = client.server.resident_mib()
    with https(client) as stream, pytest.raises(OSError):
        stream.sendall(head)
        for _ in range(100_000):
            stream.sendall(chunk)
    assert client.server.resident_mib() - before < 32
    assert_alive(client)


def test_what_a_ttlv_answer_holds_is_what_the_other_port_would_hold(client: Client) -> None:
    status, body = post(client, ask.one((1, 2), ask.get("there is none")), TTLV)
    assert status == 200
    with client.session((1, 2)) as session:
        other = session.do(ask.get("there is none"))
    result = read_response(body).result
    assert (result.status, result.reason, result.message) == (other.status, other.reason, other.message)
    assert result.get(Tag.UNIQUE_IDENTIFIER) is None
