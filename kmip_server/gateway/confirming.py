"""What becomes of a key that this site has made, when its peers have answered: it is confirmed, or withdrawn."""

from __future__ import annotations

from kmip_server.gateway.calls import call_of
from kmip_server.identity.directory import Directory
from kmip_server.objects.dscc_attributes import with_dscc
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.objects.sharing import is_held
from kmip_server.operations import sharing
from kmip_server.operations.call import Call
from kmip_server.operations.replacement import hand_over, replaced_by
from kmip_server.operations.services import Services
from kmip_server.storage.port import AuditEntry, Unit
from kmip_server.ttlv.enumerations import State
from kmip_server.ttlv.tags import Tag
from policy.model import Sharing

AUTHOR = "gateway"


def confirm(unit: Unit, directory: Directory, services: Services, unique_identifier: str, now: int) -> bool:
    """The peers have a key: from now on it is used, from its Activation Date on. False if it was not held any more.

    If it replaces another, it takes over now, and that one ends: nothing is protected with it any more from the
    activation of the new one on, and what it has protected can be read for as long as the rule lets them overlap.
    """
    row = unit.get(unique_identifier)
    if row is None or row.destroyed:
        return False
    found = ManagedObject.of(row)
    if not is_held(found.attributes):
        return False
    call = call_of(unit, directory, services, found.owner, now)
    existing = replaced_by(unit, found)
    found.attributes = with_dscc(found.attributes, {"ConfirmedAt": str(now)})
    found.settle(now)
    if existing is not None:
        hand_over(existing, found, now)
    call.save(found)
    if existing is not None:
        _end(call, existing, found)
    unit.audit(AuditEntry(now, AUTHOR, "Sharing", unique_identifier, "succeeded", "the peers have the key"))
    return True


def _end(call: Call, existing: ManagedObject, replacement: ManagedObject) -> None:
    """Have a key end with its replacement's activation; its own dates hold if they come first."""
    rule = sharing.sharing_of(call, replacement)
    activation = replacement.first(Tag.ACTIVATION_DATE)
    if isinstance(rule, Sharing) and activation is not None and existing.state in (State.PRE_ACTIVE, State.ACTIVE):
        stop = max(activation, call.now)
        for tag, end in ((Tag.PROTECT_STOP_DATE, stop), (Tag.DEACTIVATION_DATE, stop + rule.overlap)):
            own = existing.first(tag)
            existing.set(tag, end if own is None else min(own, end))
    existing.settle(call.now)
    # The peers are told when the old one ends, and that the new one takes over.
    call.tells = True
    call.change(existing)
    call.share(replacement)
    call.tells = False
    call.notify("key-replaced", replacement.unique_identifier, existing.unique_identifier)


def withdraw(
    unit: Unit, directory: Directory, services: Services, unique_identifier: str, now: int, reason: str
) -> bool:
    """A key that the peers do not take is destroyed, and they are told. False if it was not held any more."""
    row = unit.get(unique_identifier)
    if row is None:
        return False
    found = ManagedObject.of(row)
    withdrawn = sharing.withdraw(call_of(unit, directory, services, found.owner, now), found, reason)
    if withdrawn:
        unit.audit(AuditEntry(now, AUTHOR, "Sharing", unique_identifier, "failed", reason[:512]))
    return withdrawn
