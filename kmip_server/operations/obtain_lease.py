"""Obtain Lease: for how long a client may use what it knows about an object (KMIP 2.1 s6.1.35)."""

from __future__ import annotations

from typing import Final

from kmip_server.errors import KmipError
from kmip_server.messages.fields import Payload, date_time, interval, payload, plain, text
from kmip_server.messages.structures import UNIQUE_IDENTIFIER, Identifier
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.objects.sharing import is_shared
from kmip_server.operations.call import Call
from kmip_server.operations.registry import operation
from kmip_server.ttlv.enumerations import Operation, ResultReason, State
from kmip_server.ttlv.tags import Tag

_NOT_LEASED: Final = frozenset({State.COMPROMISED, State.DESTROYED, State.DESTROYED_COMPROMISED})


@payload
class ObtainLeaseRequest(Payload):
    """Which object to use on."""

    unique_identifier: Identifier | None = plain(Tag.UNIQUE_IDENTIFIER, UNIQUE_IDENTIFIER)


@payload
class ObtainLeaseResponse(Payload):
    """The lease in seconds, 0 for one without an end, and when the object changed last."""

    unique_identifier: str = text(Tag.UNIQUE_IDENTIFIER, required=True)
    lease_time: int = interval(Tag.LEASE_TIME, required=True)
    last_change_date: int = date_time(Tag.LAST_CHANGE_DATE, required=True)


def longest_lease(call: Call, target: ManagedObject) -> int:
    """The longest lease on an object in seconds; 0: without an end. Raises Permission Denied: there is none now."""
    own: int = target.first(Tag.LEASE_TIME) or 0
    if not is_shared(target.attributes):
        return own
    granted = call.check_shared(target)
    return min(own, granted) if own else granted


@operation(Operation.OBTAIN_LEASE, request=ObtainLeaseRequest, response=ObtainLeaseResponse)
def obtain_lease(call: Call, request: ObtainLeaseRequest) -> ObtainLeaseResponse:
    """An object that nobody should use any more gets no lease: its copies end with the leases they have.

    On a key that is shared with other sites nobody has a longer lease than this site has from the nodes of DSCC.
    """
    target = call.target(request.unique_identifier)
    if target.state in _NOT_LEASED:
        raise KmipError(
            ResultReason.PERMISSION_DENIED,
            f"there are no leases on an object in the State (42008D) {target.state.title}",
        )
    return ObtainLeaseResponse(
        unique_identifier=target.unique_identifier,
        lease_time=longest_lease(call, target),
        last_change_date=target.first(Tag.LAST_CHANGE_DATE),
    )
