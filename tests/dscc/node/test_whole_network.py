"""Three nodes, each a process with its own store: devices enrol, take their stages, and agree on keys."""

from __future__ import annotations

from network import Network, agree


def test_two_devices_come_to_production_and_agree_on_a_key(nodes: Network) -> None:
    alice, bob = nodes.produce("alice"), nodes.produce("bob")
    assert {alice.status(node).stage for node in nodes.nodes} == {"production"}
    mine, theirs = agree(alice, bob)
    assert mine.key == theirs.key and mine.nodes == ("n1", "n2", "n3")
    assert agree(alice, bob)[0].key != mine.key
