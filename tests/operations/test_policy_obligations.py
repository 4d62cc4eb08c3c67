"""What a policy governs beside who may ask: refused, or brought within bounds, by its rule, and not without it."""

from __future__ import annotations

from typing import Any

import pytest
import tomli_w
from support import keys
from support import requests as ask
from support.attributes import protect_stop, usage_limits
from support.engine import EngineClient, EngineHarness, MakeEngine
from support.keys import attributes_of
from support.numbers import Reason, Tag

from policy.compiling import Ruling
from policy.documents import read_document

VERSION = (2, 1)
DAY = 86_400


@pytest.fixture
def engine(make_engine: MakeEngine) -> EngineHarness:
    return make_engine()


@pytest.fixture
def client(engine: EngineHarness) -> EngineClient:
    return engine.client(VERSION)


def put_in_force(engine: EngineHarness, *rules: dict[str, Any]) -> None:
    common = {"effect": "require", "subjects": ["anyone"]}
    document = {"rules": [common | {"name": f"rule {n}"} | rule for n, rule in enumerate(rules)]}
    engine.engine.services.ruling = Ruling(read_document(tomli_w.dumps(document), "here"))


def refused(client: EngineClient, asked: ask.Request, reason: Reason) -> None:
    result = client.do(asked)
    assert not result.ok, result
    assert result.reason == reason, result
    assert "rule" not in result.message, "which rule it was is on record, and not the peer's business"


def aes(client: EngineClient, *given: ask.Attribute, bits: int = 256, mask: int = ask.ENCRYPT | ask.DECRYPT) -> str:
    return client.do(ask.create_aes(VERSION, *given, bits=bits, mask=mask)).expect_success().unique_identifier


def first(client: EngineClient, key: str, tag: Tag) -> Any:
    return attributes_of(client, key).get(tag, [None])[0]


def test_lengths_and_algorithms_that_the_policy_names_alone_are_made(
    engine: EngineHarness, client: EngineClient
) -> None:
    aes(client, bits=128)
    put_in_force(
        engine,
        {
            "effect": "deny",
            "actions": ["CREATE", "REGISTER"],
            "resource": {"object_types": ["SYMMETRIC_KEY"]},
            "unless": [{"algorithms": {"AES": [256]}}],
        },
    )
    refused(client, ask.create_aes(VERSION, bits=128), Reason.INVALID_ATTRIBUTE_VALUE)
    refused(client, ask.register_key(VERSION, bytes(16)), Reason.INVALID_ATTRIBUTE_VALUE)
    aes(client)
    assert client.do(ask.register_key(VERSION, bytes(32))).ok
    assert client.do(ask.register_secret(VERSION, b"secret")).ok


def test_uses_that_do_not_go_together_are_not_made_together(engine: EngineHarness, client: EngineClient) -> None:
    both = keys.WRAP | ask.DECRYPT
    aes(client, mask=both)
    put_in_force(
        engine,
        {
            "effect": "deny",
            "actions": ["CREATE"],
            "unless": [{"uses": ["ENCRYPT", "DECRYPT"]}, {"uses": ["WRAP_KEY", "UNWRAP_KEY"]}],
        },
    )
    refused(client, ask.create_aes(VERSION, mask=both), Reason.INVALID_ATTRIBUTE_VALUE)
    aes(client)
    aes(client, mask=keys.WRAP)


def test_a_key_leaves_wrapped_where_the_policy_wants_it(engine: EngineHarness, client: EngineClient) -> None:
    key, wrapping = aes(client), aes(client, mask=keys.WRAP)
    client.do(ask.activate(wrapping)).expect_success()
    assert client.do(ask.get(key)).ok
    put_in_force(engine, {"actions": ["GET", "EXPORT"], "require": {"wrap": True}})
    refused(client, ask.get(key), Reason.PERMISSION_DENIED)
    assert client.do(keys.get_as(key, specification=keys.wrapping_specification(wrapping))).ok


