"""Registration at a node that runs: each mode, tokens that are good once, and what a lost answer costs."""

from __future__ import annotations

import json
from contextlib import closing

import pytest
from network import Network, PlainDevice, RunningNode, Wire, eventually

from dscc.enrolment import EnrolmentNode, read_enrolment
from dscc.errors import DsccError, Reason
from dscc.messages import R2, R4
from dscc.node import revocations
from dscc.node.cli.opened import open_node
from dscc.registration import Mode
from dscc.session import begin_chain


def one_code(node: RunningNode, device: str, mode: Mode = Mode.QKEY) -> EnrolmentNode:
    (entry,) = read_enrolment(node.run("device", "add", device, "--mode", mode.value)).nodes
    return entry


def try_to_enrol(device: PlainDevice, entry: EnrolmentNode) -> None:
    asks = device.registration(entry, Mode.QKEY)
    with closing(Wire(entry.address.port)) as wire:
        wire.send(asks.r1)
        wire.send(asks.on_r2(wire.receive(R2)))
        device.chains[entry.node] = begin_chain(asks.on_r4(wire.receive(R4)))
        device.ports[entry.node] = entry.address.port


def test_with_a_token_and_with_an_encapsulated_key(nodes: Network) -> None:
    for mode in (Mode.QKEY, Mode.OTA_KEM):
        device = nodes.enrol(f"device-{mode.value}", mode)
        assert {device.status(node).stage for node in nodes.nodes} == {"bootstrap"}
        assert device.status("n1").next_stage == "quarantine"


def test_a_token_is_good_once_and_a_second_use_is_noticed(nodes: Network) -> None:
    node = nodes.nodes["n1"]
    entry = one_code(node, "once")
    try_to_enrol(nodes.device("once"), entry)
    with pytest.raises(DsccError) as refused:
        try_to_enrol(nodes.device("once"), entry)
    assert refused.value.reason is Reason.TOKEN_REFUSED
    assert "may have been stolen" in (node.folder / "log").read_text()
    records = [row for row in json.loads(node.run("audit", "--json")) if row["actor"] == "once"]
    assert "may have been stolen" in records[-1]["detail"] and records[-1]["outcome"] == "refused"


def test_a_token_is_for_its_device_alone_and_nobody_registers_without(nodes: Network) -> None:
    entry = one_code(nodes.nodes["n1"], "mine")
    with pytest.raises(DsccError) as refused:
        try_to_enrol(nodes.device("yours"), entry)
    assert refused.value.reason is Reason.TOKEN_REFUSED
    with pytest.raises(DsccError) as refused:
        nodes.enrol("nobody", Mode.OTA_TOFU)
    assert refused.value.reason is Reason.TOKEN_REFUSED
    outcomes = [
        row["outcome"] for row in json.loads(nodes.nodes["n1"].run("audit", "--json")) if row["actor"] == "yours"
    ]
    assert outcomes == ["refused"]


def test_who_was_revoked_before_it_came_is_not_registered(nodes: Network) -> None:
    """A device that has registered at one node is revoked there, and goes on to the others."""
    nodes.wait_linked()
    first, late = one_code(nodes.nodes["n2"], "late"), one_code(nodes.nodes["n1"], "late")
    device = nodes.device("late")
    try_to_enrol(device, first)
    nodes.nodes["n2"].run("device", "revoke", "late")
    store = open_node(nodes.nodes["n1"].folder).database

    def is_known() -> bool:
        with store.reading() as connection:
            return "late" in {said.revocation.subject for said in revocations.every(connection)}

    eventually(is_known)
    with pytest.raises(DsccError) as refused:
        try_to_enrol(device, late)
    assert refused.value.reason is Reason.REVOKED


def test_a_lost_answer_is_given_again(nodes: Network) -> None:
    entry = one_code(nodes.nodes["n2"], "lost")
    device = nodes.device("lost")
    asks = device.registration(entry, Mode.QKEY)
    with closing(Wire(entry.address.port)) as wire:
        wire.send(asks.r1)
        r3 = asks.on_r2(wire.receive(R2))
        wire.send(r3)
        first = wire.receive(R4)
    with closing(Wire(entry.address.port)) as again:
        again.send(r3)
        assert again.receive(R4) == first
    with closing(Wire(entry.address.port)) as forged, pytest.raises(DsccError) as refused:
        forged.send(r3._replace(mac=bytes(48)))
        forged.receive(R4)
    assert refused.value.reason is Reason.OUT_OF_ORDER


def test_a_device_that_enrols_again_begins_again_and_its_old_chain_is_of_no_use(nodes: Network) -> None:
    old = nodes.produce("again")
    old.close()
    new = nodes.enrol("again")
    assert new.status("n1").stage == "bootstrap"
    with pytest.raises(DsccError):
        old.session("n1")


def test_who_is_first_has_to_be_compared(tmp_path_factory: pytest.TempPathFactory) -> None:
    from network import network

    with network(tmp_path_factory.mktemp("tofu"), count=1) as lab:
        node = lab.nodes["n1"]
        node.stop()
        settings = node.folder / "node.toml"
        settings.write_text(settings.read_text().replace("trust_on_first_use = false", "trust_on_first_use = true"))
        node.start()
        device = lab.enrol("first", Mode.OTA_TOFU)
        with pytest.raises(DsccError) as refused:
            device.session("n1")
        assert refused.value.reason is Reason.WAITING
        assert "stand between" in node.run("device", "accept", "first", "000000000000", check=False)
        node.run("device", "accept", "first", device.short_strings["n1"])
        assert device.status("n1").stage == "bootstrap"
        with pytest.raises(DsccError) as refused:
            lab.enrol("first", Mode.OTA_TOFU)
        assert refused.value.reason is Reason.TOKEN_REFUSED
        lab.close_devices()


def test_a_token_that_has_expired_is_refused(nodes: Network) -> None:
    from sqlalchemy import update

    from dscc.node import schema
    from dscc.node.database import NodeDatabase

    entry = one_code(nodes.nodes["n3"], "late")
    with NodeDatabase(nodes.nodes["n3"].folder / "node.db").writing() as connection:
        connection.execute(update(schema.tokens).where(schema.tokens.c.device == "late").values(expires_at=1))
    with pytest.raises(DsccError) as refused:
        try_to_enrol(nodes.device("late"), entry)
    assert refused.value.reason is Reason.TOKEN_REFUSED
