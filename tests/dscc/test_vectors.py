"""The published test vectors: what the code computes, and what a second implementation does from the same inputs."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import cbor2
import pytest
import second
import vectors

from dscc import direct_messages, messages
from dscc.wire import decode, encode

PUBLISHED: dict[str, list[dict[str, Any]]] = json.loads(vectors.FILE.read_text())


def test_the_code_computes_what_is_published() -> None:
    assert vectors.written() == vectors.FILE.read_text(), "run: python tests/dscc/vectors.py, if that was intended"


def every_message(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        found = [value] if "cbor" in value else []
        return found + [each for inner in value.values() for each in every_message(inner)]
    return [each for inner in value for each in every_message(inner)] if isinstance(value, list) else []


def test_every_message_of_the_protocol_is_there_and_is_encoded_as_the_document_says() -> None:
    rooms = {**vars(messages), **vars(direct_messages)}
    known = {name for name, each in rooms.items() if hasattr(each, "_fields")}
    assert {each["message"] for each in PUBLISHED["messages"]} == known
    for each in every_message(PUBLISHED):
        data = bytes.fromhex(each["cbor"])
        assert encode(decode(data)) == data and cbor2.loads(data)[0] == each["number"]
        assert sha256(second.transcript(each)).hexdigest() == each["transcript_sha256"]
        if each["fields"]:
            assert sha256(second.core(each)).hexdigest() == each["core_sha256"]


def test_a_second_implementation_encodes_and_expands_alike() -> None:
    for v in PUBLISHED["enc"]:
        assert second.enc(*[bytes.fromhex(field) for field in v["fields"]]).hex() == v["enc"]
    for v in PUBLISHED["schedule"]:
        suite, key, context = v["suite"], second.raw(v, "key"), second.raw(v, "context")
        assert second.expand(suite, key, "na root").hex() == v["expand_48"]
        assert second.expand(suite, key, "na sess", context, 32).hex() == v["expand_in_context_32"]
        assert second.expand(suite, key, "key tunnel", context, 512).hex() == v["expand_512"]
        assert second.extract(suite, second.raw(v, "salt"), key).hex() == v["extract"]


@pytest.mark.parametrize("what", ["registration", "session", "keyfill", "pair", "drawing", "notice"])
def test_a_second_implementation_computes_the_same(what: str) -> None:
    compute: Callable[[dict[str, Any]], dict[str, Any]] = getattr(second, what)
    assert len(PUBLISHED[what]) >= 2
    for vector in PUBLISHED[what]:
        computed = compute(vector)
        assert computed == {name: vector[name] for name in computed}


def test_a_second_implementation_has_the_same_group_keys() -> None:
    for vector in PUBLISHED["group"]:
        epochs = [{name: epoch[name] for name in ("seed", "digest", "key")} for epoch in vector["epochs"]]
        assert second.group(vector) == epochs


def test_a_change_of_one_byte_is_noticed() -> None:
    """The negative control: the second implementation does compute, and does not read the result."""
    vector = json.loads(json.dumps(PUBLISHED["pair"][1]))
    share = vector["shares"]["n1"]["fields"]
    share["share"] = "00" + share["share"][2:]
    with pytest.raises(AssertionError):
        second.pair(vector)
