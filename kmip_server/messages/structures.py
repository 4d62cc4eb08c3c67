"""Structures that attributes and payloads share (KMIP 2.1 s4 and s7), each declared once for all versions."""

from __future__ import annotations

from typing import Final

from kmip_server.messages.fields import (
    Payload,
    big_integer,
    boolean,
    byte_string,
    enumeration,
    integer,
    item,
    long_integer,
    payload,
    plain,
    secret_payload,
    text,
)
from kmip_server.messages.kinds import BYTES, INTEGER, TEXT, EnumerationKind, OneOf
from kmip_server.ttlv import enumerations as enums
from kmip_server.ttlv.item import Item, Type
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V1_0, V1_1, V1_2, V1_4, V2_0

UNIQUE_IDENTIFIER: Final = OneOf(
    (
        (Type.TEXT_STRING, TEXT, str, V1_0),
        (Type.ENUMERATION, EnumerationKind(enums.UniqueIdentifier), enums.UniqueIdentifier, V2_0),
        (Type.INTEGER, INTEGER, int, V2_0),
    )
)
"""A Unique Identifier as requests give it: text, or since 2.0 a reference to an earlier batch item (s4.58)."""

Identifier = str | enums.UniqueIdentifier | int

DATA: Final = OneOf(
    (
        (Type.BYTE_STRING, BYTES, bytes, V1_0),
        (Type.ENUMERATION, EnumerationKind(enums.DataEnumeration), enums.DataEnumeration, V2_0),
        (Type.INTEGER, INTEGER, int, V2_0),
    )
)
"""Data as requests give it: bytes, or since 2.0 a reference to an earlier batch item's output (s7.9)."""

DataReference = bytes | enums.DataEnumeration | int


@payload
class Name(Payload):
    """Name (s4.32)."""

    name_value: str = text(Tag.NAME_VALUE, required=True)
    name_type: enums.NameType = enumeration(Tag.NAME_TYPE, enums.NameType, required=True)


@payload
class AlternativeName(Payload):
    """Alternative Name (s4.2)."""

    alternative_name_value: str = text(Tag.ALTERNATIVE_NAME_VALUE, required=True)
    alternative_name_type: enums.AlternativeNameType = enumeration(
        Tag.ALTERNATIVE_NAME_TYPE, enums.AlternativeNameType, required=True
    )


@payload
class RotateName(Payload):
    """Rotate Name (s4.53)."""

    rotate_name_value: str = text(Tag.ROTATE_NAME_VALUE, required=True)
    rotate_name_type: enums.RotateNameType = enumeration(Tag.ROTATE_NAME_TYPE, enums.RotateNameType, required=True)


@payload
class ApplicationSpecificInformation(Payload):
    """Application Specific Information (s4.4); Application Data may be left to the server since 1.3."""

    application_namespace: str = text(Tag.APPLICATION_NAMESPACE, required=True)
    application_data: str | None = text(Tag.APPLICATION_DATA)


@payload
class Link(Payload):
    """Link (s4.31)."""

    link_type: enums.LinkType = enumeration(Tag.LINK_TYPE, enums.LinkType, required=True)
    linked_object_identifier: Identifier = plain(Tag.LINKED_OBJECT_IDENTIFIER, UNIQUE_IDENTIFIER, required=True)


@payload
class Digest(Payload):
    """Digest (s4.21)."""

    hashing_algorithm: enums.HashingAlgorithm = enumeration(
        Tag.HASHING_ALGORITHM, enums.HashingAlgorithm, required=True
    )
    digest_value: bytes | None = byte_string(Tag.DIGEST_VALUE)
    key_format_type: enums.KeyFormatType | None = enumeration(Tag.KEY_FORMAT_TYPE, enums.KeyFormatType, since=V1_1)


@payload
class RevocationReason(Payload):
    """Revocation Reason (s4.47)."""

    revocation_reason_code: enums.RevocationReasonCode = enumeration(
        Tag.REVOCATION_REASON_CODE, enums.RevocationReasonCode, required=True
    )
    revocation_message: str | None = text(Tag.REVOCATION_MESSAGE)


@payload
class UsageLimits(Payload):
    """Usage Limits (s4.59, s7.40). The Count that a client sends when it creates an object is ignored."""

    usage_limits_total: int = long_integer(Tag.USAGE_LIMITS_TOTAL, required=True)
    usage_limits_count: int | None = long_integer(Tag.USAGE_LIMITS_COUNT)
    usage_limits_unit: enums.UsageLimitsUnit = enumeration(Tag.USAGE_LIMITS_UNIT, enums.UsageLimitsUnit, required=True)


