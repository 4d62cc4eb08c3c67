"""Every state that a device and a node reach by keyfill, over sessions that break off: the real code.

Between T3 and T4 the device has two chains, and the node one of them. Whoever cuts, delays or forges in between must
not lead them to where neither of the device's chains is the node's. Records of a session come in their order or not at
all, and can be held up: a node holds sessions that the device has given up. Either side crashes at any time.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from copy import copy
from dataclasses import dataclass, replace

from search import Step
from session_states import START, counted

from dscc.errors import DsccError
from dscc.keyfill import DeviceKeyfill, KeyfillMode, NodeKeyfill
from dscc.messages import T1, T2, T3, T4
from dscc.session import Chain, DeviceHandshake, NodeHandshake
from dscc.wire import core


@dataclass(frozen=True)
class Rules:
    """The bounds, and which safeguards hold: each of the latter is taken out by a test that has to fail then."""

    sessions: int = 4
    steps: int = 2
    stored_chain_is_checked: bool = True
    refusals_drop_nothing: bool = True
    old_chain_is_kept_until_t4: bool = True
    node_waits_for_t3: bool = True


@dataclass(frozen=True)
class Talk:
    """A session, as either side has it: what was said in it and not arrived yet, and what each is in the middle of."""

    number: int
    chain: Chain
    """The node's, as the session opened."""
    asks: DeviceKeyfill | None = None
    grants: NodeKeyfill | None = None
    t1: T1 | None = None
    t2: T2 | None = None
    t3: T3 | None = None
    t4: T4 | None = None

    def key(self) -> Hashable:
        device = self.asks and (self.asks.t1, self.asks._next)
        node = self.grants and (self.grants.t2, self.grants._ended)
        return self.number, self.chain, device, node, self.t1, self.t2, self.t3, self.t4


@dataclass(frozen=True)
class Keyfill:
    """A state. `device` has the present chain and the next one; `at_device` is the session that it has open."""

    device: tuple[Chain, Chain | None] = (START, None)
    node: Chain = START
    talks: tuple[Talk, ...] = ()
    at_device: int | None = None
    at_node: frozenset[int] = frozenset()
    sessions: int = 0
    wrong: str = ""

    def key(self) -> Hashable:
        talks = tuple(talk.key() for talk in self.talks)
        return self.device, self.node, talks, self.at_device, self.at_node, self.sessions, self.wrong

    def talking(self, talk: Talk) -> Keyfill:
        """The same with a session as it is now; sessions that nobody has open are gone."""
        kept = tuple(talk if each.number == talk.number else each for each in self.talks)
        return replace(self, talks=kept)._tidy()

    def _tidy(self) -> Keyfill:
        return replace(self, talks=tuple(each for each in self.talks if each.number in {*self.at_node, self.at_device}))


def steps(rules: Rules, state: Keyfill) -> Iterator[Step[Keyfill]]:
    """What can happen next."""
    if state.at_device is not None:
        yield "the device crashes, or gives the session up", replace(state, at_device=None)._tidy()
    if state.at_node:
        yield "the node crashes", replace(state, at_node=frozenset())._tidy()
    if state.sessions < rules.sessions:
        yield from _connected(rules, state)
    for talk in state.talks:
        try:
            yield from _said(rules, state, talk)
        except DsccError:
            continue


def _connected(rules: Rules, state: Keyfill) -> Iterator[Step[Keyfill]]:
    """The device tries its next chain, and then the present one: refusals are not authentic, and may be forged."""
    present, following = state.device
    if following is not None:
        yield "the next chain is tried", _meet(rules, state, following)
        if not rules.refusals_drop_nothing:
            yield "a refusal is believed", replace(state, device=(present, None))
    yield "the present chain is tried", _meet(rules, state, present)
    for lost in ("M3", "M4"):
        yield f"the present chain is tried, {lost} is lost", _meet(rules, state, present, lost)
        if following is not None:
            yield f"the next chain is tried, {lost} is lost", _meet(rules, state, following, lost)


