"""Signature Verify: the server verifies a signature with one of its public keys (KMIP 2.1 s6.1.56)."""

from __future__ import annotations

from kmip_server.cryptography import signing
from kmip_server.cryptography.streaming import VerifyStream
from kmip_server.errors import KmipError
from kmip_server.messages.fields import Payload, boolean, byte_string, enumeration, payload, plain, structure, text
from kmip_server.messages.structures import (
    DATA,
    UNIQUE_IDENTIFIER,
    CryptographicParameters,
    DataReference,
    Identifier,
)
from kmip_server.operations.call import Call
from kmip_server.operations.cryptographic import in_parts, is_in_parts, parameters_for, used, verifying_key
from kmip_server.operations.registry import operation
from kmip_server.operations.usage import VERIFY
from kmip_server.ttlv.enumerations import Operation, ResultReason, ValidityIndicator
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V1_3, V1_4


@payload
class SignatureVerifyRequest(Payload):
    """The data or its digest, and the signature."""

    unique_identifier: Identifier | None = plain(Tag.UNIQUE_IDENTIFIER, UNIQUE_IDENTIFIER)
    cryptographic_parameters: CryptographicParameters | None = structure(
        Tag.CRYPTOGRAPHIC_PARAMETERS, CryptographicParameters
    )
    data: DataReference | None = plain(Tag.DATA, DATA)
    digested_data: bytes | None = byte_string(Tag.DIGESTED_DATA, since=V1_4)
    signature_data: DataReference | None = plain(Tag.SIGNATURE_DATA, DATA)
    correlation_value: bytes | None = byte_string(Tag.CORRELATION_VALUE, since=V1_3)
    init_indicator: bool | None = boolean(Tag.INIT_INDICATOR, since=V1_3)
    final_indicator: bool | None = boolean(Tag.FINAL_INDICATOR, since=V1_3)


@payload
class SignatureVerifyResponse(Payload):
    """Whether the signature is valid, when the last part is done."""

    unique_identifier: str = text(Tag.UNIQUE_IDENTIFIER, required=True)
    validity_indicator: ValidityIndicator | None = enumeration(Tag.VALIDITY_INDICATOR, ValidityIndicator)
    data: bytes | None = byte_string(Tag.DATA)
    correlation_value: bytes | None = byte_string(Tag.CORRELATION_VALUE, since=V1_3)


@operation(Operation.SIGNATURE_VERIFY, request=SignatureVerifyRequest, response=SignatureVerifyResponse, audited=True)
def signature_verify(call: Call, request: SignatureVerifyRequest) -> SignatureVerifyResponse:
    """Verify in one part or in several; a wrong signature is a successful answer: Invalid."""
    target = call.target(request.unique_identifier)
    data, signature = call.batch.data(request.data), call.batch.data(request.signature_data)
    used(call, target, VERIFY, request, data)
    parameters = parameters_for(call, target, request.cryptographic_parameters)
    key = verifying_key(call, target)
    last = bool(request.final_indicator) or not is_in_parts(request)
    if last and signature is None:
        raise KmipError(ResultReason.INVALID_FIELD, "Signature Data (4200C3) is required with the last part")
    if not is_in_parts(request):
        valid = signing.verify(key, signature or b"", parameters, data=data, digested_data=request.digested_data)
        return SignatureVerifyResponse(unique_identifier=target.unique_identifier, validity_indicator=validity(valid))
    part = in_parts(
        call,
        request,
        target,
        lambda: VerifyStream(key, parameters),
        lambda stream: stream.update(data or b""),
        lambda stream: stream.finish(data or b"", signature or b""),
    )
    return SignatureVerifyResponse(
        unique_identifier=target.unique_identifier,
        validity_indicator=None if part.result is None else validity(part.result),
        correlation_value=part.correlation_value,
    )


def validity(valid: bool) -> ValidityIndicator:
    """Validity Indicator (s11.61)."""
    return ValidityIndicator.VALID if valid else ValidityIndicator.INVALID
