"""Key material in the standard's Transparent formats: the numbers of a key, one field each (KMIP 2.1 s3.4 to s3.12).

The public and the private key of an algorithm share a class, as they share their fields; what the other one has is
None. None of these shows its content in a repr.
"""

from __future__ import annotations

from dataclasses import dataclass

from kmip_server.ttlv.enumerations import KeyFormatType, RecommendedCurve


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class TransparentSymmetricKey:
    """Transparent Symmetric Key (KMIP 2.1 s3.4)."""

    key: bytes


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class TransparentRSA:
    """Transparent RSA Private Key and Public Key (KMIP 2.1 s3.7, s3.8)."""

    modulus: int
    private_exponent: int | None = None
    public_exponent: int | None = None
    p: int | None = None
    q: int | None = None
    prime_exponent_p: int | None = None
    prime_exponent_q: int | None = None
    crt_coefficient: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class TransparentEC:
    """Transparent EC Private Key and Public Key, under whichever name (KMIP 2.1 s3.11, s3.12; KMIP 1.2 s2.1.7)."""

    recommended_curve: RecommendedCurve
    d: int | None = None
    q_string: bytes | None = None


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class TransparentDSA:
    """Transparent DSA Private Key and Public Key (KMIP 2.1 s3.5, s3.6)."""

    p: int
    q: int
    g: int
    x: int | None = None
    y: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class TransparentDH:
    """Transparent DH Private Key and Public Key (KMIP 2.1 s3.9, s3.10)."""

    p: int
    g: int
    q: int | None = None
    j: int | None = None
    x: int | None = None
    y: int | None = None


Transparent = TransparentSymmetricKey | TransparentRSA | TransparentEC | TransparentDSA | TransparentDH
KeyMaterial = bytes | Transparent

EC_PRIVATE_FORMATS = frozenset(
    {
        KeyFormatType.TRANSPARENT_EC_PRIVATE_KEY,
        KeyFormatType.TRANSPARENT_ECDSA_PRIVATE_KEY,
        KeyFormatType.TRANSPARENT_ECDH_PRIVATE_KEY,
        KeyFormatType.TRANSPARENT_ECMQV_PRIVATE_KEY,
    }
)
EC_PUBLIC_FORMATS = frozenset(
    {
        KeyFormatType.TRANSPARENT_EC_PUBLIC_KEY,
        KeyFormatType.TRANSPARENT_ECDSA_PUBLIC_KEY,
        KeyFormatType.TRANSPARENT_ECDH_PUBLIC_KEY,
        KeyFormatType.TRANSPARENT_ECMQV_PUBLIC_KEY,
    }
)
