"""D-42: a credential that somebody could have overheard and sends again is never satisfied, and neither is the first.

Of the kinds of credentials a password alone is checked, under the certificate of the client that sends it
(docs/decisions/who-is-calling.md, 6). Those here are made as KMIP 2.1 s9.11 says, of a password that is right.
"""

from __future__ import annotations

import hashlib
import time
from typing import Final

import pytest
from support import requests as ask
from support.defences import VERSION
from support.numbers import Reason, Tag
from support.requests import Session
from support.server import RunningServer
from support.wire import DATE_TIME_EXTENDED, OPERATION_FAILED, enumeration, octets, raw, structure, text

BY_PASSWORD, ONE_TIME, HASHED = 1, 4, 5
PASSWORD: Final = "correct horse"
SECOND: Final = 1_000_000
"""In microseconds, as Date-Time Extended counts."""


def credential(kind: int, *fields: bytes) -> bytes:
    value = structure(Tag.CREDENTIAL_VALUE, *fields)
    return structure(Tag.CREDENTIAL, enumeration(Tag.CREDENTIAL_TYPE, kind), value)


def with_password(user: str) -> bytes:
    return credential(BY_PASSWORD, text(Tag.USERNAME, user), text(Tag.PASSWORD, PASSWORD))


def one_time(user: str, code: str) -> bytes:
    fields = text(Tag.USERNAME, user), text(Tag.PASSWORD, PASSWORD), text(Tag.ONE_TIME_PASSWORD, code)
    return credential(ONE_TIME, *fields)


def hashed(user: str, at: int) -> bytes:
    """Hash(S1 || Timestamp) || S2, where S1 = Hash(Username || Password), S2 = Hash(Password || Username)."""
    name, password, stamp = user.encode(), PASSWORD.encode(), at.to_bytes(8, "big")
    first, second = hashlib.sha256(name + password).digest(), hashlib.sha256(password + name).digest()
    return credential(
        HASHED,
        text(Tag.USERNAME, user),
        raw(Tag.TIME_STAMP, DATE_TIME_EXTENDED, 8, stamp),
        octets(Tag.HASHED_PASSWORD, hashlib.sha256(first + stamp).digest() + second),
    )


def in_turn(kind: int, user: str) -> list[bytes]:
    """What a client sends who has its credential from elsewhere."""
    if kind == ONE_TIME:
        return [one_time(user, "123456"), one_time(user, "123456"), one_time(user, "")]
    now = int(time.time()) * SECOND
    return [hashed(user, at) for at in (now, now, now - 1, now - 3600 * SECOND, now + 1)]


@pytest.mark.parametrize("kind", [ONE_TIME, HASHED], ids=["one time password", "hashed password"])
@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside a password that is right"])
def test_d42_a_credential_that_could_be_replayed_is_never_satisfied(
    server: RunningServer, mine: Session, kind: int, beside: bool
) -> None:
    user, name = f"d42-{kind}-{beside}", ask.name(f"d42 {kind} {beside} never made")
    server.add_user(user, PASSWORD)
    right = with_password(user)
    mine.do(ask.create_aes(VERSION), fields=(structure(Tag.AUTHENTICATION, right),)).expect_success()
    for sent in in_turn(kind, user):
        fields = structure(Tag.AUTHENTICATION, *([right] if beside else []), sent)
        answer = mine.do(ask.create_aes(VERSION, name), fields=(fields,))
        assert (answer.status, answer.reason) == (OPERATION_FAILED, Reason.AUTHENTICATION_NOT_SUCCESSFUL)
        assert answer.payload is None
    assert mine.located(name) == []
    mine.do(ask.create_aes(VERSION), fields=(structure(Tag.AUTHENTICATION, right),)).expect_success()