def test_a_key_is_renewed_after_its_cryptoperiod(engine: EngineHarness, client: EngineClient) -> None:
    assert first(client, aes(client), Tag.DEACTIVATION_DATE) is None
    put_in_force(engine, {"actions": ["CREATE"], "require": {"cryptoperiod": "2d"}})
    unborn, active = aes(client), aes(client, ask.activation_date(engine.now - DAY))
    shorter = aes(client, keys.deactivation_date(engine.now + DAY))
    longer = aes(client, keys.deactivation_date(engine.now + 9 * DAY), protect_stop(engine.now + 8 * DAY))
    ends = {key: first(client, key, Tag.DEACTIVATION_DATE) - engine.now for key in (unborn, active, shorter, longer)}
    assert ends == {unborn: 2 * DAY, active: DAY, shorter: DAY, longer: 2 * DAY}
    assert first(client, longer, Tag.PROTECT_STOP_DATE) == engine.now + 2 * DAY
    later = keys.deactivation_date(engine.now + 5 * DAY)
    refused(client, ask.modify_attribute(VERSION, shorter, later), Reason.PERMISSION_DENIED)
    assert client.do(ask.modify_attribute(VERSION, longer, keys.deactivation_date(engine.now + DAY + 9))).ok is False
    sooner = aes(client)
    assert client.do(ask.modify_attribute(VERSION, sooner, keys.deactivation_date(engine.now + 7))).ok
    engine.now += DAY + 1
    assert first(client, active, Tag.STATE) == ask.DEACTIVATED


def test_without_the_rule_a_key_may_be_given_any_end(engine: EngineHarness, client: EngineClient) -> None:
    key = aes(client, keys.deactivation_date(engine.now + DAY))
    assert client.do(ask.modify_attribute(VERSION, key, keys.deactivation_date(engine.now + 5 * DAY))).ok


def test_a_key_is_made_for_so_many_uses(engine: EngineHarness, client: EngineClient) -> None:
    put_in_force(engine, {"actions": ["CREATE"], "require": {"usage_limit": 2}})
    key = aes(client, ask.activation_date(engine.now - 1))
    how = ask.parameters(mode=ask.GCM, random_iv=True)
    for _ in range(2):
        client.do(ask.encrypt(key, b"data", how)).expect_success()
    refused(client, ask.encrypt(key, b"data", how), Reason.PERMISSION_DENIED)
    fewer = aes(client, usage_limits(1, unit=2))
    assert attributes_of(client, fewer)[Tag.USAGE_LIMITS]
    refused(client, ask.modify_attribute(VERSION, fewer, usage_limits(9, unit=2)), Reason.PERMISSION_DENIED)


def test_hours_and_networks_and_states_and_groups_decide(engine: EngineHarness) -> None:
    owner = engine.client(VERSION, "alice")
    grouped, other = aes(owner, ask.object_group("payments")), aes(owner)
    put_in_force(
        engine,
        {
            "effect": "deny",
            "actions": ["GET"],
            "subjects": ["client:alice"],
            "resource": {"groups": ["payments"], "states": ["PRE_ACTIVE"]},
        },
    )
    refused(owner, ask.get(grouped), Reason.PERMISSION_DENIED)
    assert owner.do(ask.get(other)).ok
    owner.do(ask.activate(grouped)).expect_success()
    assert owner.do(ask.get(grouped)).ok


def test_which_rule_denied_it_is_on_record_and_not_told(engine: EngineHarness, client: EngineClient) -> None:
    key = aes(client)
    put_in_force(engine, {"effect": "deny", "actions": ["DESTROY"], "name": "nobody destroys in November"})
    refused(client, ask.destroy(key), Reason.PERMISSION_DENIED)
    records = engine.audit()
    assert "nobody destroys in November" in records[-1].detail


def test_what_is_denied_altogether_is_not_there(engine: EngineHarness, client: EngineClient) -> None:
    key = aes(client)
    put_in_force(engine, {"effect": "deny", "actions": ["*"], "resource": {"object_types": ["SYMMETRIC_KEY"]}})
    nothing = client.do(ask.get("nothing"))
    denied = client.do(ask.get(key))
    assert (denied.reason, denied.message) == (nothing.reason, nothing.message)
    assert client.do(ask.locate(VERSION)).expect_success().get(Tag.LOCATED_ITEMS) == 0
