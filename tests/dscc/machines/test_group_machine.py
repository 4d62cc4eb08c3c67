"""Groups under joins, leaves, revocations, lost leaders and partitions: hypothesis drives the real code.

Every member may take itself for the leader, since it does not know who is cut off. What was ever sent arrives at any
time, any number of times, or never; a leader crashes after it has stored an epoch and before it has told of it. A
member, Mallory, keeps everything that it ever had, and tries to open everything that is sent.
"""

from __future__ import annotations

import os
import secrets
from collections import defaultdict
from itertools import combinations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from dscc import group
from dscc.direct_messages import Contribution, Seed
from dscc.errors import DsccError
from dscc.group import Epoch
from dscc.primitives import S384
from dscc.wire import decode_as

NAME, POLICY = "plant", bytes(48)
EVERYBODY = ("alice", "bob", "carol", "dave", "mallory")
FIRST = ("alice", "bob", "carol", "mallory")
WHO = st.sampled_from(EVERYBODY)
LONGER = bool(os.environ.get("DSCC_LONGER"))


class Group(RuleBasedStateMachine):
    """Five devices, each pair of which has a pair key, and what they store: the epoch that each is in."""

    def __init__(self) -> None:
        super().__init__()
        self.pair_keys = {frozenset(pair): secrets.token_bytes(32) for pair in combinations(EVERYBODY, 2)}
        self.present: dict[str, Epoch] = {}
        self.keys: dict[tuple[str, int], set[bytes]] = defaultdict(set)
        self.made: dict[bytes, Epoch] = {}
        self.sealed: list[tuple[str, str, bytes]] = []
        self.mallory: list[Epoch] = []
        parts = tuple(Contribution(NAME, 0, secrets.token_bytes(32)) for _ in FIRST[1:])
        self._lead("alice", group.form(S384, NAME, FIRST, POLICY, parts, secrets.token_bytes(48)), FIRST[1:])

    def _box(self, leader: str, member: str) -> group.Box:
        return group.pair_box(S384, self.pair_keys[frozenset((leader, member))], NAME, leader, member)

    def _enter(self, member: str, epoch: Epoch) -> None:
        before = self.present.get(member)
        assert before is None or epoch.number > before.number
        self.present[member] = epoch
        self.keys[member, epoch.number].add(epoch.key)
        if member == "mallory":
            self.mallory.append(epoch)

    def _lead(self, leader: str, epoch: Epoch, told: tuple[str, ...]) -> None:
        """Store the epoch, and then seal its seed for those who are told one by one."""
        self.made[epoch.key] = epoch
        self._enter(leader, epoch)
        for member in told:
            sealed = self._box(leader, member).seal(group.seed_message(epoch), secrets.token_bytes(12))
            self.sealed.append((leader, member, sealed))

    def _after(self, leader: str, gone: frozenset[str], told: bool) -> None:
        present = self.present.get(leader)
        if present is None:
            return
        try:
            epoch = group.without(present, gone, POLICY, secrets.token_bytes(48))
        except DsccError:
            return
        self._lead(leader, epoch, tuple(each for each in epoch.roster if each != leader) if told else ())

    @rule(leader=WHO, gone=st.sets(WHO, min_size=1, max_size=2), told=st.booleans())
    def leave(self, leader: str, gone: set[str], told: bool) -> None:
        """By the leader, or by who takes itself for it; `told` is false if it crashes before it says so."""
        self._after(leader, frozenset(gone - {leader}), told)

    @rule(leader=WHO, told=st.booleans())
    def take_over(self, leader: str, told: bool) -> None:
        """Those before it are lost, as it seems."""
        self._after(leader, frozenset(each for each in EVERYBODY if each < leader), told)

    @rule(leader=WHO, member=WHO, told=st.booleans())
    def join(self, leader: str, member: str, told: bool) -> None:
        present = self.present.get(leader)
        if present is None or member in present.roster:
            return
        epoch = group.joined(present, member, POLICY, secrets.token_bytes(48))
        if told:
            sealed = group.rekeying_box(present).seal(group.seed_message(epoch), secrets.token_bytes(12))
            self.sealed.append((leader, "", sealed))
        self._lead(leader, epoch, (member,) if told else ())

    @rule(which=st.integers(0, 8), who=WHO)
    def arrive(self, which: int, who: str) -> None:
        """One of the newest messages, at anybody."""
        self._arrive(-1 - which, who)

    @rule(which=st.integers(0, 1000), who=WHO)
    def replay(self, which: int, who: str) -> None:
        self._arrive(which, who)

    @rule()
    def all_arrive(self) -> None:
        """What was told last arrives where it should."""
        for at in range(len(self.sealed))[-6:]:
            for who in EVERYBODY:
                self._arrive(at, who)

    def _arrive(self, which: int, who: str) -> None:
        if not self.sealed:
            return
        leader, _, sealed = self.sealed[which % len(self.sealed)]
        present = self.present.get(who)
        if who == leader:
            return
        try:
            plain = self._box(leader, who).open(sealed)
            epoch = group.accept_seed(S384, who, plain, present, NAME, leader=leader)
        except DsccError:
            if present is None:
                return
            try:
                epoch = group.accept_joined(who, group.rekeying_box(present).open(sealed), present)
            except DsccError:
                return
        self._enter(who, epoch)

    @invariant()
    def nobody_has_two_keys_for_one_number(self) -> None:
        assert all(len(keys) == 1 for keys in self.keys.values())

    @invariant()
    def everybody_is_in_the_roster_of_the_epoch_that_it_has(self) -> None:
        for member, epoch in self.present.items():
            assert member in epoch.roster and self.made[epoch.key] == epoch

    @invariant()
    def mallory_opens_nothing_that_it_is_not_in(self) -> None:
        boxes = [group.rekeying_box(epoch) for epoch in self.mallory]
        boxes += [self._box(other, "mallory") for other in EVERYBODY if other != "mallory"]
        for _, _, sealed in self.sealed[-6:]:
            for box in boxes:
                try:
                    said = decode_as(Seed, box.open(sealed))
                except DsccError:
                    continue
                assert "mallory" in said.roster

    @invariant()
    def what_everybody_confirms_everybody_has(self) -> None:
        for epoch in set(self.present.values()):
            confirms = [group.confirm(self.present[each], each) for each in epoch.roster if each in self.present]
            try:
                group.check_confirmed(epoch, group.confirmed(epoch, tuple(confirms)))
            except DsccError:
                continue
            assert {self.present[each].key for each in epoch.roster} == {epoch.key}

    def teardown(self) -> None:
        """When all are back, the lowest of them leads on, above every number that anybody has seen."""
        leader = min(self.present)
        newest = max(epoch.number for epoch in self.present.values())
        roster = tuple(sorted(self.present))
        if len(roster) > 1:
            base = self.present[leader]._replace(number=newest, roster=roster)
            self._lead(leader, group.without(base, frozenset(), POLICY, secrets.token_bytes(48)), roster[1:])
            for at in range(len(self.sealed)):
                for who in roster:
                    self._arrive(at, who)
            assert len({self.present[each].key for each in roster}) == 1
            assert self.present[leader].key not in {epoch.key for epoch in self.mallory[:-1]}


