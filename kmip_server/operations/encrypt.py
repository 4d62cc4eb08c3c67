"""Encrypt: the server encrypts data under one of its keys (KMIP 2.1 s6.1.17)."""

from __future__ import annotations

from dataclasses import replace

from kmip_server.cryptography import asymmetric, symmetric
from kmip_server.cryptography.streaming import EncryptStream
from kmip_server.cryptography.symmetric import Encrypted
from kmip_server.errors import KmipError
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
    public_key,
    required_data,
    symmetric_key,
    used,
)
from kmip_server.operations.nonces import claim_nonce
from kmip_server.operations.registry import operation
from kmip_server.operations.usage import ENCRYPT
from kmip_server.ttlv.enumerations import CryptographicAlgorithm, ObjectType, Operation, ResultReason
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V1_3, V1_4


@payload
class EncryptRequest(Payload):
    """What to encrypt, with which key and how."""

    unique_identifier: Identifier | None = plain(Tag.UNIQUE_IDENTIFIER, UNIQUE_IDENTIFIER)
    cryptographic_parameters: CryptographicParameters | None = structure(
        Tag.CRYPTOGRAPHIC_PARAMETERS, CryptographicParameters
    )
    data: DataReference | None = plain(Tag.DATA, DATA)
    iv_counter_nonce: bytes | None = byte_string(Tag.IV_COUNTER_NONCE)
    correlation_value: bytes | None = byte_string(Tag.CORRELATION_VALUE, since=V1_3)
    init_indicator: bool | None = boolean(Tag.INIT_INDICATOR, since=V1_3)
    final_indicator: bool | None = boolean(Tag.FINAL_INDICATOR, since=V1_3)
    authenticated_encryption_additional_data: bytes | None = byte_string(
        Tag.AUTHENTICATED_ENCRYPTION_ADDITIONAL_DATA, since=V1_4
    )


@payload
class EncryptResponse(Payload):
    """The ciphertext; the IV if the server made it; the tag when the last part is done."""

    unique_identifier: str = text(Tag.UNIQUE_IDENTIFIER, required=True)
    data: bytes | None = byte_string(Tag.DATA)
    iv_counter_nonce: bytes | None = byte_string(Tag.IV_COUNTER_NONCE)
    correlation_value: bytes | None = byte_string(Tag.CORRELATION_VALUE, since=V1_3)
    authenticated_encryption_tag: bytes | None = byte_string(Tag.AUTHENTICATED_ENCRYPTION_TAG, since=V1_4)


@operation(Operation.ENCRYPT, request=EncryptRequest, response=EncryptResponse, changes=True)
def encrypt(call: Call, request: EncryptRequest) -> EncryptResponse:
    """Encrypt in one part or in several. Without an IV the server makes one (docs/decisions)."""
    target = call.target(request.unique_identifier)
    data = required_data(call, request.data, request)
    used(call, target, ENCRYPT, request, data)
    parameters = parameters_for(call, target, request.cryptographic_parameters)
    if target.object_type is ObjectType.PUBLIC_KEY:
        ciphertext = asymmetric.encrypt(public_key(call, target), data, parameters)
        return EncryptResponse(unique_identifier=target.unique_identifier, data=ciphertext)
    _check_tag_length(parameters.tag_length)
    key, algorithm = symmetric_key(call, target), algorithm_of(target) or CryptographicAlgorithm.AES
    iv, aad = request.iv_counter_nonce, request.authenticated_encryption_additional_data or b""
    if iv is None and parameters.random_iv is None:
        parameters = replace(parameters, random_iv=True)
    if not is_in_parts(request):
        made = symmetric.encrypt(algorithm, key, data, parameters, iv=iv, aad=aad)
        claim_nonce(call, target, algorithm, parameters, iv, made.iv)
        return _answer(call, target.unique_identifier, made, None)

    def begin() -> EncryptStream:
        stream = EncryptStream(algorithm, key, parameters, iv=iv, aad=aad)
        claim_nonce(call, target, algorithm, parameters, iv, stream.iv)
        return stream

    part = in_parts(
        call,
        request,
        target,
        begin,
        lambda stream: Encrypted(data=stream.update(data), iv=stream.iv if request.init_indicator else None),
        lambda stream: stream.finish(data),
    )
    return _answer(call, target.unique_identifier, part.result, part.correlation_value)


def _answer(call: Call, unique_identifier: str, made: Encrypted, correlation_value: bytes | None) -> EncryptResponse:
    """The response; in a version without a field for the tag, the tag is the end of the data (see `tag_behind`)."""
    if made.tag is not None and call.version < V1_4:
        made = replace(made, data=made.data + made.tag, tag=None)
    return EncryptResponse(
        unique_identifier=unique_identifier,
        data=made.data,
        iv_counter_nonce=made.iv,
        correlation_value=correlation_value,
        authenticated_encryption_tag=made.tag,
    )


def _check_tag_length(length: int | None) -> None:
    """Refuse what is no length of a tag in any mode, as the published test cases do (CS-BC-M-GCM-1)."""
    if length is not None and not 4 <= length <= 16:
        raise KmipError(ResultReason.GENERAL_FAILURE, "a Tag Length (4200CE) is 4 to 16 bytes")
