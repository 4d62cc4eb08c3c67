"""Sign: the server signs data with one of its private keys (KMIP 2.1 s6.1.55)."""

from __future__ import annotations

from kmip_server.cryptography import signing
from kmip_server.cryptography.streaming import SignStream
from kmip_server.messages.fields import Payload, boolean, byte_string, payload, plain, structure, text
from kmip_server.messages.structures import (
    DATA,
    UNIQUE_IDENTIFIER,
    CryptographicParameters,
    DataReference,
    Identifier,
)
from kmip_server.operations.call import Call
from kmip_server.operations.cryptographic import in_parts, is_in_parts, parameters_for, private_key, used
from kmip_server.operations.registry import operation
from kmip_server.operations.usage import SIGN
from kmip_server.ttlv.enumerations import Operation
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V1_3, V1_4


@payload
class SignRequest(Payload):
    """What to sign: data, or its digest."""

    unique_identifier: Identifier | None = plain(Tag.UNIQUE_IDENTIFIER, UNIQUE_IDENTIFIER)
    cryptographic_parameters: CryptographicParameters | None = structure(
        Tag.CRYPTOGRAPHIC_PARAMETERS, CryptographicParameters
    )
    data: DataReference | None = plain(Tag.DATA, DATA)
    digested_data: bytes | None = byte_string(Tag.DIGESTED_DATA, since=V1_4)
    correlation_value: bytes | None = byte_string(Tag.CORRELATION_VALUE, since=V1_3)
    init_indicator: bool | None = boolean(Tag.INIT_INDICATOR, since=V1_3)
    final_indicator: bool | None = boolean(Tag.FINAL_INDICATOR, since=V1_3)


@payload
class SignResponse(Payload):
    """The signature, when the last part is done."""

    unique_identifier: str = text(Tag.UNIQUE_IDENTIFIER, required=True)
    signature_data: bytes | None = byte_string(Tag.SIGNATURE_DATA)
    correlation_value: bytes | None = byte_string(Tag.CORRELATION_VALUE, since=V1_3)


@operation(Operation.SIGN, request=SignRequest, response=SignResponse, changes=True)
def sign(call: Call, request: SignRequest) -> SignResponse:
    """Sign in one part or in several."""
    target = call.target(request.unique_identifier)
    data = call.batch.data(request.data)
    used(call, target, SIGN, request, data or request.digested_data)
    parameters = parameters_for(call, target, request.cryptographic_parameters)
    key = private_key(call, target)
    if not is_in_parts(request):
        signature = signing.sign(key, parameters, data=data, digested_data=request.digested_data)
        return SignResponse(unique_identifier=target.unique_identifier, signature_data=signature)
    part = in_parts(
        call,
        request,
        target,
        lambda: SignStream(key, parameters),
        lambda stream: stream.update(data or b""),
        lambda stream: stream.finish(data or b""),
    )
    return SignResponse(
        unique_identifier=target.unique_identifier,
        signature_data=part.result,
        correlation_value=part.correlation_value,
    )
