"""What key material is: its algorithm, length and curve, and whether they are what the peer says (KMIP 2.1 s6.1.43)."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x448, x25519

from kmip_server.cryptography import rsa_numbers
from kmip_server.cryptography.algorithms import CIPHERS
from kmip_server.cryptography.curves import EC_ALGORITHMS, recommended_curve
from kmip_server.cryptography.failures import invalid_key
from kmip_server.cryptography.key_formats import (
    PrivateKey,
    PublicKey,
    is_encrypted_pkcs8,
    load_private_key,
    load_public_key,
)
from kmip_server.cryptography.transparent import KeyMaterial, TransparentDH, TransparentDSA, TransparentSymmetricKey
from kmip_server.ttlv.enumerations import CryptographicAlgorithm, KeyFormatType, ObjectType, RecommendedCurve


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyDescription:
    """Cryptographic Algorithm, Cryptographic Length in bits and Recommended Curve; None where nobody knows."""

    algorithm: CryptographicAlgorithm | None = None
    length: int | None = None
    curve: RecommendedCurve | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """What the bytes say: the names and lengths that are right for them, the one to use by default first."""

    algorithms: tuple[CryptographicAlgorithm, ...] = ()
    lengths: tuple[int, ...] = ()
    curve: RecommendedCurve | None = None


def describe(
    object_type: ObjectType,
    key_format: KeyFormatType,
    material: KeyMaterial,
    *,
    algorithm: CryptographicAlgorithm | None = None,
    length: int | None = None,
) -> KeyDescription:
    """Say what a key is, for its attributes, and check it against what the peer states about it.

    Formats that are opaque here (Opaque, PKCS#12, encrypted PKCS#8, Raw asymmetric keys of an unknown layout, other
    algorithms' keys) are described by the stated algorithm and length alone.
    Raises Invalid Field for material that is not of its format, or not of the stated algorithm or length, and Key
    Format Type Not Supported for a format that does not fit the object type.
    """
    found = _found(object_type, key_format, material, algorithm)
    if algorithm is not None and found.algorithms and algorithm not in found.algorithms:
        raise invalid_key(
            f"the Key Material (420043) is a key for {found.algorithms[0].title}, not for {algorithm.title}"
        )
    if length is not None and found.lengths and length not in found.lengths:
        raise invalid_key(f"the Key Material (420043) has {found.lengths[0]} bits, not {length}")
    return KeyDescription(
        algorithm=algorithm or (found.algorithms[0] if found.algorithms else None),
        length=length if length is not None else (found.lengths[0] if found.lengths else None),
        curve=found.curve,
    )


def describe_public_key(key: PublicKey) -> KeyDescription:
    """Say what a public key is."""
    found = _asymmetric(key)
    return KeyDescription(algorithm=found.algorithms[0], length=found.lengths[0], curve=found.curve)


_OPAQUE_FORMATS = frozenset({KeyFormatType.OPAQUE, KeyFormatType.PKCS12})


def _found(
    object_type: ObjectType,
    key_format: KeyFormatType,
    material: KeyMaterial,
    algorithm: CryptographicAlgorithm | None,
) -> _Found:
    if key_format in _OPAQUE_FORMATS:
        return _Found()
    if isinstance(material, TransparentDSA):
        return _numbers(CryptographicAlgorithm.DSA, material.p)
    if isinstance(material, TransparentDH):
        return _numbers(CryptographicAlgorithm.DH, material.p)
    match object_type:
        case ObjectType.PRIVATE_KEY:
            return _private(key_format, material, algorithm)
        case ObjectType.PUBLIC_KEY:
            return _public(key_format, material, algorithm)
        case ObjectType.SYMMETRIC_KEY:
            return _symmetric(key_format, material, algorithm)
    # Secret Data of any form is bytes; whoever registered it knows what they mean.
    return _Found(lengths=(len(material) * 8,)) if isinstance(material, bytes) else _Found()


def _private(key_format: KeyFormatType, material: KeyMaterial, algorithm: CryptographicAlgorithm | None) -> _Found:
    if isinstance(material, bytes) and _unreadable(key_format, material, algorithm):
        return _Found()
    key = load_private_key(key_format, material, algorithm)
    if isinstance(key, rsa.RSAPrivateKey) and isinstance(material, bytes):
        rsa_numbers.check(key)
    return _asymmetric(key)


def _public(key_format: KeyFormatType, material: KeyMaterial, algorithm: CryptographicAlgorithm | None) -> _Found:
    if isinstance(material, bytes) and _unreadable(key_format, material, algorithm):
        return _Found()
    return _asymmetric(load_public_key(key_format, material, algorithm))


_READABLE = EC_ALGORITHMS | {
    CryptographicAlgorithm.RSA,
    CryptographicAlgorithm.ED25519,
    CryptographicAlgorithm.ED448,
}
_RAW_READABLE = frozenset({CryptographicAlgorithm.ED25519, CryptographicAlgorithm.ED448})


def _unreadable(key_format: KeyFormatType, material: bytes, algorithm: CryptographicAlgorithm | None) -> bool:
    """Whether there is nothing to read in these bytes, so that only the peer can say what they are."""
    if not material:
        raise invalid_key("the Key Material (420043) is empty")
    if key_format is KeyFormatType.RAW:
        return algorithm not in _RAW_READABLE
    if key_format is KeyFormatType.PKCS8 and is_encrypted_pkcs8(material):
        return True
    return algorithm is not None and algorithm not in _READABLE


_PARITY = {CryptographicAlgorithm.DES: {56: 8}, CryptographicAlgorithm.DES3: {112: 16, 168: 24}}


def _symmetric(key_format: KeyFormatType, material: KeyMaterial, algorithm: CryptographicAlgorithm | None) -> _Found:
    match key_format, material:
        case KeyFormatType.RAW, bytes():
            key = material
        case KeyFormatType.TRANSPARENT_SYMMETRIC_KEY, TransparentSymmetricKey():
            key = material.key
        case _:
            raise invalid_key(f"{key_format.title} is no Key Format Type (420042) for this symmetric key")
    if not key:
        raise invalid_key("the Key Material (420043) is empty")
    lengths: tuple[int, ...] = (len(key) * 8,)
    if algorithm is not None:
        lengths = (*_without_parity(algorithm, len(key)), *lengths)
        if algorithm in CIPHERS and not set(lengths) & set(CIPHERS[algorithm].lengths):
            raise invalid_key(f"Key Material (420043) of {len(key) * 8} bits does not fit {algorithm.title}")
    return _Found(lengths=lengths)


def _without_parity(algorithm: CryptographicAlgorithm, size: int) -> tuple[int, ...]:
    return tuple(bits for bits, material in _PARITY.get(algorithm, {}).items() if material == size)


def _numbers(algorithm: CryptographicAlgorithm, prime: int) -> _Found:
    if prime <= 0:
        raise invalid_key(f"the numbers in the Key Material (420043) of the {algorithm.title} key must be positive")
    return _Found(algorithms=(algorithm,), lengths=(prime.bit_length(),))


# ECDSA first: every protocol version knows the name.
_EC = (CryptographicAlgorithm.ECDSA, *sorted(EC_ALGORITHMS - {CryptographicAlgorithm.ECDSA}))


def _asymmetric(key: PrivateKey | PublicKey) -> _Found:
    match key:
        case rsa.RSAPrivateKey() | rsa.RSAPublicKey():
            return _Found(algorithms=(CryptographicAlgorithm.RSA,), lengths=(key.key_size,))
        case ec.EllipticCurvePrivateKey() | ec.EllipticCurvePublicKey():
            return _Found(algorithms=_EC, lengths=(key.curve.key_size,), curve=recommended_curve(key.curve))
        case ed25519.Ed25519PrivateKey() | ed25519.Ed25519PublicKey():
            return _ED25519
        case ed448.Ed448PrivateKey() | ed448.Ed448PublicKey():
            return _ED448
        case x25519.X25519PrivateKey() | x25519.X25519PublicKey():
            return _X25519
        case x448.X448PrivateKey() | x448.X448PublicKey():
            return _X448


_ED25519 = _Found(algorithms=(CryptographicAlgorithm.ED25519,), lengths=(256, 255), curve=RecommendedCurve.CURVE25519)
_ED448 = _Found(algorithms=(CryptographicAlgorithm.ED448,), lengths=(456, 448), curve=RecommendedCurve.CURVE448)
_X25519 = _Found(
    algorithms=(CryptographicAlgorithm.ECDH, CryptographicAlgorithm.EC),
    lengths=(256, 255),
    curve=RecommendedCurve.CURVE25519,
)
_X448 = _Found(
    algorithms=(CryptographicAlgorithm.ECDH, CryptographicAlgorithm.EC),
    lengths=(448,),
    curve=RecommendedCurve.CURVE448,
)
