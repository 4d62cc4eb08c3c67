"""Which of the keys that two sites share is used: the same at both, and only in its time."""

from __future__ import annotations

import pytest

from dscc.errors import DsccError
from dscc.uses.derivation import TLS13, TUNNEL
from kmip_server.client.keys import Described, described, to_process, to_protect
from kmip_server.objects.attribute_set import AttributeSet, AttributeValue
from kmip_server.objects.dscc_attributes import with_dscc
from kmip_server.ttlv.enumerations import State
from kmip_server.ttlv.tags import Tag

NOW = 1000
SHARED = {"KeyId": "00" * 16, "Gateway": "site-a", "Peer": "site-b", "Purpose": "tls13"}


def key(
    kid: str, activation: int, *, state: State = State.ACTIVE, start: int | None = None, stop: int | None = None
) -> Described:
    return Described(kid, kid, "site-a", "site-b", state, activation, start, stop)


def chosen(*found: Described) -> tuple[str | None, str]:
    """The identifiers of the key to encrypt with, and of those to decrypt with."""
    process = to_process(found, NOW)
    protect = to_protect(process, NOW)
    return protect and protect.kid, "".join(each.kid for each in process)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ((), (None, "")),
        ((key("1", 10), key("2", 20)), ("2", "21")),
        ((key("2", 10), key("1", 10)), ("2", "21")),
        ((key("1", 10), key("2", 20, stop=NOW)), ("1", "21")),
        ((key("1", 10, stop=NOW + 1), key("2", 5)), ("1", "12")),
        ((key("1", 10), key("2", 20, start=NOW + 1)), ("1", "1")),
        ((key("1", 10, start=NOW),), ("1", "1")),
        ((key("1", 10, stop=NOW),), (None, "1")),
        ((key("1", 10, state=State.PRE_ACTIVE), key("2", 10, state=State.DEACTIVATED)), (None, "")),
        ((key("1", 10, state=State.COMPROMISED),), (None, "")),
    ],
)
def test_the_newest_key_that_may_protect(found: tuple[Described, ...], expected: tuple[str | None, str]) -> None:
    assert chosen(*found) == chosen(*reversed(found)) == expected


def attributes(**changed: str) -> AttributeSet:
    """The attributes of a shared key, with these DSCC attributes changed; "" is one that it does not have."""
    said = {name: value for name, value in {**SHARED, **changed}.items() if value}
    return with_dscc(AttributeSet.of([AttributeValue(Tag.STATE, State.ACTIVE)]), said)


def test_a_shared_key_says_who_has_it() -> None:
    found = described("it", attributes(), TLS13)
    assert (found.kid, found.own, found.peer, found.state) == ("00" * 16, "site-a", "site-b", State.ACTIVE)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"Peer": ""}, "none that two sites share"),
        ({"Peer": "", "Group": "vault"}, "none that two sites share"),
        ({"Purpose": "tunnel"}, "negotiated for tunnel, and is not used for tls13"),
        ({"Gateway": ""}, "Re-key it"),
    ],
)
def test_another_key_is_refused(changed: dict[str, str], words: str) -> None:
    with pytest.raises(DsccError, match=words):
        described("it", attributes(**changed), TLS13)
    with pytest.raises(DsccError):
        described("it", attributes(), TUNNEL)
