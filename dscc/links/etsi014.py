"""ETSI GS QKD 014 V1.1.1: the requests and answers of a key management entity (KME), as bytes. Pure.

    GET  /api/v1/keys/{slave_SAE_ID}/status       s5.1, s6.1
    POST /api/v1/keys/{slave_SAE_ID}/enc_keys     s5.2, s6.2, s6.3
    POST /api/v1/keys/{master_SAE_ID}/dec_keys    s5.3, s6.4, s6.3

An SAE is who uses the keys: a node. Sizes are in bits there, and in bytes here. An answer is believed only if it is
exactly what the standard says, and what was asked for; nothing of it is ever shown.
"""

from __future__ import annotations

import json
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Callable
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from dscc.links.source import (
    Key,
    LinkError,
    SourceAnswerError,
    SourceEmptyError,
    SourceRefusedError,
    SourceRequestError,
    SourceStatus,
    is_key_id,
)

MOST_ANSWER: Final = 1 << 18
"""Bytes: 128 keys of 512 bytes have 100,000 in base64, with their ids."""
_MOST_MESSAGE: Final = 200
_MOST_NAME: Final = 64


class Request(NamedTuple):
    """An HTTP request; without a body it is a GET."""

    path: str
    body: bytes | None = None


def ask_status(slave: str) -> Request:
    """Get status (s5.1)."""
    return Request(_path(slave, "status"))


def ask_keys(slave: str, size: int, number: int) -> Request:
    """Get key (s5.2)."""
    return Request(_path(slave, "enc_keys"), json.dumps({"number": number, "size": 8 * size}).encode())


def ask_keys_by_id(master: str, key_ids: tuple[str, ...]) -> Request:
    """Get key with key IDs (s5.3)."""
    body = {"key_IDs": [{"key_ID": key_id} for key_id in key_ids]}
    return Request(_path(master, "dec_keys"), json.dumps(body).encode())


def _path(sae: str, what: str) -> str:
    if not 1 <= len(sae) <= _MOST_NAME:
        raise SourceRequestError(f"the name of an SAE has 1 to {_MOST_NAME} characters")
    return f"/api/v1/keys/{quote(sae, safe='')}/{what}"


def read_status(body: bytes, source: str, peer: str) -> SourceStatus:
    """The status of a KME (s6.1). Raises SourceAnswerError."""
    said = _object(_json(body), "the status")
    for name in ("source_KME_ID", "target_KME_ID", "master_SAE_ID", "slave_SAE_ID"):
        if type(said.get(name)) is not str:
            raise SourceAnswerError(f"the status has no text {name}")
    if said["slave_SAE_ID"] != peer:
        raise SourceAnswerError("the status is about another peer")
    size, stored, _, most, largest, smallest, _ = (_number(said, name) for name in _NUMBERS)
    detail = f"{_shown(said['source_KME_ID'], 64)} to {_shown(said['target_KME_ID'], 64)}"
    return SourceStatus(source, peer, stored, size // 8, most, (smallest + 7) // 8, largest // 8, detail=detail)


_NUMBERS: Final = (
    "key_size",
    "stored_key_count",
    "max_key_count",
    "max_key_per_request",
    "max_key_size",
    "min_key_size",
    "max_SAE_ID_count",
)


def read_keys(body: bytes, number: int) -> list[Key]:
    """The keys of a key container (s6.3): as many as were asked for, with different ids. Raises SourceAnswerError."""
    found = _object(_json(body), "the key container").get("keys")
    if type(found) is not list or len(found) != number:
        raise SourceAnswerError(f"the answer has not the {number} keys that were asked for")
    keys = [_key(_object(one, "a key")) for one in found]
    if len({key.key_id.lower() for key in keys}) != number:
        raise SourceAnswerError("two keys have the same id")
    return keys


def check_size(keys: list[Key], size: int) -> list[Key]:
    """The keys, if they have the size in bytes. Raises SourceAnswerError."""
    if any(len(key.secret) != size for key in keys):
        raise SourceAnswerError(f"a key has not the {size} bytes that were asked for")
    return keys


def in_order(keys: list[Key], key_ids: tuple[str, ...]) -> list[Key]:
    """The keys in the order of the ids. Raises SourceAnswerError if they are others."""
    by_id = {key.key_id.lower(): key.secret for key in keys}
    if by_id.keys() != {key_id.lower() for key_id in key_ids}:
        raise SourceAnswerError("the answer has other keys than were asked for")
    return [Key(key_id, by_id[key_id.lower()]) for key_id in key_ids]


_ERRORS: Final[dict[int, Callable[[str], LinkError]]] = {
    400: SourceRequestError,
    401: SourceRefusedError,
    503: SourceEmptyError,
}
"""The errors of the standard (s5). 503 is any trouble of the server's, which for a KME is as a rule a lack of keys."""


def error(status: int, body: bytes) -> LinkError:
    """What another status than 200 says. Redirections are not followed: they are errors, too."""
    kind = _ERRORS.get(status)
    if kind is None:
        return SourceAnswerError(f"the KME answered with status {status}, which the standard does not have")
    try:
        message = _object(_json(body), "the error").get("message")
    except SourceAnswerError:
        message = None
    words = _shown(message, _MOST_MESSAGE) if type(message) is str else "no reason"
    return kind(f"the KME answered {status}: {words}")


def _json(body: bytes) -> Any:
    if len(body) > MOST_ANSWER:
        raise SourceAnswerError(f"the answer has more than {MOST_ANSWER} bytes")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise SourceAnswerError("the answer is not JSON") from None


def _object(value: Any, what: str) -> dict[str, Any]:
    if type(value) is not dict:
        raise SourceAnswerError(f"{what} is not an object")
    return value


def _number(said: dict[str, Any], name: str) -> int:
    value = said.get(name)
    if type(value) is not int or not 0 <= value < 1 << 31:
        raise SourceAnswerError(f"the status has no number {name}")
    return value


def _key(said: dict[str, Any]) -> Key:
    key_id, text = said.get("key_ID"), said.get("key")
    if not isinstance(key_id, str) or not is_key_id(key_id):
        raise SourceAnswerError("the id of a key is not a UUID")
    try:
        secret = b64decode(text.encode("ascii"), validate=True) if isinstance(text, str) else b""
    except (NotBase64, ValueError):
        secret = b""
    if not secret:
        raise SourceAnswerError("a key is not in base64")
    return Key(key_id, secret)


def _shown(text: str, most: int) -> str:
    """Somebody else's words, fit for a log."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:most])