@payload
class CryptographicDomainParameters(Payload):
    """Cryptographic Domain Parameters (s4.14)."""

    qlength: int | None = integer(Tag.QLENGTH)
    recommended_curve: enums.RecommendedCurve | None = enumeration(Tag.RECOMMENDED_CURVE, enums.RecommendedCurve)


@payload
class CryptographicParameters(Payload):
    """Cryptographic Parameters (s4.16). Lengths of IV and counter fields in bits, of tag and salt in bytes."""

    block_cipher_mode: enums.BlockCipherMode | None = enumeration(Tag.BLOCK_CIPHER_MODE, enums.BlockCipherMode)
    padding_method: enums.PaddingMethod | None = enumeration(Tag.PADDING_METHOD, enums.PaddingMethod)
    hashing_algorithm: enums.HashingAlgorithm | None = enumeration(Tag.HASHING_ALGORITHM, enums.HashingAlgorithm)
    key_role_type: enums.KeyRoleType | None = enumeration(Tag.KEY_ROLE_TYPE, enums.KeyRoleType)
    digital_signature_algorithm: enums.DigitalSignatureAlgorithm | None = enumeration(
        Tag.DIGITAL_SIGNATURE_ALGORITHM, enums.DigitalSignatureAlgorithm, since=V1_2
    )
    cryptographic_algorithm: enums.CryptographicAlgorithm | None = enumeration(
        Tag.CRYPTOGRAPHIC_ALGORITHM, enums.CryptographicAlgorithm, since=V1_2
    )
    random_iv: bool | None = boolean(Tag.RANDOM_IV, since=V1_2)
    iv_length: int | None = integer(Tag.IV_LENGTH, since=V1_2)
    tag_length: int | None = integer(Tag.TAG_LENGTH, since=V1_2)
    fixed_field_length: int | None = integer(Tag.FIXED_FIELD_LENGTH, since=V1_2)
    invocation_field_length: int | None = integer(Tag.INVOCATION_FIELD_LENGTH, since=V1_2)
    counter_length: int | None = integer(Tag.COUNTER_LENGTH, since=V1_2)
    initial_counter_value: int | None = integer(Tag.INITIAL_COUNTER_VALUE, since=V1_2)
    salt_length: int | None = integer(Tag.SALT_LENGTH, since=V1_4)
    mask_generator: enums.MaskGenerator | None = enumeration(Tag.MASK_GENERATOR, enums.MaskGenerator, since=V1_4)
    mask_generator_hashing_algorithm: enums.HashingAlgorithm | None = enumeration(
        Tag.MASK_GENERATOR_HASHING_ALGORITHM, enums.HashingAlgorithm, since=V1_4
    )
    p_source: bytes | None = byte_string(Tag.P_SOURCE, since=V1_4)
    trailer_field: int | None = integer(Tag.TRAILER_FIELD, since=V1_4)


@payload
class KeyValueLocation(Payload):
    """Key Value Location (s4.27)."""

    key_value_location_value: str = text(Tag.KEY_VALUE_LOCATION_VALUE, required=True)
    key_value_location_type: enums.KeyValueLocationType = enumeration(
        Tag.KEY_VALUE_LOCATION_TYPE, enums.KeyValueLocationType, required=True
    )


@payload
class RNGParameters(Payload):
    """RNG Parameters (s7.36), also the Random Number Generator attribute (s4.46)."""

    rng_algorithm: enums.RNGAlgorithm = enumeration(Tag.RNG_ALGORITHM, enums.RNGAlgorithm, required=True)
    cryptographic_algorithm: enums.CryptographicAlgorithm | None = enumeration(
        Tag.CRYPTOGRAPHIC_ALGORITHM, enums.CryptographicAlgorithm
    )
    cryptographic_length: int | None = integer(Tag.CRYPTOGRAPHIC_LENGTH)
    hashing_algorithm: enums.HashingAlgorithm | None = enumeration(Tag.HASHING_ALGORITHM, enums.HashingAlgorithm)
    drbg_algorithm: enums.DRBGAlgorithm | None = enumeration(Tag.DRBG_ALGORITHM, enums.DRBGAlgorithm)
    recommended_curve: enums.RecommendedCurve | None = enumeration(Tag.RECOMMENDED_CURVE, enums.RecommendedCurve)
    fips186_variation: enums.FIPS186Variation | None = enumeration(Tag.FIPS186_VARIATION, enums.FIPS186Variation)
    prediction_resistance: bool | None = boolean(Tag.PREDICTION_RESISTANCE)


