"""What one node does not let another one do by saying so: suppress a revocation, speak for others, be a device."""

from __future__ import annotations

import pytest
from network import Network, Wire
from twisted.internet.defer import Deferred

from dscc.errors import DsccError, Reason
from dscc.messages import R1, R2, Deposit, Done, Refused, Revocation
from dscc.node import revocations
from dscc.node.database import NodeDatabase
from dscc.node.peers import Peers

pytestmark = pytest.mark.sqlite_file("the store of a DSCC node")

TRUE = Revocation("n2", 1, "device", "mallory", "stolen", "admin", 1000)
FORGED = TRUE._replace(subject="nobody", reason="to be in its place")


def test_a_forged_revocation_does_not_keep_the_true_one_from_being_heard(store: NodeDatabase) -> None:
    """n1 tells n3 of a revocation that n2 has not made, under the number of n2's next one."""
    with store.writing() as connection:
        assert revocations.take(connection, "n3", FORGED, told_by="n1")
        assert revocations.take(connection, "n3", TRUE, told_by="n2")
        assert [each.revocation for each in revocations.every(connection)] == [TRUE]
        assert revocations.acknowledged(connection, TRUE) == {"n2", "n3"}
        assert not revocations.take(connection, "n3", TRUE, told_by="n1")


def test_what_the_origin_has_said_nobody_else_changes(store: NodeDatabase) -> None:
    with store.writing() as connection:
        assert revocations.take(connection, "n3", TRUE, told_by="n2")
        with pytest.raises(DsccError) as refused:
            revocations.take(connection, "n3", FORGED, told_by="n1")
        assert refused.value.reason is Reason.CONTEXT_MISMATCH
        assert [each.revocation for each in revocations.every(connection)] == [TRUE]


def test_nobody_tells_a_node_what_it_has_said_itself(store: NodeDatabase) -> None:
    with store.writing() as connection:
        with pytest.raises(DsccError) as refused:
            revocations.take(connection, "n2", FORGED, told_by="n1")
        assert refused.value.reason is Reason.NOT_AUTHENTIC
        own = revocations.revoke(connection, "n2", "device", "mallory", "stolen", 1000, "admin")
        assert not revocations.take(connection, "n2", own, told_by="n1")


def test_a_node_gives_pieces_for_its_own_steps_only() -> None:
    given: list[Deposit] = []
    peers = Peers.__new__(Peers)
    peers.deposited = given.append
    answers: list[object] = []
    for said in (Deposit("meter-7", "n2", 1, bytes(32)), Deposit("meter-7", "n1", 1, bytes(32))):
        answer: Deferred[object] = peers.answer("n1", said)  # type: ignore[assignment]
        answer.addCallback(answers.append)
    assert isinstance(answers[0], Refused) and answers[0].reason == Reason.NOT_AUTHENTIC
    assert answers[1] == Done() and [each.of for each in given] == ["n1"]


def test_a_device_is_not_named_as_the_link_of_a_node(nodes: Network) -> None:
    opened = Wire(nodes.nodes["n1"].port)
    offer = R1(("DSCC1-S512",), "ota-tofu", bytes(16), "node:n2", "n1", (), bytes(32), b"", b"")
    opened.send(offer)
    with pytest.raises(DsccError, match="no name of a device") as refused:
        opened.receive(R2)
    assert refused.value.reason is Reason.MALFORMED
    opened.close()
