"""New keys and random bytes, from the operating system's generator (KMIP 2.1 s6.1.8, s6.1.9, s6.1.49)."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x448, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from kmip_server.cryptography.algorithms import CIPHERS, HMACS, hash_of
from kmip_server.cryptography.curves import EC_ALGORITHMS, GENERATED, WEIERSTRASS
from kmip_server.cryptography.failures import bad_parameters, unsupported
from kmip_server.ttlv.enumerations import CryptographicAlgorithm, RecommendedCurve

MAXIMUM_RANDOM = 1 << 20
HMAC_LENGTHS = range(112, 4097, 8)
RSA_LENGTHS = range(2048, 4097, 8)
RSA_PUBLIC_EXPONENT = 65537

_Generated = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
    | x25519.X25519PrivateKey
    | x448.X448PrivateKey
)


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyPair:
    """A new key pair: PKCS#8 and SubjectPublicKeyInfo, both DER, with what their attributes say.

    `length` is the Cryptographic Length in bits, `curve` the Recommended Curve of an elliptic curve key.
    """

    private: bytes = field(repr=False)
    public: bytes
    length: int
    curve: RecommendedCurve | None = None


def random_bytes(length: int) -> bytes:
    """Return `length` random bytes. Raises Bad Cryptographic Parameters outside 0 to 1 MiB."""
    if not 0 <= length <= MAXIMUM_RANDOM:
        raise bad_parameters(f"the Data Length (4200C4) of random bytes is 0 to {MAXIMUM_RANDOM} at a time")
    return secrets.token_bytes(length)


def symmetric_key_length(algorithm: CryptographicAlgorithm, bits: int | None) -> int:
    """Return the Cryptographic Length in bits of a new symmetric key: the one asked for, or the default if None.

    HMAC keys have any whole number of bytes between 14 and 512, by default the length of the hash.
    Raises Unsupported Cryptographic Parameters for another algorithm, Bad Cryptographic Parameters for a wrong length.
    """
    lengths: tuple[int, ...] | range
    if algorithm in CIPHERS:
        lengths, default = CIPHERS[algorithm].lengths, CIPHERS[algorithm].lengths[0]
    elif algorithm in HMACS:
        lengths, default = HMAC_LENGTHS, hash_of(HMACS[algorithm], "for an HMAC key").digest_size * 8
    else:
        raise unsupported(
            f"with the Cryptographic Algorithm (420028) {algorithm.title} no symmetric keys are made here"
        )
    if bits is None:
        return default
    if bits not in lengths:
        raise bad_parameters(
            f"there is no {algorithm.title} key of the Cryptographic Length (42002A) {bits}, or it is not supported"
        )
    return bits


def generate_symmetric_key(algorithm: CryptographicAlgorithm, bits: int | None = None) -> bytes:
    """Make the key material of a symmetric key of `bits` bits (KMIP 2.1 s6.1.8); 3DES keys have odd parity.

    Raises what `symmetric_key_length` raises.
    """
    bits = symmetric_key_length(algorithm, bits)
    if algorithm is CryptographicAlgorithm.DES3:
        return _odd_parity(secrets.token_bytes(CIPHERS[algorithm].material_length(bits)))
    return secrets.token_bytes(bits // 8)


def _odd_parity(key: bytes) -> bytes:
    return bytes(byte & 0xFE | (byte >> 1).bit_count() & 1 ^ 1 for byte in key)


def generate_key_pair(
    algorithm: CryptographicAlgorithm, bits: int | None = None, curve: RecommendedCurve | None = None
) -> KeyPair:
    """Make a key pair (KMIP 2.1 s6.1.9).

    RSA takes 2048 to 4096 bits (default 3072). EC, ECDSA and ECDH take P-256, P-384 or P-521, named by `curve`, by
    `bits`, or by both (default P-256). Ed25519 and Ed448 take neither or their own; ECDH on CURVE25519 and CURVE448
    makes X25519 and X448 keys.
    Raises Unsupported Cryptographic Parameters for another algorithm or curve, Bad Cryptographic Parameters for a
    length or a curve that does not fit.
    """
    if algorithm is CryptographicAlgorithm.RSA:
        return _rsa(bits, curve)
    montgomery = _MONTGOMERY.get((algorithm, curve))
    if montgomery is not None:
        return _edwards(algorithm, bits, montgomery)
    if algorithm in EC_ALGORITHMS and algorithm is not CryptographicAlgorithm.ECMQV:
        return _weierstrass(bits, curve)
    where = "" if curve is None else f" on {curve.title}"
    raise unsupported(f"no key pairs are made with the Cryptographic Algorithm (420028) {algorithm.title}{where}")


def _rsa(bits: int | None, curve: RecommendedCurve | None) -> KeyPair:
    if curve is not None:
        raise bad_parameters("an RSA key has no Recommended Curve (420075)")
    bits = bits or 3072
    if bits not in RSA_LENGTHS:
        raise bad_parameters(
            f"RSA keys are made with a Cryptographic Length (42002A) of 2048 to 4096, in steps of 8, not {bits}"
        )
    return _pair(rsa.generate_private_key(RSA_PUBLIC_EXPONENT, bits), bits, None)


def _weierstrass(bits: int | None, curve: RecommendedCurve | None) -> KeyPair:
    if curve is None:
        curve = GENERATED.get(bits or 256)
        if curve is None:
            raise bad_parameters(
                f"there is no elliptic curve here with a Cryptographic Length (42002A) of {bits}: use 256, 384 or 521"
            )
    if curve not in GENERATED.values():
        raise unsupported(
            f"keys on the Recommended Curve (420075) {curve.title} are not made here: use P-256, P-384 or P-521"
        )
    size = WEIERSTRASS[curve].key_size
    if bits is not None and bits != size:
        raise bad_parameters(f"{curve.title} keys have a Cryptographic Length (42002A) of {size}, not {bits}")
    return _pair(ec.generate_private_key(WEIERSTRASS[curve]), size, curve)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Montgomery:
    generate: Callable[[], _Generated]
    curve: RecommendedCurve
    lengths: tuple[int, ...]


_ED25519 = _Montgomery(
    generate=ed25519.Ed25519PrivateKey.generate, curve=RecommendedCurve.CURVE25519, lengths=(256, 255)
)
_ED448 = _Montgomery(generate=ed448.Ed448PrivateKey.generate, curve=RecommendedCurve.CURVE448, lengths=(456, 448))
_X25519 = _Montgomery(generate=x25519.X25519PrivateKey.generate, curve=RecommendedCurve.CURVE25519, lengths=(256, 255))
_X448 = _Montgomery(generate=x448.X448PrivateKey.generate, curve=RecommendedCurve.CURVE448, lengths=(448,))

_MONTGOMERY: dict[tuple[CryptographicAlgorithm, RecommendedCurve | None], _Montgomery] = {
    (CryptographicAlgorithm.ED25519, None): _ED25519,
    (CryptographicAlgorithm.ED25519, RecommendedCurve.CURVE25519): _ED25519,
    (CryptographicAlgorithm.ED448, None): _ED448,
    (CryptographicAlgorithm.ED448, RecommendedCurve.CURVE448): _ED448,
    (CryptographicAlgorithm.ECDH, RecommendedCurve.CURVE25519): _X25519,
    (CryptographicAlgorithm.ECDH, RecommendedCurve.CURVE448): _X448,
}


def _edwards(algorithm: CryptographicAlgorithm, bits: int | None, row: _Montgomery) -> KeyPair:
    if bits is not None and bits not in row.lengths:
        raise bad_parameters(
            f"keys on {row.curve.title} have a Cryptographic Length (42002A) of {row.lengths[0]}, not {bits}"
        )
    return _pair(row.generate(), row.lengths[0], row.curve)


def _pair(key: _Generated, length: int, curve: RecommendedCurve | None) -> KeyPair:
    return KeyPair(
        private=key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        public=key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        length=length,
        curve=curve,
    )
