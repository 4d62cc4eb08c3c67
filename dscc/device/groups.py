"""Groups, as their leader has them, and what a program asks of them: the star of dscc.group over direct connections.

The leader asks, and each member answers (`membership.py`), in `Sealed` messages; `what` names the question:

    ask        pair box     -> part, the member's contribution to the first seed
    seed       pair box     -> confirm
    rekey      the box of the epoch before, to all who have that epoch: somebody joined  -> confirm
    confirmed  the box of the epoch: everybody has it  -> Done
    leave      pair box, by a member to the leader  -> Done

An epoch is stored before its seed, or its confirmation, leaves. Who could not be reached is behind, and is told later
(`sync`), under the pair key. The lowest identifier of the roster leads; when it is lost, the next one takes over.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final, NamedTuple, TypeVar

from dscc import group
from dscc.agreement import KeyState
from dscc.device.direct import Direct
from dscc.device.framed import RefusedByPeer
from dscc.device.group_records import GroupRecords, box_of, fresh_iv
from dscc.device.records import GroupRecord, Held
from dscc.device.resources import Resources
from dscc.direct_messages import Confirm, Confirmed, Contribution, Sealed
from dscc.drawing import Drawn, draw_of_group
from dscc.enrolment import Address
from dscc.errors import DsccError, Reason
from dscc.group import Epoch
from dscc.messages import Done, Event
from dscc.primitives import BASE, ROOT_BYTES, enc
from dscc.wire import decode_as, encode, expect

PairKey = Callable[[str, Address, str], Awaitable[Held]]
Tell = Callable[[str, str], None]
_T = TypeVar("_T")
_ANSWER_SECONDS: Final = 10.0
_AT_ONCE: Final = 8


class GroupKey(NamedTuple):
    """The key of a group's epoch."""

    group: str
    epoch: int
    roster: tuple[str, ...]
    leader: str
    key: bytes
    confirmed: bool
    """Whether this member knows that everybody has it."""

    def __repr__(self) -> str:
        return f"GroupKey({self.group!r}, {self.epoch}, {len(self.roster)} members)"


