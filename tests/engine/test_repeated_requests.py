"""What was read in a request is remembered only if the same bytes mean the same later, and hold nothing secret."""

from __future__ import annotations

import pytest
from support import requests as ask
from support.bad import INVALID_FIELD, assert_refused
from support.engine import ruling_of
from support.numbers import Tag
from support.server import Client
from support.wire import credential, date_time, text

from kmip_server.engine import Engine, Plan
from kmip_server.operations.services import Services
from kmip_server.repeated import RepeatedRequests
from kmip_server.ttlv import binary

V = (1, 4)
NOW = 1_700_000_000
TEMPLATE = ask.one(V, ask.create_aes(V))


def read(data: bytes) -> Plan:
    return Engine(Services(ruling=ruling_of({}))).read(binary.decode(data), NOW)


def test_a_template_is_remembered() -> None:
    repeated, plan = RepeatedRequests(), read(TEMPLATE)
    repeated.keep(TEMPLATE, plan)
    assert repeated.plan(TEMPLATE) is plan
    assert repeated.plan(TEMPLATE[:-8] + bytes(8)) is None


@pytest.mark.parametrize(
    "data",
    [
        ask.one(V, ask.register_key(V, bytes(32))),
        ask.one(V, ask.get("1")),
        ask.batch(V, ask.create_aes(V), ask.register_secret(V, b"secret")),
        ask.one(V, ask.create_aes(V), fields=(credential("alice", "password"),)),
        ask.one(V, ask.create_aes(V), fields=(date_time(Tag.TIME_STAMP, NOW),)),
        ask.one(V, ask.create_aes(V), fields=(text(Tag.CLIENT_CORRELATION_VALUE, "one"),)),
        ask.one(V, ask.create_aes(V, ask.name("n" * 512))),
    ],
    ids=["key", "identifier", "key beside it", "password", "time", "correlation", "long"],
)
def test_nothing_else_is(data: bytes) -> None:
    repeated = RepeatedRequests()
    repeated.keep(data, read(data))
    assert repeated.plan(data) is None


def test_so_many_are_remembered_and_no_more() -> None:
    repeated = RepeatedRequests()
    messages = [ask.one(V, ask.create_aes(V, ask.name(f"key {number}"))) for number in range(600)]
    for data in messages:
        repeated.keep(data, read(data))
    assert 0 < sum(repeated.plan(data) is not None for data in messages) <= 256
    assert repeated.plan(messages[-1]) is not None


def test_the_same_bytes_make_another_key_each_time(client: Client) -> None:
    with client.session(V) as session:
        made = [session.do(ask.create_aes(V)).expect_success().unique_identifier for _ in range(3)]
        assert len({session.key_material(identifier) for identifier in made}) == len(set(made)) == 3


def test_the_same_bytes_are_refused_each_time(client: Client) -> None:
    with client.session(V) as session:
        for _ in range(3):
            assert_refused(session.do(ask.create_aes(V, bits=257)), V, INVALID_FIELD)
