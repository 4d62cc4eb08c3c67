"""What a peer's word may not say: of a key that both share, and of one that is to be, in the store alone."""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Callable

import pytest
from support.engine import EngineHarness, MakeEngine

from dscc.drawing import Drawn, unique_identifier
from dscc.errors import DsccError
from kmip_server.gateway.seeds import Named
from kmip_server.gateway.taking import Taking, Told, take
from kmip_server.gateway.words import Answer, Word
from kmip_server.identity.directory import Directory
from kmip_server.messages.structures import VendorAttribute
from kmip_server.objects.attribute_set import AttributeSet, AttributeValue
from kmip_server.objects.dscc_attributes import VENDOR, dscc_values, with_dscc
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.ttlv.enumerations import CryptographicAlgorithm, State
from kmip_server.ttlv.item import Item, Type
from kmip_server.ttlv.tags import Tag
from policy.compiling import Ruling
from policy.documents import read_document

ME, PEER = "site-b", "site-m"
ARRIVALS = """
[[arrivals]]
name = "from other sites"
peers = ["*"]
owner = "bob"
"""
NO_DATE = 1 << 62
"""Seconds after which there is no year that a calendar has."""


class Site:
    """This site, which takes words of a peer with which it is in a group, too."""

    def __init__(self, harness: EngineHarness) -> None:
        self._harness, self._directory = harness, Directory(0, Ruling(read_document(ARRIVALS, "test")))

    def takes(self, drawn: Drawn, attributes: AttributeSet, provenance: dict[str, str]) -> Answer:
        """What it answers to a word about a key that is drawn from what it has agreed on with the peer."""
        now = self._harness.now
        word = Word(unique_identifier=unique_identifier(drawn.kid), at=now, held=False, attributes=_base64(attributes))
        with self._harness.store.unit(writes=True) as unit:
            services = self._harness.engine.services
            taking = Taking(unit, self._directory, services, ME, PEER, frozenset({"archive"}), now)
            answer = take(taking, Told(word, word.told, Named(drawn, "", 0, provenance)))
            unit.discard() if answer.refusal else unit.accept()
        return answer

    def has(self, drawn: Drawn) -> ManagedObject | None:
        """The key as it has it."""
        row = self._harness.row(unique_identifier(drawn.kid))
        return None if row is None else ManagedObject.of(row)


def _base64(attributes: AttributeSet) -> bytes:
    return b64encode(attributes.to_bytes())


@pytest.fixture
def site(make_engine: MakeEngine) -> Site:
    return Site(make_engine())


def a_key() -> Drawn:
    return Drawn(secrets.token_bytes(16), secrets.token_bytes(32))


def said_of(drawn: Drawn, **said: str) -> AttributeSet:
    """What an honest peer says of a new key, and these DSCC attributes."""
    values = [
        AttributeValue(Tag.CRYPTOGRAPHIC_ALGORITHM, CryptographicAlgorithm.AES),
        AttributeValue(Tag.CRYPTOGRAPHIC_LENGTH, 256),
        AttributeValue(Tag.CRYPTOGRAPHIC_USAGE_MASK, 12),
        AttributeValue(Tag.STATE, State.ACTIVE),
    ]
    return with_dscc(AttributeSet.of(values), {"KeyId": drawn.kid.hex(), "Initiator": PEER} | said)


def test_a_pair_s_key_has_no_provenance_that_the_peer_has_made_up(site: Site) -> None:
    drawn = a_key()
    made_up = {"Members": "site-a, site-m", "Epoch": "9", "Trust": "9 paths, pure", "Revocation": "by nobody"}
    known = {"KeyId": drawn.kid.hex(), "Initiator": PEER, "Trust": "3 paths, pure"}
    assert site.takes(drawn, said_of(drawn, Peer=ME, **made_up), known) == Answer()
    found = site.has(drawn)
    assert found is not None
    said = dscc_values(found.attributes)
    assert {name: said.get(name) for name in made_up} == dict.fromkeys(made_up) | {"Trust": "3 paths, pure"}
    assert said["Peer"] == PEER


