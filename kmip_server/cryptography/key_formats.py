"""Keys in and out of the Key Format Types, and from one to another (KMIP 2.1 s4.26, s11.24, s11.25)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x448, x25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from kmip_server.cryptography import rsa_numbers
from kmip_server.cryptography.curves import EC_ALGORITHMS, WEIERSTRASS, recommended_curve
from kmip_server.cryptography.der import INTEGER, OCTET_STRING, SEQUENCE, tags_within
from kmip_server.cryptography.failures import invalid_key
from kmip_server.cryptography.transparent import (
    EC_PRIVATE_FORMATS,
    EC_PUBLIC_FORMATS,
    KeyMaterial,
    TransparentEC,
    TransparentRSA,
    TransparentSymmetricKey,
)
from kmip_server.errors import KmipError
from kmip_server.ttlv.enumerations import (
    CryptographicAlgorithm,
    KeyCompressionType,
    KeyFormatType,
    ObjectType,
    ResultReason,
)

EdwardsPrivateKey: TypeAlias = (
    ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey | x25519.X25519PrivateKey | x448.X448PrivateKey
)
EdwardsPublicKey: TypeAlias = (
    ed25519.Ed25519PublicKey | ed448.Ed448PublicKey | x25519.X25519PublicKey | x448.X448PublicKey
)
PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | EdwardsPrivateKey
PublicKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | EdwardsPublicKey

MAXIMUM_ENCODED = 1 << 14

# What follows the version number tells the private key structures apart.
_BEGINS = {
    KeyFormatType.PKCS1: (INTEGER, INTEGER),
    KeyFormatType.PKCS8: (INTEGER, SEQUENCE),
    KeyFormatType.ECPRIVATEKEY: (INTEGER, OCTET_STRING),
}


def load_private_key(
    key_format: KeyFormatType, material: KeyMaterial, algorithm: CryptographicAlgorithm | None = None
) -> PrivateKey:
    """Read a private key of any supported format; `algorithm` says what a Raw key is.

    Raises Invalid Field for material that is not of that format, Key Format Type Not Supported for other formats.
    """
    if key_format in _BEGINS:
        return _private_der(key_format, _octets(material))
    if key_format is KeyFormatType.RAW:
        return _private_raw(_octets(material), algorithm)
    if key_format is KeyFormatType.TRANSPARENT_RSA_PRIVATE_KEY and isinstance(material, TransparentRSA):
        return rsa_numbers.private_key(material)
    if key_format in EC_PRIVATE_FORMATS and isinstance(material, TransparentEC):
        return _private_ec(material)
    raise _format_not_supported(key_format, ObjectType.PRIVATE_KEY)


def load_public_key(
    key_format: KeyFormatType, material: KeyMaterial, algorithm: CryptographicAlgorithm | None = None
) -> PublicKey:
    """Read a public key of any supported format; `algorithm` says what a Raw key is.

    Raises Invalid Field for material that is not of that format, Key Format Type Not Supported for other formats.
    """
    if key_format is KeyFormatType.X_509:
        return _public_der(_octets(material))
    if key_format is KeyFormatType.PKCS1:
        key = _public_der(_octets(material))
        if not isinstance(key, rsa.RSAPublicKey) or key.public_bytes(Encoding.DER, PublicFormat.PKCS1) != material:
            raise invalid_key("the Key Material (420043) is no PKCS#1 public key")
        return key
    if key_format is KeyFormatType.RAW:
        return _public_raw(_octets(material), algorithm)
    if key_format is KeyFormatType.TRANSPARENT_RSA_PUBLIC_KEY and isinstance(material, TransparentRSA):
        return rsa_numbers.public_key(material)
    if key_format in EC_PUBLIC_FORMATS and isinstance(material, TransparentEC):
        return _public_ec(material)
    raise _format_not_supported(key_format, ObjectType.PUBLIC_KEY)


def convert(
    object_type: ObjectType,
    material: KeyMaterial,
    source: KeyFormatType,
    target: KeyFormatType,
    *,
    algorithm: CryptographicAlgorithm | None = None,
    compression: KeyCompressionType | None = None,
) -> KeyMaterial:
    """Return the key in the format `target`; the same format without compression gives the same bytes back.

    `compression` is for elliptic curve public keys in a Transparent format. Raises Key Format Type Not Supported or
    Key Compression Type Not Supported where the key cannot be given so (KMIP 2.1 s6.1.19.1).
    """
    if compression is not None and target not in EC_PUBLIC_FORMATS:
        if compression is not KeyCompressionType.EC_PUBLIC_KEY_TYPE_UNCOMPRESSED:
            raise _compression_not_supported(compression)
        compression = None
    if source is target and compression is None:
        return material
    match object_type:
        case ObjectType.PRIVATE_KEY:
            return dump_private_key(load_private_key(source, material, algorithm), target)
        case ObjectType.PUBLIC_KEY:
            return dump_public_key(load_public_key(source, material, algorithm), target, compression)
        case ObjectType.SYMMETRIC_KEY:
            return _convert_symmetric(material, target)
    raise _format_not_supported(target, object_type)


def dump_private_key(key: PrivateKey, key_format: KeyFormatType) -> KeyMaterial:
    """Write a private key in a format that fits it. Raises Key Format Type Not Supported."""
    if key_format is KeyFormatType.PKCS8:
        return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    match key:
        case rsa.RSAPrivateKey() if key_format is KeyFormatType.PKCS1:
            return key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        case rsa.RSAPrivateKey() if key_format is KeyFormatType.TRANSPARENT_RSA_PRIVATE_KEY:
            return _transparent_rsa(key)
        case ec.EllipticCurvePrivateKey() if key_format is KeyFormatType.ECPRIVATEKEY:
            return key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        case ec.EllipticCurvePrivateKey() if key_format in EC_PRIVATE_FORMATS:
            return TransparentEC(recommended_curve=recommended_curve(key.curve), d=key.private_numbers().private_value)
        case rsa.RSAPrivateKey() | ec.EllipticCurvePrivateKey():
            pass
        case _ if key_format is KeyFormatType.RAW:
            return key.private_bytes_raw()
    raise _format_not_supported(key_format, ObjectType.PRIVATE_KEY)


def dump_public_key(
    key: PublicKey, key_format: KeyFormatType, compression: KeyCompressionType | None = None
) -> KeyMaterial:
    """Write a public key in a format that fits it. Raises Key Format Type or Key Compression Type Not Supported."""
    if key_format is KeyFormatType.X_509:
        return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    match key:
        case rsa.RSAPublicKey() if key_format is KeyFormatType.PKCS1:
            return key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
        case rsa.RSAPublicKey() if key_format is KeyFormatType.TRANSPARENT_RSA_PUBLIC_KEY:
            numbers = key.public_numbers()
            return TransparentRSA(modulus=numbers.n, public_exponent=numbers.e)
        case ec.EllipticCurvePublicKey() if key_format in EC_PUBLIC_FORMATS:
            return TransparentEC(recommended_curve=recommended_curve(key.curve), q_string=_point(key, compression))
        case rsa.RSAPublicKey() | ec.EllipticCurvePublicKey():
            pass
        case _ if key_format is KeyFormatType.RAW:
            return key.public_bytes_raw()
    raise _format_not_supported(key_format, ObjectType.PUBLIC_KEY)


def default_key_formats(object_type: ObjectType, algorithm: CryptographicAlgorithm | None) -> tuple[KeyFormatType, ...]:
    """Return the Key Format Types to give a key in by default, best first (KMIP 2.1 s4.26 Table 81).

    The first is the standard's default; the next ones serve protocol versions that do not know the first.
    """
    if algorithm in EC_ALGORITHMS:
        algorithm = CryptographicAlgorithm.EC
    return _DEFAULTS.get((object_type, algorithm)) or _DEFAULTS[object_type, None]


_DEFAULTS: dict[tuple[ObjectType, CryptographicAlgorithm | None], tuple[KeyFormatType, ...]] = {
    (ObjectType.CERTIFICATE, None): (KeyFormatType.X_509,),
    (ObjectType.CERTIFICATE_REQUEST, None): (KeyFormatType.PKCS10,),
    (ObjectType.OPAQUE_OBJECT, None): (KeyFormatType.OPAQUE,),
    (ObjectType.PGP_KEY, None): (KeyFormatType.RAW,),
    (ObjectType.SECRET_DATA, None): (KeyFormatType.RAW,),
    (ObjectType.SYMMETRIC_KEY, None): (KeyFormatType.RAW,),
    (ObjectType.SPLIT_KEY, None): (KeyFormatType.RAW,),
    (ObjectType.PRIVATE_KEY, None): (KeyFormatType.PKCS8,),
    (ObjectType.PUBLIC_KEY, None): (KeyFormatType.X_509,),
    (ObjectType.PRIVATE_KEY, CryptographicAlgorithm.RSA): (KeyFormatType.PKCS1,),
    (ObjectType.PUBLIC_KEY, CryptographicAlgorithm.RSA): (KeyFormatType.PKCS1,),
    (ObjectType.PRIVATE_KEY, CryptographicAlgorithm.EC): (
        KeyFormatType.TRANSPARENT_EC_PRIVATE_KEY,
        KeyFormatType.ECPRIVATEKEY,
    ),
    (ObjectType.PUBLIC_KEY, CryptographicAlgorithm.EC): (
        KeyFormatType.TRANSPARENT_EC_PUBLIC_KEY,
        KeyFormatType.X_509,
    ),
    (ObjectType.PRIVATE_KEY, CryptographicAlgorithm.DSA): (KeyFormatType.TRANSPARENT_DSA_PRIVATE_KEY,),
    (ObjectType.PUBLIC_KEY, CryptographicAlgorithm.DSA): (KeyFormatType.TRANSPARENT_DSA_PUBLIC_KEY,),
}


def is_encrypted_pkcs8(material: bytes) -> bool:
    """Whether PKCS#8 bytes are an EncryptedPrivateKeyInfo, which nobody can read without its password."""
    return tags_within(material) == (SEQUENCE, OCTET_STRING)


