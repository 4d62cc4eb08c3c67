"""Hash: the server hashes data (KMIP 2.1 s6.1.24)."""

from __future__ import annotations

from kmip_server.cryptography import macs
from kmip_server.cryptography.algorithms import is_legacy
from kmip_server.cryptography.streaming import HashStream
from kmip_server.errors import KmipError
from kmip_server.messages.fields import Payload, boolean, byte_string, payload, plain, structure
from kmip_server.messages.structures import DATA, CryptographicParameters, DataReference
from kmip_server.operations.call import Call
from kmip_server.operations.cryptographic import in_parts, is_in_parts, required_data
from kmip_server.operations.registry import operation
from kmip_server.ttlv.enumerations import Operation, ResultReason
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V1_3


@payload
class HashRequest(Payload):
    """What to hash, and with which Hashing Algorithm."""

    cryptographic_parameters: CryptographicParameters = structure(
        Tag.CRYPTOGRAPHIC_PARAMETERS, CryptographicParameters, required=True
    )
    data: DataReference | None = plain(Tag.DATA, DATA)
    correlation_value: bytes | None = byte_string(Tag.CORRELATION_VALUE, since=V1_3)
    init_indicator: bool | None = boolean(Tag.INIT_INDICATOR, since=V1_3)
    final_indicator: bool | None = boolean(Tag.FINAL_INDICATOR, since=V1_3)


@payload
class HashResponse(Payload):
    """The hash, when the last part is done."""

    data: bytes | None = byte_string(Tag.DATA)
    correlation_value: bytes | None = byte_string(Tag.CORRELATION_VALUE, since=V1_3)


@operation(
    Operation.HASH,
    request=HashRequest,
    response=HashResponse,
    names_object=False,
)
def hash_data(call: Call, request: HashRequest) -> HashResponse:
    """Hash in one part or in several. No key and no object is involved."""
    algorithm = request.cryptographic_parameters.hashing_algorithm
    if is_legacy(algorithm) and not call.services.legacy_algorithms:
        raise KmipError(
            ResultReason.CRYPTOGRAPHIC_FAILURE,
            "this server's policy does not allow a legacy Hashing Algorithm (420038)",
        )
    data = required_data(call, request.data, request)
    if not is_in_parts(request):
        return HashResponse(data=macs.digest(algorithm, data))
    part = in_parts(
        call,
        request,
        None,
        lambda: HashStream(algorithm),
        lambda stream: stream.update(data),
        lambda stream: stream.finish(data),
    )
    return HashResponse(data=part.result, correlation_value=part.correlation_value)
