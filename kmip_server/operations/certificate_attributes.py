"""The attributes that a certificate itself determines (KMIP 2.1 s4.6 to s4.8, s4.22, s4.61 to s4.63)."""

from __future__ import annotations

from typing import Any, Final

from kmip_server.cryptography.certificates import DistinguishedName, describe_certificate
from kmip_server.messages.structures import (
    CertificateIdentifier,
    CertificateIssuer,
    CertificateSubject,
    X509CertificateIdentifier,
    X509CertificateIssuer,
    X509CertificateSubject,
)
from kmip_server.objects.attribute_set import AttributeValue
from kmip_server.objects.key_block import Certificate
from kmip_server.ttlv.enumerations import CertificateType, KeyFormatType
from kmip_server.ttlv.tags import Tag

_PARTS: Final = {
    "CN": "common_name",
    "O": "organization",
    "OU": "organizational_unit",
    "EMAIL": "email",
    "C": "country",
    "ST": "state",
    "L": "locality",
    "UID": "user_id",
    "SERIAL_NUMBER": "serial_number",
    "TITLE": "title",
    "DC": "domain_component",
    "DN_QUALIFIER": "dn_qualifier",
}
"""The ends of the Certificate Attributes' tags, and the part of a name that each holds."""


def certificate_facts(certificate: Certificate) -> tuple[dict[int, Any], tuple[AttributeValue, ...]]:
    """Its single-valued attributes, and its multi-valued ones. Raises Invalid Field for one that is malformed.

    A PGP certificate is not looked into.
    """
    facts: dict[int, Any] = {
        Tag.CERTIFICATE_TYPE: certificate.certificate_type,
        Tag.CERTIFICATE_LENGTH: len(certificate.certificate_value),
    }
    if certificate.certificate_type is not CertificateType.X_509:
        return facts, ()
    found = describe_certificate(certificate.certificate_value)
    subject, issuer = found.subject, found.issuer
    subject_names, issuer_names = found.subject_alternative_names, found.issuer_alternative_names
    facts |= {
        Tag.KEY_FORMAT_TYPE: KeyFormatType.X_509,
        Tag.DIGITAL_SIGNATURE_ALGORITHM: found.digital_signature_algorithm,
        Tag.CRYPTOGRAPHIC_ALGORITHM: found.public_key.algorithm,
        Tag.CRYPTOGRAPHIC_LENGTH: found.public_key.length,
        Tag.X_509_CERTIFICATE_IDENTIFIER: X509CertificateIdentifier(
            issuer_distinguished_name=issuer.encoded, certificate_serial_number=found.serial_number
        ),
        Tag.X_509_CERTIFICATE_SUBJECT: X509CertificateSubject(
            subject_distinguished_name=subject.encoded,
            subject_alternative_name=tuple([name.encoded for name in subject_names]),
        ),
        Tag.X_509_CERTIFICATE_ISSUER: X509CertificateIssuer(
            issuer_distinguished_name=issuer.encoded,
            issuer_alternative_name=tuple([name.encoded for name in issuer_names]),
        ),
        Tag.CERTIFICATE_IDENTIFIER: CertificateIdentifier(issuer=issuer.text, serial_number=found.serial_number_text),
        Tag.CERTIFICATE_SUBJECT: CertificateSubject(
            certificate_subject_distinguished_name=subject.text,
            certificate_subject_alternative_name=tuple([name.text for name in subject_names]),
        ),
        Tag.CERTIFICATE_ISSUER: CertificateIssuer(
            certificate_issuer_distinguished_name=issuer.text,
            certificate_issuer_alternative_name=tuple([name.text for name in issuer_names]),
        ),
    }
    return facts, (*_parts("CERTIFICATE_SUBJECT_", subject), *_parts("CERTIFICATE_ISSUER_", issuer))


def _parts(whose: str, name: DistinguishedName) -> list[AttributeValue]:
    return [AttributeValue(Tag[whose + end], value) for end, part in _PARTS.items() for value in getattr(name, part)]
