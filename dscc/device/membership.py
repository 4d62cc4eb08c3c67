"""A member of groups: what it answers when their leaders, or members, say something (`groups.py` has what)."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from dscc import group
from dscc.device.group_records import GroupRecords, box_of, fresh_iv
from dscc.device.records import GroupRecord
from dscc.device.resources import Resources
from dscc.device.responding import Reply
from dscc.direct_messages import Confirmed, Sealed, Seed
from dscc.errors import DsccError, Reason
from dscc.group import Epoch
from dscc.messages import Done, Event
from dscc.primitives import BASE, NONCE_BYTES, Box
from dscc.wire import decode_as, encode


class Membership:
    """Answers for a device that is in groups."""

    def __init__(self, resources: Resources) -> None:
        self._state = resources.state
        self._records = GroupRecords(resources)
        self._handlers: dict[str, Callable[[Sealed, Reply], None]] = {
            "ask": self._on_ask,
            "seed": self._on_seed,
            "rekey": self._on_rekey,
            "confirmed": self._on_confirmed,
            "leave": self._on_leave,
        }
        self.on_left: Callable[[str, str], None] = lambda _group, _member: None
        """Called when a member says that it leaves."""

    def on_sealed(self, said: Sealed, reply: Reply) -> None:
        """What another member says. Raises DsccError."""
        handler = self._handlers.get(said.what)
        if handler is None:
            raise DsccError(Reason.UNSUPPORTED, f"there is no box {said.what!r}")
        handler(said, reply)

    def _on_ask(self, said: Sealed, reply: Reply) -> None:
        _, box, plain = self._opened(said)
        decode_as(Done, plain)
        part = group.contribution(said.group, secrets.token_bytes(NONCE_BYTES))
        reply(Sealed(said.group, 0, "part", box.seal(part, fresh_iv())))

    def _on_seed(self, said: Sealed, reply: Reply) -> None:
        leader, box, plain = self._opened(said)
        record = self._state.groups.get(said.group)
        if record is not None and _is_seed_of(record.epoch, plain):
            epoch = record.epoch
        else:
            present = record.epoch if record else None
            epoch = group.accept_seed(BASE, self._state.name, plain, present, said.group, leader=leader)
            self._take(epoch)
        reply(self._confirmation(epoch, box))

    def _on_rekey(self, said: Sealed, reply: Reply) -> None:
        record = self._records.record(said.group)
        plain = group.rekeying_box(record.epoch).open(said.body)
        epoch = group.accept_joined(self._state.name, plain, record.epoch)
        self._take(epoch)
        reply(self._confirmation(epoch, group.rekeying_box(epoch)))

    def _on_confirmed(self, said: Sealed, reply: Reply) -> None:
        record = self._records.record(said.group)
        plain = group.rekeying_box(record.epoch).open(said.body)
        group.check_confirmed(record.epoch, decode_as(Confirmed, plain))
        self._state.put_group(said.group, record._replace(confirmed=True))
        reply(Done())

    def _on_leave(self, said: Sealed, reply: Reply) -> None:
        member, _, plain = self._opened(said)
        event = decode_as(Event, plain)
        if (event.kind, event.subject) != ("leave", member):
            raise DsccError(Reason.NOT_AUTHENTIC, "a member leaves by itself")
        self._records.led(said.group)
        reply(Done())
        self.on_left(said.group, member)

    def _take(self, epoch: Epoch) -> None:
        self._state.put_group(epoch.group, GroupRecord(epoch, (), False))
        # The seed before, from which a joiner's follows, is of no further use.
        self._state.forget_replaced()

    def _confirmation(self, epoch: Epoch, box: Box) -> Sealed:
        said = group.confirm(epoch, self._state.name)
        return Sealed(epoch.group, epoch.number, "confirm", box.seal(encode(said), fresh_iv()))

    def _opened(self, said: Sealed) -> tuple[str, Box, bytes]:
        """Who has sealed something for this device, and what. Raises DsccError (NOT_AUTHENTIC)."""
        for held in self._records.pairs(said.group):
            box = box_of(held, said.group)
            try:
                return held.peer, box, box.open(said.body)
            except DsccError:
                continue
        raise DsccError(Reason.NOT_AUTHENTIC, "there is no pair key here that opens this")


def _is_seed_of(epoch: Epoch, plain: bytes) -> bool:
    """Whether this is what was taken already: the confirmation was lost."""
    said = decode_as(Seed, plain)
    return (said.group, said.epoch, said.roster, said.policy, said.seed) == (
        epoch.group,
        epoch.number,
        epoch.roster,
        epoch.policy,
        epoch.seed,
    )
