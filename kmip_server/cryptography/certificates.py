"""What an X.509 certificate says: the fields that become its attributes (KMIP 2.1 s4.6 to s4.8, s4.22, s4.61 to s4.63).

Distinguished names and serial numbers are the certificate's own bytes, not encoded anew.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa
from cryptography.x509.oid import NameOID, SignatureAlgorithmOID

from kmip_server.cryptography.der import elements
from kmip_server.cryptography.failures import invalid_key
from kmip_server.cryptography.key_descriptions import KeyDescription, describe_public_key
from kmip_server.cryptography.key_formats import PublicKey
from kmip_server.errors import KmipError
from kmip_server.ttlv.enumerations import CryptographicAlgorithm, DigitalSignatureAlgorithm

MAXIMUM_ENCODED = 1 << 16


@dataclass(frozen=True, kw_only=True, slots=True)
class DistinguishedName:
    """A subject or issuer: its DER, its text (RFC 4514), and its parts as Certificate Attributes (KMIP 2.1 s4.6)."""

    encoded: bytes
    text: str
    common_name: tuple[str, ...] = ()
    organization: tuple[str, ...] = ()
    organizational_unit: tuple[str, ...] = ()
    email: tuple[str, ...] = ()
    country: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    locality: tuple[str, ...] = ()
    user_id: tuple[str, ...] = ()
    serial_number: tuple[str, ...] = ()
    title: tuple[str, ...] = ()
    domain_component: tuple[str, ...] = ()
    dn_qualifier: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class AlternativeName:
    """A Subject or Issuer Alternative Name: the DER of its GeneralName, and its text."""

    encoded: bytes
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CertificateDescription:
    """An X.509 certificate. `length` is in bytes, times are POSIX seconds.

    `serial_number` is the content of its DER integer, `serial_number_text` the number in hexadecimal. The signature
    algorithm is None, and the public key is described without an algorithm, where the standard has no name for it.
    """

    length: int
    serial_number: bytes
    serial_number_text: str
    subject: DistinguishedName
    issuer: DistinguishedName
    subject_alternative_names: tuple[AlternativeName, ...]
    issuer_alternative_names: tuple[AlternativeName, ...]
    digital_signature_algorithm: DigitalSignatureAlgorithm | None
    public_key: KeyDescription
    not_before: int
    not_after: int


def describe_certificate(encoded: bytes) -> CertificateDescription:
    """Read a certificate in DER. Raises Invalid Field if it is malformed."""
    if len(encoded) > MAXIMUM_ENCODED:
        raise invalid_key(f"a Certificate Value (42001E) of more than {MAXIMUM_ENCODED} bytes is not accepted")
    try:
        return _describe(x509.load_der_x509_certificate(encoded), len(encoded))
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension):
        raise invalid_key("the Certificate Value (42001E) is malformed, or not X.509 in DER") from None


def certificate_public_key(encoded: bytes) -> PublicKey:
    """Return the public key of a certificate in DER, to verify or encrypt with. Raises Invalid Field."""
    try:
        key = x509.load_der_x509_certificate(encoded).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise invalid_key("the Certificate Value (42001E) or its public key is malformed or not supported") from None
    if not isinstance(key, PublicKey):
        raise invalid_key("the public key in the Certificate Value (42001E) is of an algorithm that is not supported")
    return key


def _describe(certificate: x509.Certificate, length: int) -> CertificateDescription:
    fields = list(elements(next(elements(certificate.tbs_certificate_bytes)).content))
    if fields[0].tag == _VERSION:
        del fields[0]
    serial_number, _, issuer, _, subject = fields[:5]
    return CertificateDescription(
        length=length,
        serial_number=serial_number.content,
        serial_number_text=f"{certificate.serial_number:X}",
        subject=_name(certificate.subject, subject.encoded),
        issuer=_name(certificate.issuer, issuer.encoded),
        subject_alternative_names=_alternative_names(certificate, x509.SubjectAlternativeName),
        issuer_alternative_names=_alternative_names(certificate, x509.IssuerAlternativeName),
        digital_signature_algorithm=_SIGNATURES.get(certificate.signature_algorithm_oid),
        public_key=_public_key(certificate),
        not_before=int(certificate.not_valid_before_utc.timestamp()),
        not_after=int(certificate.not_valid_after_utc.timestamp()),
    )


_PARTS = {
    "common_name": NameOID.COMMON_NAME,
    "organization": NameOID.ORGANIZATION_NAME,
    "organizational_unit": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "email": NameOID.EMAIL_ADDRESS,
    "country": NameOID.COUNTRY_NAME,
    "state": NameOID.STATE_OR_PROVINCE_NAME,
    "locality": NameOID.LOCALITY_NAME,
    "user_id": NameOID.USER_ID,
    "serial_number": NameOID.SERIAL_NUMBER,
    "title": NameOID.TITLE,
    "domain_component": NameOID.DOMAIN_COMPONENT,
    "dn_qualifier": NameOID.DN_QUALIFIER,
}

_TEXT_NAMES = {NameOID.EMAIL_ADDRESS: "emailAddress"}

_O, _D = SignatureAlgorithmOID, DigitalSignatureAlgorithm
_SIGNATURES = {
    _O.RSA_WITH_MD5: _D.MD5_WITH_RSA_ENCRYPTION,
    _O.RSA_WITH_SHA1: _D.SHA_1_WITH_RSA_ENCRYPTION,
    _O.RSA_WITH_SHA224: _D.SHA_224_WITH_RSA_ENCRYPTION,
    _O.RSA_WITH_SHA256: _D.SHA_256_WITH_RSA_ENCRYPTION,
    _O.RSA_WITH_SHA384: _D.SHA_384_WITH_RSA_ENCRYPTION,
    _O.RSA_WITH_SHA512: _D.SHA_512_WITH_RSA_ENCRYPTION,
    _O.RSA_WITH_SHA3_256: _D.SHA3_256_WITH_RSA_ENCRYPTION,
    _O.RSA_WITH_SHA3_384: _D.SHA3_384_WITH_RSA_ENCRYPTION,
    _O.RSA_WITH_SHA3_512: _D.SHA3_512_WITH_RSA_ENCRYPTION,
    _O.RSASSA_PSS: _D.RSASSA_PSS,
    _O.DSA_WITH_SHA1: _D.DSA_WITH_SHA_1,
    _O.DSA_WITH_SHA224: _D.DSA_WITH_SHA224,
    _O.DSA_WITH_SHA256: _D.DSA_WITH_SHA256,
    _O.ECDSA_WITH_SHA1: _D.ECDSA_WITH_SHA_1,
    _O.ECDSA_WITH_SHA224: _D.ECDSA_WITH_SHA224,
    _O.ECDSA_WITH_SHA256: _D.ECDSA_WITH_SHA256,
    _O.ECDSA_WITH_SHA384: _D.ECDSA_WITH_SHA384,
    _O.ECDSA_WITH_SHA512: _D.ECDSA_WITH_SHA512,
}


def _name(name: x509.Name, encoded: bytes) -> DistinguishedName:
    parts = {
        field: tuple(str(attribute.value) for attribute in name.get_attributes_for_oid(oid))
        for field, oid in _PARTS.items()
    }
    return DistinguishedName(encoded=encoded, text=name.rfc4514_string(_TEXT_NAMES), **parts)


def _alternative_names(
    certificate: x509.Certificate, extension: type[x509.SubjectAlternativeName] | type[x509.IssuerAlternativeName]
) -> tuple[AlternativeName, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(extension).value
    except x509.ExtensionNotFound:
        return ()
    encoded = elements(next(elements(names.public_bytes())).content)
    return tuple(
        AlternativeName(encoded=element.encoded, text=_text(name)) for element, name in zip(encoded, names, strict=True)
    )


def _text(name: x509.GeneralName) -> str:
    match name:
        case x509.DirectoryName():
            return name.value.rfc4514_string(_TEXT_NAMES)
        case x509.RegisteredID():
            return name.value.dotted_string
        case x509.OtherName():
            return name.type_id.dotted_string
    return str(name.value)


def _public_key(certificate: x509.Certificate) -> KeyDescription:
    try:
        key = certificate.public_key()
        if isinstance(key, dsa.DSAPublicKey):
            return KeyDescription(algorithm=CryptographicAlgorithm.DSA, length=key.key_size)
        return describe_public_key(key) if isinstance(key, PublicKey) else KeyDescription()
    except (ValueError, KeyError, UnsupportedAlgorithm, KmipError):
        return KeyDescription()


_VERSION = 0xA0
