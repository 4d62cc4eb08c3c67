"""Keys of ETSI GS QKD 014 that nobody has fetched in their lifetime: each site erases its own copy.

They are Pre-Active for all their life, so that no date ends them (KMIP 2.1 s4.57): the Deactivation Date does it here.
"""

from __future__ import annotations

from kmip_server.gateway.calls import call_of
from kmip_server.gateway.confirming import AUTHOR
from kmip_server.gateway.watching import shared_by
from kmip_server.identity.directory import Directory
from kmip_server.objects.lifecycle import Event
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.objects.sharing import ETSI014
from kmip_server.operations.services import Services
from kmip_server.storage.port import AuditEntry, Range, Unit
from kmip_server.ttlv.enumerations import Operation, State
from kmip_server.ttlv.tags import Tag

_WHY = "nobody has fetched it in its lifetime"


def over(unit: Unit, now: int) -> list[ManagedObject]:
    """The keys whose lifetime is over."""
    columns = {"state": Range(State.PRE_ACTIVE, State.PRE_ACTIVE), "deactivation_date": Range(None, now)}
    return [ManagedObject.of(row) for row in shared_by(unit, "Purpose", ETSI014, columns)]


def end(unit: Unit, directory: Directory, services: Services, now: int) -> None:
    """Destroy them here."""
    for key in over(unit, now):
        call = call_of(unit, directory, services, key.owner, now, Operation.DESTROY)
        key.transition(Event.DESTROY)
        key.set(Tag.DESTROY_DATE, now)
        call.change(key, erased=True)
        unit.audit(AuditEntry(now, AUTHOR, "Destroy", key.unique_identifier, "succeeded", _WHY))
        call.notify("key-destroyed", key.unique_identifier, _WHY)
