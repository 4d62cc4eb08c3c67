"""Who asks and does not read, who is gone before its answer, and who knocks without end: a node bears all of them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from network import Network, RunningNode
from sqlalchemy import select
from structlog.testing import capture_logs
from test_revocation_race import planted
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock, StringTransport

from dscc.errors import Reason
from dscc.messages import M2, R3, Deposit, Done, Fetch, Keep, Kept, LinkKeyRequest, PieceRequest, Refused
from dscc.node import registry, revocations, schema
from dscc.node.audit import Refusals
from dscc.node.cli.main import main
from dscc.node.cli.opened import Node, open_node
from dscc.node.connection import STALLED_SECONDS
from dscc.node.listener import NodeConnection, NodeFactory
from dscc.node.peers import AGAIN_SECONDS, ANSWER_SECONDS, Link
from dscc.node.service import DeviceSession, NodeService
from dscc.primitives import S384
from dscc.registration import Mode, Root
from dscc.session import DeviceHandshake, NodeHandshake, Session, begin_chain
from dscc.wire import Frame, FrameKind, FrameReader, Message, decode, encode, write_frame

LARGE = bytes(48_000)


def resident(node: RunningNode) -> int:
    """Bytes of memory that a node's process has."""
    assert node.process is not None
    status = Path(f"/proc/{node.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def test_who_asks_and_does_not_read_is_read_no_further_until_it_does(nodes: Network) -> None:
    many, node = 800, nodes.nodes["n1"]
    deaf, witness = nodes.enrol("deaf"), nodes.enrol("hearing")
    wire = deaf.session("n1")
    wire.ask(Keep("large", "x", LARGE))
    assert witness.status("n1").stage == "bootstrap"
    before, first = resident(node), wire.number + 1
    # All at once: what a node has read before it notices is not answered either.
    wire.socket.sendall(b"".join(wire.sealed(Fetch("large")) for _ in range(many)))
    for _ in range(3):
        assert witness.status("n1").stage == "bootstrap"
    # What it has asked for is 38 megabytes.
    assert resident(node) - before < 20_000_000
    for number in range(first, first + many):
        answered, answer = wire.record()
        assert answered == number and isinstance(answer, Kept) and len(answer.body) == len(LARGE)


class Standing:
    """A node without a process: its service on a reactor that a test moves on, at a time that stands still."""

    def __init__(self, folder: Path) -> None:
        main(["init", str(folder), "--name", "n1", "--port", "7701"])
        self.node: Node = open_node(folder)
        self.reactor = MemoryReactorClock()
        settings, database, key = self.node.settings, self.node.database, self.node.key
        now = float(self.node.now)
        self.service = NodeService(self.reactor, settings, database, key, lambda: now)  # type: ignore[arg-type]
        self.factory = NodeFactory(self.service)

    def connect(self) -> tuple[NodeConnection, StringTransport]:
        connection = self.factory.buildProtocol(None)
        assert connection is not None
        transport = StringTransport()
        connection.makeConnection(transport)  # type: ignore[arg-type]
        return connection, transport

    def turn(self) -> None:
        self.reactor.advance(0)


@pytest.fixture
def standing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Standing]:
    made = Standing(tmp_path / "n1")
    yield made
    made.service.writer.close()


def frame(said: Message) -> bytes:
    return write_frame(FrameKind.MESSAGE, encode(said))


def frames(transport: StringTransport) -> list[Frame]:
    found = list(FrameReader().feed(transport.value()))
    transport.clear()
    return found


def opening(standing: Standing, name: str) -> tuple[NodeConnection, StringTransport, DeviceHandshake]:
    """A connection on which M3 has just arrived, and is not carried out yet."""
    (device,) = planted({"n1": standing.node}, [name], {"n1": 7701})
    connection, transport = standing.connect()
    begun = DeviceHandshake(name, "n1", device.chains["n1"], secrets.token_bytes(32))
    connection.dataReceived(frame(begun.m1))
    standing.turn()
    (m2,) = [decode(each.body) for each in frames(transport)]
    assert isinstance(m2, M2)
    _, m3 = begun.on_m2(m2)
    connection.dataReceived(frame(m3))
    return connection, transport, begun


