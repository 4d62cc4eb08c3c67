"""ETSI GS QKD 014 as bytes: the standard's own requests, and that only its answers are believed."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dscc.links import etsi014
from dscc.links.etsi014 import MOST_ANSWER, ask_keys, ask_keys_by_id, ask_status, check_size, in_order, read_keys
from dscc.links.source import (
    Key,
    LinkError,
    SourceAnswerError,
    SourceEmptyError,
    SourceRefusedError,
    SourceRequestError,
    SourceStatus,
)

IDS = ("bc490419-7d60-487f-adc1-4ddcc177c139", "0a782fb5-3434-48fe-aa4d-14f41d46cf92")
STATUS = {
    "source_KME_ID": "AAAABBBBCCCCDDDD",
    "target_KME_ID": "EEEEFFFFGGGGHHHH",
    "master_SAE_ID": "IIIIJJJJKKKKLLLL",
    "slave_SAE_ID": "MMMMNNNNOOOOPPPP",
    "key_size": 352,
    "stored_key_count": 25000,
    "max_key_count": 100000,
    "max_key_per_request": 128,
    "max_key_size": 1024,
    "min_key_size": 64,
    "max_SAE_ID_count": 0,
}
PEER = STATUS["slave_SAE_ID"]


def answer(*keys: tuple[object, object]) -> bytes:
    return json.dumps({"keys": [{"key_ID": key_id, "key": key} for key_id, key in keys]}).encode()


def base64(secret: bytes) -> str:
    return b64encode(secret).decode()


def test_requests_are_those_of_the_standard() -> None:
    assert ask_status("sae b/1") == ("/api/v1/keys/sae%20b%2F1/status", None)
    path, body = ask_keys("b", 32, 3)
    assert (path, json.loads(body or b"")) == ("/api/v1/keys/b/enc_keys", {"number": 3, "size": 256})
    path, body = ask_keys_by_id("a", IDS)
    assert path == "/api/v1/keys/a/dec_keys"
    assert json.loads(body or b"") == {"key_IDs": [{"key_ID": IDS[0]}, {"key_ID": IDS[1]}]}
    for name in ("", "x" * 65):
        with pytest.raises(SourceRequestError):
            ask_status(name)


def test_a_status_is_read_in_bytes() -> None:
    read = etsi014.read_status(json.dumps(STATUS | {"status_extension": {"any": 1}}).encode(), "etsi014", str(PEER))
    detail = "AAAABBBBCCCCDDDD to EEEEFFFFGGGGHHHH"
    assert read == SourceStatus("etsi014", str(PEER), 25000, 44, 128, 8, 128, detail=detail)


@pytest.mark.parametrize("name", STATUS)
@pytest.mark.parametrize("value", [None, "7", -1, 1.5, True, 1 << 31, [], "gone"], ids=repr)
def test_a_status_with_a_wrong_field_is_refused(name: str, value: object) -> None:
    wrong: dict[str, Any] = {**STATUS, name: value}
    if value == "gone":
        del wrong[name]
    if type(STATUS[name]) is str and type(value) is str and name != "slave_SAE_ID" and value != "gone":
        etsi014.read_status(json.dumps(wrong).encode(), "etsi014", str(PEER))
        return
    with pytest.raises(SourceAnswerError):
        etsi014.read_status(json.dumps(wrong).encode(), "etsi014", str(PEER))


def test_keys_are_read_as_they_are() -> None:
    keys = read_keys(answer((IDS[0], base64(b"a" * 32)), (IDS[1].upper(), base64(b"b" * 32))), 2)
    assert keys == [Key(IDS[0], b"a" * 32), Key(IDS[1].upper(), b"b" * 32)]
    assert check_size(keys, 32) is keys
    with pytest.raises(SourceAnswerError):
        check_size(keys, 31)
    assert in_order(keys, IDS[::-1]) == [Key(IDS[1], b"b" * 32), Key(IDS[0], b"a" * 32)]
    for others in (IDS[:1], (*IDS[:1], IDS[0][:-1] + "8")):
        with pytest.raises(SourceAnswerError):
            in_order(keys, others)


GOOD = base64(b"k" * 32)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"keys": {}}',
        b'{"keys": [1]}',
        b"[" * 100_000,
        b"\xff\xfe",
        answer(),
        answer((IDS[0], GOOD), (IDS[1], GOOD)),
        answer((IDS[0], None)),
        answer((IDS[0], "")),
        answer((IDS[0], GOOD[:-1])),
        answer((IDS[0], GOOD[:4] + "\n" + GOOD[4:])),
        answer((IDS[0], GOOD.replace("a", "-", 1))),
        answer((IDS[0], GOOD + "=")),
        answer((IDS[0], "\u00e9" + GOOD[1:])),
        answer((IDS[0][:-1], GOOD)),
        answer((IDS[0].replace("-", ""), GOOD)),
        answer(("{" + IDS[0] + "}", GOOD)),
        answer((None, GOOD)),
        answer((7, GOOD)),
    ],
    ids=lambda body: repr(body[:60]),
)
def test_what_is_not_one_key_in_strict_base64_under_a_uuid_is_refused(body: bytes) -> None:
    with pytest.raises(SourceAnswerError) as refused:
        read_keys(body, 1)
    assert GOOD not in str(refused.value)


def test_other_than_as_many_keys_as_were_asked_for_are_refused() -> None:
    for body in (answer(), answer((IDS[0], GOOD), (IDS[1], GOOD))):
        with pytest.raises(SourceAnswerError, match="not the 1 keys"):
            read_keys(body, 1)


def test_two_keys_under_one_id_are_refused() -> None:
    with pytest.raises(SourceAnswerError, match="same id"):
        read_keys(answer((IDS[0], GOOD), (IDS[0].upper(), GOOD)), 2)


def test_an_answer_that_is_too_large_is_not_parsed() -> None:
    with pytest.raises(SourceAnswerError, match="more than"):
        read_keys(b" " * MOST_ANSWER + answer((IDS[0], GOOD)), 1)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, SourceRequestError),
        (401, SourceRefusedError),
        (503, SourceEmptyError),
        (302, SourceAnswerError),
        (404, SourceAnswerError),
        (500, SourceAnswerError),
        (204, SourceAnswerError),
    ],
)
def test_errors_are_those_of_the_standard(status: int, kind: type[LinkError]) -> None:
    error = etsi014.error(status, json.dumps({"message": "no\nkeys" + "x" * 500}).encode())
    assert type(error) is kind
    assert "\n" not in str(error) and len(str(error)) < 300
    assert type(etsi014.error(status, b"<html>")) is kind
    assert type(etsi014.error(status, b'{"message": 7}')) is kind
    if kind is not SourceAnswerError:
        assert "no?keys" in str(error)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from([*IDS, GOOD]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["keys", "key", "key_ID", "message", *STATUS]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_answer_does_more_than_to_be_refused(body: bytes) -> None:
    for read in (
        lambda: read_keys(body, 1),
        lambda: etsi014.read_status(body, "etsi014", str(PEER)),
        lambda: etsi014.error(400, body),
    ):
        try:
            read()
        except SourceAnswerError as error:
            assert GOOD not in str(error)