def _meet(rules: Rules, state: Keyfill, chain: Chain, lost: str = "") -> Keyfill:
    number = state.sessions
    state = replace(state, sessions=number + 1, at_device=None)
    asking = DeviceHandshake("d", "n", chain, counted("device", number))
    try:
        answering = NodeHandshake(state.node, asking.m1, counted("node", number))
        ahead, m3 = asking.on_m2(answering.m2)
    except DsccError:
        return state._tidy()
    stored = answering.caught_up or state.node
    slots = tuple(ahead if each == chain else each for each in state.device)
    state = replace(state, node=stored, device=slots)  # type: ignore[arg-type]
    if lost == "M3":
        return state._tidy()
    node, m4, _ = answering.on_m3(m3, stored)
    talk = Talk(number, node)
    state = replace(state, node=node, talks=(*state.talks, talk), at_node=state.at_node | {number})
    if lost == "M4":
        return state._tidy()
    asking.on_m4(m4)
    return replace(state, device=(ahead, None), at_device=number)._tidy()


def _said(rules: Rules, state: Keyfill, talk: Talk) -> Iterator[Step[Keyfill]]:
    number = talk.number
    device, node = state.at_device == number, number in state.at_node
    if device and talk.asks is None and state.device[0].ratchet < rules.steps:
        asks = DeviceKeyfill(state.device[0], "next", counted("t1", number))
        yield "T1 leaves", state.talking(replace(talk, asks=asks, t1=asks.t1))
    if node and talk.t1 is not None and talk.grants is None:
        yield "T1 arrives", _t1(rules, state, talk, talk.t1)
    if device and talk.t2 is not None and talk.asks is not None and talk.t3 is None:
        asks = copy(talk.asks)
        following, t3 = asks.on_t2(talk.t2, KeyfillMode.PLAIN)
        slots = (state.device[0], following) if rules.old_chain_is_kept_until_t4 else (following, None)
        yield "T2 arrives", replace(state, device=slots).talking(replace(talk, asks=asks, t3=t3))
    if node and talk.t3 is not None and talk.grants is not None and talk.t4 is None:
        grants = copy(talk.grants)
        following, t4 = grants.on_t3(talk.t3, state.node if rules.stored_chain_is_checked else talk.chain)
        if rules.node_waits_for_t3:
            state = _stored(state, following)
        yield "T3 arrives", state.talking(replace(talk, grants=grants, t4=t4))
    if device and talk.t4 is not None and talk.asks is not None and state.device[1] is not None:
        talk.asks.on_t4(talk.t4)
        yield "T4 arrives", replace(state, device=(state.device[1], None))


def _t1(rules: Rules, state: Keyfill, talk: Talk, t1: T1) -> Keyfill:
    grants = NodeKeyfill(
        talk.chain,
        t1,
        stage="next",
        mode=KeyfillMode.PLAIN,
        workflow="w/1",
        approval=bytes(32),
        nonce=counted("t2", talk.number),
    )
    if not rules.node_waits_for_t3:
        early = copy(grants)
        early._ended = False
        t3 = T3(t1.ratchet, b"")
        mac = grants._suite.mac(grants._next.key("atk cd"), grants._next.bound(core(t3)))
        state = _stored(state, early.on_t3(t3._replace(mac=mac), talk.chain)[0])
    return state.talking(replace(talk, grants=grants, t2=grants.t2))


def _stored(state: Keyfill, chain: Chain) -> Keyfill:
    wrong = "the node goes back" if (chain.ratchet, chain.epoch) < (state.node.ratchet, state.node.epoch) else ""
    return replace(state, node=chain, wrong=wrong)


class Wrong:
    """What must not be. Every pair of stored states is tried once."""

    def __init__(self) -> None:
        self._tried: dict[tuple[Chain, Chain | None, Chain], str] = {}

    def __call__(self, state: Keyfill) -> str:
        if state.wrong:
            return state.wrong
        present, following = state.device
        if following is not None and following.ratchet != present.ratchet + 1:
            return "the device's two chains are not one after the other"
        stored = present, following, state.node
        if stored not in self._tried:
            self._tried[stored] = _clean(present, following, state.node)
        return self._tried[stored]


def _clean(present: Chain, following: Chain | None, node: Chain) -> str:
    for chain in (following, present):
        if chain is None:
            continue
        asking = DeviceHandshake("d", "n", chain, counted("clean device", 0))
        try:
            answering = NodeHandshake(node, asking.m1, counted("clean node", 0))
            _, m3 = asking.on_m2(answering.m2)
            _, m4, at_node = answering.on_m3(m3, answering.caught_up or node)
            at_device = asking.on_m4(m4)
        except DsccError:
            continue
        return "" if at_node.open(at_device.seal(b"hello")) == b"hello" and not at_node.behind else "no session"
    return "neither of the device's chains is the node's"
