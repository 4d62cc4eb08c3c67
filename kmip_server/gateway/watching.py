"""What the nodes say is revoked: its keys are used here no more, from that moment on.

One node's word stops a key, and destroys none: who is there to lie may not do more than that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final

import structlog

from dscc.drawing import unique_identifier
from kmip_server.gateway.calls import call_of
from kmip_server.gateway.confirming import withdraw
from kmip_server.identity.directory import Directory
from kmip_server.messages.structures import RevocationReason
from kmip_server.objects.attributes import vendor_index
from kmip_server.objects.dscc_attributes import VENDOR
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.objects.sharing import is_held, is_shared
from kmip_server.operations.services import Services
from kmip_server.storage.port import AuditEntry, ObjectRow, Range, SealBroken, Search, Unit
from kmip_server.ttlv.enumerations import RevocationReasonCode, State
from kmip_server.ttlv.item import Item, Type
from kmip_server.ttlv.tags import Tag

_log: Final = structlog.stdlib.get_logger("kmip.gateway")
_ANY: Final[Mapping[str, Range]] = MappingProxyType({})
IN_USE: Final[Mapping[str, Range]] = MappingProxyType({"state": Range(State.PRE_ACTIVE, State.ACTIVE)})
_REASON = RevocationReason(
    revocation_reason_code=RevocationReasonCode.CESSATION_OF_OPERATION,
    revocation_message="revoked at the nodes of DSCC",
)


def shared_by(unit: Unit, name: str, value: str, columns: Mapping[str, Range] = _ANY) -> Iterable[ObjectRow]:
    """The objects with this value of a DSCC attribute, and with columns in these ranges."""
    entry = vendor_index(VENDOR, name, Item(Tag.ATTRIBUTE_VALUE, Type.TEXT_STRING, value))
    return unit.search(Search(owner=None, columns={**columns}, index=((int(Tag.ATTRIBUTE), entry),), archived=True))


@contextmanager
def _unless_broken(row: ObjectRow) -> Iterator[None]:
    """Change a key, or leave it as it is if its seal is broken: nobody gets it, and it is in the way of no other."""
    try:
        yield
    except SealBroken as error:
        _log.error("a shared key cannot be changed", key=row.unique_identifier, reason=str(error))


def stop_key(unit: Unit, directory: Directory, services: Services, kid: str, now: int) -> None:
    """A key was revoked."""
    row = unit.get(unique_identifier(bytes.fromhex(kid)))
    if row is None:
        # However late its maker's word comes, there will be no such key here.
        unit.withdraw(unique_identifier(bytes.fromhex(kid)), now)
    else:
        stop(unit, directory, services, ManagedObject.of(row), now, "the key was revoked")


def stop_peer(unit: Unit, directory: Directory, services: Services, peer: str, now: int) -> None:
    """A gateway was revoked: all keys that this site shares with it are."""
    for row in list(shared_by(unit, "Peer", peer)):
        with _unless_broken(row):
            stop(unit, directory, services, ManagedObject.of(row), now, f"{peer} was revoked")


def revoked_here(unit: Unit, directory: Directory, peers: Iterable[str]) -> list[str]:
    """Other sites that are revoked in this site's policy store, and with which it has keys to stop."""
    return [
        peer
        for peer in sorted(directory.ruling.revoked() & frozenset(peers))
        if any(True for _ in shared_by(unit, "Peer", peer, IN_USE))
    ]


def stop_peer_here(unit: Unit, directory: Directory, services: Services, peer: str, now: int) -> None:
    """A site was revoked in this site's policy store: what it shares with it is, and both it and the nodes are told."""
    for row in list(shared_by(unit, "Peer", peer, IN_USE)):
        found = ManagedObject.of(row)
        held = is_held(found.attributes)
        with _unless_broken(row):
            stop(unit, directory, services, found, now, f"{peer} is revoked here", "policy store")
            if not held:
                call = call_of(unit, directory, services, found.owner, now)
                call.tells = True
                call.share(found, revoked="cessation of operation")


def stop(
    unit: Unit,
    directory: Directory,
    services: Services,
    found: ManagedObject,
    now: int,
    why: str,
    author: str = "nodes of DSCC",
) -> None:
    """Use a shared key no more, as `author` says. Other sites are not told: they know it, or are not to hear of it."""
    if not is_shared(found.attributes) or found.destroyed:
        return
    if is_held(found.attributes):
        withdraw(unit, directory, services, found.unique_identifier, now, why)
        return
    found.settle(now)
    if found.state not in (State.PRE_ACTIVE, State.ACTIVE):
        return
    call = call_of(unit, directory, services, found.owner, now)
    if found.state is State.PRE_ACTIVE:
        # No way leads from Pre-Active to Deactivated but by Active (KMIP 2.1 s4.57). It is not Compromised: whoever
        # has revoked it tells why, and of two states the later one would hold.
        found.set(Tag.ACTIVATION_DATE, now)
    found.set(Tag.STATE, State.DEACTIVATED)
    found.set(Tag.DEACTIVATION_DATE, now)
    protect_stop = found.first(Tag.PROTECT_STOP_DATE)
    if protect_stop is not None and protect_stop > now:
        found.set(Tag.PROTECT_STOP_DATE, now)
    found.set(Tag.REVOCATION_REASON, _REASON)
    # Whoever has revoked it tells when that was: this is no later change of it.
    call.save(found)
    unit.audit(AuditEntry(now, author, "Revoke", found.unique_identifier, "succeeded", why))
    call.notify("key-revoked", found.unique_identifier, why)
