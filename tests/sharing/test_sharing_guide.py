"""What docs/sharing.md has administrators write: its policies share keys, and a lost gateway is enrolled anew."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sharing_network import Sites, attributes_of, created_with, is_there, network, state_of, until
from support.requests import DEACTIVATED, activate, create_aes, name, revoke

from demo.sites import does
from kmip_server.config import Settings

GUIDE = (Path(__file__).parents[2] / "docs" / "sharing.md").read_text()
FOR_NODES, SERVER, FOR_SITES, _ = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)


@pytest.fixture(scope="module")
def guided(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    """Two sites, and nodes, by the guide's policies. Everything runs before and after a test, but for the last one."""
    with network(tmp_path_factory.mktemp("guided")) as made:
        _follow_the_guide(made)
        yield made


def _follow_the_guide(made: Sites) -> None:
    nodes_policy = made.folder / "guide.toml"
    nodes_policy.write_text(FOR_NODES)
    for node in made.nodes.values():
        node.does("policy", "import", nodes_policy)
    for site, policy in zip(made.sites.values(), (FOR_SITES, FOR_SITES.replace("site-b", "site-a")), strict=True):
        does("client", "add", site.folder, "vcenter")
        does("client", "add", site.folder, "mongo", "--group", "databases")
        site.put_policy(policy)


def test_keys_are_shared_by_the_policies_of_the_guide(guided: Sites) -> None:
    with guided.session("site-a", "vcenter") as vcenter, guided.session("site-b", "vcenter") as there:
        key = vcenter.do(create_aes(vcenter.version)).unique_identifier
        assert vcenter.key_material(key) == there.key_material(key)
        with guided.session("site-a", "mongo") as mongo:
            shared = mongo.do(create_aes(mongo.version, name("prod-1"))).unique_identifier
            own = mongo.do(create_aes(mongo.version, name("test-1"))).unique_identifier
        assert is_there(there, shared)
        assert not is_there(there, own)
        with guided.session("site-a") as demo:
            assert is_there(there, created_with(demo, "site-b"))


def test_a_gateway_that_is_lost_is_enrolled_anew(guided: Sites) -> None:
    with guided.session("site-a", "vcenter") as vcenter:
        old = vcenter.do(create_aes(vcenter.version)).unique_identifier
        vcenter.do(activate(old)).expect_success()
        site = guided["site-b"]
        site.stop()
        vcenter.do(revoke(old)).expect_success()
        (site.folder / "gateway").rename(guided.folder / "behind")
        site.enrol(guided.nodes)
        site.start()
        with guided.session("site-b", "vcenter") as there:
            until(lambda: state_of(there, old) == DEACTIVATED)
            new = vcenter.do(create_aes(vcenter.version)).unique_identifier
            assert vcenter.key_material(new) == there.key_material(new)
            assert attributes_of(there, new)["Peer"] == "site-a"


def status(sites: Sites, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(does("gateway", "status", sites[name].folder, "--json"))
    return found


def test_the_status_says_what_is_not_reached_and_why(guided: Sites) -> None:
    guided.nodes["n2"].kill()
    until(lambda: status(guided, "site-a")["nodes"]["n2"] == "not reached")
    until(lambda: "cannot be reached" in status(guided, "site-a")["why_not_reached"].get("n2", ""))
    assert status(guided, "site-a")["nodes"]["n1"] == "open"
    assert status(guided, "site-a")["troubles"] == {}
    guided.nodes["n2"].start()
    with guided.session("site-a") as demo:
        key = created_with(demo, "site-b")
        guided["site-b"].stop()
        demo.do(activate(key)).expect_success()
        until(lambda: "cannot be reached" in status(guided, "site-a")["troubles"].get("site-b", ""))
        assert status(guided, "site-a")["to_be_told"] == 1
        assert "cannot be reached" in does("gateway", "status", guided["site-a"].folder)
        guided["site-b"].start()
        until(lambda: status(guided, "site-a")["to_be_told"] == 0)
    assert status(guided, "site-a")["troubles"] == {}


def test_the_status_of_a_site_that_is_revoked(guided: Sites) -> None:
    guided.nodes["n1"].does("device", "revoke", "site-b", "-m", "stolen")
    until(lambda: status(guided, "site-a")["troubles"] == {"site-b": "revoked"})
    until(lambda: "revoked" in status(guided, "site-b")["why_not_reached"].get("n1", ""))


def test_the_settings_of_the_guide_are_settings(tmp_path: Path) -> None:
    (tmp_path / "server.toml").write_text(SERVER)
    wanted = Settings.load(tmp_path).dscc
    assert wanted.enabled
    assert wanted.peers == {"site-b": "kms.b.example:5690"}
