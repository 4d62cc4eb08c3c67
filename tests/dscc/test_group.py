"""Group keys: everybody in the roster has the key of its epoch, nobody else, and one epoch has one key."""

from __future__ import annotations

import secrets

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parties import nonce

from dscc import group
from dscc.direct_messages import Confirm, Contribution
from dscc.errors import DsccError, Reason
from dscc.group import Epoch
from dscc.primitives import S384
from dscc.wire import decode_as

NAME, POLICY = "plant", bytes(48)


def fresh() -> bytes:
    return secrets.token_bytes(48)


def iv() -> bytes:
    return secrets.token_bytes(12)


class Star:
    """A leader and members with pair keys; each has only what it was sent."""

    def __init__(self, roster: tuple[str, ...]) -> None:
        self.leader = group.leader_of(roster)
        self.pair_keys = {member: secrets.token_bytes(32) for member in roster if member != self.leader}
        parts = tuple(
            decode_as(Contribution, self.box(member).open(self.box(member).seal(self.part(), iv())))
            for member in self.pair_keys
        )
        self.epoch = group.form(S384, NAME, roster, POLICY, parts, fresh())
        self.members: dict[str, Epoch] = {}
        for member in self.pair_keys:
            self.tell(member)

    @staticmethod
    def part() -> bytes:
        return group.contribution(NAME, secrets.token_bytes(32))

    def box(self, member: str) -> group.Box:
        return group.pair_box(S384, self.pair_keys[member], NAME, self.leader, member)

    def tell(self, member: str) -> None:
        sealed = self.box(member).seal(group.seed_message(self.epoch), iv())
        present = self.members.get(member)
        plain = self.box(member).open(sealed)
        self.members[member] = group.accept_seed(S384, member, plain, present, NAME, leader=self.leader)

    def join(self, member: str) -> None:
        before, self.epoch = self.epoch, group.joined(self.epoch, member, POLICY, fresh())
        sealed = group.rekeying_box(before).seal(group.seed_message(self.epoch), iv())
        for each, present in self.members.items():
            plain = group.rekeying_box(present).open(sealed)
            self.members[each] = group.accept_joined(each, plain, present)
        self.pair_keys[member] = secrets.token_bytes(32)
        self.tell(member)

    def leave(self, member: str) -> Epoch:
        self.epoch = group.without(self.epoch, frozenset({member}), POLICY, fresh())
        left = self.members.pop(member)
        del self.pair_keys[member]
        for each in self.members:
            self.tell(each)
        return left

    def check(self) -> None:
        assert {each.key for each in self.members.values()} == {self.epoch.key}
        confirms = tuple(group.confirm(self.members.get(each, self.epoch), each) for each in self.epoch.roster)
        told = group.confirmed(self.epoch, confirms)
        for epoch in self.members.values():
            group.check_confirmed(epoch, told)


def test_everybody_has_the_key_and_says_so() -> None:
    star = Star(("a", "b", "c", "d"))
    star.check()
    assert len(star.epoch.key) == 32 and star.epoch.number == 1


def test_who_joins_has_no_earlier_key_and_who_leaves_no_later_one() -> None:
    star = Star(("a", "b", "c"))
    first = star.epoch
    star.join("d")
    star.check()
    new = star.members["d"]
    assert new.key == star.epoch.key != first.key
    with pytest.raises(DsccError):
        group.rekeying_box(new).open(group.rekeying_box(first).seal(group.seed_message(star.epoch), iv()))
    left = star.leave("d")
    star.check()
    assert left.key != star.epoch.key
    sealed = group.rekeying_box(star.epoch).seal(b"", iv())
    with pytest.raises(DsccError):
        group.rekeying_box(left).open(sealed)


