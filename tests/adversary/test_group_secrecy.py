"""A group's keys, and who was a member before or after: all that was sent is recorded, and everything is tried."""

from __future__ import annotations

import secrets

import pytest
from parties import nonce

from dscc import group
from dscc.direct_messages import Contribution, Seed
from dscc.errors import DsccError
from dscc.group import Epoch
from dscc.primitives import S384
from dscc.wire import decode_as

NAME, POLICY = "plant", bytes(48)
LABELS = ("seed", "join", "rekey", "group key", "group confirm", "group pair")


class Plant:
    """A leader, a; members with pair keys; and all that was sent."""

    def __init__(self) -> None:
        self.pair_keys = {member: nonce() for member in "bcde"}
        self.sent: list[bytes] = []
        parts = tuple(Contribution(NAME, 0, nonce()) for _ in "bc")
        self.epochs = [group.form(S384, NAME, ("a", "b", "c"), POLICY, parts, secrets.token_bytes(48))]
        self.tell("b", "c")

    def box(self, member: str) -> group.Box:
        return group.pair_box(S384, self.pair_keys[member], NAME, "a", member)

    def tell(self, *members: str) -> None:
        for member in members:
            self.sent.append(self.box(member).seal(group.seed_message(self.epochs[-1]), secrets.token_bytes(12)))

    def join(self, member: str) -> None:
        before = self.epochs[-1]
        self.epochs.append(group.joined(before, member, POLICY, secrets.token_bytes(48)))
        self.sent.append(group.rekeying_box(before).seal(group.seed_message(self.epochs[-1]), secrets.token_bytes(12)))
        self.tell(member)

    def leave(self, member: str) -> None:
        stay = tuple(each for each in self.epochs[-1].roster if each not in ("a", member))
        hidden = tuple(self.pair_keys[each] for each in stay)
        self.epochs.append(group.without(self.epochs[-1], frozenset(member), POLICY, secrets.token_bytes(48), hidden))
        self.tell(*stay)


def learned(plant: Plant, member: str, epochs: list[Epoch]) -> set[bytes]:
    """The group keys that a member computes from its pair key, the epochs that it was in, and all that was sent."""
    known, keys = list(epochs), {epoch.key for epoch in epochs}
    boxes = [plant.box(member)] + [group.rekeying_box(epoch) for epoch in epochs]
    while boxes:
        box = boxes.pop()
        for sealed in plant.sent:
            try:
                said = decode_as(Seed, box.open(sealed))
            except DsccError:
                continue
            epoch = Epoch(S384, NAME, said.epoch, said.roster, said.policy, said.seed)
            if epoch not in known:
                known.append(epoch)
                boxes.append(group.rekeying_box(epoch))
                keys.add(epoch.key)
    for epoch in known:
        for label in LABELS:
            for context in (b"", epoch.digest):
                seed = S384.expand(epoch.seed, label, context)
                for other in plant.epochs:
                    keys.add(other._replace(seed=seed).key)
                    keys.add(other._replace(seed=S384.expand(S384.extract(seed, bytes(48)), "seed")).key)
    return keys


def history() -> Plant:
    """1: a b c; 2: d joins; 3: c leaves; 4: e joins."""
    plant = Plant()
    plant.join("d")
    plant.leave("c")
    plant.join("e")
    return plant


@pytest.mark.parametrize(("member", "was_in"), [("b", "1234"), ("c", "12"), ("d", "234"), ("e", "4")])
def test_a_member_has_the_keys_of_its_time_and_no_other(member: str, was_in: str) -> None:
    plant = history()
    keys = learned(plant, member, [epoch for epoch in plant.epochs if str(epoch.number) in was_in])
    assert "".join(str(epoch.number) for epoch in plant.epochs if epoch.key in keys) == was_in


def test_were_a_leave_made_as_a_join_who_left_would_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: the seed after a leave sent to all under the seed before."""

    def leave(self: Plant, member: str) -> None:
        before = self.epochs[-1]
        self.epochs.append(group.without(before, frozenset(member), POLICY, secrets.token_bytes(48)))
        self.sent.append(group.rekeying_box(before).seal(group.seed_message(self.epochs[-1]), secrets.token_bytes(12)))

    monkeypatch.setattr(Plant, "leave", leave)
    plant = history()
    keys = learned(plant, "c", plant.epochs[:2])
    assert plant.epochs[2].key in keys and plant.epochs[3].key in keys


def test_were_the_present_seed_the_next_ones_who_joins_would_read_what_was_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The negative control: a join that leaves the seed as it is."""
    monkeypatch.setattr(
        group, "joined",
        lambda epoch, member, policy, _fresh: epoch._replace(
            number=epoch.number + 1, roster=tuple(sorted((*epoch.roster, member))), policy=policy
        ),
    )  # fmt: skip
    plant = Plant()
    plant.join("d")
    told = decode_as(Seed, plant.box("d").open(plant.sent[-1]))
    assert plant.epochs[0]._replace(seed=told.seed).key == plant.epochs[0].key