SETTINGS = settings(
    max_examples=2000 if LONGER else 50,
    stateful_step_count=60 if LONGER else 30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def test_one_number_has_one_key_and_who_is_out_is_out_whatever_happens() -> None:
    run_state_machine_as_test(Group, settings=SETTINGS)


def _fails() -> None:
    quick = settings(SETTINGS, max_examples=200, phases=[Phase.generate], database=None, derandomize=True)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Group, settings=quick)


def test_without_the_order_of_epochs_one_number_has_two_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: members that take any number."""

    def any_number(suite: object, said: Seed, present: Epoch | None) -> Epoch:
        return Epoch(S384, said.group, said.epoch, said.roster, said.policy, said.seed)

    monkeypatch.setattr(group, "_later", any_number)
    monkeypatch.setattr(Group, "_enter", _careless)
    _fails()


def _careless(self: Group, member: str, epoch: Epoch) -> None:
    self.present[member] = epoch
    self.keys[member, epoch.number].add(epoch.key)


def test_were_a_leave_told_as_a_join_is_who_left_would_read_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: the seed after a leave, to all at once under the seed before."""
    real = Group._after

    def at_once(self: Group, leader: str, gone: frozenset[str], told: bool) -> None:
        before = self.present.get(leader)
        real(self, leader, gone, told)
        after = self.present.get(leader)
        if before is not None and after is not None and after != before:
            sealed = group.rekeying_box(before).seal(group.seed_message(after), secrets.token_bytes(12))
            self.sealed.append((leader, "", sealed))

    monkeypatch.setattr(Group, "_after", at_once)
    _fails()