def test_a_group_s_key_is_no_key_of_a_pair(site: Site) -> None:
    """Else what is revoked of it would go to the nodes, and end with the peer of the pair."""
    drawn = a_key()
    members = f"site-b, {PEER}"
    known = {"KeyId": drawn.kid.hex(), "Initiator": PEER, "Members": members}
    assert site.takes(drawn, said_of(drawn, Group="archive", Members=members, Peer="site-a"), known) == Answer()
    found = site.has(drawn)
    assert found is not None
    assert "Peer" not in dscc_values(found.attributes)


def _with_text(name: str, value: str) -> Callable[[AttributeSet], AttributeSet]:
    text = Item(Tag.ATTRIBUTE_VALUE, Type.TEXT_STRING, value)
    said = VendorAttribute(vendor_identification=VENDOR, attribute_name=name, attribute_value=text)
    return lambda attributes: attributes.with_added(Tag.ATTRIBUTE, said)


def _with(tag: Tag, value: object) -> Callable[[AttributeSet], AttributeSet]:
    return lambda attributes: attributes.with_value(tag, value)


@pytest.mark.parametrize(
    "lie",
    [
        pytest.param(_with_text("Policy", ""), id="a policy without a name"),
        pytest.param(_with_text("Policy", "x" * 65), id="a policy with a long name"),
        pytest.param(_with_text("Paths", "3/2"), id="more paths than there are"),
        pytest.param(_with_text("Requester", "two\nlines"), id="a requester of two lines"),
    ],
)
def test_what_no_dscc_attribute_says_is_refused(site: Site, lie: Callable[[AttributeSet], AttributeSet]) -> None:
    drawn = a_key()
    answer = site.takes(drawn, lie(said_of(drawn, Peer=ME)), {"KeyId": drawn.kid.hex(), "Initiator": PEER})
    assert "DSCC-" in answer.refusal and answer.final
    assert site.has(drawn) is None


@pytest.mark.parametrize(
    "tag",
    [Tag.ACTIVATION_DATE, Tag.DEACTIVATION_DATE, Tag.COMPROMISE_DATE, Tag.COMPROMISE_OCCURRENCE_DATE, Tag.DESTROY_DATE],
)
@pytest.mark.parametrize("date", [NO_DATE, -NO_DATE])
def test_dates_of_no_calendar_are_refused_for_a_key_that_is_here_too(site: Site, tag: Tag, date: int) -> None:
    drawn = a_key()
    known = {"KeyId": drawn.kid.hex(), "Initiator": PEER}
    bent = _with(tag, date)
    new = site.takes(drawn, bent(said_of(drawn, Peer=ME)), known)
    assert "1 to 9999" in new.refusal
    assert site.takes(drawn, said_of(drawn, Peer=ME), known) == Answer()
    later = site.takes(drawn, bent(_with(Tag.STATE, State.COMPROMISED)(said_of(drawn, Peer=ME))), known)
    assert "1 to 9999" in later.refusal
    found = site.has(drawn)
    assert found is not None
    assert (found.state, found.first(tag) == date) == (State.ACTIVE, False)


def test_a_word_without_a_usage_mask_describes_no_key(site: Site) -> None:
    drawn = a_key()
    without = said_of(drawn, Peer=ME).without(Tag.CRYPTOGRAPHIC_USAGE_MASK)
    with pytest.raises(DsccError, match="described"):
        site.takes(drawn, without, {"KeyId": drawn.kid.hex(), "Initiator": PEER})


def test_a_peer_does_not_put_off_the_end_of_a_key(site: Site) -> None:
    """The nodes have granted it until then."""
    drawn, end = a_key(), 1_700_000_000 + 600
    known = {"KeyId": drawn.kid.hex(), "Initiator": PEER}
    for date, expected in ((end, end), (end + 86_400, end), (None, end), (end - 60, end - 60), (end, end - 60)):
        assert site.takes(drawn, _with(Tag.DEACTIVATION_DATE, date)(said_of(drawn, Peer=ME)), known) == Answer()
        found = site.has(drawn)
        assert found is not None
        assert found.first(Tag.DEACTIVATION_DATE) == expected
