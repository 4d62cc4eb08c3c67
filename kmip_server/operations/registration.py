"""What an object that comes from a client is: its facts, its Digest, and how it is stored (KMIP 2.1 s6.1.43).

Used by Register and Import. What the client states about the object must agree with its value.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from kmip_server.cryptography.key_descriptions import KeyDescription, describe
from kmip_server.errors import KmipError
from kmip_server.messages.structures import CryptographicDomainParameters, Digest
from kmip_server.objects.attribute_set import AttributeSet, AttributeValue
from kmip_server.objects.attributes import ATTRIBUTES, SetBy
from kmip_server.objects.key_block import (
    TYPE_OF,
    Certificate,
    KeyBlock,
    KeyValue,
    ObjectStructure,
    OpaqueObject,
)
from kmip_server.operations.call import Call
from kmip_server.operations.certificate_attributes import certificate_facts
from kmip_server.operations.creation import digest_of
from kmip_server.operations.key_material import key_digest, material_of
from kmip_server.operations.wrapping import can_unwrap, unwrap_block, wrapping_object
from kmip_server.ttlv.enumerations import (
    CryptographicAlgorithm,
    KeyFormatType,
    ObjectType,
    RecommendedCurve,
    ResultReason,
)
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V1_2, V2_0, ProtocolVersion

_A = CryptographicAlgorithm
_ASYMMETRIC: Final = frozenset(
    {_A.RSA, _A.DSA, _A.DH, _A.ECDSA, _A.ECDH, _A.ECMQV, _A.EC, _A.ED25519, _A.ED448, _A.MCELIECE}
)
_KEY_PAIRS: Final = frozenset({ObjectType.PRIVATE_KEY, ObjectType.PUBLIC_KEY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """An object from a client, understood.

    `facts` are its single-valued attributes, `more` its multi-valued ones, as its value determines them; `stored` is
    None if there is nothing to store; `wrapped_by` is the object here that wraps it.
    """

    facts: dict[int, Any]
    more: tuple[AttributeValue, ...] = ()
    digest: Digest | None
    stored: ObjectStructure | None
    wrapped_by: str | None = None


def announced(object_type: ObjectType, value: ObjectStructure | None) -> ObjectStructure:
    """The object of a request, which must be there and of the type that the request names (KMIP 1.4 s11.4)."""
    if value is None:
        raise KmipError(
            ResultReason.INVALID_MESSAGE,
            f"there is no object of the Object Type (420057) {object_type.title} in the request (KMIP 2.1 s6.1.43)",
        )
    if TYPE_OF[type(value)] is not object_type:
        raise KmipError(
            ResultReason.INVALID_OBJECT_TYPE,
            f"Object Type (420057) says {object_type.title}, and the object is a {TYPE_OF[type(value)].title}",
        )
    return value


def encapsulated(value: ObjectStructure, given: tuple[AttributeValue, ...]) -> tuple[AttributeValue, ...]:
    """The attributes in the Key Value that the request does not give beside it, and that a client may set (s3.2)."""
    key_value = None if isinstance(value, Certificate | OpaqueObject) else value.key_block.key_value
    if not isinstance(key_value, KeyValue):
        return ()
    known = {attribute.tag for attribute in given}
    return tuple(
        [
            attribute
            for attribute in key_value.attributes
            if attribute.tag not in known and ATTRIBUTES[attribute.tag].set_by is not SetBy.SERVER
        ]
    )


_ABOUT_UNWRAPPING: Final = frozenset(
    {ResultReason.ENCODING_OPTION_ERROR, ResultReason.PERMISSION_DENIED, ResultReason.FEATURE_NOT_SUPPORTED}
)


def unwrapped(call: Call, block: KeyBlock) -> KeyBlock:
    """The block with its Key Value in the clear. Raises Invalid Field where that cannot be had (s6.1.43.1)."""
    try:
        return unwrap_block(call, block)
    except KmipError as error:
        if error.reason in _ABOUT_UNWRAPPING:
            raise
        raise KmipError(ResultReason.INVALID_FIELD, error.message) from None


def examine(call: Call, value: ObjectStructure, template: AttributeSet) -> Examined:
    """Find out what an object is. Raises Invalid Field where it is not what it is said to be."""
    if isinstance(value, Certificate):
        facts, more = certificate_facts(value)
        facts[Tag.CRYPTOGRAPHIC_USAGE_MASK] = template.first(Tag.CRYPTOGRAPHIC_USAGE_MASK) or 0
        return Examined(
            facts=_known(facts),
            more=more,
            digest=digest_of(value.certificate_value, facts.get(Tag.KEY_FORMAT_TYPE)),
            stored=value,
        )
    if isinstance(value, OpaqueObject):
        return Examined(
            facts={Tag.OPAQUE_DATA_TYPE: value.opaque_data_type, Tag.KEY_FORMAT_TYPE: KeyFormatType.OPAQUE},
            digest=digest_of(value.opaque_data_value, KeyFormatType.OPAQUE),
            stored=value,
        )
    return _examine_key(call, value, template)


def _examine_key(call: Call, value: ObjectStructure, template: AttributeSet) -> Examined:
    assert not isinstance(value, Certificate | OpaqueObject)
    object_type, block = TYPE_OF[type(value)], value.key_block
    algorithm, length = _stated(object_type, block, template)
    digest, curve, clear, stored, wrapped_by = None, None, block, value, None
    if isinstance(block.key_value, bytes):
        if block.key_wrapping_data is None:
            raise KmipError(ResultReason.INVALID_FIELD, "a wrapped Key Value (420045) comes with Key Wrapping Data")
        wrapped_by = wrapping_object(call, block.key_wrapping_data)
        if can_unwrap(call, block.key_wrapping_data):
            clear = unwrapped(call, block)
    elif block.key_wrapping_data is not None:
        raise KmipError(ResultReason.INVALID_FIELD, "with Key Wrapping Data (420046) the Key Value is a Byte String")
    if isinstance(clear.key_value, KeyValue):
        digest, found = _described(object_type, clear, clear.key_value, algorithm, length, call.version)
        algorithm, length, curve = found.algorithm, found.length, found.curve
        if clear is block:
            stored = replace(value, key_block=replace(block, key_value=replace(clear.key_value, attributes=())))
    _check_described(object_type, algorithm, length)
    facts: dict[int, Any] = {
        Tag.CRYPTOGRAPHIC_ALGORITHM: algorithm,
        Tag.CRYPTOGRAPHIC_LENGTH: length,
        Tag.CRYPTOGRAPHIC_USAGE_MASK: template.first(Tag.CRYPTOGRAPHIC_USAGE_MASK) or 0,
        Tag.KEY_FORMAT_TYPE: block.key_format_type,
    }
    if curve is not None and object_type in _KEY_PAIRS:
        facts[Tag.CRYPTOGRAPHIC_DOMAIN_PARAMETERS] = _domain(template, curve)
    if block.key_value is None:
        _check_absent(call.version)
        facts[Tag.KEY_VALUE_PRESENT] = False
    return Examined(
        facts=_known(facts),
        digest=digest,
        stored=stored if block.key_value is not None else None,
        wrapped_by=wrapped_by if call.version >= V2_0 else None,
    )


def _known(facts: dict[int, Any]) -> dict[int, Any]:
    return {tag: value for tag, value in facts.items() if value is not None}


def _stated(
    object_type: ObjectType, block: KeyBlock, template: AttributeSet
) -> tuple[CryptographicAlgorithm | None, int | None]:
    """What the client says about the key; the Key Block goes first, and the attributes must agree with it later."""
    algorithm, length = block.cryptographic_algorithm, block.cryptographic_length
    algorithm = template.first(Tag.CRYPTOGRAPHIC_ALGORITHM) if algorithm is None else algorithm
    length = template.first(Tag.CRYPTOGRAPHIC_LENGTH) if length is None else length
    if length is not None and length <= 0:
        raise KmipError(ResultReason.INVALID_FIELD, "Cryptographic Length (42002A) is above 0")
    if algorithm is None or object_type is ObjectType.SECRET_DATA:
        return algorithm, length
    if (algorithm in _ASYMMETRIC) is not (object_type in _KEY_PAIRS):
        raise KmipError(
            ResultReason.INVALID_FIELD,
            f"a {object_type.title} is no key for the Cryptographic Algorithm (420028) {algorithm.title}",
        )
    return algorithm, length


def _described(
    object_type: ObjectType,
    block: KeyBlock,
    value: KeyValue,
    algorithm: CryptographicAlgorithm | None,
    length: int | None,
    version: ProtocolVersion,
) -> tuple[Digest, KeyDescription]:
    key_format = block.key_format_type
    material = material_of(key_format, value.key_material, version)
    try:
        found = describe(object_type, key_format, material, algorithm=algorithm, length=length)
    except KmipError as error:
        # Register's table has no reason of its own for a format that does not fit (s6.1.43.1).
        raise KmipError(ResultReason.INVALID_FIELD, error.message) from None
    return key_digest(object_type, found.algorithm, key_format, material), found


def _check_described(object_type: ObjectType, algorithm: CryptographicAlgorithm | None, length: int | None) -> None:
    if object_type is ObjectType.SECRET_DATA:
        return
    if algorithm is None or length is None:
        missing = Tag.CRYPTOGRAPHIC_ALGORITHM if algorithm is None else Tag.CRYPTOGRAPHIC_LENGTH
        raise KmipError(
            ResultReason.INVALID_FIELD,
            f"neither the Key Block nor the attributes say the {missing.title} ({missing:06X}), and the key does not"
            " tell (KMIP 2.1 s6.1.43)",
        )


def _domain(template: AttributeSet, curve: RecommendedCurve) -> CryptographicDomainParameters:
    stated: CryptographicDomainParameters | None = template.first(Tag.CRYPTOGRAPHIC_DOMAIN_PARAMETERS)
    if stated is None:
        return CryptographicDomainParameters(recommended_curve=curve)
    if stated.recommended_curve not in (None, curve):
        raise KmipError(
            ResultReason.INVALID_ATTRIBUTE_VALUE,
            f"the key is on {curve.title}, and not on the Recommended Curve (420075) that the request states",
        )
    return replace(stated, recommended_curve=curve)


def _check_absent(version: ProtocolVersion) -> None:
    if version < V1_2:
        raise KmipError(ResultReason.INVALID_MESSAGE, f"in KMIP {version} a Key Block has a Key Value (420045)")
