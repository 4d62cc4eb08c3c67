"""Processor time, messages and bytes of a negotiation, each party's for itself, without a network between them."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from dscc import group
from dscc.agreement import Agreement, Limits, Wanted
from dscc.direct_messages import Contribution
from dscc.messages import Receipt, ShareRequest, ShareResponse
from dscc.node.shares import Grant, Shares
from dscc.pairwise import Initiator, Responder
from dscc.primitives import S384
from dscc.registration import Root
from dscc.session import DeviceHandshake, NodeHandshake, Session, begin_chain
from dscc.wire import decode, decode_as, encode

NODES = ("n1", "n2", "n3")
_GRANT = Grant(1, bytes(32), 3600, 0, 0)


@dataclass
class Meter:
    """What each party spent, in seconds of processor time, and what was said, by kind."""

    seconds: Counter[str] = field(default_factory=Counter)
    messages: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def of(self, party: str) -> Iterator[None]:
        began = time.thread_time()
        yield
        self.seconds[party] += time.thread_time() - began

    def said(self, kind: str, data: bytes, times: int = 1) -> bytes:
        self.messages[kind] += times
        self.bytes[kind] += len(data) * times
        return data


def open_session(device: str, node: str) -> tuple[Session, Session]:
    """Both ends of a session that is open already."""
    chain = begin_chain(Root(S384, 0, "production", secrets.token_bytes(48)))
    begun = DeviceHandshake(device, node, chain, secrets.token_bytes(32))
    answered = NodeHandshake(chain, begun.m1, secrets.token_bytes(32))
    _, m3 = begun.on_m2(answered.m2)
    _, m4, at_node = answered.on_m3(m3, chain)
    return begun.on_m4(m4), at_node


class Party:
    """A device with open sessions to all nodes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sessions = {node: open_session(name, node) for node in NODES}

    def ask_nodes(self, meter: Meter, side: Initiator | Responder, nodes: dict[str, Shares]) -> None:
        """Ask each node for its share, as the protocol does: sealed, numbered, answered."""
        with meter.of(self.name):
            body = bytes(8) + encode(side.share_request())
            asked = [meter.said("node", self.sessions[node][0].seal(body)) for node in NODES]
        answers = [self._answered(meter, node, nodes[node], record) for node, record in zip(NODES, asked, strict=True)]
        with meter.of(self.name):
            for node, record in zip(NODES, answers, strict=True):
                side.on_share(node, decode_as(ShareResponse, self.sessions[node][0].open(record)[8:]))

    def _answered(self, meter: Meter, node: str, shares: Shares, record: bytes) -> bytes:
        at_node = self.sessions[node][1]
        asked = decode_as(ShareRequest, at_node.open(record)[8:])
        share, grant = shares.release(self.name, asked, _GRANT, 0, secrets.token_bytes(48))
        answer = ShareResponse(asked.sid, asked.initiator, asked.responder, share, *grant)
        return meter.said("node", at_node.seal(bytes(8) + encode(answer)))

    def receipt(self, meter: Meter, agreement: Agreement, nodes: dict[str, Shares]) -> None:
        """Tell the nodes."""
        with meter.of(self.name):
            body = bytes(8) + encode(Receipt(agreement.sid, agreement.kid, 1))
            said = [meter.said("receipt", self.sessions[node][0].seal(body)) for node in NODES]
        for node, record in zip(NODES, said, strict=True):
            self.sessions[node][1].open(record)
            nodes[node].done(agreement.sid, self.name)


def negotiate(meter: Meter, one: Party, other: Party, purpose: str = "tunnel") -> Agreement:
    """One pairwise negotiation over three nodes, everything that devices do in it metered."""
    nodes, limits = {node: Shares() for node in NODES}, Limits()
    wanted = Wanted(purpose)
    with meter.of(one.name):
        first = Initiator(one.name, other.name, wanted, NODES, secrets.token_bytes(32), limits=limits, chains={})
        d1 = meter.said("direct", encode(first.d1))
    with meter.of(other.name):
        asked = decode(d1)
        second = Responder(other.name, asked, secrets.token_bytes(32), limits=limits, chains={}, nodes=NODES)
        d2 = meter.said("direct", encode(second.d2))
    with meter.of(one.name):
        first.on_d2(decode(d2))
    one.ask_nodes(meter, first, nodes)
    other.ask_nodes(meter, second, nodes)
    with meter.of(one.name):
        mine, said = first.derive()
        d3 = meter.said("direct", encode(said))
    with meter.of(other.name):
        answered = second.on_d3(decode(d3))
        assert isinstance(answered, tuple)
        theirs, answer = answered
        d4 = meter.said("direct", encode(answer))  # type: ignore[arg-type]
    with meter.of(one.name):
        first.on_d4(decode(d4))
    assert mine.key == theirs.key  # type: ignore[union-attr]
    one.receipt(meter, mine, nodes)
    other.receipt(meter, mine, nodes)
    return mine


def pair_cost(times: int) -> Meter:
    """So many negotiations of the same two devices."""
    one, other = Party("alice"), Party("bob")
    negotiate(Meter(), one, other)
    meter = Meter()
    for _ in range(times):
        negotiate(meter, one, other)
    return meter


def group_cost(members: int) -> Meter:
    """A group that is formed: pair keys of the leader with each member, parts, seeds, confirmations."""
    names = tuple(f"m{number:04d}" for number in range(members))
    leader, meter = Party(names[0]), Meter()
    keys = {name: negotiate(meter, leader, Party(name), group.purpose_of("g")).key for name in names[1:]}
    boxes = {name: group.pair_box(S384, key, "g", leader.name, name) for name, key in keys.items()}

    def through(name: str, sender: str, receiver: str, message: bytes) -> bytes:
        with meter.of(sender):
            sealed = meter.said("group", boxes[name].seal(message, secrets.token_bytes(12)))
        with meter.of(receiver):
            return boxes[name].open(sealed)

    parts = [
        decode_as(Contribution, through(name, name, leader.name, group.contribution("g", secrets.token_bytes(32))))
        for name in boxes
    ]
    with meter.of(leader.name):
        epoch = group.form(S384, "g", names, bytes(32), tuple(parts), secrets.token_bytes(48))
        seed = group.seed_message(epoch)
    confirms = [group.confirm(epoch, leader.name)]
    for name in boxes:
        plain = through(name, leader.name, name, seed)
        with meter.of(name):
            mine = group.accept_seed(S384, name, plain, None, "g", leader=leader.name)
            said = group.confirm(mine, name)
            confirms.append(said)
            meter.said("group", encode(said))
    with meter.of(leader.name):
        meter.said("group", encode(group.confirmed(epoch, tuple(confirms))), members - 1)
    return meter


def slope(points: list[tuple[int, float]]) -> tuple[float, float, float]:
    """Least squares: how much each member more costs, what there is without any, and how well a line fits (R^2)."""
    count = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    over = sum((x - mean_x) * (y - mean_y) for x, y in points)
    rise = over / sum((x - mean_x) ** 2 for x, _ in points)
    start = mean_y - rise * mean_x
    left = sum((y - start - rise * x) ** 2 for x, y in points)
    return rise, start, 1 - left / sum((y - mean_y) ** 2 for _, y in points)
