"""Pair keys under every order of losses, repetitions, replays and crashes: hypothesis drives the real code.

What was ever sent can arrive at any time, any number of times. Either device, and each node, crashes at any time.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from pair import Device, Node, clean_round
from parties import NODES

from dscc.agreement import NO_CHAIN, KeyState, PairChain
from dscc.direct_messages import D3
from dscc.errors import DsccError, Reason
from dscc.pairwise import Responder
from dscc.wire import decode

LONGER = bool(os.environ.get("DSCC_LONGER"))
WHO = st.sampled_from(["alice", "bob"])


class Pair(RuleBasedStateMachine):
    """Alice and Bob, three nodes, and a network that does what it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.devices = {"alice": Device("alice", "bob"), "bob": Device("bob", "alice")}
        self.nodes = {name: Node() for name in NODES}
        self.sent: dict[str, list[bytes]] = {"alice": [], "bob": []}
        self.keys: dict[bytes, bytes] = {}
        self.accepted: dict[bytes, bytes] = {}

    def _say(self, who: str, messages: list[bytes]) -> None:
        self.sent[self.devices[who].peer] += messages

    def _tried(self, who: str, name: str, *given: bytes) -> None:
        try:
            self._say(who, getattr(self.devices[who], name)(*given))
        except DsccError:
            return
        self.a_session_has_one_key_at_who_accepts_it()

    @rule(who=WHO)
    def begin(self, who: str) -> None:
        self._tried(who, "begin")

    @rule(
        who=WHO, steps=st.integers(1, 12), mine=st.sets(st.sampled_from(NODES)), theirs=st.sets(st.sampled_from(NODES))
    )
    def go_on(self, who: str, steps: int, mine: set[str], theirs: set[str]) -> None:
        """As it should go, up to some step: without this, chance alone would hardly come to the end of a round.

        `mine` and `theirs` are the nodes that each does not reach.
        """
        peer = self.devices[who].peer
        natural = [
            lambda: self.begin(who),
            lambda: self.arrive(peer, 0),
            lambda: self.arrive(who, 0),
            lambda: self.ask(who, set(NODES) - mine),
            lambda: self.ask(peer, set(NODES) - theirs),
            lambda: self.derive(who),
            lambda: self.arrive(peer, 0),
            lambda: self.arrive(who, 0),
            # D3 was answered by a Subset, if anything was missing: what was missing comes late.
            lambda: self.ask(peer, set(NODES)),
            lambda: self.arrive(peer, 1),
            lambda: self.arrive(peer, 0),
            lambda: self.arrive(who, 0),
        ]
        for step in natural[:steps]:
            step()

    @precondition(lambda self: any(self.sent.values()))
    @rule(who=WHO, which=st.integers(0, 5))
    def arrive(self, who: str, which: int) -> None:
        """One of the newest messages, most often; an older one is a replay."""
        sent = self.sent[who]
        if sent:
            self._tried(who, "receive", sent[-1 - which % len(sent)])

    @precondition(lambda self: any(self.sent.values()))
    @rule(who=WHO, which=st.integers(0, 1000))
    def replay(self, who: str, which: int) -> None:
        sent = self.sent[who]
        if sent:
            self._tried(who, "receive", sent[which % len(sent)])

    @rule(who=WHO, nodes=st.sets(st.sampled_from(NODES), min_size=1))
    def ask(self, who: str, nodes: set[str]) -> None:
        for name in nodes:
            try:
                self.nodes[name].ask(self.devices[who], name)
            except DsccError as error:
                assert error.reason in (Reason.OUT_OF_ORDER, Reason.NOT_AUTHENTIC)

    @rule(who=WHO)
    def derive(self, who: str) -> None:
        self._tried(who, "derive")

    @rule(who=WHO)
    def repeat(self, who: str) -> None:
        self._tried(who, "repeat")

    @rule(who=WHO)
    def give_up(self, who: str) -> None:
        self._tried(who, "give_up")

    @rule(who=WHO)
    def crash(self, who: str) -> None:
        self.devices[who].crash()

    @rule(which=st.sampled_from(NODES))
    def crash_node(self, which: str) -> None:
        self.nodes[which] = Node()

    @invariant()
    def one_key_under_one_name_and_none_twice(self) -> None:
        for device in self.devices.values():
            for record in device.records.values():
                agreement = record.agreement
                assert self.keys.setdefault(agreement.kid, agreement.key) == agreement.key
        assert len(set(self.keys.values())) == len(self.keys)

    @invariant()
    def a_session_has_one_key_at_who_accepts_it(self) -> None:
        for device in self.devices.values():
            for sid, record in device.records.items():
                if record.agreement.responder == device.name:
                    assert self.accepted.setdefault(sid, record.agreement.kid) == record.agreement.kid

    @invariant()
    def who_asked_has_an_active_key_only_if_the_other_has_it(self) -> None:
        for device in self.devices.values():
            peer = self.devices[device.peer]
            for sid, record in device.records.items():
                if record.agreement.initiator == device.name and record.state is KeyState.ACTIVE:
                    assert peer.records[sid].agreement == record.agreement

    @invariant()
    def they_have_a_pair_chain_in_common(self) -> None:
        one, other = (set(device.chains.values()) for device in self.devices.values())
        assert one & other or not (one and other)

    def teardown(self) -> None:
        """Whatever was lost: one clean round, in either role, ends in a new key."""
        for first, second in (("alice", "bob"), ("bob", "alice")):
            held = [set(self.devices[each].chains.values()) for each in (first, second)]
            chained = bool(set.intersection(*held) - {NO_CHAIN})
            mine, theirs = clean_round(self.devices[first], self.devices[second], self.nodes)
            assert mine == theirs and self.keys.setdefault(mine.kid, mine.key) == mine.key
            assert len(set(self.keys.values())) == len(self.keys)
            assert mine.chained == chained


SETTINGS = settings(
    max_examples=5000 if LONGER else 150,
    stateful_step_count=80 if LONGER else 40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def test_two_devices_agree_or_end_cleanly_whatever_happens() -> None:
    run_state_machine_as_test(Pair, settings=SETTINGS)


def _fails(*errors: type[Exception]) -> None:
    quick = settings(
        SETTINGS,
        max_examples=2000,
        stateful_step_count=8,
        phases=[Phase.generate],
        database=None,
        derandomize=True,
    )
    with pytest.raises(errors):
        run_state_machine_as_test(Pair, settings=quick)


def test_without_the_rule_of_one_d3_a_session_has_two_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: a responder that accepts another D3 of the same session."""
    real = Device._d3

    def again(self: Device, said: D3) -> list[bytes]:
        kept = self.records.pop(said.sid, None)
        if isinstance(self.under_way, Responder):
            self.under_way._accepted = None
        try:
            return real(self, said)
        finally:
            if kept is not None:
                self.records.setdefault(said.sid, kept)

    monkeypatch.setattr(Device, "_d3", again)
    _fails(AssertionError)


def test_without_confirmation_a_key_is_active_that_the_other_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: an initiator whose key is Active as it says D3."""
    real = Device.derive

    def at_once(self: Device) -> list[bytes]:
        said = real(self)
        for each in said:
            self.records[decode(each)[0]].state = KeyState.ACTIVE
        return said

    monkeypatch.setattr(Device, "derive", at_once)
    _fails(AssertionError, KeyError)


def test_without_the_older_pair_chain_they_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: devices that keep the newest pair chain alone."""

    def newest(chains: object, agreed: PairChain) -> dict[int, PairChain]:
        return {agreed.number: agreed}

    monkeypatch.setattr("pair.next_chains", newest)
    _fails(AssertionError, DsccError)
