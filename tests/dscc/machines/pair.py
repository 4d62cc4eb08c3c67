"""Two devices and three nodes as the protocol's document has them, without a network: what is sent lies in a heap.

A device keeps records, and loses everything else in a crash. It has one negotiation with its peer at a time.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any, cast

from parties import NODES, TUNNEL, nonce

from dscc.agreement import Agreement, KeyState, Limits, PairChain, abort, check_abort, check_d4, next_chains
from dscc.direct_messages import D1, D2, D3, D4, Abort, Subset
from dscc.errors import DsccError, Reason
from dscc.messages import ShareRequest, ShareResponse
from dscc.node.shares import Grant, Shares
from dscc.pairwise import Initiator, Responder
from dscc.wire import decode, encode

LIMITS = Limits(paths=2)
GRANT = Grant(1, bytes(32), 3600, 0, 0)


@dataclass
class Record:
    """What a device stores of an agreement: its state, what it said, and what it waits for."""

    agreement: Agreement
    state: KeyState
    d3: D3
    d4: D4


@dataclass
class Device:
    """One of the two. `under_way` is lost in a crash, `records` and `chains` are not."""

    name: str
    peer: str
    records: dict[bytes, Record] = field(default_factory=dict)
    chains: dict[int, PairChain] = field(default_factory=dict)
    under_way: Initiator | Responder | None = None

    def begin(self) -> list[bytes]:
        """Ask the peer for a key."""
        self._end()
        self.under_way = Initiator(
            self.name, self.peer, TUNNEL, NODES, nonce(), limits=LIMITS, chains=dict(self.chains)
        )
        return [encode(self.under_way.d1)]

    def crash(self) -> None:
        """Lose what was not stored."""
        self.under_way = None

    def repeat(self) -> list[bytes]:
        """After a restart, or a while: D3 of what is not confirmed yet."""
        waiting = [each for each in self.records.values() if each.state is KeyState.PRE_ACTIVE]
        return [encode(each.d3) for each in waiting]

    def derive(self) -> list[bytes]:
        """Store the agreement as Pre-Active, and only then say so."""
        if not isinstance(self.under_way, Initiator):
            return []
        agreement, d3 = self.under_way.derive()
        self._end_records()
        self.records[agreement.sid] = Record(agreement, KeyState.PRE_ACTIVE, d3, self.under_way.expected)
        return [encode(d3)]

    def give_up(self) -> list[bytes]:
        """Tell the peer that what is not confirmed will not be used."""
        waiting = [each for each in self.records.values() if each.state is KeyState.PRE_ACTIVE]
        self._end()
        return [encode(abort(each.agreement, Reason.FAILED)) for each in waiting]

    def receive(self, data: bytes) -> list[bytes]:
        """What is answered to a message. Raises DsccError."""
        said = decode(data)
        answer = {D1: self._d1, D2: self._d2, D3: self._d3, D4: self._d4, Subset: self._subset, Abort: self._abort}
        return cast(list[bytes], cast(Any, answer[type(said)])(said))

    def _d1(self, said: D1) -> list[bytes]:
        if said.initiator != self.peer:
            raise DsccError(Reason.NOT_AUTHENTIC, "from somebody else")
        if isinstance(self.under_way, Initiator) and self.name < self.peer:
            raise DsccError(Reason.GLARE, "this side has begun, too, and goes on")
        responder = Responder(self.name, said, nonce(), limits=LIMITS, chains=dict(self.chains), nodes=NODES)
        self._end()
        self.under_way = responder
        return [encode(responder.d2)]

    def _d2(self, said: D2) -> list[bytes]:
        if isinstance(self.under_way, Initiator):
            self.under_way.on_d2(said)
        return []

    def _d3(self, said: D3) -> list[bytes]:
        kept = self.records.get(said.sid)
        if kept is not None:
            return [encode(kept.d4)] if kept.d3 == said and kept.agreement.responder == self.name else []
        if not isinstance(self.under_way, Responder):
            return []
        given = self.under_way.on_d3(said)
        if isinstance(given, Subset):
            return [encode(given)]
        agreement, d4 = given
        self.chains = next_chains(self.chains, agreement.chain)
        self.records[said.sid] = Record(agreement, KeyState.ACTIVE, said, d4)
        return [encode(d4)]

    def _d4(self, said: D4) -> list[bytes]:
        kept = self.records.get(said.sid)
        if kept is not None and kept.agreement.initiator == self.name and kept.state is KeyState.PRE_ACTIVE:
            check_d4(kept.d4, said)
            self.chains = next_chains(self.chains, kept.agreement.chain)
            kept.state = KeyState.ACTIVE
            self.under_way = None
        return []

    def _subset(self, said: Subset) -> list[bytes]:
        if not isinstance(self.under_way, Initiator):
            return []
        self.under_way.on_subset(said)
        return self.derive()

    def _abort(self, said: Abort) -> list[bytes]:
        kept = self.records.get(said.sid)
        if kept is not None and kept.agreement.responder == self.name:
            check_abort(kept.agreement, said)
            kept.state = KeyState.DESTROYED
        return []

    def _end(self) -> None:
        self.under_way = None
        self._end_records()

    def _end_records(self) -> None:
        for each in self.records.values():
            if each.state is KeyState.PRE_ACTIVE:
                each.state = KeyState.DESTROYED


class Node:
    """A node's share service: the real one, in memory only."""

    def __init__(self) -> None:
        self.shares = Shares()

    def ask(self, device: Device, name: str) -> None:
        """The device asks for its share, and has it."""
        if device.under_way is None:
            return
        asked = device.under_way.share_request()
        share, grant = self.shares.release(device.name, asked, GRANT, 0.0, secrets.token_bytes(48))
        device.under_way.on_share(name, _response(asked, share, grant))


def _response(asked: ShareRequest, share: bytes, grant: Grant) -> ShareResponse:
    return ShareResponse(asked.sid, asked.initiator, asked.responder, share, *grant)


def clean_round(first: Device, second: Device, nodes: dict[str, Node]) -> tuple[Agreement, Agreement]:
    """A negotiation in which nothing is lost, from what the two have stored."""
    for each in (first, second):
        each.crash()
    (d1,) = first.begin()
    (d2,) = second.receive(d1)
    first.receive(d2)
    for device in (first, second):
        for name, node in nodes.items():
            node.ask(device, name)
    (d3,) = first.derive()
    (d4,) = second.receive(d3)
    first.receive(d4)
    sid = decode(d3)[0]
    return first.records[sid].agreement, second.records[sid].agreement
