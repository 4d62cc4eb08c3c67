"""Wrapped Key Values: wrapping one for a client, and unwrapping one that came from a client (KMIP 2.1 s3.3, s7.18).

The wrapping key is a second input of the operation: whether the caller may use it is decided like a Get of it, its
Cryptographic Usage Mask must allow the use, and it must be Active. To a caller who may do nothing with it, it does not
exist.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeVar

from kmip_server.cryptography import wrapping
from kmip_server.cryptography.wrapping import Wrapped
from kmip_server.errors import KmipError
from kmip_server.messages.structures import CryptographicParameters
from kmip_server.objects.attribute_fields import reference_to
from kmip_server.objects.attribute_set import AttributeValue
from kmip_server.objects.key_block import (
    KeyBlock,
    KeyInformation,
    KeyValue,
    KeyWrappingData,
    KeyWrappingSpecification,
)
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.operations.call import Call
from kmip_server.operations.cryptographic import private_key, public_key, symmetric_key
from kmip_server.operations.in_effect import of_encryption
from kmip_server.operations.key_material import clear_value
from kmip_server.operations.nonces import claim_nonce
from kmip_server.operations.usage import UNWRAP_KEY, WRAP_KEY, Purpose, use
from kmip_server.ttlv import binary
from kmip_server.ttlv.enumerations import (
    EncodingOption,
    LinkType,
    ObjectType,
    Operation,
    ResultReason,
    WrappingMethod,
)
from kmip_server.ttlv.item import CodecError, Item, Type
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import ProtocolVersion
from policy.parameters import NO_PARAMETERS, Parameters

_OBJECT_TYPES: Final = {
    WRAP_KEY: frozenset({ObjectType.SYMMETRIC_KEY, ObjectType.PUBLIC_KEY}),
    UNWRAP_KEY: frozenset({ObjectType.SYMMETRIC_KEY, ObjectType.PRIVATE_KEY}),
}

T = TypeVar("T")


def wrap_block(call: Call, target: ManagedObject, block: KeyBlock, specification: KeyWrappingSpecification) -> KeyBlock:
    """The block with its Key Value wrapped as the client specifies.

    Raises Wrapping Object Not Found, Archived or Destroyed, Invalid Object Type, Incompatible Cryptographic Usage Mask
    and Permission Denied for the wrapping key, Bad Cryptographic Parameters, Encoding Option Error.
    """
    information = _information(specification)
    if information.unique_identifier == target.unique_identifier:
        raise KmipError(
            ResultReason.WRAPPING_OBJECT_NOT_FOUND,
            "a key does not wrap itself: another Unique Identifier (420094) is needed",
        )
    clear = _encoded(target, block, specification, call.version)
    key = _wrapping_key(call, information, WRAP_KEY, len(clear))
    parameters = _parameters(key, information.cryptographic_parameters)
    wrapped = _cryptographic(lambda: _wrap(call, key, clear, parameters))
    return replace(
        block,
        key_value=wrapped.data,
        key_wrapping_data=KeyWrappingData(
            wrapping_method=specification.wrapping_method,
            encryption_key_information=information,
            iv_counter_nonce=wrapped.iv,
            encoding_option=specification.encoding_option,
        ),
    )


def unwrap_block(call: Call, block: KeyBlock) -> KeyBlock:
    """The block with its Key Value in the clear. A block that is not wrapped is returned as it is.

    Raises what `wrap_block` raises, and one Cryptographic Failure for whatever is wrong with the wrapped bytes.
    """
    data, wrapped = block.key_wrapping_data, block.key_value
    if data is None or not isinstance(wrapped, bytes):
        return block
    information = _information(data)
    key = _unwrapping_key(call, information)
    parameters = _parameters(key, information.cryptographic_parameters)
    clear = _cryptographic(lambda: _unwrap(call, key, wrapped, parameters, data.iv_counter_nonce))
    return replace(block, key_value=_decoded(clear, data.encoding_option, call.version), key_wrapping_data=None)


def wrapping_object(call: Call, data: KeyWrappingData) -> str | None:
    """The wrapping key's Unique Identifier, for a Wrapping Key Link; None if the caller has no such object here."""
    information = data.encryption_key_information
    try:
        return _found(call, information).unique_identifier if information is not None else None
    except KmipError:
        return None