def test_without_does_not_follow_from_the_seed_before() -> None:
    """The negative control: were the seed of a leave mixed from the present one, as that of a join is, the one who
    left would compute it from the fresh bytes alone; here it follows from bytes that are sealed for those who stay.
    """
    star = Star(("a", "b", "c"))
    seed = fresh()
    other = star.epoch._replace(seed=fresh())
    gone = frozenset({"b"})
    assert group.without(star.epoch, gone, POLICY, seed).seed == group.without(other, gone, POLICY, seed).seed
    assert group.joined(star.epoch, "d", POLICY, seed).seed != group.joined(other, "d", POLICY, seed).seed
    hidden = (nonce(), nonce())
    assert group.without(star.epoch, gone, POLICY, seed, hidden).seed != group.without(other, gone, POLICY, seed).seed


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20)), max_size=8))
def test_whoever_comes_and_goes_each_epoch_has_one_key_for_its_roster(changes: list[tuple[bool, int]]) -> None:
    star, keys, seen = Star(("a", "b", "c")), set(), 0
    keys.add(star.epoch.key)
    for comes, which in changes:
        if comes:
            star.join(f"m{len(keys)}")
        elif len(star.members) > 1:
            star.leave(sorted(star.members)[which % len(star.members)])
        else:
            continue
        star.check()
        assert star.epoch.key not in keys
        keys.add(star.epoch.key)
        seen += 1
    assert star.epoch.number == seen + 1


def test_an_epoch_is_bound_to_its_group_roster_and_policy() -> None:
    epoch = Star(("a", "b", "c")).epoch
    others = [
        epoch._replace(group="other"),
        epoch._replace(number=2),
        epoch._replace(roster=("a", "b")),
        epoch._replace(policy=bytes(32)),
    ]
    assert len({epoch.key, *[other.key for other in others]}) == 5


def test_an_epoch_is_never_taken_back_or_given_another_meaning() -> None:
    star = Star(("a", "b", "c"))
    present = star.members["b"]
    for number in (0, 1):
        other = group.seed_message(star.epoch._replace(number=number, seed=fresh()))
        with pytest.raises(DsccError) as error:
            group.accept_seed(S384, "b", other, present, NAME, leader="a")
        assert error.value.reason is Reason.OUT_OF_ORDER
    for wrong in (star.epoch._replace(group="x", number=2), star.epoch._replace(roster=("a", "c"), number=2)):
        with pytest.raises(DsccError):
            group.accept_seed(S384, "b", group.seed_message(wrong), present, NAME, leader="a")


def test_a_seed_sealed_for_another_member_is_not_opened() -> None:
    star = Star(("a", "b", "c"))
    sealed = star.box("b").seal(group.seed_message(star.epoch), iv())
    for wrong in (star.box("c"), group.pair_box(S384, star.pair_keys["b"], "other", "a", "b")):
        with pytest.raises(DsccError):
            wrong.open(sealed)
    for damaged in (b"", sealed[:11], sealed[:-1]):
        with pytest.raises(DsccError):
            star.box("b").open(damaged)


def test_a_missing_or_wrong_confirmation_is_noticed() -> None:
    star = Star(("a", "b", "c"))
    confirms = [group.confirm(star.epoch, each) for each in star.epoch.roster]
    with pytest.raises(DsccError, match="1 members"):
        group.confirmed(star.epoch, tuple(confirms[:2]))
    with pytest.raises(DsccError, match="Confirm"):
        group.confirmed(star.epoch, (*confirms[:2], Confirm(NAME, 1, "c", confirms[0].mac)))
    with pytest.raises(DsccError):
        group.check_confirm(star.epoch, group.confirm(star.epoch._replace(number=2), "b"))
    told = group.confirmed(star.epoch, tuple(confirms))
    with pytest.raises(DsccError):
        group.check_confirmed(star.epoch, told._replace(macs=told.macs[::-1]))


def test_forming_takes_a_part_from_everybody_and_fresh_bytes() -> None:
    parts = (Contribution(NAME, 0, bytes(32)),) * 2
    for wrong in (parts[:1], (parts[0], parts[1]._replace(group="x"))):
        with pytest.raises(DsccError):
            group.form(S384, NAME, ("a", "b", "c"), POLICY, wrong, fresh())
    one = group.form(S384, NAME, ("a", "b", "c"), POLICY, parts, fresh())
    assert one.key != group.form(S384, NAME, ("a", "b", "c"), POLICY, parts, fresh()).key
    for roster in (("a",), ("a", "a")):
        with pytest.raises(DsccError):
            group.form(S384, NAME, roster, POLICY, parts, fresh())
