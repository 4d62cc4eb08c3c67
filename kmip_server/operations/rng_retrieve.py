"""RNG Retrieve: random bytes from the server (KMIP 2.1 s6.1.49)."""

from __future__ import annotations

from kmip_server.cryptography.generation import random_bytes
from kmip_server.errors import KmipError
from kmip_server.messages.fields import Payload, byte_string, integer, payload
from kmip_server.operations.call import Call
from kmip_server.operations.registry import operation
from kmip_server.ttlv.enumerations import Operation, ResultReason
from kmip_server.ttlv.tags import Tag


@payload
class RNGRetrieveRequest(Payload):
    """How many bytes."""

    data_length: int = integer(Tag.DATA_LENGTH, required=True)


@payload
class RNGRetrieveResponse(Payload):
    """The random bytes."""

    data: bytes = byte_string(Tag.DATA, required=True)


@operation(
    Operation.RNG_RETRIEVE, request=RNGRetrieveRequest, response=RNGRetrieveResponse, audited=True, names_object=False
)
def rng_retrieve(call: Call, request: RNGRetrieveRequest) -> RNGRetrieveResponse:
    """Bytes from the system's random number generator."""
    if request.data_length < 0:
        raise KmipError(ResultReason.INVALID_FIELD, "Data Length (4200C4) is not negative")
    if request.data_length > call.services.limits.random_bytes:
        raise KmipError(
            ResultReason.SERVER_LIMIT_EXCEEDED,
            f"this server gives a Data Length (4200C4) of at most {call.services.limits.random_bytes} at a time",
        )
    return RNGRetrieveResponse(data=random_bytes(request.data_length))