def can_unwrap(call: Call, data: KeyWrappingData) -> bool:
    """Whether the server has the wrapping key, and the caller may unwrap with it now."""
    try:
        _unwrapping_key(call, _information(data))
    except KmipError:
        return False
    return True


# The wrapping key. ----------------------------------------------------------------------------------------------------


def _information(of: KeyWrappingSpecification | KeyWrappingData) -> KeyInformation:
    if of.wrapping_method is not WrappingMethod.ENCRYPT:
        raise KmipError(
            ResultReason.FEATURE_NOT_SUPPORTED,
            f"the Wrapping Method (42009E) {of.wrapping_method.title} is not supported",
        )
    if of.encryption_key_information is None:
        raise KmipError(ResultReason.INVALID_FIELD, "to encrypt a key takes an Encryption Key Information (420036)")
    return of.encryption_key_information


def _found(call: Call, information: KeyInformation) -> ManagedObject:
    def computes(key: ManagedObject) -> Parameters:
        try:
            return of_encryption(key, _parameters(key, information.cryptographic_parameters))
        except KmipError:
            # There is nothing to wrap with: that is refused, whatever is decided.
            return NO_PARAMETERS

    try:
        key = call.object(information.unique_identifier, Operation.GET, computes)
    except KmipError as error:
        if error.reason is not ResultReason.OBJECT_NOT_FOUND:
            raise
        raise KmipError(
            ResultReason.WRAPPING_OBJECT_NOT_FOUND, "there is no wrapping key with this Unique Identifier (420094)"
        ) from None
    if key.destroyed:
        raise KmipError(
            ResultReason.WRAPPING_OBJECT_DESTROYED,
            "the wrapping key's Unique Identifier (420094) is that of a destroyed one (KMIP 2.1 s4.57)",
        )
    if key.archived:
        raise KmipError(
            ResultReason.WRAPPING_OBJECT_ARCHIVED,
            "the wrapping key with this Unique Identifier (420094) is archived; Recover it first (KMIP 2.1 s6.1.42)",
        )
    return key


def _wrapping_key(call: Call, information: KeyInformation, purpose: Purpose, size: int = 0) -> ManagedObject:
    key = _found(call, information)
    if key.object_type not in _OBJECT_TYPES[purpose]:
        raise KmipError(
            ResultReason.INVALID_OBJECT_TYPE,
            f"an object of the Object Type (420057) {key.object_type.title} does not serve here as a wrapping key",
        )
    try:
        use(call, key, purpose, size)
    except KmipError as error:
        if error.reason is ResultReason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK:
            raise
        # Get's table has no reason of its own for a wrapping key that may not be used now (s6.1.19.1).
        raise KmipError(ResultReason.PERMISSION_DENIED, f"the wrapping key: {error.message}") from None
    return key


def _unwrapping_key(call: Call, information: KeyInformation) -> ManagedObject:
    """The key that undoes a wrapping: of a public key, the private key that it is linked to."""
    named = _found(call, information)
    if named.object_type is ObjectType.PUBLIC_KEY:
        for link in named.attributes.all(Tag.LINK):
            if link.link_type is LinkType.PRIVATE_KEY_LINK:
                information = replace(information, unique_identifier=link.linked_object_identifier)
    return _wrapping_key(call, information, UNWRAP_KEY)


def _parameters(key: ManagedObject, given: CryptographicParameters | None) -> CryptographicParameters:
    """The parameters to wrap with. Those given must not contradict those of the key, if it has any (s7.18)."""
    own: tuple[CryptographicParameters, ...] = key.attributes.all(Tag.CRYPTOGRAPHIC_PARAMETERS)
    if given is None:
        if own:
            return own[0]
        raise KmipError(
            ResultReason.BAD_CRYPTOGRAPHIC_PARAMETERS,
            "neither the request nor the wrapping key says with which Cryptographic Parameters (42002B) to wrap",
        )
    stated = {name: value for name, value in vars(given).items() if value is not None}
    for instance in own:
        known = {name: value for name, value in vars(instance).items() if value is not None}
        if all(known.get(name, value) == value for name, value in stated.items()):
            return replace(instance, **stated)
    if own:
        raise KmipError(
            ResultReason.BAD_CRYPTOGRAPHIC_PARAMETERS,
            "the wrapping key has Cryptographic Parameters (42002B), and none of them match those given",
        )
    return given


