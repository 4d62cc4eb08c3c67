"""Check: whether a client may use an object as it says it wants to (KMIP 2.1 s6.1.7)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kmip_server.errors import KmipError
from kmip_server.messages.fields import Payload, interval, long_integer, mask, payload, plain, text
from kmip_server.messages.headers import ExplainedError
from kmip_server.messages.structures import UNIQUE_IDENTIFIER, Identifier
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.operations.call import Call
from kmip_server.operations.obtain_lease import longest_lease
from kmip_server.operations.registry import operation
from kmip_server.operations.usage import allows, left
from kmip_server.ttlv.enumerations import CryptographicUsageMask, Operation, ResultReason
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V2_1


@payload
class CheckRequest(Payload):
    """Which object, and what the client wants of it: units to protect, usages, seconds of lease."""

    unique_identifier: Identifier | None = plain(Tag.UNIQUE_IDENTIFIER, UNIQUE_IDENTIFIER)
    usage_limits_count: int | None = long_integer(Tag.USAGE_LIMITS_COUNT)
    cryptographic_usage_mask: int | None = mask(Tag.CRYPTOGRAPHIC_USAGE_MASK, CryptographicUsageMask)
    lease_time: int | None = interval(Tag.LEASE_TIME)


@payload
class CheckResponse(Payload):
    """The object that may be used like this; or, in a failure, what of the request is denied."""

    unique_identifier: str | None = text(Tag.UNIQUE_IDENTIFIER)
    usage_limits_count: int | None = long_integer(Tag.USAGE_LIMITS_COUNT)
    cryptographic_usage_mask: int | None = mask(Tag.CRYPTOGRAPHIC_USAGE_MASK, CryptographicUsageMask)
    lease_time: int | None = interval(Tag.LEASE_TIME)


@operation(Operation.CHECK, request=CheckRequest, response=CheckResponse)
def check(call: Call, request: CheckRequest) -> CheckResponse:
    """A denial empties the ID Placeholder, so that the batch does not go on with the object (s6.1.7)."""
    try:
        target = call.target(request.unique_identifier)
        _check(call, target, request)
    except KmipError:
        call.batch.id_placeholder = None
        raise
    return CheckResponse(unique_identifier=target.unique_identifier)


class _Denial(NamedTuple):
    """A field of the request that is denied, by its name, and why."""

    field: str
    reason: ResultReason
    message: str


def _check(call: Call, target: ManagedObject, request: CheckRequest) -> None:
    """Raises Incompatible Cryptographic Usage Mask, Usage Limit Exceeded, Permission Denied.

    The failure repeats the fields that led to it and no others, "allowing the client to determine how to proceed". Not
    so in 2.1, in whose published answers a failed Check has no payload (BL-M-2-21).
    """
    if target.destroyed:
        raise KmipError(
            ResultReason.PERMISSION_DENIED,
            "the object with this Unique Identifier (420094) is destroyed (KMIP 2.1 s4.57)",
        )
    if request.usage_limits_count is not None and request.usage_limits_count < 0:
        raise KmipError(ResultReason.INVALID_FIELD, "Usage Limits Count (420096) is not negative")
    # A shared key may be used for nothing, whatever is asked, while this site has no lease from the nodes.
    longest = longest_lease(call, target)
    denials = tuple(_denials(target, request, longest))
    if denials:
        denied = {denial.field: getattr(request, denial.field) for denial in denials}
        message = "; ".join([denial.message for denial in denials])
        if call.version >= V2_1:
            raise KmipError(denials[0].reason, message)
        raise ExplainedError(denials[0].reason, message, CheckResponse(**denied))


def _denials(target: ManagedObject, request: CheckRequest, longest: int) -> Iterator[_Denial]:
    usages, units, lease = request.cryptographic_usage_mask, request.usage_limits_count, request.lease_time
    if usages is not None and not allows(target, usages):
        yield _Denial(
            "cryptographic_usage_mask",
            ResultReason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK,
            "the object's Cryptographic Usage Mask (42002C) does not have all that is asked for",
        )
    available = left(target)
    if units is not None and available is not None and units > available:
        yield _Denial(
            "usage_limits_count",
            ResultReason.USAGE_LIMIT_EXCEEDED,
            f"the object's Usage Limits Count (420096) is down to {available}",
        )
    if lease is not None and longest and lease > longest:
        yield _Denial("lease_time", ResultReason.PERMISSION_DENIED, f"Lease Time (420049) is at most {longest} seconds")