@payload
class X509CertificateIdentifier(Payload):
    """X.509 Certificate Identifier (s4.61)."""

    issuer_distinguished_name: bytes = byte_string(Tag.ISSUER_DISTINGUISHED_NAME, required=True)
    certificate_serial_number: bytes = byte_string(Tag.CERTIFICATE_SERIAL_NUMBER, required=True)


@payload
class X509CertificateIssuer(Payload):
    """X.509 Certificate Issuer (s4.62)."""

    issuer_distinguished_name: bytes = byte_string(Tag.ISSUER_DISTINGUISHED_NAME, required=True)
    issuer_alternative_name: tuple[bytes, ...] = byte_string(Tag.ISSUER_ALTERNATIVE_NAME, many=True)


@payload
class X509CertificateSubject(Payload):
    """X.509 Certificate Subject (s4.63)."""

    subject_distinguished_name: bytes = byte_string(Tag.SUBJECT_DISTINGUISHED_NAME, required=True)
    subject_alternative_name: tuple[bytes, ...] = byte_string(Tag.SUBJECT_ALTERNATIVE_NAME, many=True)


@payload
class CertificateIdentifier(Payload):
    """Certificate Identifier of KMIP 1.0, deprecated since 1.1 (KMIP 1.4 s3.13)."""

    issuer: str = text(Tag.ISSUER, required=True)
    serial_number: str | None = text(Tag.SERIAL_NUMBER)


@payload
class CertificateSubject(Payload):
    """Certificate Subject of KMIP 1.0, deprecated since 1.1 (KMIP 1.4 s3.14)."""

    certificate_subject_distinguished_name: str = text(Tag.CERTIFICATE_SUBJECT_DISTINGUISHED_NAME, required=True)
    certificate_subject_alternative_name: tuple[str, ...] = text(Tag.CERTIFICATE_SUBJECT_ALTERNATIVE_NAME, many=True)


@payload
class CertificateIssuer(Payload):
    """Certificate Issuer of KMIP 1.0, deprecated since 1.1 (KMIP 1.4 s3.15)."""

    certificate_issuer_distinguished_name: str = text(Tag.CERTIFICATE_ISSUER_DISTINGUISHED_NAME, required=True)
    certificate_issuer_alternative_name: tuple[str, ...] = text(Tag.CERTIFICATE_ISSUER_ALTERNATIVE_NAME, many=True)


@payload
class VendorAttribute(Payload):
    """Vendor Attribute (s4.60); in 1.x a Custom Attribute whose name starts with "x-" or "y-"."""

    vendor_identification: str = text(Tag.VENDOR_IDENTIFICATION, required=True)
    attribute_name: str = text(Tag.ATTRIBUTE_NAME, required=True)
    attribute_value: Item | None = item(Tag.ATTRIBUTE_VALUE)


@secret_payload
class TransparentRSA(Payload):
    """The Key Material of a Transparent RSA Private or Public Key (s3.7, s3.8)."""

    modulus: int = big_integer(Tag.MODULUS, required=True)
    private_exponent: int | None = big_integer(Tag.PRIVATE_EXPONENT)
    public_exponent: int | None = big_integer(Tag.PUBLIC_EXPONENT)
    p: int | None = big_integer(Tag.P)
    q: int | None = big_integer(Tag.Q)
    prime_exponent_p: int | None = big_integer(Tag.PRIME_EXPONENT_P)
    prime_exponent_q: int | None = big_integer(Tag.PRIME_EXPONENT_Q)
    crt_coefficient: int | None = big_integer(Tag.CRT_COEFFICIENT)


@secret_payload
class TransparentEC(Payload):
    """The Key Material of a Transparent EC (ECDSA, ECDH, ECMQV) Private or Public Key (s3.11, s3.12)."""

    recommended_curve: enums.RecommendedCurve = enumeration(
        Tag.RECOMMENDED_CURVE, enums.RecommendedCurve, required=True
    )
    d: int | None = big_integer(Tag.D)
    q_string: bytes | None = byte_string(Tag.Q_STRING)


@secret_payload
class TransparentSymmetricKey(Payload):
    """The Key Material of a Transparent Symmetric Key (s3.4)."""

    key: bytes = byte_string(Tag.KEY, required=True)
