"""Derive Key: a new key or secret computed from keys and secrets that are here already (KMIP 2.1 s6.1.14, s7.12)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from kmip_server.cryptography.algorithms import CIPHERS, is_legacy
from kmip_server.cryptography.derivation import DerivationParameters as Parameters
from kmip_server.cryptography.derivation import derive, derive_shared, pbkdf2_iterations
from kmip_server.cryptography.key_descriptions import describe
from kmip_server.cryptography.parameters import NO_PARAMETERS
from kmip_server.cryptography.transparent import TransparentSymmetricKey
from kmip_server.errors import KmipError
from kmip_server.messages.fields import (
    Payload,
    byte_string,
    enumeration,
    integer,
    payload,
    plain,
    secret_payload,
    structure,
    text,
)
from kmip_server.messages.structures import UNIQUE_IDENTIFIER, CryptographicParameters, Identifier, Link
from kmip_server.objects.attribute_fields import template
from kmip_server.objects.attribute_set import AttributeSet, AttributeValue
from kmip_server.objects.key_block import ObjectStructure, SecretData, SymmetricKey, raw_secret, raw_symmetric_key
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.operations.call import Call
from kmip_server.operations.creation import check_template, digest_of, new_object, refuse_legacy
from kmip_server.operations.cryptographic import private_key, public_key
from kmip_server.operations.defaults import SECRET_DATA_USAGE_MASK, SECRET_LENGTHS, SYMMETRIC_KEY
from kmip_server.operations.inheritance import no_looser
from kmip_server.operations.key_material import clear_material
from kmip_server.operations.registry import operation
from kmip_server.operations.usage import DERIVE_KEY, use
from kmip_server.operations.wrapping import unwrap_block
from kmip_server.ttlv.enumerations import (
    CryptographicAlgorithm,
    DerivationMethod,
    KeyFormatType,
    LinkType,
    ObjectType,
    Operation,
    ResultReason,
    UniqueIdentifier,
)
from kmip_server.ttlv.tags import Tag

_BASES: Final = frozenset(
    {ObjectType.SYMMETRIC_KEY, ObjectType.SECRET_DATA, ObjectType.PRIVATE_KEY, ObjectType.PUBLIC_KEY}
)
_DEFAULT_MASK: Final = {
    ObjectType.SYMMETRIC_KEY: SYMMETRIC_KEY.usage_mask,
    ObjectType.SECRET_DATA: SECRET_DATA_USAGE_MASK,
}


@secret_payload
class DerivationParameters(Payload):
    """Derivation Parameters (s7.12)."""

    cryptographic_parameters: CryptographicParameters | None = structure(
        Tag.CRYPTOGRAPHIC_PARAMETERS, CryptographicParameters
    )
    initialization_vector: bytes | None = byte_string(Tag.INITIALIZATION_VECTOR)
    derivation_data: tuple[bytes, ...] = byte_string(Tag.DERIVATION_DATA, many=True)
    salt: bytes | None = byte_string(Tag.SALT)
    iteration_count: int | None = integer(Tag.ITERATION_COUNT)


@payload
class DeriveKeyRequest(Payload):
    """What to make, from which objects, and how."""

    object_type: ObjectType = enumeration(Tag.OBJECT_TYPE, ObjectType, required=True)
    unique_identifier: tuple[Identifier, ...] = plain(
        Tag.UNIQUE_IDENTIFIER, UNIQUE_IDENTIFIER, required=True, many=True
    )
    derivation_method: DerivationMethod = enumeration(Tag.DERIVATION_METHOD, DerivationMethod, required=True)
    derivation_parameters: DerivationParameters = structure(
        Tag.DERIVATION_PARAMETERS, DerivationParameters, required=True
    )
    attributes: tuple[AttributeValue, ...] = template(required=True)


@payload
class DeriveKeyResponse(Payload):
    """The new object."""

    unique_identifier: str = text(Tag.UNIQUE_IDENTIFIER, required=True)


@operation(
    Operation.DERIVE_KEY,
    request=DeriveKeyRequest,
    response=DeriveKeyResponse,
    changes=True,
    sets_placeholder=True,
)
def derive_key(call: Call, request: DeriveKeyRequest) -> DeriveKeyResponse:
    """Derive, and store the result linked to its bases and them to it (s6.1.14)."""
    object_type, template = request.object_type, AttributeSet.of(request.attributes)
    algorithm, bits = _wanted(call, object_type, template)
    parameters = _parameters(call, request)
    bases = _bases(call, request.unique_identifier)
    template = no_looser(check_template(call, object_type, request.attributes), bases)
    for base in bases:
        _use(call, base, bits // 8)
    derived = _derived(call, request.derivation_method, parameters, bases, _material_bits(algorithm, bits))
    facts: dict[int, Any] = {
        Tag.CRYPTOGRAPHIC_LENGTH: bits,
        Tag.CRYPTOGRAPHIC_USAGE_MASK: template.first(Tag.CRYPTOGRAPHIC_USAGE_MASK) or _DEFAULT_MASK[object_type],
        Tag.KEY_FORMAT_TYPE: KeyFormatType.RAW,
        Tag.ORIGINAL_CREATION_DATE: call.now,
    }
    if algorithm is not None:
        facts[Tag.CRYPTOGRAPHIC_ALGORITHM] = algorithm
        describe(object_type, KeyFormatType.RAW, derived, algorithm=algorithm, length=bits)
    made = new_object(
        call, object_type, template, facts=facts, digest=digest_of(derived, KeyFormatType.RAW), generated=False
    )
    for base in bases:
        _link(call, made, LinkType.DERIVATION_BASE_OBJECT_LINK, base)
        _link(call, base, LinkType.DERIVED_KEY_LINK, made)
        call.change(base)
    call.add(made, _structure(algorithm, bits, derived))
    return DeriveKeyResponse(unique_identifier=made.unique_identifier)


# What is wanted. ------------------------------------------------------------------------------------------------------


def _wanted(call: Call, object_type: ObjectType, template: AttributeSet) -> tuple[CryptographicAlgorithm | None, int]:
    if object_type not in (ObjectType.SYMMETRIC_KEY, ObjectType.SECRET_DATA):
        raise KmipError(
            ResultReason.INVALID_OBJECT_TYPE, "Derive Key makes the Object Type (420057) Symmetric Key or Secret Data"
        )
    algorithm, bits = template.first(Tag.CRYPTOGRAPHIC_ALGORITHM), template.first(Tag.CRYPTOGRAPHIC_LENGTH)
    if bits not in SECRET_LENGTHS:
        raise KmipError(
            ResultReason.INVALID_FIELD,
            "a derived object has a Cryptographic Length (42002A) of whole bytes, and of"
            f" {SECRET_LENGTHS[0]} to {SECRET_LENGTHS[-1]} bits",
        )
    if object_type is ObjectType.SECRET_DATA:
        return None, bits
    if algorithm is None:
        raise KmipError(ResultReason.INVALID_FIELD, "a derived key has a Cryptographic Algorithm (420028)")
    refuse_legacy(call, algorithm)
    return algorithm, bits


def _material_bits(algorithm: CryptographicAlgorithm | None, bits: int) -> int:
    row = CIPHERS.get(algorithm) if algorithm is not None else None
    return bits if row is None else row.material_length(bits) * 8


def _parameters(call: Call, request: DeriveKeyRequest) -> Parameters:
    given = request.derivation_parameters
    count, most = given.iteration_count, call.services.limits.pbkdf2_iterations
    if count is not None and not 0 < count <= most:
        raise KmipError(ResultReason.INVALID_FIELD, f"Iteration Count (42003C) is between 1 and {most} on this server")
    return Parameters(
        cryptographic_parameters=given.cryptographic_parameters or NO_PARAMETERS,
        initialization_vector=given.initialization_vector,
        derivation_data=given.derivation_data,
        salt=given.salt,
        iteration_count=count,
    )


# The objects to derive from. ------------------------------------------------------------------------------------------


def _bases(call: Call, given: tuple[Identifier, ...]) -> list[ManagedObject]:
    if any(identifier is UniqueIdentifier.ID_PLACEHOLDER for identifier in given):
        raise KmipError(
            ResultReason.INVALID_FIELD,
            "Derive Key has a Unique Identifier (420094), and does not take the ID Placeholder (KMIP 2.1 s6.1.14)",
        )
    if len(given) > 2:
        raise KmipError(ResultReason.INVALID_FIELD, "no Derivation Method (420031) takes more than two objects")
    bases = [call.target(identifier) for identifier in given]
    if len({base.unique_identifier for base in bases}) < len(bases):
        raise KmipError(
            ResultReason.INVALID_FIELD, "the objects to derive from have each another Unique Identifier (420094)"
        )
    for base in bases:
        if base.object_type not in _BASES:
            raise _not_derivable(base)
    return bases


def _not_derivable(base: ManagedObject) -> KmipError:
    return KmipError(
        ResultReason.INVALID_OBJECT_TYPE,
        f"nothing is derived like this from an Object Type (420057) {base.object_type.title}",
    )


def _use(call: Call, base: ManagedObject, size: int) -> None:
    try:
        use(call, base, DERIVE_KEY, size)
    except KmipError as error:
        if error.reason is not ResultReason.USAGE_LIMIT_EXCEEDED:
            raise
        # Derive Key's table has no reason of its own for this (s6.1.14.1).
        raise KmipError(ResultReason.PERMISSION_DENIED, error.message) from None


def _derived(
    call: Call, method: DerivationMethod, parameters: Parameters, bases: list[ManagedObject], bits: int
) -> bytes:
    if method is DerivationMethod.ASYMMETRIC_KEY:
        return _agreed(call, bases, bits)
    # The Secret Data with the Derivation Data may be named before the key or after it.
    key, *data = sorted(bases, key=lambda base: base.object_type is ObjectType.SECRET_DATA)
    if data:
        parameters = _with_data(call, method, parameters, data[0])
    if parameters.cryptographic_parameters == NO_PARAMETERS:
        own = key.first(Tag.CRYPTOGRAPHIC_PARAMETERS) or NO_PARAMETERS
        parameters = replace(parameters, cryptographic_parameters=own)
    algorithm = key.first(Tag.CRYPTOGRAPHIC_ALGORITHM) if key.object_type is ObjectType.SYMMETRIC_KEY else None
    named = parameters.cryptographic_parameters
    if not call.services.legacy_algorithms and any(
        is_legacy(one) for one in (algorithm, named.hashing_algorithm, named.cryptographic_algorithm)
    ):
        raise KmipError(
            ResultReason.UNSUPPORTED_CRYPTOGRAPHIC_PARAMETERS,
            "this server's policy does not allow a legacy Cryptographic Algorithm (420028)",
        )
    # It is computed while others wait: so one message has so many iterations, however many items it has.
    left = call.services.limits.pbkdf2_iterations - call.batch.pbkdf2_iterations
    derived = derive(method, algorithm, _octets(call, key), parameters, bits, maximum_iterations=left)
    if method is DerivationMethod.PBKDF2:
        call.batch.pbkdf2_iterations += pbkdf2_iterations(parameters, bits)
    return derived


def _with_data(call: Call, method: DerivationMethod, parameters: Parameters, holder: ManagedObject) -> Parameters:
    """The parameters with the Derivation Data that a Secret Data object holds (s7.12)."""
    if holder.object_type is not ObjectType.SECRET_DATA:
        raise KmipError(
            ResultReason.INVALID_OBJECT_TYPE, "the second object holds Derivation Data (420030): it is Secret Data"
        )
    if parameters.derivation_data or method is DerivationMethod.PBKDF2:
        raise KmipError(
            ResultReason.INVALID_FIELD,
            "Derivation Data (420030) is in the request or in a Secret Data object, not in both, and PBKDF2 has none",
        )
    return replace(parameters, derivation_data=(_octets(call, holder),))


def _octets(call: Call, base: ManagedObject) -> bytes:
    value = call.value(base)
    if isinstance(value, SymmetricKey | SecretData):
        material = clear_material(unwrap_block(call, value.key_block))
        if isinstance(material, TransparentSymmetricKey):
            return material.key
        if isinstance(material, bytes):
            return material
    raise _not_derivable(base)


def _agreed(call: Call, bases: list[ManagedObject], bits: int) -> bytes:
    """Derivation Method Asymmetric Key: a private key and another party's public key, in either order."""
    keys = {base.object_type: base for base in bases}
    if keys.keys() != {ObjectType.PRIVATE_KEY, ObjectType.PUBLIC_KEY}:
        raise KmipError(
            ResultReason.INVALID_OBJECT_TYPE,
            "the Derivation Method (420031) Asymmetric Key takes one Private Key and one Public Key",
        )
    return derive_shared(
        private_key(call, keys[ObjectType.PRIVATE_KEY]), public_key(call, keys[ObjectType.PUBLIC_KEY]), bits
    )


# The new object. ------------------------------------------------------------------------------------------------------


def _structure(algorithm: CryptographicAlgorithm | None, bits: int, derived: bytes) -> ObjectStructure:
    return raw_secret(derived) if algorithm is None else raw_symmetric_key(algorithm, bits, derived)


def _link(call: Call, holder: ManagedObject, link_type: LinkType, other: ManagedObject) -> None:
    """Link one more object. Where a base has as many links as an object may have, its oldest Derived Key gives way."""
    attributes = holder.attributes
    links = attributes.instances(Tag.LINK)
    if len(links) >= call.services.limits.attribute_instances:
        oldest = next((link for link in links if link.value.link_type is link_type), None)
        if oldest is not None:
            attributes = attributes.without(Tag.LINK, oldest)
    holder.attributes = attributes.with_added(
        Tag.LINK, Link(link_type=link_type, linked_object_identifier=other.unique_identifier)
    )
