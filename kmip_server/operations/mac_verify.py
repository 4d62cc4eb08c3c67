"""MAC Verify: the server verifies a message authentication code with one of its keys (KMIP 2.1 s6.1.33)."""

from __future__ import annotations

from kmip_server.cryptography import macs
from kmip_server.cryptography.streaming import MacStream
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
from kmip_server.operations.cryptographic import (
    algorithm_of,
    in_parts,
    is_in_parts,
    parameters_for,
    required_data,
    symmetric_key,
    used,
)
from kmip_server.operations.registry import operation
from kmip_server.operations.signature_verify import validity
from kmip_server.operations.usage import MAC_VERIFY
from kmip_server.ttlv.enumerations import Operation, ResultReason, ValidityIndicator
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V1_3


@payload
class MACVerifyRequest(Payload):
    """The data and its code."""

    unique_identifier: Identifier | None = plain(Tag.UNIQUE_IDENTIFIER, UNIQUE_IDENTIFIER)
    cryptographic_parameters: CryptographicParameters | None = structure(
        Tag.CRYPTOGRAPHIC_PARAMETERS, CryptographicParameters
    )
    data: DataReference | None = plain(Tag.DATA, DATA)
    mac_data: DataReference | None = plain(Tag.MAC_DATA, DATA)
    correlation_value: bytes | None = byte_string(Tag.CORRELATION_VALUE, since=V1_3)
    init_indicator: bool | None = boolean(Tag.INIT_INDICATOR, since=V1_3)
    final_indicator: bool | None = boolean(Tag.FINAL_INDICATOR, since=V1_3)


@payload
class MACVerifyResponse(Payload):
    """Whether the code is valid, when the last part is done."""

    unique_identifier: str = text(Tag.UNIQUE_IDENTIFIER, required=True)
    validity_indicator: ValidityIndicator | None = enumeration(Tag.VALIDITY_INDICATOR, ValidityIndicator)
    correlation_value: bytes | None = byte_string(Tag.CORRELATION_VALUE, since=V1_3)


@operation(Operation.MAC_VERIFY, request=MACVerifyRequest, response=MACVerifyResponse, audited=True)
def mac_verify(call: Call, request: MACVerifyRequest) -> MACVerifyResponse:
    """Verify in one part or in several; a wrong code is a successful answer: Invalid."""
    target = call.target(request.unique_identifier)
    data, code = required_data(call, request.data, request), call.batch.data(request.mac_data)
    used(call, target, MAC_VERIFY, request, data)
    parameters = parameters_for(call, target, request.cryptographic_parameters)
    key, algorithm = symmetric_key(call, target), algorithm_of(target)
    last = bool(request.final_indicator) or not is_in_parts(request)
    if last and code is None:
        raise KmipError(ResultReason.INVALID_FIELD, "MAC Data (4200C6) is required with the last part")
    if not is_in_parts(request):
        valid = macs.verify_mac(algorithm, key, data, code or b"", parameters)
        return MACVerifyResponse(unique_identifier=target.unique_identifier, validity_indicator=validity(valid))
    part = in_parts(
        call,
        request,
        target,
        lambda: MacStream(algorithm, key, parameters),
        lambda stream: stream.update(data),
        lambda stream: stream.verify(data, code or b""),
    )
    return MACVerifyResponse(
        unique_identifier=target.unique_identifier,
        validity_indicator=None if part.result is None else validity(part.result),
        correlation_value=part.correlation_value,
    )