def test_a_device_that_is_gone_before_m4_has_no_session(standing: Standing) -> None:
    gone, _, _ = opening(standing, "gone")
    gone.connectionLost()
    standing.turn()
    assert standing.service.sessions == {}
    # The control: one that is there has.
    opening(standing, "there")
    standing.turn()
    assert set(standing.service.sessions) == {"there"}


def test_who_reads_nothing_for_half_a_minute_is_cut_off(standing: Standing) -> None:
    connection, transport, _ = opening(standing, "deaf")
    standing.turn()
    connection.pauseProducing()
    assert transport.producerState == "paused"
    standing.reactor.advance(STALLED_SECONDS - 1)
    connection.resumeProducing()
    assert transport.producerState == "producing"
    standing.reactor.advance(STALLED_SECONDS)
    assert not transport.disconnecting
    connection.pauseProducing()
    standing.reactor.advance(STALLED_SECONDS)
    assert transport.disconnected


def test_who_is_let_go_and_does_not_read_what_is_left_is_cut_off(standing: Standing) -> None:
    connection, transport, _ = opening(standing, "deaf")
    standing.turn()
    connection.close()
    # Nobody who is asked to go on: the connection ends as soon as all is sent.
    assert transport.disconnecting and transport.producer is None
    standing.reactor.advance(STALLED_SECONDS - 1)
    assert not transport.disconnected
    standing.reactor.advance(1)
    assert transport.disconnected
    connection.connectionLost()
    assert [each for each in standing.reactor.getDelayedCalls() if each.active()] == []


def test_who_is_gone_before_the_refusal_is_on_record(standing: Standing) -> None:
    connection, transport = standing.connect()
    connection.dataReceived(frame(R3(secrets.token_bytes(48))))
    connection.connectionLost()
    standing.turn()
    standing.turn()
    with standing.node.database.reading() as reading:
        (entry,) = [each for each in reading.execute(select(schema.audit)) if each.action == "Handshake"]
    assert entry.outcome == "refused" and "R3 comes after R1" in entry.detail
    assert transport.value() == b""


def test_what_is_refused_to_strangers_is_in_the_log_so_often_and_no_more(standing: Standing) -> None:
    with capture_logs() as log:
        for _ in range(Refusals.MOST + 50):
            connection, transport = standing.connect()
            connection.dataReceived(b"GET / HTTP/1.1\r\n\r\n")
            standing.turn()
            assert transport.disconnecting
            connection.connectionLost()
    assert [each["event"] for each in log] == ["refused"] * Refusals.MOST


def test_connections_beyond_their_number_fill_no_log(standing: Standing) -> None:
    standing.service.settings = standing.service.settings.model_copy(update={"connections": 1})
    standing.connect()
    with capture_logs() as log:
        for _ in range(Refusals.MOST + 50):
            assert standing.factory.buildProtocol(None) is None
    assert len(log) == Refusals.MOST


def test_an_r3_of_a_stranger_costs_the_same_however_many_tokens_there_are(standing: Standing) -> None:
    from test_missed_revocations import steps

    node, taken = standing.node, []
    for many in (1, 500):
        with node.database.writing() as connection:
            for number in range(many):
                registry.mint_token(connection, node.key, f"d{number}", Mode.QKEY, node.now, 60, "olga")
        with node.database.reading() as connection:
            look = partial(registry.answered_before, connection, R3(secrets.token_bytes(48)), node.now)
            assert look() is None
            taken.append(steps(connection, look))
    assert taken[0] == taken[1]


def test_a_node_fills_up_with_pieces_what_is_its_own_only(standing: Standing) -> None:
    from dscc.node import service as module

    service, chain = standing.service, begin_chain(Root(S384, 0, "bootstrap", bytes(48)))
    service._deposited(Deposit("meter", "n2", 1, bytes(32)))
    for number in range(module._MOST_PIECES + 1):
        service._deposited(Deposit(f"d{number}", "n3", 1, bytes(32)))
    assert sum(map(len, service._pieces.values())) <= module._MOST_PIECES + 1
    session = DeviceSession("meter", chain, lambda _: None, lambda: None)
    answers: list[Any] = []
    service.request(session, PieceRequest("n2", 1)).addCallback(answers.append)
    assert answers[0].piece == bytes(32)


