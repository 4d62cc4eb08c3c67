"""A site whose store is PostgreSQL shares keys with one whose store is SQLite: with two workers, and over a crash."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sharing_network import Sites, create_with, created_with, state_of, until
from support.postgres import PostgresServer
from support.requests import ACTIVE, COMPROMISED, KEY_COMPROMISE, activate, name, rekey, revoke

from demo.network import Node, free_ports, nodes
from demo.sites import Site, nodes_policy, others_of, site_policy

STORE = "KMIP_STORAGE__URL"


@pytest.fixture
def sites(postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sites]:
    names = ("site-a", "site-b")
    made = nodes(tmp_path, nodes_policy(names), ("eu", "eu", "eu"))
    a, b, c, d, e, f = free_ports(6)
    both = {
        "site-a": Site(tmp_path / "site-a", "site-a", (a, b, c)),
        "site-b": Site(tmp_path / "b", "site-b", (d, e, f)),
    }
    for node in made.values():
        node.start()
    with monkeypatch.context() as on_postgresql:
        on_postgresql.setenv(STORE, postgres.create_database())
        _made(both["site-a"], both, made)
        both["site-a"].start({"KMIP_SERVER__WORKERS": "2"})
    _made(both["site-b"], both, made)
    both["site-b"].start()
    yield Sites(tmp_path, made, both)
    for running in (*both.values(), *made.values()):
        running.kill()


def _made(site: Site, both: dict[str, Site], network: dict[str, Node]) -> None:
    others = others_of(site, both)
    site.make(network, others)
    site.put_policy(site_policy(tuple(others), "demo"))


def test_two_databases_share_keys(sites: Sites) -> None:
    with sites.session("site-a") as here, sites.session("site-b") as there:
        keys = [created_with(here, "site-b", name("first")), created_with(there, "site-a")]
        for key in keys:
            assert here.key_material(key) == there.key_material(key)
        here.do(activate(keys[0])).expect_success()
        until(lambda: state_of(there, keys[0]) == ACTIVE)
        new = there.do(rekey(keys[0])).unique_identifier
        until(lambda: here.located(name("first")) == [new])
        here.do(revoke(new, KEY_COMPROMISE)).expect_success()
        until(lambda: state_of(there, new) == COMPROMISED)
    sites["site-b"].kill()
    with sites.session("site-a") as here:
        assert not create_with(here, "site-b").ok
    sites["site-b"].start()
    with sites.session("site-a") as here:
        until(lambda: create_with(here, "site-b").ok)
