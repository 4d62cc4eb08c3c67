"""Every state that a device and a node reach by mutual authentication: the real code, with real keys and MACs.

The network belongs to the attacker: what was ever sent can be delivered to anybody, at any time, any number of times,
or never. Either side crashes at any time, and has then what it stored. A node holds up to two handshakes, since one may
have been held up. Nonces are counted, so that equal states are equal.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from copy import copy
from dataclasses import dataclass, replace
from hashlib import sha256

from search import Step

from dscc.errors import DsccError
from dscc.messages import M1, M2, M3, M4
from dscc.primitives import S384
from dscc.registration import Root
from dscc.session import Chain, DeviceHandshake, NodeHandshake, begin_chain

Message = M1 | M2 | M3 | M4
START = begin_chain(Root(S384, 0, "production", bytes(range(48))))


def counted(who: str, number: int) -> bytes:
    return sha256(f"{who} {number}".encode()).digest()


@dataclass(frozen=True)
class Rules:
    """The bounds, and which safeguards hold: each of the latter is taken out by a test that has to fail then."""

    attempts: int = 3
    answers: int = 3
    held: int = 2
    stored_first: bool = True
    stored_chain_is_checked: bool = True
    once: bool = True
    node_catches_up: bool = True


@dataclass(frozen=True)
class Sessions:
    """A state."""

    device: Chain = START
    node: Chain = START
    asking: DeviceHandshake | None = None
    answering: tuple[NodeHandshake, ...] = ()
    attempts: int = 0
    answers: int = 0
    sent: frozenset[Message] = frozenset()
    begun: tuple[bytes, ...] = ()
    """The session keys that the device has computed, those that the node has opened, those that the device has."""
    node_opened: tuple[bytes, ...] = ()
    device_opened: tuple[bytes, ...] = ()
    went_back: bool = False

    def key(self) -> Hashable:
        asking = self.asking and (self.asking.m1, self.asking._after, self.asking._ended)
        answering = frozenset((each.m2, each._chain, each._ended) for each in self.answering)
        opened = (tuple(sorted(self.begun)), tuple(sorted(self.node_opened)), tuple(sorted(self.device_opened)))
        counts = self.attempts, self.answers, self.went_back
        return self.device, self.node, asking, answering, counts, self.sent, opened


def steps(rules: Rules, state: Sessions) -> Iterator[Step[Sessions]]:
    """What can happen next."""
    if state.attempts < rules.attempts:
        asking = DeviceHandshake("d", "n", state.device, counted("device", state.attempts))
        sent = state.sent | {asking.m1}
        yield "the device begins", replace(state, asking=asking, attempts=state.attempts + 1, sent=sent)
    if state.asking is not None:
        yield "the device crashes", replace(state, asking=None)
    if state.answering:
        yield "the node crashes", replace(state, answering=())
    for said in state.sent:
        for after in _delivered(rules, state, said):
            yield f"{type(said).__name__} arrives", after


def _delivered(rules: Rules, state: Sessions, said: Message) -> Iterator[Sessions]:
    try:
        if isinstance(said, M1):
            yield from _m1(rules, state, said)
        elif isinstance(said, M2) and state.asking is not None:
            yield from _m2(rules, state, state.asking, said)
        elif isinstance(said, M4) and state.asking is not None:
            yield from _m4(rules, state, state.asking, said)
    except DsccError:
        return
    if isinstance(said, M3):
        for at in range(len(state.answering)):
            try:
                yield _m3(rules, state, at, said)
            except DsccError:
                continue


def _m1(rules: Rules, state: Sessions, said: M1) -> Iterator[Sessions]:
    if state.answers >= rules.answers:
        return
    if said.epoch > state.node.epoch and not rules.node_catches_up:
        return
    answered = NodeHandshake(state.node, said, counted("node", state.answers))
    answering = (*state.answering, answered)[-rules.held :]
    node = answered.caught_up or state.node
    sent = state.sent | {answered.m2}
    yield replace(state, node=node, answering=answering, answers=state.answers + 1, sent=sent)


def _m2(rules: Rules, state: Sessions, asking: DeviceHandshake, said: M2) -> Iterator[Sessions]:
    asking = copy(asking)
    following, m3 = asking.on_m2(said)
    assert asking._after is not None
    begun = (*state.begun, asking._after.session_key)
    yield replace(state, device=following, asking=asking, sent=state.sent | {m3}, begun=begun)
    if not rules.stored_first:
        # M3 is out, and the device crashes before it has stored the following chain.
        yield replace(state, asking=None, sent=state.sent | {m3}, begun=begun)


def _m3(rules: Rules, state: Sessions, at: int, said: M3) -> Sessions:
    answering = copy(state.answering[at])
    if not rules.once:
        answering._ended = False
    stored = state.node if rules.stored_chain_is_checked else answering._chain
    session_key = S384.expand(answering._chain.key, "na sess", answering._said)
    following, m4, _ = answering.on_m3(said, stored)
    others = (*state.answering[:at], answering, *state.answering[at + 1 :])
    opened = (*state.node_opened, session_key)
    back = following.epoch <= state.node.epoch
    return replace(state, node=following, answering=others, sent=state.sent | {m4}, node_opened=opened, went_back=back)


def _m4(rules: Rules, state: Sessions, asking: DeviceHandshake, said: M4) -> Iterator[Sessions]:
    asking = copy(asking)
    if not rules.once:
        asking._ended = False
    asking.on_m4(said)
    assert asking._after is not None
    yield replace(state, asking=asking, device_opened=(*state.device_opened, asking._after.session_key))


class Wrong:
    """What must not be. A clean handshake is tried once from each pair of stored chains."""

    def __init__(self) -> None:
        self._tried: dict[tuple[Chain, Chain], str] = {}

    def __call__(self, state: Sessions) -> str:
        gap = state.device.epoch - state.node.epoch
        if gap not in (0, 1):
            return f"the gap is {gap}"
        if state.went_back:
            return "the node goes back, to a key that it had erased"
        if any(len(set(keys)) != len(keys) for keys in (state.begun, state.node_opened, state.device_opened)):
            return "a session key is used twice"
        if not set(state.device_opened) <= set(state.node_opened) <= set(state.begun):
            return "one has a session that the other one has not"
        pair = state.device, state.node
        if pair not in self._tried:
            self._tried[pair] = _clean(*pair)
        return self._tried[pair]


def _clean(device: Chain, node: Chain) -> str:
    asking = DeviceHandshake("d", "n", device, counted("clean device", 0))
    try:
        answering = NodeHandshake(node, asking.m1, counted("clean node", 0))
        device, m3 = asking.on_m2(answering.m2)
        node, m4, at_node = answering.on_m3(m3, answering.caught_up or node)
        at_device = asking.on_m4(m4)
    except DsccError as error:
        return f"a clean handshake fails: {error}"
    if at_node.open(at_device.seal(b"hello")) != b"hello" or device.epoch != node.epoch or at_node.behind:
        return "a clean handshake ends in no session"
    return ""
