"""Steps at nodes that run: the workflow's order, approvals, codes, several paths; and what a clone comes to."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from network import POLICY, Network, agree, network

from dscc.enrolment import read_step
from dscc.errors import DsccError, Reason
from dscc.keyfill import KeyfillMode

WORKFLOWS = """
group_workflows = { careful = "careful", coded = "coded", many = "many" }

[devices]
carl = { groups = ["careful"] }
cora = { groups = ["careful"] }
cody = { groups = ["coded"] }
mary = { groups = ["many"] }

[workflows.careful]
version = 1
stages = [{ name = "bootstrap" }, { name = "production", approvals = [
    { needed = 1, roles = ["security officer"], within = "1h" },
] }]

[workflows.coded]
version = 1
stages = [{ name = "bootstrap" }, { name = "production", keyfill = "kem+oob" }]

[workflows.many]
version = 1
stages = [{ name = "bootstrap" }, { name = "production", keyfill = "multipath" }]
"""


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    users = "[users]" + POLICY.split("[users]")[1].split("[devices]")[0]
    with network(Path(tmp_path_factory.mktemp("steps")), policy=WORKFLOWS + users) as made:
        made.wait_linked()
        yield made


def refused(error: pytest.ExceptionInfo[DsccError]) -> Reason:
    return error.value.reason


def test_no_stage_is_skipped_and_none_is_taken_twice(nodes: Network) -> None:
    device = nodes.enrol("dora")
    with pytest.raises(DsccError) as error:
        device.advance("n1", "production")
    assert refused(error) is Reason.OUT_OF_ORDER
    device.advance("n1", "quarantine")
    with pytest.raises(DsccError) as error:
        device.advance("n1", "bootstrap")
    assert refused(error) is Reason.OUT_OF_ORDER
    device.advance("n1", "production")
    steps = json.loads(nodes.nodes["n1"].run("device", "history", "dora", "--json"))
    assert [step["to_stage"] for step in steps] == ["bootstrap", "quarantine", "production"]


def test_a_step_waits_for_who_has_to_approve_it(nodes: Network) -> None:
    device, node = nodes.enrol("carl"), nodes.nodes["n1"]
    for _ in range(2):
        with pytest.raises(DsccError) as error:
            device.advance("n1", "production")
        assert refused(error) is Reason.WAITING
    assert "may not approve" in node.run("device", "approve", "carl", "--as", "otto", check=False)
    with pytest.raises(DsccError):
        device.advance("n1", "production")
    node.run("device", "approve", "carl", "--as", "olga")
    device.advance("n1", "production")
    assert device.status("n1").stage == "production"
    (_, step) = json.loads(node.run("device", "history", "carl", "--json"))
    assert step["approvals"] == ["olga"]


def test_a_step_that_an_approver_refuses_is_not_taken(nodes: Network) -> None:
    device, node = nodes.enrol("cora"), nodes.nodes["n1"]
    with pytest.raises(DsccError):
        device.advance("n1", "production")
    node.run("device", "refuse", "cora", "--as", "olga")
    with pytest.raises(DsccError) as error:
        device.advance("n1", "production")
    assert refused(error) is Reason.POLICY_DENIED


def test_a_step_takes_the_code_that_went_another_way(nodes: Network) -> None:
    device, node = nodes.enrol("cody"), nodes.nodes["n2"]
    with pytest.raises(DsccError) as error:
        device.advance("n2", "production", KeyfillMode.KEM_OOB, secrets.token_bytes(32))
    assert refused(error) is Reason.WAITING
    code = read_step(node.run("device", "code", "cody", "production")).codes["n2"]
    with pytest.raises(DsccError) as error:
        device.advance("n2", "production", KeyfillMode.KEM_OOB, secrets.token_bytes(32))
    assert refused(error) is Reason.NOT_AUTHENTIC
    device.advance("n2", "production", KeyfillMode.KEM_OOB, code)
    assert device.status("n2").stage == "production"


def test_a_secret_comes_over_the_sessions_with_other_nodes(nodes: Network) -> None:
    device = nodes.enrol("mary")
    for name in nodes.nodes:
        device.advance(name, "production", KeyfillMode.MULTIPATH)
        assert device.status(name).stage == "production"


def test_keys_of_a_stage_are_made_anew_on_demand(nodes: Network) -> None:
    device = nodes.enrol("rena")
    before = device.chains["n1"]
    device.advance("n1", "bootstrap")
    assert device.status("n1").stage == "bootstrap" and device.chains["n1"].ratchet == before.ratchet + 1
    assert before.ascent != device.chains["n1"].ascent


def test_a_lost_t4_leaves_the_device_with_the_next_chain(nodes: Network) -> None:
    from dscc.hardening import KemKey
    from dscc.keyfill import STEP_KEM, DeviceKeyfill
    from dscc.messages import T2

    device = nodes.enrol("lola")
    asks = DeviceKeyfill(device.chains["n1"], "quarantine", secrets.token_bytes(32), KemKey(STEP_KEM))
    wire = device.session("n1")
    present = device.chains["n1"]
    t2 = wire.ask(asks.t1)
    assert isinstance(t2, T2)
    following, t3 = asks.on_t2(t2, KeyfillMode.KEM)
    device.close()
    device.chains["n1"] = following
    with pytest.raises(DsccError) as error:
        device.session("n1")
    assert refused(error) is Reason.CHAIN_BROKEN
    device.chains["n1"] = present
    wire = device.session("n1")
    asks = DeviceKeyfill(device.chains["n1"], "quarantine", secrets.token_bytes(32), KemKey(STEP_KEM))
    t2 = wire.ask(asks.t1)
    following, t3 = asks.on_t2(t2, KeyfillMode.KEM)  # type: ignore[arg-type]
    wire.ask(t3)
    device.close()
    device.chains["n1"] = following
    assert device.status("n1").stage == "quarantine"


def test_the_second_of_two_clones_is_put_into_quarantine(nodes: Network) -> None:
    device = nodes.produce("clio")
    device.close()
    clone = nodes.device("clio")
    clone.chains, clone.ports = dict(device.chains), dict(device.ports)
    assert device.status("n1").stage == "production"
    device.close()
    assert clone.status("n1").stage == "quarantine"
    clone.close()
    assert clone.status("n1").stage == "quarantine"
    with pytest.raises(DsccError) as error:
        device.session("n1")
    assert refused(error) is Reason.CHAIN_BROKEN
    assert "a clone?" in nodes.nodes["n1"].run("device", "history", "clio")


def test_a_device_in_quarantine_gets_no_shares_until_it_has_taken_the_next_stage(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with network(Path(tmp_path_factory.mktemp("quarantine")), linked=False) as fleet:
        alice, bob = fleet.produce("alice"), fleet.produce("bob")
        agree(alice, bob)
        for node in fleet.nodes.values():
            node.run("device", "quarantine", "alice")
        with pytest.raises(DsccError) as error:
            agree(alice, bob)
        assert refused(error) is Reason.POLICY_DENIED
        for name in fleet.nodes:
            alice.advance(name, "production")
        agree(alice, bob)
        fleet.close_devices()