def _octets(material: KeyMaterial) -> bytes:
    if not isinstance(material, bytes):
        raise invalid_key("this Key Format Type (420042) has its Key Material as a Byte String")
    if len(material) > MAXIMUM_ENCODED:
        raise invalid_key(f"Key Material (420043) of more than {MAXIMUM_ENCODED} bytes is not accepted")
    return material


def _private_der(key_format: KeyFormatType, encoded: bytes) -> PrivateKey:
    if tags_within(encoded)[:2] != _BEGINS[key_format]:
        raise invalid_key(f"the Key Material (420043) is no {key_format.title} private key in DER")
    return _any_private_der(encoded)


def _any_private_der(encoded: bytes) -> PrivateKey:
    try:
        key = load_der_private_key(encoded, None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise invalid_key(
            "the Key Material (420043) is malformed, or of an algorithm or curve that is not supported"
        ) from None
    if not isinstance(key, PrivateKey):
        raise invalid_key("the private key in the Key Material (420043) is of an algorithm that is not supported")
    _check_supported(key)
    return key


def _public_der(encoded: bytes) -> PublicKey:
    try:
        key = load_der_public_key(encoded)
    except (ValueError, UnsupportedAlgorithm):
        raise invalid_key(
            "the Key Material (420043) is malformed, or of an algorithm or curve that is not supported"
        ) from None
    if not isinstance(key, PublicKey):
        raise invalid_key("the public key in the Key Material (420043) is of an algorithm that is not supported")
    _check_supported(key)
    return key


def _check_supported(key: PrivateKey | PublicKey) -> None:
    match key:
        case rsa.RSAPrivateKey() | rsa.RSAPublicKey():
            rsa_numbers.check_length(key.key_size)
        case ec.EllipticCurvePrivateKey() | ec.EllipticCurvePublicKey():
            try:
                recommended_curve(key.curve)
            except KeyError:
                raise invalid_key("the Key Material (420043) is on an elliptic curve that is not supported") from None


_RAW_PRIVATE: dict[CryptographicAlgorithm, Callable[[bytes], PrivateKey]] = {
    CryptographicAlgorithm.ED25519: ed25519.Ed25519PrivateKey.from_private_bytes,
    CryptographicAlgorithm.ED448: ed448.Ed448PrivateKey.from_private_bytes,
}
_RAW_PUBLIC: dict[CryptographicAlgorithm, Callable[[bytes], PublicKey]] = {
    CryptographicAlgorithm.ED25519: ed25519.Ed25519PublicKey.from_public_bytes,
    CryptographicAlgorithm.ED448: ed448.Ed448PublicKey.from_public_bytes,
}


def _private_raw(encoded: bytes, algorithm: CryptographicAlgorithm | None) -> PrivateKey:
    # A Raw key of other algorithms is whatever the peer's library wrote: one of the DER structures, or nothing we know.
    if algorithm not in _RAW_PRIVATE:
        return _any_private_der(encoded)
    try:
        return _RAW_PRIVATE[algorithm](encoded)
    except ValueError:
        raise invalid_key(f"the Key Material (420043) is no raw {algorithm.title} private key") from None


def _public_raw(encoded: bytes, algorithm: CryptographicAlgorithm | None) -> PublicKey:
    if algorithm not in _RAW_PUBLIC:
        return _public_der(encoded)
    try:
        return _RAW_PUBLIC[algorithm](encoded)
    except ValueError:
        raise invalid_key(f"the Key Material (420043) is no raw {algorithm.title} public key") from None


def _curve(material: TransparentEC) -> ec.EllipticCurve:
    curve = WEIERSTRASS.get(material.recommended_curve)
    if curve is None:
        raise invalid_key(
            f"the Recommended Curve (420075) {material.recommended_curve.title} has no Transparent format"
        )
    return curve


def _private_ec(material: TransparentEC) -> ec.EllipticCurvePrivateKey:
    if material.d is None:
        raise invalid_key("an elliptic curve private key needs its D (42002E)")
    try:
        return ec.derive_private_key(material.d, _curve(material))
    except (ValueError, OverflowError):
        raise invalid_key("D (42002E) is not in the range of the curve") from None


def _public_ec(material: TransparentEC) -> ec.EllipticCurvePublicKey:
    point = material.q_string or b""
    curve = _curve(material)
    size = (curve.key_size + 7) // 8
    if point[:1] in (b"\x06", b"\x07") and len(point) == 1 + 2 * size and point[0] & 1 == point[-1] & 1:
        point = b"\x04" + point[1:]
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(curve, point)
    except ValueError:
        raise invalid_key("Q String (420072) is no point of the curve") from None


def _point(key: ec.EllipticCurvePublicKey, compression: KeyCompressionType | None) -> bytes:
    match compression:
        case KeyCompressionType.EC_PUBLIC_KEY_TYPE_X9_62_COMPRESSED_PRIME:
            return key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
        case KeyCompressionType.EC_PUBLIC_KEY_TYPE_X9_62_COMPRESSED_CHAR2:
            raise _compression_not_supported(compression)
    point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    if compression is KeyCompressionType.EC_PUBLIC_KEY_TYPE_X9_62_HYBRID:
        return bytes([0x06 | point[-1] & 1]) + point[1:]
    return point


def _transparent_rsa(key: rsa.RSAPrivateKey) -> TransparentRSA:
    numbers = key.private_numbers()
    return TransparentRSA(
        modulus=numbers.public_numbers.n,
        private_exponent=numbers.d,
        public_exponent=numbers.public_numbers.e,
        p=numbers.p,
        q=numbers.q,
        prime_exponent_p=numbers.dmp1,
        prime_exponent_q=numbers.dmq1,
        crt_coefficient=numbers.iqmp,
    )


def _convert_symmetric(material: KeyMaterial, target: KeyFormatType) -> KeyMaterial:
    match material, target:
        case TransparentSymmetricKey(key=key), KeyFormatType.RAW:
            return key
        case bytes(), KeyFormatType.TRANSPARENT_SYMMETRIC_KEY:
            return TransparentSymmetricKey(key=material)
    raise _format_not_supported(target, ObjectType.SYMMETRIC_KEY)


def _format_not_supported(key_format: KeyFormatType, object_type: ObjectType) -> KmipError:
    return KmipError(
        ResultReason.KEY_FORMAT_TYPE_NOT_SUPPORTED,
        f"{key_format.title} is no Key Format Type (420042) for this {object_type.title}",
    )


def _compression_not_supported(compression: KeyCompressionType) -> KmipError:
    return KmipError(
        ResultReason.KEY_COMPRESSION_TYPE_NOT_SUPPORTED,
        f"the Key Compression Type (420041) {compression.title} is not supported for this key and format",
    )
