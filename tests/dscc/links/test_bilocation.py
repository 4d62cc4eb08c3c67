"""Two devices, each with a node of its own: the same share at both, by way of the key's id."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable

import pytest
from optics import seeded

from dscc.links.bilocation import Session, draw_share, fetch_share, located_share
from dscc.links.local import LocalPSK
from dscc.links.satellite import Orbit, Pass, SimSatellite
from dscc.links.source import KeyGoneError, KeySource
from dscc.primitives import ROOT_BYTES, S384, S512, Suite

SESSION = Session(b"s" * 48, "meter-7", "meter-8", b"granted")
Ends = tuple[KeySource, KeySource]


def by_psk() -> Ends:
    secret = secrets.token_bytes(32)
    return LocalPSK("n1", {"n2": secret}, secrets.token_bytes), LocalPSK("n2", {"n1": secret}, secrets.token_bytes)


def by_satellite() -> Ends:
    now = 0.0
    orbit = Orbit(5600, (Pass("n1", "n2", 0, 100, (20, 20)),), pulse_rate=2e6)
    network = SimSatellite(orbit, lambda: now, seeded(1))
    now = 300.0
    return network.end("n1"), network.end("n2")


@pytest.mark.parametrize("ends", [by_psk, by_satellite])
@pytest.mark.parametrize("suite", [S384, S512], ids=str)
def test_both_nodes_give_their_devices_the_same_share(ends: Callable[[], Ends], suite: Suite) -> None:
    x, y = ends()
    drawn = draw_share(suite, x, "n2", SESSION)
    fetched = fetch_share(suite, y, "n1", drawn.key_id, SESSION)
    assert drawn == fetched
    assert len(drawn.share) == ROOT_BYTES
    assert drawn.key_id in repr(drawn) and drawn.share.hex() not in repr(drawn)
    assert draw_share(suite, x, "n2", SESSION).share != drawn.share


def test_a_share_of_the_satellite_is_given_once() -> None:
    x, y = by_satellite()
    drawn = draw_share(S384, x, "n2", SESSION)
    fetch_share(S384, y, "n1", drawn.key_id, SESSION)
    with pytest.raises(KeyGoneError):
        fetch_share(S384, y, "n1", drawn.key_id, SESSION)


@pytest.mark.parametrize(
    "other",
    [
        SESSION._replace(sid=b"t" * 48),
        SESSION._replace(initiator="meter-8", responder="meter-7"),
        SESSION._replace(responder="meter-9"),
        SESSION._replace(granted=b"more"),
        SESSION._replace(initiator="meter-7m", responder="eter-8"),
    ],
    ids=["sid", "roles", "device", "grant", "boundary"],
)
def test_a_share_is_bound_to_session_devices_roles_and_grant(other: Session) -> None:
    assert located_share(S384, b"q" * 32, SESSION) != located_share(S384, b"q" * 32, other)


def test_the_share_is_as_the_design_says() -> None:
    key = hmac.digest(b"q" * 32, b"\x00\x30\x0bDSCC1 share\x00\x01", hashlib.sha384)
    fields = [SESSION.sid, b"meter-7", b"meter-8", b"granted"]
    encoded = b"".join(len(field).to_bytes(4, "big") + field for field in fields)
    assert located_share(S384, b"q" * 32, SESSION) == hmac.digest(key, encoded, hashlib.sha384)
