"""MAC: the server makes a message authentication code with one of its keys (KMIP 2.1 s6.1.32)."""

from __future__ import annotations

from kmip_server.cryptography import macs
from kmip_server.cryptography.streaming import MacStream
from kmip_server.messages.fields import Payload, boolean, byte_string, payload, plain, structure, text
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
from kmip_server.operations.usage import MAC_GENERATE
from kmip_server.ttlv.enumerations import Operation
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V1_3


@payload
class MACRequest(Payload):
    """What to authenticate."""

    unique_identifier: Identifier | None = plain(Tag.UNIQUE_IDENTIFIER, UNIQUE_IDENTIFIER)
    cryptographic_parameters: CryptographicParameters | None = structure(
        Tag.CRYPTOGRAPHIC_PARAMETERS, CryptographicParameters
    )
    data: DataReference | None = plain(Tag.DATA, DATA)
    correlation_value: bytes | None = byte_string(Tag.CORRELATION_VALUE, since=V1_3)
    init_indicator: bool | None = boolean(Tag.INIT_INDICATOR, since=V1_3)
    final_indicator: bool | None = boolean(Tag.FINAL_INDICATOR, since=V1_3)


@payload
class MACResponse(Payload):
    """The code, when the last part is done."""

    unique_identifier: str = text(Tag.UNIQUE_IDENTIFIER, required=True)
    mac_data: bytes | None = byte_string(Tag.MAC_DATA)
    correlation_value: bytes | None = byte_string(Tag.CORRELATION_VALUE, since=V1_3)


@operation(Operation.MAC, request=MACRequest, response=MACResponse, changes=True)
def mac(call: Call, request: MACRequest) -> MACResponse:
    """Authenticate in one part or in several."""
    target = call.target(request.unique_identifier)
    data = required_data(call, request.data, request)
    used(call, target, MAC_GENERATE, request, data)
    parameters = parameters_for(call, target, request.cryptographic_parameters)
    key, algorithm = symmetric_key(call, target), algorithm_of(target)
    if not is_in_parts(request):
        code = macs.mac(algorithm, key, data, parameters)
        return MACResponse(unique_identifier=target.unique_identifier, mac_data=code)
    part = in_parts(
        call,
        request,
        target,
        lambda: MacStream(algorithm, key, parameters),
        lambda stream: stream.update(data),
        lambda stream: stream.finish(data),
    )
    return MACResponse(
        unique_identifier=target.unique_identifier, mac_data=part.result, correlation_value=part.correlation_value
    )
