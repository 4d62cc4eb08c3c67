"""Why there is no negotiated key, as a KMIP client is told (one table)."""

from __future__ import annotations

from typing import Final

from dscc.errors import DsccError, Reason
from kmip_server.operations.negotiation import NegotiationFailed
from kmip_server.ttlv.enumerations import ResultReason

_REASONS: Final = {
    Reason.POLICY_DENIED: ResultReason.PERMISSION_DENIED,
    Reason.REVOKED: ResultReason.PERMISSION_DENIED,
    Reason.BUSY: ResultReason.SERVER_LIMIT_EXCEEDED,
    Reason.MALFORMED: ResultReason.INVALID_ATTRIBUTE_VALUE,
    Reason.UNSUPPORTED: ResultReason.INVALID_ATTRIBUTE_VALUE,
}
"""General Failure for every other one (KMIP 2.1 s11.53 has no word for a peer that is not there)."""

_MAY_COME: Final = frozenset({Reason.FAILED, Reason.INSUFFICIENT_PATHS, Reason.BUSY, Reason.GLARE, Reason.OUT_OF_ORDER})
"""What may be otherwise when the peer and enough nodes are reached again."""


def failed(error: DsccError) -> NegotiationFailed:
    """What a client is told of a failed negotiation."""
    may_come = error.reason in _MAY_COME
    hint = "; with an Asynchronous Indicator (420007) the request waits for it" if may_come else ""
    return NegotiationFailed(
        _REASONS.get(error.reason, ResultReason.GENERAL_FAILURE),
        f"no key was negotiated: {error.message}{hint}",
        may_come=may_come,
    )
