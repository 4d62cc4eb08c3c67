"""New key pairs, generated and then stored: what Create Key Pair and Re-key Key Pair share (KMIP 2.1 s6.1.9, s6.1.47).

Generation is slow and needs nothing that is stored, so that it can be done before the transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from kmip_server.cryptography.generation import generate_key_pair
from kmip_server.cryptography.key_formats import convert, default_key_formats
from kmip_server.cryptography.transparent import KeyMaterial
from kmip_server.errors import KmipError
from kmip_server.messages.kinds import name_of
from kmip_server.messages.structures import CryptographicDomainParameters, Digest
from kmip_server.objects.attribute_set import AttributeSet, AttributeValue
from kmip_server.objects.attributes import ATTRIBUTES
from kmip_server.objects.key_block import KeyBlock, KeyValue, ObjectStructure, PrivateKey, PublicKey
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.operations.call import Call
from kmip_server.operations.creation import linked, new_object
from kmip_server.operations.defaults import PRIVATE_KEY, PUBLIC_KEY
from kmip_server.operations.key_material import default_format, item_of, key_digest
from kmip_server.ttlv.enumerations import (
    CryptographicAlgorithm,
    KeyFormatType,
    LinkType,
    ObjectType,
    RecommendedCurve,
    ResultReason,
)
from kmip_server.ttlv.tags import Tag

_SAME_FOR_BOTH: Final = (
    Tag.CRYPTOGRAPHIC_ALGORITHM,
    Tag.CRYPTOGRAPHIC_LENGTH,
    Tag.CRYPTOGRAPHIC_DOMAIN_PARAMETERS,
)
_STRUCTURE: Final[dict[ObjectType, type[PrivateKey] | type[PublicKey]]] = {
    ObjectType.PRIVATE_KEY: PrivateKey,
    ObjectType.PUBLIC_KEY: PublicKey,
}
_GENERATED_AS: Final = {ObjectType.PRIVATE_KEY: KeyFormatType.PKCS8, ObjectType.PUBLIC_KEY: KeyFormatType.X_509}
_DEFAULT_MASK: Final = {
    ObjectType.PRIVATE_KEY: PRIVATE_KEY.usage_mask,
    ObjectType.PUBLIC_KEY: PUBLIC_KEY.usage_mask,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PairWanted:
    """What key pair to make: its Cryptographic Algorithm, Cryptographic Length in bits, Recommended Curve."""

    algorithm: CryptographicAlgorithm
    bits: int | None
    curve: RecommendedCurve | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """One half of a new key pair, in its default Key Format Type."""

    object_type: ObjectType
    key_format_type: KeyFormatType
    material: KeyMaterial
    digest: Digest

    def __repr__(self) -> str:
        return f"NewKey({self.object_type.name})"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKeyPair:
    """A new key pair that is not stored yet."""

    algorithm: CryptographicAlgorithm
    bits: int
    curve: RecommendedCurve | None
    private: NewKey
    public: NewKey


def merged(common: Iterable[AttributeValue], own: Iterable[AttributeValue]) -> tuple[AttributeValue, ...]:
    """The attributes of one half: its own before the common ones, and of multi-valued ones the union (s6.1.9)."""
    own = tuple(own)
    taken = {attribute.tag for attribute in own if not ATTRIBUTES[attribute.tag].multiple}
    return own + tuple([attribute for attribute in common if attribute.tag not in taken and attribute not in own])


def pair_wanted(private: Iterable[AttributeValue], public: Iterable[AttributeValue]) -> PairWanted:
    """What the attributes of the halves ask for. Raises Invalid Attribute Value where they ask for two things."""
    halves = (AttributeSet.of(private), AttributeSet.of(public))
    wanted: dict[int, Any] = {}
    for tag in _SAME_FOR_BOTH:
        values = [half.first(tag) for half in halves if tag in half]
        if any(value != values[0] for value in values):
            raise KmipError(
                ResultReason.INVALID_ATTRIBUTE_VALUE,
                f"{name_of(tag)} is the same for both keys of a pair (KMIP 2.1 s6.1.9)",
            )
        wanted[tag] = values[0] if values else None
    domain = wanted[Tag.CRYPTOGRAPHIC_DOMAIN_PARAMETERS]
    return PairWanted(
        algorithm=wanted[Tag.CRYPTOGRAPHIC_ALGORITHM] or PRIVATE_KEY.algorithm,
        bits=wanted[Tag.CRYPTOGRAPHIC_LENGTH],
        curve=domain.recommended_curve if domain is not None else None,
    )


def generate(wanted: PairWanted) -> NewKeyPair:
    """Make a key pair. Raises Invalid Attribute Value for one that this server does not make; takes up to seconds."""
    bits = wanted.bits
    if bits is None and wanted.algorithm is PRIVATE_KEY.algorithm:
        bits = PRIVATE_KEY.length
    try:
        pair = generate_key_pair(wanted.algorithm, bits, wanted.curve)
    except KmipError as error:
        raise KmipError(ResultReason.INVALID_ATTRIBUTE_VALUE, error.message) from None
    return NewKeyPair(
        algorithm=wanted.algorithm,
        bits=pair.length,
        curve=pair.curve,
        private=_new_key(ObjectType.PRIVATE_KEY, wanted.algorithm, pair.private),
        public=_new_key(ObjectType.PUBLIC_KEY, wanted.algorithm, pair.public),
    )


def _new_key(object_type: ObjectType, algorithm: CryptographicAlgorithm, encoded: bytes) -> NewKey:
    source, wanted = _GENERATED_AS[object_type], default_key_formats(object_type, algorithm)[0]
    try:
        material = convert(object_type, encoded, source, wanted, algorithm=algorithm)
    except KmipError:
        # X25519 and X448 keys have no Transparent format.
        material, wanted = encoded, source
    return NewKey(
        object_type=object_type,
        key_format_type=wanted,
        material=material,
        digest=key_digest(object_type, algorithm, wanted, material),
    )


def new_pair(
    call: Call, pair: NewKeyPair, private: AttributeSet, public: AttributeSet
) -> tuple[ManagedObject, ManagedObject]:
    """The private and the public key as objects with these attributes, linked to each other and not stored yet."""
    private_key = _made(call, pair, pair.private, private)
    public_key = _made(call, pair, pair.public, public)
    linked(private_key, LinkType.PUBLIC_KEY_LINK, public_key.unique_identifier)
    linked(public_key, LinkType.PRIVATE_KEY_LINK, private_key.unique_identifier)
    return private_key, public_key


def add_pair(call: Call, pair: NewKeyPair, private_key: ManagedObject, public_key: ManagedObject) -> None:
    """Store both keys with their material."""
    call.add(public_key, _structure(call, pair, pair.public))
    call.add(private_key, _structure(call, pair, pair.private))


def _made(call: Call, pair: NewKeyPair, key: NewKey, template: AttributeSet) -> ManagedObject:
    facts: dict[int, Any] = {
        Tag.CRYPTOGRAPHIC_ALGORITHM: pair.algorithm,
        Tag.CRYPTOGRAPHIC_LENGTH: pair.bits,
        Tag.CRYPTOGRAPHIC_USAGE_MASK: template.first(Tag.CRYPTOGRAPHIC_USAGE_MASK) or _DEFAULT_MASK[key.object_type],
        Tag.KEY_FORMAT_TYPE: _format(call, pair, key),
    }
    if pair.curve is not None:
        facts[Tag.CRYPTOGRAPHIC_DOMAIN_PARAMETERS] = CryptographicDomainParameters(recommended_curve=pair.curve)
    return new_object(call, key.object_type, template, facts=facts, digest=key.digest, generated=True)


def _format(call: Call, pair: NewKeyPair, key: NewKey) -> KeyFormatType:
    """The default format, or the next best for a peer whose version does not know it."""
    if key.key_format_type.known_in(call.version):
        return key.key_format_type
    return default_format(key.object_type, pair.algorithm, call.version)


def _structure(call: Call, pair: NewKeyPair, key: NewKey) -> ObjectStructure:
    wanted = _format(call, pair, key)
    material = convert(key.object_type, key.material, key.key_format_type, wanted, algorithm=pair.algorithm)
    return _STRUCTURE[key.object_type](
        key_block=KeyBlock(
            key_format_type=wanted,
            key_value=KeyValue(key_material=item_of(wanted, material)),
            cryptographic_algorithm=pair.algorithm,
            cryptographic_length=pair.bits,
        )
    )
