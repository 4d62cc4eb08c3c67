"""A key for a group: a star, whose leader has a pair key with each member. The number of handshakes is linear.

    forming  N - 1 pair keys (pairwise, purpose "group-wrap:<group>"); each member gives a part, the leader mixes all of
             them with its own into the seed, and sends it to each under their pair key
    joining  one pair key; the next seed follows from the present one and fresh bytes; it goes to all members in one
             message under a key of the present seed, and to the new one under its pair key
    leaving  a fresh seed, which follows from no seed before it, to each of those who stay under their pair keys

    GK = XL(seed, "group key", H(group, epoch, roster, policy))

A member confirms each epoch by a MAC, and the leader tells all of them. A member that leaves computes no later key, one
that joins no earlier one. Any member can give the key away; that is what it has it for. And any member could seal what
goes to all under the seed: so that takes nobody out and skips no epoch, and confirmations say that members have the
key, not who they are; what has to come from the leader, or from one member, comes in the box of their pair key.
Pure: entropy is an argument.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import Final, NamedTuple

from dscc.direct_messages import Confirm, Confirmed, Contribution, Seed
from dscc.errors import DsccError, Reason
from dscc.primitives import NONCE_BYTES, ROOT_BYTES, Box, Suite, enc
from dscc.wire import core, decode_as, encode

MOST_MEMBERS: Final = 1024
MOST_ROSTER_BYTES: Final = 48_000
"""All names together, on the wire: what has to fit into one frame."""
CONFIRMATION_BYTES: Final = 32
"""So that those of all members fit into one frame."""
_PURPOSE_BYTES: Final = 64
GROUP_KEY_BYTES: Final = 32


def purpose_of(group: str) -> str:
    """The purpose of the pair keys between a group's leader and its members. Raises DsccError: it is too long."""
    purpose = f"group-wrap:{group}"
    if len(purpose.encode()) > _PURPOSE_BYTES:
        raise DsccError(Reason.MALFORMED, f"{purpose!r} has more than {_PURPOSE_BYTES} bytes")
    return purpose


def leader_of(roster: tuple[str, ...]) -> str:
    """Who leads a group: the lowest identifier, so that all know the next one when it is lost."""
    return min(roster)


class Epoch(NamedTuple):
    """A group at one time: who is in it, by which policy, and the seed of its key."""

    suite: Suite
    group: str
    number: int
    roster: tuple[str, ...]
    policy: bytes
    seed: bytes

    def __repr__(self) -> str:
        return f"Epoch({self.group!r}, {self.number}, {len(self.roster)} members)"

    @property
    def digest(self) -> bytes:
        """What tells this epoch from every other one: group, number, roster, policy."""
        members = enc(*[member.encode() for member in self.roster])
        return self.suite.digest(enc(self.group.encode(), self.number.to_bytes(8, "big"), members, self.policy))

    @property
    def key(self) -> bytes:
        """The group's key, 32 bytes."""
        return self.suite.expand(self.seed, "group key", self.digest, GROUP_KEY_BYTES)

    def confirmations(self, members: tuple[str, ...]) -> tuple[bytes, ...]:
        """The MACs by which these members say that they have the key."""
        key = self.suite.expand(self.seed, "group confirm", self.digest)
        said = [core(Confirm(self.group, self.number, member, b"")) for member in members]
        return tuple(self.suite.mac(key, each)[:CONFIRMATION_BYTES] for each in said)


def pair_box(suite: Suite, pair_key: bytes, group: str, leader: str, member: str) -> Box:
    """For what the leader and one member tell each other, under their pair key."""
    return Box(suite, pair_key, "group pair", enc(group.encode(), leader.encode(), member.encode()))


def rekeying_box(epoch: Epoch) -> Box:
    """For what the leader tells all members of an epoch at once."""
    return Box(epoch.suite, epoch.seed, "rekey", epoch.digest)


def _checked_roster(roster: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(roster)) != len(roster) or not 2 <= len(roster) <= MOST_MEMBERS:
        raise DsccError(Reason.MALFORMED, f"a group has 2 to {MOST_MEMBERS} members, each of them once")
    if sum(len(member.encode()) + 2 for member in roster) > MOST_ROSTER_BYTES:
        raise DsccError(Reason.MALFORMED, f"the names of a group's members have at most {MOST_ROSTER_BYTES} bytes")
    return tuple(sorted(roster))


def _checked_fresh(fresh: bytes) -> bytes:
    if len(fresh) != ROOT_BYTES:
        raise DsccError(Reason.MALFORMED, f"a seed takes {ROOT_BYTES} random bytes")
    return fresh


def form(
    suite: Suite, group: str, roster: tuple[str, ...], policy: bytes, parts: tuple[Contribution, ...], fresh: bytes
) -> Epoch:
    """The first epoch, by its leader: the seed is secret if any member's part, or the leader's `fresh`, is.

    `fresh` has 48 bytes. Raises DsccError if a part is for another group, or not everybody has given one.
    """
    members = _checked_roster(roster)
    if len(parts) != len(members) - 1 or any((part.group, part.epoch) != (group, 0) for part in parts):
        raise DsccError(Reason.OUT_OF_ORDER, "the seed takes one part from each member but the leader")
    mixed = enc(*sorted(part.part for part in parts))
    return Epoch(suite, group, 1, members, policy, suite.expand(suite.extract(mixed, _checked_fresh(fresh)), "seed"))


