"""Create and Re-key of shared keys, with what a gateway would have negotiated: in the engine alone."""

from __future__ import annotations

import secrets
from dataclasses import replace

import pytest
from support.attributes import dated, usage_limits
from support.defences import delete_attribute
from support.engine import EngineClient, EngineHarness
from support.numbers import Reason, Tag
from support.requests import (
    KEY_COMPROMISE,
    Attribute,
    Request,
    activate,
    add_attribute,
    batch,
    create_aes,
    get,
    modify_attribute,
    one,
    rekey,
    revoke,
    text,
)
from support.wire import Result, read_response, structure

from dscc.drawing import unique_identifier
from kmip_server.engine import Answer
from kmip_server.execution import Prepared
from kmip_server.gateway.words import Word, word_of
from kmip_server.objects.dscc_attributes import with_dscc
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.objects.sharing import MOST_TOLD_BYTES
from kmip_server.operations.negotiation import Negotiated, NegotiationFailed, NegotiationNeeded, Wanted
from kmip_server.settled import awaited
from kmip_server.storage.lease import put_lease
from kmip_server.storage.port import PEERS
from kmip_server.ttlv import binary
from kmip_server.ttlv.enumerations import ResultReason, State
from kmip_server.ttlv.item import Limits
from policy.compiling import Ruling
from policy.documents import read_document

BYTE, OBJECT = 1, 2
OFFERED = """
[[sharing]]
name = "with site b"
subjects = ["anyone"]
peer = "site-b"
"""


@pytest.fixture
def client(engine: EngineHarness) -> EngineClient:
    under(engine, OFFERED)
    put_lease(engine.store.database, engine.now + 60)
    return engine.client()


def under(engine: EngineHarness, policy: str) -> None:
    """Decide by another policy from now on."""
    engine.engine.services = replace(engine.engine.services, ruling=Ruling(read_document(policy, "test")))


def vendor(vendor: str, name: str, value: str) -> Attribute:
    """A vendor attribute."""
    parts = (text(Tag.VENDOR_IDENTIFICATION, vendor), text(Tag.ATTRIBUTE_NAME, name), text(Tag.ATTRIBUTE_VALUE, value))
    return Attribute(f"{vendor}-{name}", structure(Tag.ATTRIBUTE, *parts))


def with_site_b(*more: Attribute) -> Request:
    """Create an AES key with site-b."""
    return create_aes((2, 1), vendor("DSCC", "Peer", "site-b"), *more)


def large(*numbers: int) -> list[Attribute]:
    """Attributes of 3,000 bytes each."""
    return [vendor("ACME", f"note {number}", "x" * 3000) for number in numbers]


def wanted(client: EngineClient, asked: Request) -> Wanted:
    """What a request wants negotiated."""
    with pytest.raises(NegotiationNeeded) as needed:
        client.do(asked)
    assert needed.value.place == 0
    return needed.value.wanted


def with_key(client: EngineClient, asked: Request, prepared: Prepared) -> Result:
    """Carry a request out again with what was negotiated."""
    return read_response(
        binary.encode(carried_out(client, one(client.version, asked), prepared).message.encode())
    ).result


def carried_out(client: EngineClient, message: bytes, prepared: Prepared | None = None) -> Answer:
    """The engine's answer to a message, the first item of which needs what was negotiated."""
    harness = client.harness
    plan = harness.engine.read(binary.decode(message, Limits()), harness.now)
    with harness.store.unit(writes=True) as unit:
        return harness.engine.process(
            unit, client.caller, plan.request, harness.now, {} if prepared is None else {0: prepared}
        )