def two_ends() -> tuple[Session, Session]:
    """The ends of a session: of who connected, and of who was connected to."""
    chain = begin_chain(Root(S384, 0, "link", secrets.token_bytes(48)))
    begun = DeviceHandshake("node:n2", "n1", chain, secrets.token_bytes(32))
    answered = NodeHandshake(chain, begun.m1, secrets.token_bytes(32))
    _, m3 = begun.on_m2(answered.m2)
    _, m4, theirs = answered.on_m3(m3, chain)
    return begun.on_m4(m4), theirs


def test_a_node_that_asks_without_end_is_told_that_it_is_too_much() -> None:
    asking, asked = two_ends()
    sent: list[bytes] = []
    waiting: list[Deferred[Message]] = []

    def answer(_: Message) -> Deferred[Message]:
        waiting.append(Deferred())
        return waiting[-1]

    link = Link(asked, sent.append, answer, first=2)
    for number in range(1, 2 * 1100, 2):
        link.on_record(asking.seal(number.to_bytes(8, "big") + encode(LinkKeyRequest())))
    assert len(waiting) == 1024 and len(sent) == 1100 - 1024
    (first,) = FrameReader().feed(sent[0])
    assert decode(asking.open(first.body)[8:]) == Refused(Reason.BUSY, "too much is under way on this link")
    waiting[0].callback(Refused(Reason.FAILED, ""))
    link.on_record(asking.seal((2301).to_bytes(8, "big") + encode(LinkKeyRequest())))
    assert len(waiting) == 1025


def test_a_link_that_is_opened_anew_ends_what_was_asked_on_the_one_before(standing: Standing) -> None:
    peers = standing.service.peers
    links = [Link(two_ends()[1], lambda _: None, lambda _: Deferred(), first=2) for _ in range(2)]
    peers.opened("n2", links[0])
    failed: list[Any] = []
    links[0].ask(LinkKeyRequest()).addErrback(failed.append)
    assert failed == []
    peers.opened("n2", links[1])
    assert failed[0].value.reason is Reason.FAILED and peers.linked == {"n2"}


def test_a_node_that_did_not_take_a_revocation_is_told_it_again(standing: Standing) -> None:
    peers, (theirs, ours) = standing.service.peers, two_ends()
    sent: list[bytes] = []
    peers.opened("n2", Link(ours, sent.append, lambda _: Deferred(), first=2))
    with standing.node.database.writing() as connection:
        said = revocations.revoke(connection, "n1", revocations.DEVICE, "mallory", "stolen", standing.node.now, "olga")
    peers.tell_all(0)

    def answer(with_: Message) -> Message:
        (told,) = FrameReader().feed(sent.pop())
        plain = theirs.open(told.body)
        peers._links["n2"].on_record(theirs.seal(plain[:8] + encode(with_)))
        return decode(plain[8:])

    for _ in range(2):
        assert answer(Refused(Reason.FAILED, "the store did not take it")) == said and sent == []
        standing.reactor.advance(AGAIN_SECONDS)
    assert answer(Done()) == said
    standing.turn()
    standing.reactor.advance(AGAIN_SECONDS)
    assert sent == []
    with standing.node.database.reading() as connection:
        assert revocations.acknowledged(connection, said) == {"n1", "n2"}


def test_a_node_that_is_silent_is_not_waited_for_and_its_late_answer_is_nothing(standing: Standing) -> None:
    peers, (theirs, ours) = standing.service.peers, two_ends()
    sent: list[bytes] = []
    link = Link(ours, sent.append, lambda _: Deferred(), first=2)
    peers.opened("n2", link)
    failed: list[Any] = []
    peers.ask("n2", LinkKeyRequest()).addErrback(failed.append)
    standing.reactor.advance(ANSWER_SECONDS - 1)
    assert failed == []
    standing.reactor.advance(1)
    assert failed[0].value.reason is Reason.FAILED
    (asked,) = FrameReader().feed(sent.pop())
    link.on_record(theirs.seal(theirs.open(asked.body)[:8] + encode(Done())))
    assert sent == [] and len(failed) == 1
