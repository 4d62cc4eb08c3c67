"""What becomes of a key that this site has made, when its peers have answered: it is confirmed, or withdrawn."""

from __future__ import annotations

from kmip_server.gateway.calls import call_of
from kmip_server.gateway.words import replaced_by
from kmip_server.identity.directory import Directory
from kmip_server.objects.dscc_attributes import with_dscc
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.objects.sharing import is_held, peer_of
from kmip_server.operations.call import Call
from kmip_server.operations.replacement import hand_over, unlink_replacement
from kmip_server.operations.services import Services
from kmip_server.operations.sharing import sharing_of
from kmip_server.storage.port import NODES, PEERS, AuditEntry, SharedChange, Unit
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
    found.attributes = with_dscc(found.attributes, {"ConfirmedAt": str(now)})
    found.settle(now)
    replaced = replaced_by(found.attributes)
    if replaced:
        _take_over(call, replaced, found)
    call.save(found)
    unit.audit(AuditEntry(now, AUTHOR, "Sharing", unique_identifier, "succeeded", "the peers have the key"))
    return True


def _take_over(call: Call, replaced: str, replacement: ManagedObject) -> None:
    row = call.unit.get(replaced)
    if row is None:
        return
    existing = ManagedObject.of(row)
    hand_over(existing, replacement, call.now)
    rule = sharing_of(call, replacement)
    if isinstance(rule, Sharing) and not existing.destroyed:
        _end(existing, replacement, rule.overlap, call.now)
    existing.settle(call.now)
    # The peers are told when the old one ends.
    call.tells = True
    call.change(existing)
    call.tells = False
    call.notify("key-replaced", replacement.unique_identifier, replaced)


def _end(existing: ManagedObject, replacement: ManagedObject, overlap: int, now: int) -> None:
    """Have a key end with its replacement's activation; its own dates hold if they come first."""
    activation = replacement.first(Tag.ACTIVATION_DATE)
    if activation is None or existing.state not in (State.PRE_ACTIVE, State.ACTIVE):
        return
    stop = max(activation, now)
    for tag, end in ((Tag.PROTECT_STOP_DATE, stop), (Tag.DEACTIVATION_DATE, stop + overlap)):
        own = existing.first(tag)
        existing.set(tag, end if own is None else min(own, end))


def withdraw(
    unit: Unit, directory: Directory, services: Services, unique_identifier: str, now: int, reason: str
) -> bool:
    """A key that the peers do not take is destroyed, and they are told. False if it was not held any more."""
    row = unit.get(unique_identifier)
    if row is None or row.destroyed:
        return False
    found = ManagedObject.of(row)
    if not is_held(found.attributes):
        return False
    call = call_of(unit, directory, services, found.owner, now)
    found.set(Tag.STATE, State.DESTROYED)
    found.set(Tag.DESTROY_DATE, now)
    call.change(found, erased=True)
    replaced = replaced_by(found.attributes)
    row = unit.get(replaced) if replaced else None
    if row is not None:
        existing = ManagedObject.of(row)
        unlink_replacement(existing, unique_identifier)
        call.change(existing)
    version = found.row.version if found.row is not None else 0
    # The nodes tell a peer that cannot be reached from here, and may have the key.
    audiences = (PEERS, NODES) if peer_of(found.attributes) else (PEERS,)
    for audience in audiences:
        unit.note_shared(SharedChange(unique_identifier, audience, version, "withdrawn", now))
    unit.audit(AuditEntry(now, AUTHOR, "Sharing", unique_identifier, "failed", reason[:512]))
    return True
