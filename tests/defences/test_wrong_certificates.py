"""D-13: a certificate that is not in force, or not a client's, opens nothing. Revoked ones are below.

Each names a client that is known, and comes from the authority that the server trusts, but for the one that does not.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from support import requests as ask
from support.certificates import DAY, Authority, Issued
from support.defences import VERSION, aes
from support.requests import Session
from support.server import Client, RunningServer
from support.wire import Connection, Credentials, PeerClosedError

ENDS_S: Final = 2.0
"""Seconds that the certificate of an open connection is still in force, and enough to be served in."""
WITHIN_S: Final = 2.0
"""How much later nothing is answered any more: whole seconds in the certificate, and one that the server promises."""


def connect(server: RunningServer, issued: Issued) -> Connection:
    credentials = Credentials(issued.cert_file, issued.key_file, server.data / "pki" / "ca-cert.pem")
    return Connection(server.kmip, credentials.context())


def is_answered(connection: Connection, asked: ask.Request) -> bool:
    """Whether anything at all comes back, a refusal included."""
    try:
        Session(connection, VERSION).do(asked)
    except (OSError, PeerClosedError):
        return False
    return True


def is_let_in(server: RunningServer, issued: Issued, asked: ask.Request) -> bool:
    try:
        with connect(server, issued) as connection:
            return is_answered(connection, asked)
    except (OSError, PeerClosedError):
        return False


def foreign(folder: Path) -> Authority:
    elsewhere = folder / "foreign"
    elsewhere.mkdir()
    return Authority(elsewhere)


USAGE: Final = ExtendedKeyUsageOID
WRONG: Final[dict[str, Callable[[Authority, str], Issued]]] = {
    "expired": lambda ours, name: ours.issue(name, begins=-9 * DAY, ends=-timedelta(seconds=5)),
    "not yet valid": lambda ours, name: ours.issue(name, begins=timedelta(minutes=5)),
    "for servers": lambda ours, name: ours.issue(name, usage=USAGE.SERVER_AUTH),
    "for signing code": lambda ours, name: ours.issue(name, usage=USAGE.CODE_SIGNING),
    "for any use": lambda ours, name: ours.issue(name, usage=USAGE.ANY_EXTENDED_KEY_USAGE),
    "for no use that it says": lambda ours, name: ours.issue(name, usage=None),
    "of another authority": lambda ours, name: foreign(ours.folder).issue(name),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_d13_a_certificate_that_is_wrong_in_one_thing_opens_nothing(
    server: RunningServer, client: Client, mine: Session, tmp_path: Path, wrong: Callable[[Authority, str], Issued]
) -> None:
    ours, asked = Authority.of_server(server.data, tmp_path), ask.get(aes(mine))
    assert not is_let_in(server, wrong(ours, client.name), asked)
    assert is_let_in(server, ours.issue(client.name), asked), "one that is right in everything"


def test_d13_a_certificate_that_ends_is_served_no_longer_on_an_open_connection_either(
    server: RunningServer, client: Client, mine: Session, tmp_path: Path
) -> None:
    asked = ask.get(aes(mine))
    brief = Authority.of_server(server.data, tmp_path).issue(client.name, ends=timedelta(seconds=ENDS_S))
    with connect(server, brief) as connection:
        Session(connection, VERSION).do(asked).expect_success()
        time.sleep(ENDS_S + WITHIN_S)
        assert not is_answered(connection, asked)
    assert not is_let_in(server, brief, asked)


def test_d13_a_revoked_certificate_is_not_served_on_an_open_connection_either(fresh_server: RunningServer) -> None:
    client = fresh_server.add_client("lost")
    with client.session(VERSION) as session:
        key = session.create_aes()
        session.do(ask.get(key)).expect_success()
        fresh_server.revoke_client("lost")
        time.sleep(1)  # what the server promises (tests/faults/test_revocation.py)
        with pytest.raises((OSError, PeerClosedError)):
            session.do(ask.get(key))
    with pytest.raises((OSError, PeerClosedError)), client.session(VERSION) as session:
        session.do(ask.discover_versions())
