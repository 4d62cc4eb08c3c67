"""Get Usage Allocation: a client takes units from an object's Usage Limits, to protect with (KMIP 2.1 s6.1.23)."""

from __future__ import annotations

from kmip_server.errors import KmipError
from kmip_server.messages.fields import Payload, long_integer, payload, plain, text
from kmip_server.messages.structures import UNIQUE_IDENTIFIER, Identifier
from kmip_server.operations.call import Call
from kmip_server.operations.registry import operation
from kmip_server.operations.usage import PROTECTING_BITS, check_time, spend
from kmip_server.ttlv.enumerations import Operation, ResultReason
from kmip_server.ttlv.tags import Tag


@payload
class GetUsageAllocationRequest(Payload):
    """Which object, and how many of its Usage Limits Units the client wants to protect."""

    unique_identifier: Identifier | None = plain(Tag.UNIQUE_IDENTIFIER, UNIQUE_IDENTIFIER)
    usage_limits_count: int = long_integer(Tag.USAGE_LIMITS_COUNT, required=True)


@payload
class GetUsageAllocationResponse(Payload):
    """The object whose units the client has now."""

    unique_identifier: str = text(Tag.UNIQUE_IDENTIFIER, required=True)


@operation(
    Operation.GET_USAGE_ALLOCATION,
    request=GetUsageAllocationRequest,
    response=GetUsageAllocationResponse,
    changes=True,
)
def get_usage_allocation(call: Call, request: GetUsageAllocationRequest) -> GetUsageAllocationResponse:
    """All units that are asked for or none; what is taken counts as used (s6.1.23)."""
    target = call.target(request.unique_identifier)
    units = request.usage_limits_count
    if units <= 0:
        raise KmipError(ResultReason.INVALID_FIELD, "Usage Limits Count (420096) is above 0")
    if not (target.first(Tag.CRYPTOGRAPHIC_USAGE_MASK) or 0) & PROTECTING_BITS:
        raise KmipError(
            ResultReason.INVALID_OBJECT_TYPE,
            "an object of this Object Type (420057) cannot be used to apply protection",
        )
    if Tag.USAGE_LIMITS not in target.attributes:
        raise KmipError(ResultReason.ATTRIBUTE_NOT_FOUND, "the object has no Usage Limits (420095)")
    try:
        check_time(call, target, protects=True)
    except KmipError as error:
        raise KmipError(ResultReason.PERMISSION_DENIED, error.message) from None
    spend(call, target, units)
    return GetUsageAllocationResponse(unique_identifier=target.unique_identifier)
