"""Decrypt: the server decrypts data with one of its keys (KMIP 2.1 s6.1.11)."""

from __future__ import annotations

from kmip_server.cryptography import asymmetric, symmetric
from kmip_server.cryptography.algorithms import cipher_of
from kmip_server.cryptography.failures import decryption_failed
from kmip_server.cryptography.streaming import DecryptStream
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
    private_key,
    required_data,
    symmetric_key,
    tag_behind,
    used,
)
from kmip_server.operations.registry import operation
from kmip_server.operations.usage import DECRYPT
from kmip_server.ttlv.enumerations import BlockCipherMode, CryptographicAlgorithm, ObjectType, Operation
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V1_3, V1_4, V2_1


@payload
class DecryptRequest(Payload):
    """What to decrypt, with which key and how; the tag comes with the first part."""

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
    authenticated_encryption_tag: bytes | None = byte_string(Tag.AUTHENTICATED_ENCRYPTION_TAG, since=V1_4)


@payload
class DecryptResponse(Payload):
    """The plaintext; nothing of it before its tag is verified."""

    unique_identifier: str = text(Tag.UNIQUE_IDENTIFIER, required=True)
    data: bytes | None = byte_string(Tag.DATA)
    correlation_value: bytes | None = byte_string(Tag.CORRELATION_VALUE, since=V1_3)


@operation(Operation.DECRYPT, request=DecryptRequest, response=DecryptResponse, audited=True)
def decrypt(call: Call, request: DecryptRequest) -> DecryptResponse:
    """Decrypt in one part or in several. Whatever is wrong with the data, there is one answer (no oracle)."""
    target = call.target(request.unique_identifier)
    data = required_data(call, request.data, request)
    used(call, target, DECRYPT, request, data)
    parameters = parameters_for(call, target, request.cryptographic_parameters)
    if target.object_type is ObjectType.PRIVATE_KEY:
        plaintext = asymmetric.decrypt(private_key(call, target), data, parameters)
        return DecryptResponse(unique_identifier=target.unique_identifier, data=plaintext)
    key, algorithm = symmetric_key(call, target), algorithm_of(target) or CryptographicAlgorithm.AES
    iv, tag = (
        request.iv_counter_nonce or _iv_in_front(call, algorithm, parameters),
        request.authenticated_encryption_tag,
    )
    aad = request.authenticated_encryption_additional_data or b""
    behind = tag_behind(call, algorithm, parameters)
    if not is_in_parts(request):
        if behind:
            if len(data) < behind:
                raise decryption_failed()
            data, tag = data[:-behind], data[-behind:]
        plaintext = symmetric.decrypt(algorithm, key, data, parameters, iv=iv, aad=aad, tag=tag)
        return DecryptResponse(unique_identifier=target.unique_identifier, data=plaintext)
    part = in_parts(
        call,
        request,
        target,
        lambda: DecryptStream(algorithm, key, parameters, iv=iv, aad=aad, tag=tag, tag_behind=behind),
        lambda stream: stream.update(data),
        lambda stream: stream.finish(data),
    )
    return DecryptResponse(
        unique_identifier=target.unique_identifier, data=part.result, correlation_value=part.correlation_value
    )


_REFUSED_AS_PUBLISHED = (V1_4, V2_1)
"""The versions whose published test cases want Decrypt refused without an IV (CS-BC-M-13)."""


def _iv_in_front(call: Call, algorithm: CryptographicAlgorithm, parameters: CryptographicParameters) -> bytes | None:
    """An IV for who sends the server's Random IV not as such, but in front of the ciphertext.

    Such clients skip the first block of the plaintext. It stands for the IV, and any IV gives the blocks behind it.
    """
    if (
        call.version in _REFUSED_AS_PUBLISHED
        or not parameters.random_iv
        or parameters.block_cipher_mode is not BlockCipherMode.CBC
    ):
        return None
    return bytes(cipher_of(algorithm).block_size)
