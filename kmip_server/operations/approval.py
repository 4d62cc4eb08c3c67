"""What waits for others: an operation that the policy allows once so many of them have approved it.

The request that is approved is the one that was made, to the byte: the same caller, operation, object and payload. It
is done once. A client that can wait is answered Operation Pending, and polls; another is told to ask again.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from kmip_server.errors import KmipError
from kmip_server.storage.identifiers import new_identifier
from kmip_server.storage.port import Unit
from kmip_server.ttlv.enumerations import ResultReason
from policy.approvals import ApprovalRequest, Standing, standing
from policy.model import Approval


class ApprovalNeeded(KmipError):  # noqa: N818
    """Others have to approve this first. `request` is what they are asked; None if they were asked before."""

    def __init__(self, approval_id: str, request: ApprovalRequest | None) -> None:
        super().__init__(
            ResultReason.PERMISSION_DENIED,
            f"others have to approve this Operation (42005C) first, under {approval_id}: ask again when they have",
        )
        self.request = request


def require_approval(
    unit: Unit,
    needs: frozenset[Approval],
    asked: tuple[str, str, str],
    payload: bytes,
    now: int,
    roles: Mapping[str, frozenset[str]],
) -> None:
    """Go on only if this was approved, and has not been done. `asked` is the subject, the action and the resource.

    Raises ApprovalNeeded, Permission Denied.
    """
    digest = sha256(b"\0".join([*(part.encode() for part in asked), payload])).digest()
    found = unit.approval(digest)
    if found is None:
        raise _asked_for(digest, asked, needs, now)
    # What the policy asks for now, not what it asked for then.
    where = standing(found._replace(needs=needs), roles, now)
    if where is Standing.GRANTED:
        unit.use_approval(found, now)
    elif where is Standing.OPEN:
        raise ApprovalNeeded(found.approval_id, None)
    elif where is Standing.REFUSED:
        raise KmipError(
            ResultReason.PERMISSION_DENIED, f"this Operation (42005C) was refused, under {found.approval_id}"
        )
    else:
        raise _asked_for(digest, asked, needs, now)


def _asked_for(digest: bytes, asked: tuple[str, str, str], needs: frozenset[Approval], now: int) -> ApprovalNeeded:
    request = ApprovalRequest(new_identifier(), digest, *asked, needs, now)
    return ApprovalNeeded(request.approval_id, request)
