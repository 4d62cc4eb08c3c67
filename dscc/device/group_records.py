"""What leaders and members of a group look up alike: its record, its pair keys and their boxes, who listens where."""

from __future__ import annotations

import secrets

from dscc import group
from dscc.agreement import KeyState
from dscc.device.records import GroupRecord, Held
from dscc.device.resources import Resources
from dscc.enrolment import Address
from dscc.errors import DsccError, Reason
from dscc.primitives import BASE, IV_BYTES, Box


class GroupRecords:
    """The groups of a device, as they are kept."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._state = resources.state

    def record(self, name: str) -> GroupRecord:
        """A group. Raises DsccError (OUT_OF_ORDER) if the device is not in it."""
        if name not in self._state.groups:
            raise DsccError(Reason.OUT_OF_ORDER, f"this device is in no group {name}")
        return self._state.groups[name]

    def led(self, name: str) -> GroupRecord:
        """A group that this device leads. Raises DsccError (POLICY_DENIED) if it does not."""
        record = self.record(name)
        if record.leader != self._state.name:
            raise DsccError(Reason.POLICY_DENIED, f"{record.leader} leads {name}")
        return record

    def address(self, member: str) -> Address:
        """Where a member listens. Raises DsccError if that is not known."""
        if member not in self._state.peers:
            raise DsccError(Reason.FAILED, f"it is not known where {member} listens")
        return self._state.peers[member]

    def pairs(self, name: str) -> list[Held]:
        """The pair keys of a group that hold still, the latest first."""
        purpose, now = group.purpose_of(name), self._resources.clock.now()
        found = [
            held
            for held in self._state.held.values()
            if held.purpose == purpose
            and held.state is KeyState.ACTIVE
            and not 0 < held.expires_at <= now
            and held.peer not in self._state.revoked
        ]
        return sorted(found, key=lambda held: (held.agreed_at, held.agreement.chain.number), reverse=True)

    def usable(self, name: str, member: str) -> list[Held]:
        """Those with one member."""
        return [held for held in self.pairs(name) if held.peer == member]


def box_of(held: Held, name: str) -> Box:
    """The box of a pair key in a group. Whoever asked for the key leads: it is the same on both sides."""
    agreement = held.agreement
    return group.pair_box(BASE, agreement.key, name, agreement.initiator, agreement.responder)


def fresh_iv() -> bytes:
    """An initialization vector for a box."""
    return secrets.token_bytes(IV_BYTES)
