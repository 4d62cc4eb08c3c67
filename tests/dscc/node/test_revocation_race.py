"""A revocation raced against negotiations, on three nodes: nothing is given after it that it would have refused.

In each trial a device negotiates without pause while it is revoked at one of the nodes, at a random moment. The order
of what happened is that of each node's records, which its transactions give. DSCC_RACES=10000 runs the long version:
a quarter of an hour.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from network import POLICY, Network, PlainDevice, agree, network
from sqlalchemy import select

from dscc.errors import DsccError
from dscc.messages import R1, R3, R4, Status, StatusRequest
from dscc.node import registry, revocations, schema
from dscc.node.cli.opened import Node, open_node
from dscc.primitives import S384
from dscc.registration import NO_TOKEN, Root
from dscc.session import begin_chain

TRIALS = int(os.environ.get("DSCC_RACES", "60"))
AT_ONCE = 20
"""Devices that are made beforehand, in one transaction at each node."""
ANYONE = POLICY.replace('["group:fleet"]', '["anyone"]').replace(', pair = ["group:fleet", "group:fleet"]', "")


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with network(Path(tmp_path_factory.mktemp("races")), policy=ANYONE) as made:
        made.wait_linked()
        yield made


def planted(opened: dict[str, Node], names: list[str], ports: dict[str, int]) -> list[PlainDevice]:
    """Devices in production at all nodes, put into their stores as a registration and two steps would have."""
    devices = [PlainDevice(name) for name in names]
    for node_name, node in opened.items():
        with node.database.writing() as connection:
            for device in devices:
                root = Root(S384, 0, "production", secrets.token_bytes(48))
                r1 = R1((), "ota-tofu", NO_TOKEN.token_id, device.name, node_name, (), bytes(32), b"", b"")
                registry.register(connection, node.key, r1, R3(b""), R4("", b""), root, "", node.now)
                registry.accept(connection, device.name, node.now, "race")
                known = registry.find(connection, device.name)
                registry.move(connection, known, "production", node.now, "race")
                device.chains[node_name], device.ports[node_name] = begin_chain(root), ports[node_name]
    return devices


def negotiate(one: PlainDevice, other: PlainDevice, agreed: list[float]) -> None:
    with suppress(DsccError, OSError, ValueError):
        while True:
            agree(one, other)
            agreed.append(time.monotonic())


def test_no_share_is_given_after_a_revocation(nodes: Network) -> None:
    opened = {name: open_node(node.folder) for name, node in nodes.nodes.items()}
    ports = {name: node.port for name, node in nodes.nodes.items()}
    (peer,) = planted(opened, ["peer"], ports)
    negotiated = 0
    waiting: list[PlainDevice] = []
    for trial in range(TRIALS):
        if not waiting:
            waiting = planted(opened, [f"racer-{trial + each}" for each in range(AT_ONCE)], ports)
        device, agreed = waiting.pop(), []
        for name in nodes.nodes:
            device.session(name)
        racing = threading.Thread(target=negotiate, args=(device, peer, agreed))
        racing.start()
        time.sleep(secrets.randbelow(80) / 1000)
        at = list(opened)[trial % 3]
        with opened[at].database.writing() as connection:
            revocations.revoke(connection, at, revocations.DEVICE, device.name, "race", opened[at].now, "race")
        racing.join(30)
        assert not racing.is_alive()
        negotiated += len(agreed)
        device.close()
    peer.close()
    assert negotiated > TRIALS // 4
    for node in opened.values():
        assert after_revocation(node) == []


def after_revocation(node: Node) -> list[str]:
    """The shares on record behind the revocation of one of the two."""
    revoked: set[str] = set()
    found = []
    with node.database.reading() as connection:
        for row in connection.execute(select(schema.audit).order_by(schema.audit.c.sequence)):
            if row.action == "Revocation":
                revoked.add(row.resource.removeprefix("device "))
            elif row.action == "Share" and row.outcome == "done" and revoked & {row.actor, row.resource}:
                found.append(f"{row.sequence}: {row.actor}, {row.resource}")
    return found


def test_a_node_that_knows_of_a_revocation_does_not_renew_a_lease(nodes: Network) -> None:
    """Also not in a session that was open before, and is closed a moment later."""
    opened = {name: open_node(node.folder) for name, node in nodes.nodes.items()}
    ports = {name: node.port for name, node in nodes.nodes.items()}
    node = opened["n1"]
    devices = planted(opened, [f"leased-{number}" for number in range(AT_ONCE)], ports)
    for device in devices:
        assert device.status("n1").stage == "production"
    for device in devices:
        with node.database.writing() as connection:
            revocations.revoke(connection, "n1", revocations.DEVICE, device.name, "race", node.now, "race")
        with suppress(OSError, DsccError):
            assert not isinstance(device.session("n1").ask(StatusRequest()), Status)
        device.close()
