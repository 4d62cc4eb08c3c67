"""Revoke: an object is deactivated, or is known to be compromised (KMIP 2.1 s6.1.44)."""

from __future__ import annotations

from typing import Final

from kmip_server.errors import KmipError
from kmip_server.messages.fields import Payload, date_time, payload, plain, structure, text
from kmip_server.messages.structures import UNIQUE_IDENTIFIER, Identifier, RevocationReason
from kmip_server.objects.lifecycle import Event
from kmip_server.operations.call import Call
from kmip_server.operations.creation import check_bounds, check_value
from kmip_server.operations.registry import operation
from kmip_server.ttlv.enumerations import Operation, ResultReason, RevocationReasonCode
from kmip_server.ttlv.tags import Tag

_COMPROMISE: Final = frozenset({RevocationReasonCode.KEY_COMPROMISE, RevocationReasonCode.CA_COMPROMISE})


@payload
class RevokeRequest(Payload):
    """Which object to revoke, why, and since when it may have been compromised."""

    unique_identifier: Identifier | None = plain(Tag.UNIQUE_IDENTIFIER, UNIQUE_IDENTIFIER)
    revocation_reason: RevocationReason = structure(Tag.REVOCATION_REASON, RevocationReason, required=True)
    compromise_occurrence_date: int | None = date_time(Tag.COMPROMISE_OCCURRENCE_DATE)


@payload
class RevokeResponse(Payload):
    """The object that is revoked now."""

    unique_identifier: str = text(Tag.UNIQUE_IDENTIFIER, required=True)


@operation(Operation.REVOKE, request=RevokeRequest, response=RevokeResponse, changes=True)
def revoke(call: Call, request: RevokeRequest) -> RevokeResponse:
    """Transitions 3, 5, 8 and 10 of s4.57 for a compromise, transition 6 for any other reason.

    With the Deactivation Date comes a later Protect Stop Date, which SHALL NOT be later (s4.41).
    """
    target = call.target(request.unique_identifier)
    reason, occurred = request.revocation_reason, request.compromise_occurrence_date
    check_value(call, Tag.REVOCATION_REASON, reason)
    if reason.revocation_reason_code in _COMPROMISE:
        target.transition(Event.COMPROMISE)
        target.set(Tag.COMPROMISE_DATE, call.now)
        if occurred is not None:
            check_bounds(Tag.COMPROMISE_OCCURRENCE_DATE, occurred)
        target.set(Tag.COMPROMISE_OCCURRENCE_DATE, target.first(Tag.INITIAL_DATE) if occurred is None else occurred)
    elif occurred is not None:
        raise KmipError(
            ResultReason.INVALID_FIELD,
            "Compromise Occurrence Date (420021) goes with a compromise only (KMIP 2.1 s6.1.44)",
        )
    else:
        target.transition(Event.DEACTIVATE)
        target.set(Tag.DEACTIVATION_DATE, call.now)
        stop = target.first(Tag.PROTECT_STOP_DATE)
        if stop is not None and stop > call.now:
            target.set(Tag.PROTECT_STOP_DATE, call.now)
    target.set(Tag.REVOCATION_REASON, reason)
    call.change(target)
    call.share(target, revoked=_said(reason))
    compromised = reason.revocation_reason_code in _COMPROMISE
    call.notify("key-compromised" if compromised else "key-revoked", target.unique_identifier)
    return RevokeResponse(unique_identifier=target.unique_identifier)


def _said(reason: RevocationReason) -> str:
    """A reason as the nodes of DSCC put it on record."""
    return reason.revocation_reason_code.title.lower()