class Groups:
    """The groups of a device. `pair_key` negotiates one with a member; `tell` hears of members, and what they do."""

    def __init__(self, resources: Resources, direct: Direct, pair_key: PairKey) -> None:
        self._resources, self._direct, self._pair_key = resources, direct, pair_key
        self._state = resources.state
        self._records = GroupRecords(resources)
        self._locks: dict[str, asyncio.Lock] = {}

    # What a program asks. ---------------------------------------------------------------------------------------------

    def key(self, name: str) -> GroupKey:
        """The key of the present epoch. Raises DsccError (REVOKED) while a device that was revoked is in the roster."""
        record = self._records.record(name)
        gone = sorted(set(record.epoch.roster) & set(self._state.revoked))
        if gone:
            raise DsccError(Reason.REVOKED, f"{', '.join(gone)} was revoked: {name} waits for its next epoch")
        epoch = record.epoch
        return GroupKey(name, epoch.number, epoch.roster, record.leader, epoch.key, record.confirmed)

    def draw(self, name: str, epoch: int, number: bytes, bits: int) -> Drawn:
        """The key of a number (16 random bytes of whoever draws first) from an epoch, the present one (dscc.drawing).

        Raises DsccError: as `key`, or OUT_OF_ORDER if another epoch is the present one.
        """
        if self.key(name).epoch != epoch:
            raise DsccError(Reason.OUT_OF_ORDER, f"epoch {epoch} of {name} is not the present one")
        return draw_of_group(self._records.record(name).epoch, number, bits)

    async def form(self, name: str, members: Mapping[str, Address], tell: Tell) -> GroupKey:
        """Form a group with these members and lead it: this has to be the lowest identifier. Raises DsccError."""
        me = self._state.name
        roster = tuple(sorted({me, *members}))
        if group.leader_of(roster) != me:
            raise DsccError(Reason.POLICY_DENIED, f"{group.leader_of(roster)} forms this group: it leads it")
        async with self._lock(name):
            if name in self._state.groups:
                raise DsccError(Reason.OUT_OF_ORDER, f"the group {name} is there already")
            for member, address in members.items():
                self._state.put_peer(member, address)
            others = [member for member in roster if member != me]
            gathered = await _each(others, lambda member: self._part(name, member, tell))
            parts = tuple(part for part, _ in gathered.values())
            digests = [digest for _, held in gathered.values() for digest in held.agreement.policy_digests]
            policy = BASE.digest(enc(*sorted(set(digests))))
            epoch = group.form(BASE, name, roster, policy, parts, secrets.token_bytes(ROOT_BYTES))
            self._state.put_group(name, GroupRecord(epoch, tuple(others), False))
            await self._tell_all(name, tell)
        return self.key(name)

    async def add(self, name: str, member: str, address: Address, tell: Tell) -> GroupKey:
        """Have one more member, by the leader. Raises DsccError."""
        async with self._lock(name):
            record = self._records.led(name)
            self._state.put_peer(member, address)
            await self._pair(name, member, tell)
            before, policy = record.epoch, record.epoch.policy
            epoch = group.joined(before, member, policy, secrets.token_bytes(ROOT_BYTES))
            self._state.put_group(name, GroupRecord(epoch, _others(epoch, self._state.name), False))
            sealed = group.rekeying_box(before).seal(group.seed_message(epoch), fresh_iv())
            rekey = Sealed(name, before.number, "rekey", sealed)
            has_before = set(before.roster) - set(record.behind)
            await self._tell_all(name, tell, dict.fromkeys(has_before, rekey))
        return self.key(name)

    async def remove(self, name: str, leaving: frozenset[str], tell: Tell) -> GroupKey:
        """Go on without some members, by the leader: the key is another one, which they cannot compute.

        Of several who ask for the same, one has it done.
        """
        async with self._lock(name):
            record = self._records.led(name)
            if leaving & set(record.epoch.roster):
                await self._without(name, record, leaving, tell)
        return self.key(name)

    async def take_over(self, name: str, tell: Tell, lost: frozenset[str] = frozenset()) -> GroupKey:
        """Lead a group whose leader, and others, are lost: the lowest identifier that is left."""
        async with self._lock(name):
            record = self._records.record(name)
            gone = lost | {record.leader}
            following = group.leader_of(tuple(set(record.epoch.roster) - gone))
            if following != self._state.name:
                raise DsccError(Reason.POLICY_DENIED, f"{following} takes this group over")
            await self._without(name, record, gone, tell)
        return self.key(name)

    async def sync(self, name: str, tell: Tell) -> GroupKey:
        """Tell the members that are behind, by who told the others of the epoch."""
        async with self._lock(name):
            if self._records.record(name).behind:
                await self._tell_all(name, tell)
        return self.key(name)

    async def leave(self, name: str, address: Address | None = None) -> None:
        """Leave a group; `address` is the leader's, if it is not known. Raises DsccError if it is not reached."""
        record = self._records.record(name)
        if record.leader == self._state.name:
            raise DsccError(Reason.POLICY_DENIED, f"this device leads {name}; the others can go on without it")
        said = Event("leave", self._state.name, int(self._resources.clock.now()))
        box = box_of(self._newest(name, record.leader), name)
        sealed = Sealed(name, record.epoch.number, "leave", box.seal(encode(said), fresh_iv()))
        place = address or self._records.address(record.leader)
        expect(Done, await self._direct.exchange(record.leader, place, sealed, _ANSWER_SECONDS))
        self._state.drop_group(name)
        self._state.move([held.agreement.kid for held in self._records.pairs(name)], KeyState.DESTROYED)

    # The leader. ------------------------------------------------------------------------------------------------------

    async def _without(self, name: str, record: GroupRecord, leaving: frozenset[str], tell: Tell) -> None:
        hidden = tuple(held.agreement.key for held in self._records.pairs(name) if held.peer not in leaving)
        epoch = group.without(record.epoch, leaving, record.epoch.policy, secrets.token_bytes(ROOT_BYTES), hidden)
        self._state.put_group(name, GroupRecord(epoch, _others(epoch, self._state.name), False))
        self._state.forget_replaced()
        gone = [held.agreement.kid for held in self._records.pairs(name) if held.peer in leaving]
        self._state.move(gone, KeyState.DESTROYED)
        await self._tell_all(name, tell)

    async def _part(self, name: str, member: str, tell: Tell) -> tuple[Contribution, Held]:
        held = await self._pair(name, member, tell)
        box = box_of(held, name)
        said = Sealed(name, 0, "ask", box.seal(encode(Done()), fresh_iv()))
        answer = await self._ask(member, said)
        return decode_as(Contribution, box.open(answer.body)), held

    async def _tell_all(self, name: str, tell: Tell, instead: Mapping[str, Sealed] | None = None) -> None:
        """Tell the epoch to all who are behind; `instead` of a seed of their own some get another message."""
        record, others = self._state.groups[name], instead or {}

        async def tell_one(member: str) -> bool:
            try:
                await self._tell_one(name, record.epoch, member, others.get(member), tell)
            except DsccError as error:
                tell(member, f"is behind: {error.message}")
                return False
            tell(member, "has the key")
            return True

        told = await _each(record.behind, tell_one)
        behind = tuple(member for member, has_it in told.items() if not has_it)
        self._state.put_group(name, record._replace(behind=behind, confirmed=not behind))
        if not behind:
            await self._confirm(name, record.epoch)

    async def _tell_one(self, name: str, epoch: Epoch, member: str, rekey: Sealed | None, tell: Tell) -> None:
        box = group.rekeying_box(epoch)
        if rekey is None:
            box = box_of(await self._pair(name, member, tell), name)
            rekey = Sealed(name, epoch.number, "seed", box.seal(group.seed_message(epoch), fresh_iv()))
        answer = await self._ask(member, rekey)
        said = decode_as(Confirm, box.open(answer.body))
        group.check_confirm(epoch, said)
        if said.member != member:
            raise DsccError(Reason.NOT_AUTHENTIC, f"{member} confirms for {said.member}")

    async def _confirm(self, name: str, epoch: Epoch) -> None:
        """Everybody has confirmed to the leader: tell all of them. Who does not hear it has the key all the same."""
        confirmed = Confirmed(name, epoch.number, epoch.confirmations(epoch.roster))
        sealed = group.rekeying_box(epoch).seal(encode(confirmed), fresh_iv())
        said = Sealed(name, epoch.number, "confirmed", sealed)

        async def tell_one(member: str) -> None:
            try:
                await self._direct.exchange(member, self._records.address(member), said, _ANSWER_SECONDS)
            except DsccError:
                return

        await _each(_others(epoch, self._state.name), tell_one)

    async def _pair(self, name: str, member: str, tell: Tell) -> Held:
        """The pair key with a member; a new one if there is none, or it is too old."""
        known = self._records.usable(name, member)
        if known:
            return known[0]
        tell(member, "agreeing on a pair key")
        return await self._pair_key(member, self._records.address(member), group.purpose_of(name))

    async def _ask(self, member: str, said: Sealed) -> Sealed:
        try:
            place = self._records.address(member)
            return expect(Sealed, await self._direct.exchange(member, place, said, _ANSWER_SECONDS))
        except RefusedByPeer as error:
            if error.reason is Reason.NOT_AUTHENTIC:
                # It does not have the pair key any more: the next attempt agrees on another one.
                gone = [held.agreement.kid for held in self._records.usable(said.group, member)]
                self._state.move(gone, KeyState.DESTROYED)
            raise

    def _newest(self, name: str, member: str) -> Held:
        found = self._records.usable(name, member)
        if not found:
            raise DsccError(Reason.EXPIRED, f"there is no pair key with {member} any more")
        return found[0]

    def _lock(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())


def _others(epoch: Epoch, me: str) -> tuple[str, ...]:
    return tuple(member for member in epoch.roster if member != me)


async def _each(names: Iterable[str], act: Callable[[str], Awaitable[_T]]) -> dict[str, _T]:
    """The results by name, of so many at once."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(name: str) -> tuple[str, _T]:
        async with gate:
            return name, await act(name)

    return dict(await asyncio.gather(*map(one, names)))
