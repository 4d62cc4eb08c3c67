"""Archive: an object goes off-line until it is recovered (KMIP 2.1 s6.1.4).

The archive is the store itself. An archived object answers nothing but Recover, and Locate in archival storage.
"""

from __future__ import annotations

from kmip_server.errors import KmipError
from kmip_server.messages.fields import Payload, payload, plain, text
from kmip_server.messages.structures import UNIQUE_IDENTIFIER, Identifier
from kmip_server.operations.call import Call
from kmip_server.operations.registry import operation
from kmip_server.ttlv.enumerations import Operation, ResultReason
from kmip_server.ttlv.tags import Tag


@payload
class ArchiveRequest(Payload):
    """Which object may be archived."""

    unique_identifier: Identifier | None = plain(Tag.UNIQUE_IDENTIFIER, UNIQUE_IDENTIFIER)


@payload
class ArchiveResponse(Payload):
    """The object that is archived now."""

    unique_identifier: str = text(Tag.UNIQUE_IDENTIFIER, required=True)


@operation(Operation.ARCHIVE, request=ArchiveRequest, response=ArchiveResponse, changes=True)
def archive(call: Call, request: ArchiveRequest) -> ArchiveResponse:
    """Archive at once. An archived object is refused by `target`, as by every operation but Recover (s6.1.4.1)."""
    target = call.target(request.unique_identifier)
    if target.destroyed:
        raise KmipError(
            ResultReason.PERMISSION_DENIED,
            "State (42008D): the object is destroyed, and nothing of it is left to archive (KMIP 2.1 s4.57)",
        )
    target.set(Tag.ARCHIVE_DATE, call.now)
    call.change(target)
    return ArchiveResponse(unique_identifier=target.unique_identifier)
