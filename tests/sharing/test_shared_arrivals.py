"""A key arrives: whose it is, who is told, and that nothing is left anywhere if the other site does not take it."""

from __future__ import annotations

import json

from sharing_network import PutPolicy, Sites, create_with, created_with, dscc, state_of, until
from support import requests as ask
from support.listening import listening, of_client
from support.numbers import Operation, Tag
from support.requests import DESTROYED

from demo.sites import does

OWNERS = """
[tenants]
north = "the north"

[clients]
vault = { tenant = "north" }

[[arrivals]]
name = "vaults"
peers = ["site-a"]
purposes = ["wrap"]
owner = "vault"

[[arrivals]]
name = "all others"
peers = ["*"]
owner = "demo"
"""
OFFERS = """
[[sharing]]
name = "for anything"
subjects = ["anyone"]
peer = "site-b"
purpose = ""
"""
CERTIFICATE = {
    "KMIP_NOTIFICATIONS__CERTIFICATE": "clients/notifier/cert.pem",
    "KMIP_NOTIFICATIONS__KEY": "clients/notifier/key.pem",
}


def test_the_first_rule_that_fits_says_whose_a_key_is(sites: Sites, put_policy: PutPolicy) -> None:
    put_policy("site-b", OWNERS, alone=True)
    put_policy("site-a", OFFERS.replace('purpose = ""', 'purpose = "wrap"'))
    does("client", "add", sites["site-b"].folder, "vault")
    vaults = sites.session("site-b", client="vault")
    with sites.session("site-a") as here, sites.session("site-b") as demo, vaults as vault:
        key = created_with(here, "site-b", dscc("Purpose", "wrap"), ask.object_group("arrived"))
        assert state_of(demo, key) is None
        assert vault.located(ask.object_group("arrived")) == [key]
        assert here.key_material(key) == vault.key_material(key)
        other = created_with(here, "site-b", dscc("Purpose", "tunnel"))
        assert state_of(vault, other) is None
        assert here.key_material(other) == demo.key_material(other)


def test_what_no_rule_takes_in_fails_in_clear_words_and_is_left_nowhere(sites: Sites, put_policy: PutPolicy) -> None:
    put_policy("site-b", OWNERS.split('[[arrivals]]\nname = "all others"')[0], alone=True)
    with sites.session("site-a") as here, sites.session("site-b") as there:
        refused = create_with(here, "site-b", ask.name("for nobody"))
        assert not refused.ok
        assert "no rule in [[arrivals]]" in (refused.message or "")
        assert "site-b" in (refused.message or "")
        left = here.located(ask.name("for nobody"))
        assert {state_of(here, key) for key in left} <= {DESTROYED}
        assert there.located(ask.name("for nobody")) == []
        assert [state_of(there, key) for key in left] == [None] * len(left)


def test_a_key_is_fresh_until_it_is_read(sites: Sites) -> None:
    with sites.session("site-a") as here, sites.session("site-b") as there:
        key = created_with(here, "site-b")

        def is_fresh() -> bool:
            answer = there.do(ask.get_attributes(there.version, key, ("Fresh", int(Tag.FRESH))))
            return bool(answer.expect_success().get(Tag.ATTRIBUTES, Tag.FRESH))

        assert is_fresh()
        there.key_material(key)
        assert not is_fresh()


def test_a_client_who_listens_is_put_a_key_that_arrives(sites: Sites, put_policy: PutPolicy) -> None:
    site = sites["site-b"]
    does("client", "add", site.folder, "notifier")
    site.stop()
    site.start(CERTIFICATE)
    try:
        with listening(of_client(site.folder / "clients" / "demo")) as listener:
            put_policy("site-b", _telling(listener.port))
            with sites.session("site-a") as here, sites.session("site-b") as there:
                key = created_with(here, "site-b")
                item = listener.next().find(Tag.BATCH_ITEM)
                assert item is not None
                assert item.get(Tag.OPERATION) == Operation.PUT
                payload = item.find(Tag.REQUEST_PAYLOAD)
                assert payload is not None
                assert payload.get(Tag.UNIQUE_IDENTIFIER) == key
                material = payload.get(Tag.SYMMETRIC_KEY, Tag.KEY_BLOCK, Tag.KEY_VALUE, Tag.KEY_MATERIAL)
                assert material == here.key_material(key) == there.key_material(key)
                listed = does("notifications", "list", site.folder, "--json")
                assert [each["event"] for each in json.loads(listed)][:1] == ["key-arrived"]
                until(lambda: "key-arrived" in does("notifications", "list", site.folder, "--json"))
    finally:
        site.stop()
        site.start()


def _telling(port: int) -> str:
    return f"""
[channels]
push = {{ kind = "kmip", url = "kmip://127.0.0.1:{port}?mode=put", to = ["demo"] }}

[[arrivals]]
name = "announced"
peers = ["*"]
owner = "demo"
tell = ["push"]
"""
