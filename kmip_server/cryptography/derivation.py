"""Derive key material from key material: every Derivation Method (KMIP 2.1 s6.1.14, s7.12, s11.14).

For the SP 800-108 methods Derivation Data is the whole fixed input of the PRF (Label, 0x00, Context and whatever else
the parties agreed on): no length field is added. The counter has 32 bits; it comes first in counter mode, after the
feedback value in the two other modes (SP 800-108 s4.1 to s4.3). The PRF is HMAC, with the hash of the key's algorithm
or else of Hashing Algorithm; with an AES key and no Hashing Algorithm it is AES-CMAC.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec, x448, x25519
from cryptography.hazmat.primitives.hashes import HashAlgorithm
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from kmip_server.cryptography import symmetric
from kmip_server.cryptography.algorithms import hash_of, hash_of_hmac
from kmip_server.cryptography.failures import bad_parameters, unsupported
from kmip_server.cryptography.key_formats import PrivateKey, PublicKey
from kmip_server.cryptography.macs import digest, mac
from kmip_server.cryptography.parameters import NO_PARAMETERS, CryptographicParameters
from kmip_server.errors import KmipError
from kmip_server.ttlv.enumerations import CryptographicAlgorithm, DerivationMethod, HashingAlgorithm, ResultReason

MAXIMUM_LENGTH = 1 << 16
MAXIMUM_ITERATIONS = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class DerivationParameters:
    """Derivation Parameters (KMIP 2.1 s7.12). `derivation_data` is given more than once for AWS Signature Version 4."""

    cryptographic_parameters: CryptographicParameters = NO_PARAMETERS
    initialization_vector: bytes | None = None
    derivation_data: tuple[bytes, ...] = field(default=(), repr=False)
    salt: bytes | None = None
    iteration_count: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Base:
    """Everything a method may look at. `length` is in bytes."""

    algorithm: CryptographicAlgorithm | None
    key: bytes = field(repr=False)
    parameters: DerivationParameters
    length: int
    maximum_iterations: int

    @property
    def data(self) -> bytes:
        """The one Derivation Data. Raises Bad Cryptographic Parameters."""
        if len(self.parameters.derivation_data) != 1:
            raise bad_parameters("exactly one Derivation Data (420030) is required")
        return self.parameters.derivation_data[0]

    def hash(self, method: DerivationMethod) -> HashAlgorithm:
        """The hash that a method takes. Raises Bad or Unsupported Cryptographic Parameters."""
        named = hash_in_effect(method, self.algorithm, self.parameters.cryptographic_parameters)
        return hash_of(named, "to derive a key")


def derive(
    method: DerivationMethod,
    algorithm: CryptographicAlgorithm | None,
    key: bytes,
    parameters: DerivationParameters,
    length: int,
    *,
    maximum_iterations: int = MAXIMUM_ITERATIONS,
) -> bytes:
    """Derive `length` bits from `key`, whose algorithm is `algorithm` (None for Secret Data).

    PBKDF2 is refused when it takes more than `maximum_iterations` (see `pbkdf2_iterations`): Invalid Field.
    Raises Bad Cryptographic Parameters for what is missing, contradictory, or longer than the method gives, and
    Unsupported Cryptographic Parameters for what is not done here. Two keys derive with `derive_shared`.
    """
    if length <= 0 or length % 8 or length > MAXIMUM_LENGTH:
        raise bad_parameters(
            f"a derived key has a Cryptographic Length (42002A) of 8 to {MAXIMUM_LENGTH}, in whole bytes"
        )
    row = _METHODS.get(method)
    if row is None:
        raise unsupported(f"the Derivation Method (420031) {method.title} is not supported for one key")
    if not key:
        raise bad_parameters("the Key Material (420043) to derive from is empty")
    base = _Base(
        algorithm=algorithm,
        key=key,
        parameters=parameters,
        length=length // 8,
        maximum_iterations=maximum_iterations,
    )
    return _cut(row(base), base.length)


def derive_shared(private_key: PrivateKey, public_key: PublicKey, length: int) -> bytes:
    """Derive `length` bits by Diffie-Hellman of two elliptic curve keys: Derivation Method Asymmetric Key.

    The result is the first bytes of the shared secret (SEC 1 s3.3.1, RFC 7748 s6), which has as many bytes as the
    curve. Raises Bad Cryptographic Parameters for keys of two curves or a length beyond the secret, Unsupported
    Cryptographic Parameters for other keys, Cryptographic Failure for a public key of low order.
    """
    if length <= 0 or length % 8:
        raise bad_parameters("a derived key has a Cryptographic Length (42002A) of at least 8, in whole bytes")
    try:
        match private_key, public_key:
            case ec.EllipticCurvePrivateKey(), ec.EllipticCurvePublicKey():
                if private_key.curve.name != public_key.curve.name:
                    raise bad_parameters("the two keys are not on one Recommended Curve (420075)")
                return _cut(private_key.exchange(ec.ECDH(), public_key), length // 8)
            case x25519.X25519PrivateKey(), x25519.X25519PublicKey():
                return _cut(private_key.exchange(public_key), length // 8)
            case x448.X448PrivateKey(), x448.X448PublicKey():
                return _cut(private_key.exchange(public_key), length // 8)
    except ValueError:
        raise KmipError(
            ResultReason.CRYPTOGRAPHIC_FAILURE,
            "by the Derivation Method (420031) Asymmetric Key, the two keys do not agree on a secret (KMIP 2.1 s7.12)",
        ) from None
    raise unsupported(
        "the Derivation Method (420031) Asymmetric Key needs a private and a public key of one curve (KMIP 2.1 s7.12)"
    )


def _cut(derived: bytes, length: int) -> bytes:
    if len(derived) < length:
        raise bad_parameters(f"this derivation gives a Cryptographic Length (42002A) of at most {len(derived) * 8}")
    return derived[:length]


def hash_in_effect(
    method: DerivationMethod, algorithm: CryptographicAlgorithm | None, parameters: CryptographicParameters
) -> HashingAlgorithm | None:
    """The hash that a method takes with a key of this algorithm and these parameters; None if with none."""
    choose = _HASHES.get(method)
    return None if choose is None else choose(algorithm, parameters)


def _hmac_hash(
    algorithm: CryptographicAlgorithm | None, parameters: CryptographicParameters
) -> HashingAlgorithm | None:
    # The key's own algorithm says which HMAC, whatever the parameters say (KMIP 2.1 s7.12).
    by_key, by_name = hash_of_hmac(algorithm), hash_of_hmac(parameters.cryptographic_algorithm)
    return by_key or by_name or parameters.hashing_algorithm


def _prf_hash(algorithm: CryptographicAlgorithm | None, parameters: CryptographicParameters) -> HashingAlgorithm | None:
    return hash_of_hmac(algorithm) or parameters.hashing_algorithm


_HASHES: dict[
    DerivationMethod,
    Callable[[CryptographicAlgorithm | None, CryptographicParameters], HashingAlgorithm | None],
] = {
    DerivationMethod.PBKDF2: lambda _, parameters: parameters.hashing_algorithm or HashingAlgorithm.SHA_1,
    DerivationMethod.HASH: lambda _, parameters: parameters.hashing_algorithm,
    DerivationMethod.HMAC: _hmac_hash,
    DerivationMethod.NIST800_108_C: _prf_hash,
    DerivationMethod.NIST800_108_F: _prf_hash,
    DerivationMethod.NIST800_108_DPI: _prf_hash,
    DerivationMethod.AWS_SIGNATURE_VERSION_4: lambda _, __: HashingAlgorithm.SHA_256,
    DerivationMethod.HKDF: lambda _, parameters: parameters.hashing_algorithm or HashingAlgorithm.SHA_256,
}


def pbkdf2_iterations(parameters: DerivationParameters, length: int) -> int:
    """How many iterations PBKDF2 takes for `length` bits: the Iteration Count, for each block of its hash's size."""
    return (parameters.iteration_count or 0) * -(-length // (_pbkdf2_hash(parameters).digest_size * 8))


def _pbkdf2_hash(parameters: DerivationParameters) -> HashAlgorithm:
    named = hash_in_effect(DerivationMethod.PBKDF2, None, parameters.cryptographic_parameters)
    return hash_of(named, "to derive a key")


def _pbkdf2(base: _Base) -> bytes:
    salt, iterations = base.parameters.salt, base.parameters.iteration_count
    if not salt or iterations is None or iterations < 1:
        raise bad_parameters("PBKDF2 needs a Salt (420084) and an Iteration Count (42003C) of at least 1")
    if pbkdf2_iterations(base.parameters, base.length * 8) > base.maximum_iterations:
        raise KmipError(
            ResultReason.INVALID_FIELD,
            f"Iteration Count (42003C): at most {base.maximum_iterations} iterations over all blocks",
        )
    return PBKDF2HMAC(_pbkdf2_hash(base.parameters), base.length, salt, iterations).derive(base.key)


def _hash(base: _Base) -> bytes:
    if base.parameters.derivation_data:
        raise bad_parameters("HASH takes the key or the Derivation Data (420030), not both: leave Derivation Data out")
    return digest(base.parameters.cryptographic_parameters.hashing_algorithm, base.key)


def _hmac(base: _Base) -> bytes:
    return _hmac_of(base.key, base.data, base.hash(DerivationMethod.HMAC))


def _encrypt(base: _Base) -> bytes:
    if base.algorithm is None:
        raise bad_parameters("ENCRYPT derives from a key that has a Cryptographic Algorithm (420028)")
    parameters = base.parameters.cryptographic_parameters
    if parameters.random_iv:
        raise bad_parameters("a derivation with a Random IV (4200C5) could not be repeated")
    iv = base.parameters.initialization_vector
    try:
        return symmetric.encrypt(base.algorithm, base.key, base.data, parameters, iv=iv).data
    except KmipError as error:
        # Missing Initialization Vector is no Result Reason of Derive Key (KMIP 2.1 s6.1.14.1).
        if error.reason is ResultReason.MISSING_INITIALIZATION_VECTOR:
            raise bad_parameters("this mode needs an Initialization Vector (42003A)") from None
        raise


def _prf(base: _Base) -> Callable[[bytes], bytes]:
    hashing = _prf_hash(base.algorithm, base.parameters.cryptographic_parameters)
    if hashing is None and base.algorithm is CryptographicAlgorithm.AES:
        return lambda data: mac(base.algorithm, base.key, data)
    algorithm = hash_of(hashing, "for the pseudorandom function")
    return lambda data: _hmac_of(base.key, data, algorithm)


def _counter_mode(base: _Base) -> bytes:
    prf, fixed = _prf(base), base.data
    return _repeat(base.length, lambda counter, previous: prf(counter + fixed))


def _feedback_mode(base: _Base) -> bytes:
    prf, fixed = _prf(base), base.data
    start = base.parameters.initialization_vector or b""
    return _repeat(base.length, lambda counter, previous: prf(previous + counter + fixed), start)


def _double_pipeline_mode(base: _Base) -> bytes:
    prf, fixed = _prf(base), base.data
    pipeline = fixed

    def step(counter: bytes, previous: bytes) -> bytes:
        nonlocal pipeline
        pipeline = prf(pipeline)
        return prf(pipeline + counter + fixed)

    return _repeat(base.length, step)


def _repeat(length: int, step: Callable[[bytes, bytes], bytes], start: bytes = b"") -> bytes:
    """Call `step` with a counter from 1 on and its previous output, until there are `length` bytes."""
    derived, previous, counter = b"", start, 0
    while len(derived) < length:
        counter += 1
        previous = step(counter.to_bytes(4), previous)
        derived += previous
    return derived


def _hkdf(base: _Base) -> bytes:
    algorithm = base.hash(DerivationMethod.HKDF)
    if base.length > 255 * algorithm.digest_size:
        raise bad_parameters(
            f"HKDF gives a Cryptographic Length (42002A) of at most {255 * algorithm.digest_size * 8} with this hash"
        )
    info = base.data if base.parameters.derivation_data else None
    return HKDF(algorithm, base.length, base.parameters.salt, info).derive(base.key)


def _aws_signature_version_4(base: _Base) -> bytes:
    if len(base.parameters.derivation_data) != 3:
        raise bad_parameters("AWS Signature Version 4 needs three Derivation Data (420030): date, region and service")
    derived = b"AWS4" + base.key
    for part in (*base.parameters.derivation_data, b"aws4_request"):
        derived = _hmac_of(derived, part, base.hash(DerivationMethod.AWS_SIGNATURE_VERSION_4))
    return derived


def _hmac_of(key: bytes, data: bytes, algorithm: HashAlgorithm) -> bytes:
    context = HMAC(key, algorithm)
    context.update(data)
    return context.finalize()


_METHODS: dict[DerivationMethod, Callable[[_Base], bytes]] = {
    DerivationMethod.PBKDF2: _pbkdf2,
    DerivationMethod.HASH: _hash,
    DerivationMethod.HMAC: _hmac,
    DerivationMethod.ENCRYPT: _encrypt,
    DerivationMethod.NIST800_108_C: _counter_mode,
    DerivationMethod.NIST800_108_F: _feedback_mode,
    DerivationMethod.NIST800_108_DPI: _double_pipeline_mode,
    DerivationMethod.AWS_SIGNATURE_VERSION_4: _aws_signature_version_4,
    DerivationMethod.HKDF: _hkdf,
}