def joined(epoch: Epoch, member: str, policy: bytes, fresh: bytes) -> Epoch:
    """The next epoch with one more member: it follows from the present seed, which the new member does not learn."""
    mixed = epoch.suite.extract(epoch.suite.expand(epoch.seed, "join", epoch.digest), _checked_fresh(fresh))
    seed = epoch.suite.expand(mixed, "seed")
    roster = _checked_roster((*epoch.roster, member))
    return epoch._replace(number=epoch.number + 1, roster=roster, policy=policy, seed=seed)


def without(
    epoch: Epoch, leaving: frozenset[str], policy: bytes, fresh: bytes, hidden: tuple[bytes, ...] = ()
) -> Epoch:
    """The next epoch without some members: its seed is of `fresh` (48 bytes), and follows from nothing that they know.

    `hidden` are the leader's pair keys with those who stay, which who leaves does not know either: with them, the seed
    is secret even if the leader's random source is not.
    """
    roster = _checked_roster(tuple(member for member in epoch.roster if member not in leaving))
    mixed = epoch.suite.extract(enc(*sorted(hidden)), _checked_fresh(fresh))
    seed = epoch.suite.expand(mixed, "seed")
    return epoch._replace(number=epoch.number + 1, roster=roster, policy=policy, seed=seed)


def seed_message(epoch: Epoch) -> bytes:
    """What members are told, each in its box."""
    return encode(Seed(epoch.group, epoch.number, epoch.roster, epoch.policy, epoch.seed))


def accept_seed(suite: Suite, member: str, plain: bytes, present: Epoch | None, group: str, *, leader: str) -> Epoch:
    """The epoch that `leader`, in whose box it came, tells of.

    Raises DsccError: of another group, without this member, from who does not lead it, or not a later one. A number
    that was seen before is refused, whatever it is said to mean: one epoch has one key.
    """
    said = decode_as(Seed, plain)
    if said.group != group or member not in said.roster or said.roster != _checked_roster(said.roster):
        raise DsccError(Reason.NOT_AUTHENTIC, "that is the seed of another group")
    # Who joins may have the lowest identifier, and still be told by who led before.
    seniors = [each for each in said.roster if each != member and (present is None or each in present.roster)]
    if leader not in (leader_of(said.roster), min(seniors, default="")):
        raise DsccError(Reason.NOT_AUTHENTIC, f"{leader} does not lead this group")
    return _later(suite, said, present)


def accept_joined(member: str, plain: bytes, present: Epoch) -> Epoch:
    """The epoch that all members of the present one are told of at once, in the rekeying box.

    Every member could have sealed it. Raises DsccError unless it is the next one, in which the same are and more.
    """
    said = decode_as(Seed, plain)
    if said.group != present.group or said.roster != _checked_roster(said.roster):
        raise DsccError(Reason.NOT_AUTHENTIC, "that is the seed of another group")
    if said.epoch != present.number + 1 or not {*present.roster, member} < set(said.roster):
        raise DsccError(Reason.OUT_OF_ORDER, "who is told at once is told of the next epoch, with more members")
    return _later(present.suite, said, present)


def _later(suite: Suite, said: Seed, present: Epoch | None) -> Epoch:
    if present is not None and said.epoch <= present.number:
        raise DsccError(Reason.OUT_OF_ORDER, f"epoch {said.epoch} is not later than {present.number}")
    return Epoch(suite, said.group, said.epoch, said.roster, said.policy, said.seed)


def contribution(group: str, part: bytes) -> bytes:
    """A member's part of the first seed: 32 random bytes."""
    if len(part) != NONCE_BYTES:
        raise DsccError(Reason.MALFORMED, f"a part has {NONCE_BYTES} bytes")
    return encode(Contribution(group, 0, part))


def confirm(epoch: Epoch, member: str) -> Confirm:
    """What a member answers to a seed."""
    return Confirm(epoch.group, epoch.number, member, *epoch.confirmations((member,)))


def check_confirm(epoch: Epoch, said: Confirm) -> None:
    """Whether a member of the epoch said so. Raises DsccError."""
    _check_confirms(epoch, (said,))


def _check_confirms(epoch: Epoch, confirms: tuple[Confirm, ...]) -> None:
    """All at once: what they have in common is computed once."""
    members = set(epoch.roster)
    if any((each.group, each.epoch) != (epoch.group, epoch.number) or each.member not in members for each in confirms):
        raise DsccError(Reason.OUT_OF_ORDER, "a confirmation of another epoch")
    expected = epoch.confirmations(tuple(each.member for each in confirms))
    if not all(compare_digest(mac, each.mac) for mac, each in zip(expected, confirms, strict=True)):
        raise DsccError(Reason.NOT_AUTHENTIC, "Confirm was not made with the key that it names")


def confirmed(epoch: Epoch, confirms: tuple[Confirm, ...]) -> Confirmed:
    """What the leader tells all once everybody has confirmed. Raises DsccError if somebody is missing."""
    _check_confirms(epoch, confirms)
    by_member = {each.member: each.mac for each in confirms}
    missing = set(epoch.roster) - set(by_member)
    if missing:
        raise DsccError(Reason.OUT_OF_ORDER, f"{len(missing)} members have not confirmed the epoch")
    return Confirmed(epoch.group, epoch.number, tuple(by_member[member] for member in epoch.roster))


def check_confirmed(epoch: Epoch, said: Confirmed) -> None:
    """Whether everybody has the same key. Raises DsccError."""
    if (said.group, said.epoch, len(said.macs)) != (epoch.group, epoch.number, len(epoch.roster)):
        raise DsccError(Reason.OUT_OF_ORDER, "that is told of another epoch")
    pairs = zip(epoch.roster, said.macs, strict=True)
    _check_confirms(epoch, tuple(Confirm(said.group, said.epoch, member, mac) for member, mac in pairs))