def negotiated(want: Wanted) -> Negotiated:
    """A key as a gateway answers it."""
    kid = secrets.token_bytes(16)
    said = {"KeyId": kid.hex(), "SessionId": f"{kid.hex()}/1", "Initiator": "site-a", "Trust": "3 paths, pure"}
    return Negotiated(want, unique_identifier(kid), secrets.token_bytes(want.bits // 8), said, 0, 0)


def made(client: EngineClient) -> str:
    """A shared key that is held."""
    return with_key(client, with_site_b(), Prepared(negotiated(wanted(client, with_site_b())))).unique_identifier


def confirmed(client: EngineClient) -> str:
    """One that the other site has taken."""
    key = made(client)
    with client.harness.store.unit(writes=True) as unit:
        row = unit.get(key)
        assert row is not None
        found = ManagedObject.of(row)
        found.attributes = with_dscc(found.attributes, {"ConfirmedAt": str(client.harness.now)})
        unit.update(found.to_row())
    return key


def test_a_create_says_what_it_wants_negotiated_and_does_nothing(client: EngineClient) -> None:
    want = wanted(client, with_site_b())
    assert (want.peer, want.group, want.purpose, want.bits) == ("site-b", "", "tunnel", 256)
    assert client.harness.audit() == []


def test_what_the_policy_does_not_offer_is_refused(engine: EngineHarness, client: EngineClient) -> None:
    under(engine, "")
    assert client.do(with_site_b()).reason == Reason.PERMISSION_DENIED


def test_a_shared_key_is_held_and_its_peers_are_to_hear_of_it(engine: EngineHarness, client: EngineClient) -> None:
    key = made(client)
    assert client.do(get(key)).reason == Reason.KEY_VALUE_NOT_PRESENT
    assert client.do(rekey(key)).reason == Reason.KEY_VALUE_NOT_PRESENT
    client.do(activate(key)).expect_success()
    row = engine.row(key)
    assert row is not None
    assert (row.state, row.activation_date, row.next_transition) == (int(State.PRE_ACTIVE), engine.now, None)
    with engine.store.unit(writes=False) as unit:
        (change,) = unit.shared_changes(10)
    assert (change.unique_identifier, change.audience, change.version) == (key, PEERS, row.version)


def test_a_shared_key_is_used_with_a_lease_and_not_without(engine: EngineHarness, client: EngineClient) -> None:
    key = confirmed(client)
    client.do(get(key)).expect_success()
    engine.now += 60
    assert client.do(get(key)).reason == Reason.PERMISSION_DENIED
    put_lease(engine.store.database, engine.now + 1)
    client.do(get(key)).expect_success()


def test_a_key_that_was_negotiated_for_something_else_is_not_used(client: EngineClient) -> None:
    other = negotiated(wanted(client, with_site_b())._replace(peer="site-c"))
    with pytest.raises(NegotiationNeeded):
        with_key(client, with_site_b(), Prepared(other))


def test_a_key_that_was_given_up_is_not_used(engine: EngineHarness, client: EngineClient) -> None:
    given_up = negotiated(wanted(client, with_site_b()))
    with engine.store.unit(writes=True) as unit:
        unit.withdraw(given_up.unique_identifier, engine.now)
    with pytest.raises(NegotiationNeeded):
        with_key(client, with_site_b(), Prepared(given_up))


def test_why_there_is_no_key_is_the_answer_and_on_record(engine: EngineHarness, client: EngineClient) -> None:
    failed = NegotiationFailed(ResultReason.GENERAL_FAILURE, "site-b is not reached", may_come=True)
    answer = with_key(client, with_site_b(), Prepared(None, failed))
    assert answer.reason == Reason.GENERAL_FAILURE and "site-b is not reached" in (answer.message or "")
    assert [row.outcome for row in engine.audit()] == ["failed"]


def test_a_re_key_wants_the_same_and_is_refused_when_the_rule_is_gone(
    engine: EngineHarness, client: EngineClient
) -> None:
    key = confirmed(client)
    assert wanted(client, rekey(key)) == wanted(client, with_site_b())
    under(engine, "")
    assert client.do(rekey(key)).reason == Reason.PERMISSION_DENIED


def test_identifiers_are_the_gateways(client: EngineClient) -> None:
    key = negotiated(wanted(client, with_site_b()))
    assert with_key(client, with_site_b(), Prepared(key)).unique_identifier == key.unique_identifier


@pytest.mark.parametrize(("asked", "expected"), [(None, 5), (3, 3), (100, 5)])
def test_a_key_is_used_no_more_often_than_the_nodes_have_granted(
    engine: EngineHarness, client: EngineClient, asked: int | None, expected: int
) -> None:
    request = with_site_b(*([] if asked is None else [usage_limits(asked, OBJECT)]))
    granted = negotiated(wanted(client, request))._replace(uses=5)
    row = engine.row(with_key(client, request, Prepared(granted)).expect_success().unique_identifier)
    assert row is not None
    limits = ManagedObject.of(row).first(Tag.USAGE_LIMITS)
    assert (limits.usage_limits_total, limits.usage_limits_count) == (expected, expected)


def test_the_end_of_a_shared_key_is_brought_forward_and_not_put_off(
    engine: EngineHarness, client: EngineClient
) -> None:
    """The nodes have granted it until then."""
    request = with_site_b()
    granted = negotiated(wanted(client, request))._replace(lifetime=600)
    key = with_key(client, request, Prepared(granted)).expect_success().unique_identifier
    sooner, later = [dated("Deactivation Date", Tag.DEACTIVATION_DATE, engine.now + end) for end in (500, 501)]
    client.do(modify_attribute((2, 1), key, sooner)).expect_success()
    assert client.do(modify_attribute((2, 1), key, later)).reason == Reason.PERMISSION_DENIED
    row = engine.row(key)
    assert row is not None and row.deactivation_date == engine.now + 500


def test_how_often_a_shared_key_may_be_used_is_not_loosened(engine: EngineHarness, client: EngineClient) -> None:
    """The nodes have granted no more."""
    request = with_site_b()
    granted = negotiated(wanted(client, request))._replace(uses=5)
    key = with_key(client, request, Prepared(granted)).expect_success().unique_identifier
    looser = [
        modify_attribute((2, 1), key, usage_limits(6, OBJECT)),
        modify_attribute((2, 1), key, usage_limits(5, BYTE)),
        delete_attribute(key, Tag.USAGE_LIMITS),
    ]
    assert [client.do(each).reason for each in looser] == [Reason.PERMISSION_DENIED] * 3
    client.do(modify_attribute((2, 1), key, usage_limits(4, OBJECT))).expect_success()
    row = engine.row(key)
    assert row is not None and ManagedObject.of(row).first(Tag.USAGE_LIMITS).usage_limits_total == 4


# How much other sites are told. ---------------------------------------------------------------------------------------


def test_a_key_with_more_attributes_than_others_are_told_is_not_made(
    engine: EngineHarness, client: EngineClient
) -> None:
    """Its peer would refuse the notice as a whole, and all other keys that it tells of with it."""
    asked = with_site_b(*large(1, 2, 3))
    refused = with_key(client, asked, Prepared(negotiated(wanted(client, asked))))
    assert refused.reason == Reason.SERVER_LIMIT_EXCEEDED and "8192 bytes" in (refused.message or "")
    with engine.store.unit(writes=False) as unit:
        assert unit.shared_changes(10) == []
    client.do(create_aes((2, 1), *large(1, 2, 3))).expect_success()


def test_a_key_that_others_have_still_to_take_does_not_grow_beyond_it(client: EngineClient) -> None:
    key = made(client)
    answers = [client.do(add_attribute((2, 1), key, one_more)) for one_more in large(1, 2, 3)]
    assert [answer.reason for answer in answers] == [None, None, Reason.SERVER_LIMIT_EXCEEDED]


def test_a_key_that_has_grown_to_the_limit_can_be_revoked_all_the_same(
    engine: EngineHarness, client: EngineClient
) -> None:
    key = made(client)
    for one_more in large(1, 2):
        client.do(add_attribute((2, 1), key, one_more)).expect_success()
    row = engine.row(key)
    assert row is not None
    rest = vendor("ACME", "rest", "x" * (MOST_TOLD_BYTES - len(row.attributes) - 100))
    client.do(add_attribute((2, 1), key, rest)).expect_success()
    client.do(revoke(key, KEY_COMPROMISE)).expect_success()
    row = engine.row(key)
    assert row is not None
    assert len(row.attributes) > MOST_TOLD_BYTES
    assert word_of(ManagedObject.of(row), "").told.first(Tag.STATE) == State.COMPROMISED


def test_of_a_key_that_has_grown_later_others_are_told_what_both_have_alike(
    engine: EngineHarness, client: EngineClient
) -> None:
    key = confirmed(client)
    for one_more in large(1, 2, 3):
        client.do(add_attribute((2, 1), key, one_more)).expect_success()
    row = engine.row(key)
    assert row is not None
    told = Word.model_validate_json(word_of(ManagedObject.of(row), "").model_dump_json()).told
    assert (told.first(Tag.STATE), told.first(Tag.CRYPTOGRAPHIC_LENGTH)) == (State.PRE_ACTIVE, 256)
    assert {value.vendor_identification for value in told.all(Tag.ATTRIBUTE)} == {"DSCC"}


# Who waits for others. ------------------------------------------------------------------------------------------------


def test_what_is_done_to_a_key_that_others_have_still_to_take_is_answered_at_once(client: EngineClient) -> None:
    """It is done, whatever becomes of the key: it has not failed if the others do not answer in time."""
    key = made(client)
    for asked in (activate(key), add_attribute((2, 1), key, vendor("ACME", "note", "x"))):
        answer = carried_out(client, one(client.version, asked))
        assert [each.unique_identifier for each in answer.unsettled[0]] == [key]
        assert awaited(answer) == []


def test_what_is_done_to_a_key_in_the_batch_that_makes_it_waits_with_it(client: EngineClient) -> None:
    key = Prepared(negotiated(wanted(client, with_site_b())))
    answer = carried_out(client, batch(client.version, with_site_b(), activate()), key)
    assert len(awaited(answer)) == 2
