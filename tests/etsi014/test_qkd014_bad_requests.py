"""Requests of ETSI GS QKD 014 that are none: each is status 400 in the standard's form, and asks for no key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from edge_support import eventually, rest_of
from qkd014_delivery import InMemoryDelivery
from qkd014_gateway import Gateway, Sae, refused

ONE = "43697fa2-151a-438e-b7d0-b73451b13244"
MOST_BODY = 65_536


@pytest.fixture(autouse=True)
def _nothing_is_asked_of_the_delivery(key_delivery: InMemoryDelivery) -> Iterator[None]:
    key_delivery.calls.clear()
    yield
    assert key_delivery.calls == []


def key_ids(*ids: object) -> dict[str, Any]:
    return {"key_IDs": [{"key_ID": one} for one in ids]}


BAD_KEY_REQUESTS: dict[str, tuple[object, str]] = {
    "no JSON": (b"{", "the body: Invalid JSON"),
    "no body": (b"", "the body: Invalid JSON"),
    "not in UTF-8": (b'{"number": "\xff"}', "the body: Invalid JSON"),
    "no object": ([], "the body: "),
    "too deep": (b'{"extension_optional": [' + b'{"x": [' * 5000, "the body: Invalid JSON"),
    "a number of 60,000 digits": (b'{"number": ' + b"9" * 60_000 + b"}", "the body: Invalid JSON: number out of range"),
    "a thousand keys": ({"number": 1000}, "number: Input should be less than or equal to 128"),
    "one key too many": ({"number": 129}, "number: "),
    "no key": ({"number": 0}, "number: "),
    "a negative number": ({"number": -1}, "number: "),
    "half a key": ({"number": 1.5}, "number: "),
    "a number as a text": ({"number": "1"}, "number: "),
    "a truth as a number": ({"number": True}, "number: "),
    "nothing as a number": ({"number": None}, "number: "),
    "a size of 63 bits": ({"size": 63}, "size: "),
    "a size of 56 bits": ({"size": 56}, "size: "),
    "a size of no whole bytes": ({"size": 129}, "size shall be a multiple of 8"),
    "a size beyond the most": ({"size": 4104}, "size: "),
    "a negative size": ({"size": -256}, "size: "),
    "more slaves": ({"additional_slave_SAE_IDs": ["carol"]}, "additional_slave_SAE_IDs are not supported"),
    "slaves that are no list": ({"additional_slave_SAE_IDs": "carol"}, "additional_slave_SAE_IDs: "),
    "slaves that are no texts": ({"additional_slave_SAE_IDs": [1]}, "additional_slave_SAE_IDs.0: "),
    "an extension that is mandatory": (
        {"extension_mandatory": [{"abc_route_type": "direct"}]},
        "not all extension_mandatory parameters are supported",
    ),
    "an extension that is no object": ({"extension_optional": ["x"]}, "extension_optional.0: "),
    "a field that the standard does not have": ({"numbers": 1}, "numbers: "),
}


@pytest.mark.parametrize(("body", "message"), BAD_KEY_REQUESTS.values(), ids=BAD_KEY_REQUESTS.keys())
def test_get_key_is_refused(alice: Sae, body: object, message: str) -> None:
    assert refused(alice.ask("POST", "bob/enc_keys", body)).startswith(message)


def test_an_independent_client_is_told_what_is_not_supported(alice: Sae) -> None:
    client = alice.independent()
    assert client.get_key("bob", number=1000)[0] == 400
    code, error = client.get_key("bob", extension_mandatory=[{"abc_route_type": "direct"}])
    assert (code, error.message) == (400, "not all extension_mandatory parameters are supported")
    assert error.details == [{"extension_mandatory_unsupported": "abc_route_type"}]
    code, error = client.get_key("bob", additional_slave_sae_ids=["carol"])
    assert (code, error.details) == (400, [])


BAD_KEY_IDS: dict[str, tuple[object, str]] = {
    "no ids": ({}, "key_IDs: "),
    "an empty list": (key_ids(), "key_IDs: "),
    "a thousand": (key_ids(*(str(uuid4()) for _ in range(1000))), "key_IDs: "),
    "one too many": (key_ids(*(str(uuid4()) for _ in range(129))), "key_IDs: "),
    "the same twice": (key_ids(ONE, ONE.upper()), "key_IDs: a key_ID is given twice"),
    "no UUID": (key_ids("1"), "key_IDs.0.key_ID: "),
    "no UUID, as long as one": (key_ids("x" * 36), "key_IDs.0.key_ID: "),
    "a UUID without hyphens": (key_ids(ONE.replace("-", "")), "key_IDs.0.key_ID: "),
    "a UUID in braces": (key_ids(f"{{{ONE}}}"), "key_IDs.0.key_ID: "),
    "a UUID and a line": (key_ids(ONE + "\n"), "key_IDs.0.key_ID: "),
    "a number": (key_ids(1), "key_IDs.0.key_ID: "),
    "texts": ({"key_IDs": [ONE]}, "key_IDs.0: "),
    "a field more": ({"key_IDs": [{"key_ID": ONE, "size": 8}]}, "key_IDs.0.size: "),
}


@pytest.mark.parametrize(("body", "message"), BAD_KEY_IDS.values(), ids=BAD_KEY_IDS.keys())
def test_get_key_with_key_ids_is_refused(alice: Sae, body: object, message: str) -> None:
    assert refused(alice.ask("POST", "bob/dec_keys", body)).startswith(message)


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        ("POST", "bob/status", "the HTTP method of status is GET"),
        ("DELETE", "bob/enc_keys", "the HTTP method of enc_keys is GET or POST"),
        ("PUT", "bob/dec_keys", "the HTTP method of dec_keys is GET or POST"),
        ("GET", "bob/keys", "the last part of the path"),
        ("GET", "bob", "the path is"),
        ("GET", "", "the path is"),
        ("GET", "bob/status/", "the path is"),
        ("GET", "/status", "the SAE ID in the path is not in URL encoding"),
        ("GET", "b%zz/status", "the SAE ID in the path is not in URL encoding"),
        ("GET", "b%ff/status", "the SAE ID in the path is not in UTF-8"),
        ("GET", "b%00/status", "the SAE ID in the path names no SAE"),
        ("GET", "*/status", "the SAE ID in the path names no SAE"),
        ("GET", f"{'b' * 256}/status", "the SAE ID in the path names no SAE"),
        ("GET", f"{'b' * 5000}/status", "the path has more than 4096 bytes"),
        ("GET", "bob/status?size=1", "status has no parameters"),
        ("GET", "bob/enc_keys?number=129", "number: "),
        ("GET", "bob/enc_keys?number=-1", "number: "),
        ("GET", "bob/enc_keys?number=+1", "number: "),
        ("GET", "bob/enc_keys?number=%D9%A1", "number: "),
        ("GET", "bob/enc_keys?number=1&number=2", "the query gives a parameter twice"),
        ("GET", "bob/enc_keys?number", "the query is not in URL encoding"),
        ("GET", "bob/enc_keys?number=%ff", "the query is not in URL encoding"),
        (
            "GET",
            f"bob/enc_keys?{'&'.join(f'x{n}=1' for n in range(9))}",
            "the query is not in URL encoding, or has too many parameters",
        ),
        ("GET", "bob/enc_keys?additional_slave_SAE_IDs=carol", "additional_slave_SAE_IDs: "),
        ("GET", "bob/dec_keys", "key_IDs.0.key_ID: "),
        ("GET", "bob/dec_keys?key_ID=1", "key_IDs.0.key_ID: "),
        ("GET", f"bob/dec_keys?key_ID={ONE}&size=1", "key_IDs.0.size: "),
    ],
)
def test_what_is_no_method_of_the_standard_is_refused(alice: Sae, method: str, path: str, message: str) -> None:
    assert refused(alice.ask(method, path)).startswith(message)


def test_a_get_has_no_body_and_a_post_no_query(alice: Sae) -> None:
    assert "GET has no body" in refused(alice.ask("GET", "bob/enc_keys", {}))
    assert "POST has no query" in refused(alice.ask("POST", "bob/enc_keys?number=1", {}))


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Encoding": "gzip"},
    ],
    ids=str,
)
def test_a_document_is_plain_json(alice: Sae, headers: dict[str, str]) -> None:
    assert "the content type is application/json" in refused(alice.ask("POST", "bob/enc_keys", {}, headers))


def test_a_body_has_at_most_64_kib(alice: Sae, gateway: Gateway) -> None:
    fields = {"extension_optional": [{"x": "y" * MOST_BODY}]}
    assert refused(alice.ask("POST", "bob/enc_keys", fields)) == "a message has at most 65536 bytes"
    chunk = b"4000\r\n" + bytes(0x4000) + b"\r\n"
    for begun in (b"Content-Length: 65537\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n" + 5 * chunk):
        with alice.tls() as connection:
            connection.sendall(b"POST /api/v1/keys/bob/enc_keys HTTP/1.1\r\nContent-Type: application/json\r\n" + begun)
            head, _, body = rest_of(connection).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n")
            assert json.loads(body) == {"message": "a message has at most 65536 bytes", "details": []}
    assert eventually(lambda: gateway.edge._memory._free == gateway.edge.settings.buffered_bytes)


def test_a_refusal_says_at_most_eight_things_and_nothing_of_the_values(alice: Sae) -> None:
    marker = "a-value-that-is-nobodys-business"
    status, document = alice.ask("POST", "bob/enc_keys", {"number": marker, **{f"field{n}": marker for n in range(20)}})
    assert (status, len(document["details"])) == (400, 8)
    assert marker not in json.dumps(document)
    status, document = alice.ask("POST", "bob/enc_keys", {"x" * 1000 + "\n\x1b": 1})
    assert document["details"][0]["parameter"] == "x" * 64
