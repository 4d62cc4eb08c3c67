"""Revocation: at once at the node, known to a quorum, obeyed by open sessions; raced against negotiations."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from network import Network, PlainDevice, agree, eventually, network

from dscc.errors import DsccError, Reason
from dscc.messages import Acknowledged, Event, Receipt, Refused, RevokeKey, ShareRequest, ShareResponse
from dscc.node import revocations
from dscc.node.cli.opened import open_node


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with network(Path(tmp_path_factory.mktemp("revoking"))) as made:
        made.wait_linked()
        yield made


def test_who_names_the_key_of_two_others_in_a_receipt_does_not_revoke_it(nodes: Network) -> None:
    dave, bob, alice = (nodes.produce(name) for name in ("dave", "bob", "alice"))
    theirs, _ = agree(bob, alice)
    sid = bytes(47) + b"\x01"
    wire = dave.session("n1")
    share = wire.ask(ShareRequest(sid, "dave", "bob", "initiator", "tunnel", "AES", 256, 0))
    assert isinstance(share, ShareResponse)
    wire.say(Receipt(sid, theirs.kid, 1))
    answer = wire.ask(RevokeKey(theirs.kid, 0, "bob", "not mine"))
    assert isinstance(answer, Refused) and answer.reason == Reason.NOT_AUTHENTIC
    # And does not keep it from being revoked by those whose key it is.
    assert isinstance(alice.session("n1").ask(RevokeKey(theirs.kid, 0, "bob", "stolen")), Acknowledged)


def test_a_revoked_device_is_shut_out_everywhere_and_its_peers_are_told(nodes: Network) -> None:
    alice, bob = nodes.produce("alice"), nodes.produce("bob")
    agree(alice, bob)
    bob.status("n1"), alice.status("n1")
    said = nodes.nodes["n2"].run("device", "revoke", "alice", "-m", "stolen")
    assert "3 of 3 nodes know of it; 2 are needed" in said or "2 of 3 nodes know of it" in said
    for name in nodes.nodes:
        wire = alice.wires[name]
        wire.socket.settimeout(3)
        # What was said before may still arrive; then the connection ends.
        with pytest.raises(ConnectionError):
            while True:
                wire.frame()
        alice.close(name)
        with pytest.raises(DsccError) as error:
            alice.session(name)
        assert error.value.reason is Reason.REVOKED
    bob.status("n1")
    eventually(lambda: bob.status("n1") and any(isinstance(each, Event) for each in bob.wires["n1"].events))
    assert Event("device-revoked", "alice", bob.wires["n1"].events[-1].at) in bob.wires["n1"].events  # type: ignore[attr-defined]
    known = nodes.nodes["n3"].run("peer", "revocations")
    assert "alice" in known
    with pytest.raises(AssertionError, match="revoked already"):
        nodes.nodes["n1"].run("device", "revoke", "alice")
    # Not with a new token either.
    with pytest.raises(DsccError) as error:
        nodes.enrol("alice")
    assert error.value.reason is Reason.REVOKED


def test_a_device_that_was_away_is_told_when_it_opens_a_session(nodes: Network) -> None:
    erin, bob = nodes.produce("erin"), nodes.produce("bob")
    nodes.adopt_device("erin")
    mine, _ = agree(erin, bob)
    agree(erin, bob)
    bob.status("n1"), erin.status("n1")
    bob.close()
    erin.session("n1").ask(RevokeKey(mine.kid, 0, "bob", "worn out"))
    bob.status("n1")
    events = {(event.kind, event.subject) for event in bob.wires["n1"].events}  # type: ignore[attr-defined]
    assert ("key-revoked", mine.kid.hex()) in events and ("device-revoked", "erin") not in events
    bob.close()
    nodes.nodes["n1"].run("device", "revoke", "erin")
    bob.status("n1")
    told = [(event.kind, event.subject) for event in bob.wires["n1"].events]  # type: ignore[attr-defined]
    # And not again of what it has heard.
    assert set(told) == {("device-revoked", "erin")}
    carol = nodes.enrol("frank")
    carol.status("n1")
    assert carol.wires["n1"].events == []


def test_a_node_that_was_away_is_told_when_it_is_back(nodes: Network) -> None:
    carol = nodes.produce("carol")
    nodes.nodes["n3"].stop()
    said = nodes.nodes["n1"].run("device", "revoke", "carol")
    assert "2 of 3 nodes know of it; 2 are needed" in said
    nodes.nodes["n3"].start()
    eventually(lambda: "-> revoked" in nodes.nodes["n3"].run("audit").split("carol", 1)[-1], 40)
    carol.close()
    with pytest.raises(DsccError) as error:
        carol.session("n3")
    assert error.value.reason is Reason.REVOKED


def test_without_a_quorum_the_command_says_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    with network(Path(tmp_path_factory.mktemp("alone")), linked=True) as made:
        made.enrol("dave")
        made.close_devices()
        for name in ("n2", "n3"):
            made.nodes[name].stop()
        said = made.nodes["n1"].run("device", "revoke", "dave", check=False)
        assert "does not hold everywhere yet" in said


def test_a_key_is_revoked_by_who_has_it_and_its_peer_is_told(nodes: Network) -> None:
    dave, bob = nodes.produce("dave"), nodes.produce("bob")
    mine, _ = agree(dave, bob)
    bob.status("n1")
    answer = dave.session("n1").ask(RevokeKey(mine.kid, 0, "bob", "worn out"))
    assert isinstance(answer, Acknowledged) and answer.nodes >= answer.needed == 2
    again = dave.session("n1").ask(RevokeKey(mine.kid, 0, "bob", "worn out"))
    assert isinstance(again, Acknowledged) and again.nodes >= again.needed
    eventually(lambda: bob.status("n1") and Event("key-revoked", mine.kid.hex(), _at(bob)) in bob.wires["n1"].events)
    stranger = bob.session("n2").ask(RevokeKey(bytes(16), 0, "dave", "not mine"))
    assert isinstance(stranger, Refused) and stranger.reason == Reason.NOT_AUTHENTIC


def _at(device: object) -> int:
    events = [event for event in device.wires["n1"].events if isinstance(event, Event)]  # type: ignore[attr-defined]
    return events[-1].at if events else 0


def agree_until_refused(one: PlainDevice, other: PlainDevice) -> None:
    with contextlib.suppress(DsccError, OSError):
        while True:
            agree(one, other)


def test_nothing_completes_after_a_revocation_that_was_acknowledged(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The order is that of the nodes' records: no share of a device stands behind its revocation, at any node."""
    with network(Path(tmp_path_factory.mktemp("race"))) as made:
        made.wait_linked()
        for number in range(6):
            made.adopt_device(f"racer-{number}")
            one, other = made.produce(f"racer-{number}"), made.produce("bob")
            racing = threading.Thread(target=agree_until_refused, args=(one, other))
            racing.start()
            time.sleep(0.01 * number)
            made.nodes[f"n{number % 3 + 1}"].run("device", "revoke", f"racer-{number}")
            racing.join(20)
            assert not racing.is_alive()
            with pytest.raises((DsccError, OSError)):
                agree(one, other)
            made.close_devices()
        for node in made.nodes.values():
            records = json.loads(node.run("audit", "--json"))
            revoked: set[str] = set()
            for row in records:
                if row["action"] == "Revocation":
                    revoked.add(row["resource"].removeprefix("device "))
                if row["action"] == "Share" and row["outcome"] == "done":
                    assert not revoked & {row["actor"], row["resource"]}
            assert len(revoked) == 6


def test_a_node_that_was_away_is_told_of_more_than_are_told_at_once(tmp_path: Path) -> None:
    many = 1200
    with network(tmp_path, count=2) as made:
        made.wait_linked()
        made.nodes["n2"].stop()
        first = open_node(made.nodes["n1"].folder)
        with first.database.writing() as connection:
            for number in range(many):
                subject = revocations.subject_of_key(number.to_bytes(16, "big"), "alice", "bob")
                revocations.revoke(connection, "n1", revocations.KEY, subject, "", first.now, "alice")
        made.nodes["n2"].start()
        second = open_node(made.nodes["n2"].folder)

        def known() -> int:
            with second.database.reading() as connection:
                return len(revocations.every(connection))

        eventually(lambda: known() == many, 120)