def _wrap(call: Call, key: ManagedObject, clear: bytes, parameters: CryptographicParameters) -> Wrapped:
    if key.object_type is ObjectType.PUBLIC_KEY:
        return wrapping.wrap_to_public_key(public_key(call, key), clear, parameters)
    algorithm = key.first(Tag.CRYPTOGRAPHIC_ALGORITHM)
    wrapped = wrapping.wrap(algorithm, symmetric_key(call, key), clear, parameters)
    # Who may also encrypt with the wrapping key could otherwise take the wrapping off with its IV.
    claim_nonce(call, key, algorithm, parameters, None, wrapped.iv)
    return wrapped


def _unwrap(
    call: Call, key: ManagedObject, wrapped: bytes, parameters: CryptographicParameters, iv: bytes | None
) -> bytes:
    if key.object_type is ObjectType.PRIVATE_KEY:
        return wrapping.unwrap_with_private_key(private_key(call, key), wrapped, parameters)
    return wrapping.unwrap(key.first(Tag.CRYPTOGRAPHIC_ALGORITHM), symmetric_key(call, key), wrapped, parameters, iv=iv)


_NOT_OF_THESE_OPERATIONS: Final = frozenset(
    {ResultReason.UNSUPPORTED_CRYPTOGRAPHIC_PARAMETERS, ResultReason.MISSING_INITIALIZATION_VECTOR}
)


def _cryptographic(work: Callable[[], T]) -> T:
    """Do the work; what is wrong with its parameters is Bad Cryptographic Parameters (s6.1.19.1)."""
    try:
        return work()
    except KmipError as error:
        if error.reason not in _NOT_OF_THESE_OPERATIONS:
            raise
        raise KmipError(ResultReason.BAD_CRYPTOGRAPHIC_PARAMETERS, error.message) from None


# The Key Value as it goes into the wrapping. --------------------------------------------------------------------------


def _encoded(
    target: ManagedObject, block: KeyBlock, specification: KeyWrappingSpecification, version: ProtocolVersion
) -> bytes:
    material = clear_value(block).key_material
    if specification.encoding_option is EncodingOption.NO_ENCODING:
        if specification.attribute_name:
            raise KmipError(
                ResultReason.ENCODING_OPTION_ERROR,
                "with the Encoding Option (4200A3) No Encoding, no attributes are wrapped (KMIP 2.1 s7.18)",
            )
        if material.type != Type.BYTE_STRING:
            raise KmipError(
                ResultReason.ENCODING_OPTION_ERROR, "No Encoding needs Key Material (420043) that is a Byte String"
            )
        content: bytes = material.value
        return content
    value = KeyValue(key_material=material, attributes=_attributes(target, specification.attribute_name))
    return binary.encode(Item(Tag.KEY_VALUE, Type.STRUCTURE, value.encode(version)))


def _attributes(target: ManagedObject, names: tuple[str, ...]) -> tuple[AttributeValue, ...]:
    wanted = frozenset(names)
    return tuple([attribute for attribute in target.attributes if str(reference_to(attribute)) in wanted])


def _decoded(clear: bytes, option: EncodingOption | None, version: ProtocolVersion) -> KeyValue:
    if option is EncodingOption.NO_ENCODING:
        return KeyValue(key_material=Item(Tag.KEY_MATERIAL, Type.BYTE_STRING, clear))
    try:
        item = binary.decode(clear)
    except CodecError:
        item = None
    if item is None or item.tag != Tag.KEY_VALUE or item.type != Type.STRUCTURE:
        raise KmipError(ResultReason.ENCODING_OPTION_ERROR, "what was wrapped is no Key Value (420045) in TTLV")
    return KeyValue.decode(item.value, version)
