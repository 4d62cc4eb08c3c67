"""What Encrypt, Decrypt, Sign, Signature Verify, MAC and MAC Verify share: key, parameters, and processing in parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeVar

from kmip_server.cryptography.algorithms import CIPHERS, is_legacy
from kmip_server.cryptography.certificates import certificate_public_key
from kmip_server.cryptography.key_formats import PrivateKey, PublicKey, load_private_key, load_public_key
from kmip_server.cryptography.parameters import CryptographicParameters
from kmip_server.cryptography.signing import SIGNATURE_ALGORITHMS
from kmip_server.cryptography.transparent import KeyMaterial, TransparentSymmetricKey
from kmip_server.errors import KmipError
from kmip_server.messages.structures import DataReference
from kmip_server.objects import key_block
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.operations.call import Call
from kmip_server.operations.in_effect import given_or_own
from kmip_server.operations.key_material import clear_material
from kmip_server.operations.usage import Purpose, use
from kmip_server.ttlv.enumerations import CryptographicAlgorithm, KeyFormatType, ResultReason
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V1_4

Result = TypeVar("Result")
Context = TypeVar("Context")
Loaded = TypeVar("Loaded")


class Parts(Protocol):
    """A request that may be one part of several (s7.8, s7.14, s7.17)."""

    @property
    def correlation_value(self) -> bytes | None:
        """The stream that this part continues."""

    @property
    def init_indicator(self) -> bool | None:
        """This is the first part."""

    @property
    def final_indicator(self) -> bool | None:
        """This is the last part."""


class Part(NamedTuple):
    """What a part of several did: its result, and the Correlation Value under which the next one comes."""

    result: Any
    correlation_value: bytes | None


def in_parts(
    call: Call,
    request: Parts,
    target: ManagedObject | None,
    begin: Callable[[], Context],
    update: Callable[[Context], Any],
    finish: Callable[[Context], Any],
) -> Part:
    """Process one part of a multi-part operation: the first with a new context, the others with the one kept.

    `target` is the key, if there is one.
    """
    unique_identifier = "" if target is None else target.unique_identifier
    streams, caller, operation = call.services.streams, call.caller.name, call.spec.operation
    final = bool(request.final_indicator)
    if request.correlation_value is None:
        context = begin()
        if final:
            return Part(finish(context), None)
        result = update(context)
        who = (caller, operation, unique_identifier)
        return Part(result, streams.begin(*who, context, call.now, call.token, call.in_effect(target)))
    result = streams.advance(
        request.correlation_value,
        caller,
        operation,
        unique_identifier,
        call.now,
        call.token,
        finish if final else update,
        final=final,
    )
    return Part(result, None if final else request.correlation_value)


def is_in_parts(request: Parts) -> bool:
    """Whether a request is one part of several."""
    return request.correlation_value is not None or bool(request.init_indicator)


def is_first(request: Parts) -> bool:
    """Whether a request is the only part, or the first of several."""
    return request.correlation_value is None


def used(call: Call, target: ManagedObject, purpose: Purpose, request: Parts, data: bytes | None) -> None:
    """Use a key for this request: its state, dates, mask and limits allow it (see usage)."""
    use(call, target, purpose, len(data or b""), first_part=is_first(request))


def parameters_for(call: Call, target: ManagedObject, given: CryptographicParameters | None) -> CryptographicParameters:
    """The request's Cryptographic Parameters, or the key's own (s6.1.17). Refuses legacy algorithms by policy."""
    parameters = given_or_own(target, given)
    named = parameters.digital_signature_algorithm
    signature = None if named is None else SIGNATURE_ALGORITHMS.get(named)
    algorithms = (
        target.first(Tag.CRYPTOGRAPHIC_ALGORITHM),
        parameters.cryptographic_algorithm,
        parameters.hashing_algorithm,
        parameters.mask_generator_hashing_algorithm,
        None if signature is None else signature.hashing_algorithm,
    )
    if not call.services.legacy_algorithms and any(is_legacy(named) for named in algorithms if named):
        raise KmipError(
            ResultReason.UNSUPPORTED_CRYPTOGRAPHIC_PARAMETERS,
            "this server's policy does not allow a legacy Cryptographic Algorithm (420028)",
        )
    return parameters


def required_data(call: Call, given: DataReference | None, parts: Parts) -> bytes:
    """The data to process; only a part of several may be without (s6.1.17). Raises Invalid Field."""
    data = call.batch.data(given)
    if data is None and not is_in_parts(parts):
        raise KmipError(ResultReason.INVALID_FIELD, "Data (4200C2) is required unless it comes in parts")
    return data or b""


def tag_behind(call: Call, algorithm: CryptographicAlgorithm, parameters: CryptographicParameters) -> int:
    """How many bytes of tag end the ciphertext: before KMIP 1.4 messages have no other place for it."""
    cipher = CIPHERS.get(algorithm)
    if cipher is None or call.version >= V1_4:
        return 0
    mode = cipher.modes.get(parameters.block_cipher_mode or cipher.default_mode)
    return 0 if mode is None or not mode.tags else parameters.tag_length or mode.tags[0]


# Keys. ----------------------------------------------------------------------------------------------------------------


def algorithm_of(target: ManagedObject) -> CryptographicAlgorithm | None:
    """The Cryptographic Algorithm of a key."""
    algorithm: CryptographicAlgorithm | None = target.first(Tag.CRYPTOGRAPHIC_ALGORITHM)
    return algorithm


def wrong_type(target: ManagedObject) -> KmipError:
    """The error for an object of a type that the operation does not take."""
    return KmipError(
        ResultReason.INVALID_OBJECT_TYPE,
        f"an object of the Object Type (420057) {target.object_type.title} cannot be used in this operation",
    )


def symmetric_key(call: Call, target: ManagedObject) -> bytes:
    """The bytes of a symmetric key. Raises Invalid Object Type."""
    value = call.value(target)
    if not isinstance(value, key_block.SymmetricKey):
        raise wrong_type(target)
    material = clear_material(value.key_block)
    if isinstance(material, TransparentSymmetricKey):
        return material.key
    if not isinstance(material, bytes):
        raise wrong_type(target)
    return material


def private_key(call: Call, target: ManagedObject) -> PrivateKey:
    """A private key, ready to compute with. Raises Invalid Object Type, Feature Not Supported."""
    value = call.value(target)
    if not isinstance(value, key_block.PrivateKey):
        raise wrong_type(target)
    return _loaded(load_private_key, value.key_block, target)


def public_key(call: Call, target: ManagedObject) -> PublicKey:
    """A public key, ready to compute with. Raises Invalid Object Type, Feature Not Supported."""
    value = call.value(target)
    if not isinstance(value, key_block.PublicKey):
        raise wrong_type(target)
    return _loaded(load_public_key, value.key_block, target)


def _loaded(
    load: Callable[[KeyFormatType, KeyMaterial, CryptographicAlgorithm | None], Loaded],
    block: key_block.KeyBlock,
    target: ManagedObject,
) -> Loaded:
    """The key of a Key Block; one in a format that is kept here as it came (Opaque, PKCS#12) computes nothing."""
    try:
        return load(block.key_format_type, clear_material(block), algorithm_of(target))
    except KmipError as error:
        if error.reason is not ResultReason.KEY_FORMAT_TYPE_NOT_SUPPORTED:
            raise
        # A reason that the tables of these operations have (s6.1).
        raise KmipError(ResultReason.FEATURE_NOT_SUPPORTED, error.message) from None


def verifying_key(call: Call, target: ManagedObject) -> PublicKey:
    """The public key of a public key object, or of a certificate. Raises Invalid Object Type."""
    value = call.value(target)
    if isinstance(value, key_block.Certificate):
        return certificate_public_key(value.certificate_value)
    return public_key(call, target)
