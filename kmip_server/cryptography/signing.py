"""Sign and verify with RSA, elliptic curve and Edwards keys, over data or its digest (KMIP 2.1 s6.1.55, s6.1.56).

The scheme comes from Digital Signature Algorithm, or from Cryptographic Algorithm, Hashing Algorithm and Padding
Method; where both are given they must agree, and Padding Method PSS decides for PSS. RSA without Padding Method is
PKCS #1 v1.5. In PSS the mask's hash is by default the signature's hash, as the published test cases have it; the salt
is by default as long as the hash when signing, and of any length when verifying. ECDSA signatures are DER.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import HashAlgorithm

from kmip_server.cryptography.algorithms import hash_of
from kmip_server.cryptography.curves import EC_ALGORITHMS
from kmip_server.cryptography.failures import bad_parameters, unsupported
from kmip_server.cryptography.key_formats import EdwardsPrivateKey, EdwardsPublicKey, PrivateKey, PublicKey
from kmip_server.cryptography.parameters import NO_PARAMETERS, CryptographicParameters
from kmip_server.ttlv.enumerations import (
    CryptographicAlgorithm,
    DigitalSignatureAlgorithm,
    HashingAlgorithm,
    PaddingMethod,
)

_RSA, _ECDSA = CryptographicAlgorithm.RSA, CryptographicAlgorithm.ECDSA
# The standard trailer: its number in PKCS #1, and its byte.
_TRAILERS = (1, 0xBC)
_V1_5, _PSS = PaddingMethod.PKCS1_V1_5, PaddingMethod.PSS


@dataclass(frozen=True, kw_only=True, slots=True)
class SignatureAlgorithm:
    """A way to sign; None is left to other parameters, or to the key."""

    algorithm: CryptographicAlgorithm | None
    hashing_algorithm: HashingAlgorithm | None = None
    padding_method: PaddingMethod | None = None


_D, _H = DigitalSignatureAlgorithm, HashingAlgorithm


def _rsa(hashing_algorithm: HashingAlgorithm) -> SignatureAlgorithm:
    return SignatureAlgorithm(algorithm=_RSA, hashing_algorithm=hashing_algorithm, padding_method=_V1_5)


def _ecdsa(hashing_algorithm: HashingAlgorithm) -> SignatureAlgorithm:
    return SignatureAlgorithm(algorithm=_ECDSA, hashing_algorithm=hashing_algorithm)


SIGNATURE_ALGORITHMS: dict[DigitalSignatureAlgorithm, SignatureAlgorithm] = {
    _D.MD5_WITH_RSA_ENCRYPTION: _rsa(_H.MD5),
    _D.SHA_1_WITH_RSA_ENCRYPTION: _rsa(_H.SHA_1),
    _D.SHA_224_WITH_RSA_ENCRYPTION: _rsa(_H.SHA_224),
    _D.SHA_256_WITH_RSA_ENCRYPTION: _rsa(_H.SHA_256),
    _D.SHA_384_WITH_RSA_ENCRYPTION: _rsa(_H.SHA_384),
    _D.SHA_512_WITH_RSA_ENCRYPTION: _rsa(_H.SHA_512),
    _D.SHA3_256_WITH_RSA_ENCRYPTION: _rsa(_H.SHA3_256),
    _D.SHA3_384_WITH_RSA_ENCRYPTION: _rsa(_H.SHA3_384),
    _D.SHA3_512_WITH_RSA_ENCRYPTION: _rsa(_H.SHA3_512),
    _D.RSASSA_PSS: SignatureAlgorithm(algorithm=_RSA, padding_method=_PSS),
    _D.ECDSA_WITH_SHA_1: _ecdsa(_H.SHA_1),
    _D.ECDSA_WITH_SHA224: _ecdsa(_H.SHA_224),
    _D.ECDSA_WITH_SHA256: _ecdsa(_H.SHA_256),
    _D.ECDSA_WITH_SHA384: _ecdsa(_H.SHA_384),
    _D.ECDSA_WITH_SHA512: _ecdsa(_H.SHA_512),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Scheme:
    """How an RSA or elliptic curve key signs: the hash, and for RSA the padding to sign and to verify with."""

    hashing_algorithm: HashAlgorithm
    signing: padding.AsymmetricPadding | None = None
    verifying: padding.AsymmetricPadding | None = None

    def message(self, data: bytes | None, digested_data: bytes | None) -> tuple[bytes, HashAlgorithm | Prehashed]:
        """Return what is signed, and how it is or was hashed. Raises Bad Cryptographic Parameters."""
        message = _one_of(data, digested_data)
        if digested_data is None:
            return message, self.hashing_algorithm
        if len(message) != self.hashing_algorithm.digest_size:
            raise bad_parameters("the Digested Data is not as long as the Hashing Algorithm (420038) makes it")
        return message, Prehashed(self.hashing_algorithm)


def sign(
    key: PrivateKey,
    parameters: CryptographicParameters = NO_PARAMETERS,
    *,
    data: bytes | None = None,
    digested_data: bytes | None = None,
) -> bytes:
    """Sign `data`, or the digest of it (KMIP 2.1 s6.1.55). Exactly one of the two must be given.

    Raises Bad Cryptographic Parameters for what is missing or does not fit the key, Unsupported Cryptographic
    Parameters for what is not done here.
    """
    if isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey):
        return key.sign(_whole_message(key, parameters, data, digested_data))
    scheme = scheme_of(key, parameters)
    message, hashing = scheme.message(data, digested_data)
    try:
        if isinstance(key, rsa.RSAPrivateKey) and scheme.signing:
            return key.sign(message, scheme.signing, hashing)
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return key.sign(message, ec.ECDSA(hashing))
    except UnsupportedAlgorithm:
        raise _combination() from None
    except ValueError:
        raise bad_parameters("the key is too short for this Hashing Algorithm (420038) and salt") from None
    raise _key_agreement()


def verify(
    key: PublicKey,
    signature: bytes,
    parameters: CryptographicParameters = NO_PARAMETERS,
    *,
    data: bytes | None = None,
    digested_data: bytes | None = None,
) -> bool:
    """Whether `signature` is that of `data` or of its digest (KMIP 2.1 s6.1.56). Raises as `sign`."""
    try:
        if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
            key.verify(signature, _whole_message(key, parameters, data, digested_data))
            return True
        scheme = scheme_of(key, parameters)
        message, hashing = scheme.message(data, digested_data)
        if isinstance(key, rsa.RSAPublicKey) and scheme.verifying:
            key.verify(signature, message, scheme.verifying, hashing)
            return True
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, message, ec.ECDSA(hashing))
            return True
    except UnsupportedAlgorithm:
        raise _combination() from None
    except (InvalidSignature, ValueError):
        return False
    raise _key_agreement()


def scheme_of(key: PrivateKey | PublicKey, parameters: CryptographicParameters) -> Scheme:
    """Return how this key signs under these parameters. Raises as `sign`."""
    wanted = requested(parameters)
    match key:
        case rsa.RSAPrivateKey() | rsa.RSAPublicKey():
            _check_family(wanted.algorithm, frozenset({_RSA}))
            return _rsa_scheme(wanted, parameters)
        case ec.EllipticCurvePrivateKey() | ec.EllipticCurvePublicKey():
            _check_family(wanted.algorithm, EC_ALGORITHMS)
            if wanted.padding_method not in (None, PaddingMethod.NONE):
                raise bad_parameters("an elliptic curve signature has no Padding Method (42005F)")
            return Scheme(hashing_algorithm=hash_of(wanted.hashing_algorithm, "to sign with an elliptic curve key"))
    raise _key_agreement()


def requested(parameters: CryptographicParameters) -> SignatureAlgorithm:
    """Bring the two ways of naming a scheme together. Raises as `sign`."""
    named = parameters.digital_signature_algorithm
    if named is None:
        return SignatureAlgorithm(
            algorithm=parameters.cryptographic_algorithm,
            hashing_algorithm=parameters.hashing_algorithm,
            padding_method=parameters.padding_method,
        )
    row = SIGNATURE_ALGORITHMS.get(named)
    if row is None:
        raise unsupported(f"the Digital Signature Algorithm (4200AE) {named.title} is not supported")
    if parameters.cryptographic_algorithm is not None and row.algorithm is not None:
        family = EC_ALGORITHMS if row.algorithm is _ECDSA else frozenset({row.algorithm})
        _check_family(parameters.cryptographic_algorithm, family)
    if parameters.hashing_algorithm not in (None, row.hashing_algorithm) and row.hashing_algorithm is not None:
        raise bad_parameters(f"{named.title} and the Hashing Algorithm (420038) do not agree")
    if row.padding_method is _PSS and parameters.padding_method not in (None, _PSS):
        raise bad_parameters(f"{named.title} and the Padding Method (42005F) do not agree")
    return SignatureAlgorithm(
        algorithm=row.algorithm,
        hashing_algorithm=row.hashing_algorithm or parameters.hashing_algorithm,
        padding_method=parameters.padding_method or row.padding_method,
    )


def _check_family(algorithm: CryptographicAlgorithm | None, family: frozenset[CryptographicAlgorithm]) -> None:
    if algorithm is not None and algorithm not in family:
        raise bad_parameters(
            f"the Cryptographic Algorithm (420028) {algorithm.title} of the parameters does not fit the key"
        )


def _rsa_scheme(wanted: SignatureAlgorithm, parameters: CryptographicParameters) -> Scheme:
    hashing = hash_of(wanted.hashing_algorithm, "to sign with an RSA key")
    if wanted.padding_method in (None, _V1_5):
        return Scheme(hashing_algorithm=hashing, signing=padding.PKCS1v15(), verifying=padding.PKCS1v15())
    if wanted.padding_method is not _PSS:
        raise unsupported("RSA signatures here have the Padding Method (42005F) PKCS1 v1.5 or PSS")
    if parameters.trailer_field not in (None, *_TRAILERS):
        raise unsupported("the Trailer Field (420104) is not supported")
    mask = hash_of(parameters.mask_generator_hashing_algorithm or wanted.hashing_algorithm, "for the mask")
    salt = parameters.salt_length
    if salt is not None and salt < 0:
        raise bad_parameters("a Salt Length (420100) cannot be negative")
    return Scheme(
        hashing_algorithm=hashing,
        signing=padding.PSS(padding.MGF1(mask), hashing.digest_size if salt is None else salt),
        verifying=padding.PSS(padding.MGF1(mask), padding.PSS.AUTO if salt is None else salt),
    )


def _whole_message(
    key: EdwardsPrivateKey | EdwardsPublicKey,
    parameters: CryptographicParameters,
    data: bytes | None,
    digested_data: bytes | None,
) -> bytes:
    """Return what an Edwards key signs: the data as it is, with no choice of hash."""
    is_25519 = isinstance(key, ed25519.Ed25519PrivateKey | ed25519.Ed25519PublicKey)
    algorithm = CryptographicAlgorithm.ED25519 if is_25519 else CryptographicAlgorithm.ED448
    _check_family(requested(parameters).algorithm, frozenset({algorithm}))
    if digested_data is not None:
        raise bad_parameters(f"{algorithm.title} signs Data (4200C2), not a digest of it")
    return _one_of(data, digested_data)


def _one_of(data: bytes | None, digested_data: bytes | None) -> bytes:
    if data is not None and digested_data is None:
        return data
    if digested_data is not None and data is None:
        return digested_data
    raise bad_parameters("either Data or Digested Data (420107) is required, and not both")


def _combination() -> Exception:
    return unsupported("this combination of Hashing Algorithm (420038) and Padding Method is not supported")


def _key_agreement() -> Exception:
    return unsupported("this key's Cryptographic Algorithm (420028) is for key agreement: it cannot sign or verify")
