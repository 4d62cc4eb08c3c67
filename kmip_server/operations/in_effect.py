"""With which Cryptographic Parameters a request will really compute, for the policy to decide on.

They are those of the request, or else the key's own, with the defaults of this server (KMIP 2.1 s4.16, s6.1.17). What
the parameters leave to the key or to a default is asked of the code that computes. A request that contradicts itself is
refused by that code; until then it is what its single parameters say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from kmip_server.cryptography.algorithms import CIPHERS, hash_of_hmac
from kmip_server.cryptography.asymmetric import oaep_hashes
from kmip_server.cryptography.derivation import hash_in_effect
from kmip_server.cryptography.macs import mac_algorithm
from kmip_server.cryptography.parameters import NO_PARAMETERS, CryptographicParameters
from kmip_server.cryptography.signing import SIGNATURE_ALGORITHMS, SignatureAlgorithm, requested
from kmip_server.errors import KmipError
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.operations.streams import Streams
from kmip_server.ttlv.enumerations import (
    BlockCipherMode,
    CryptographicAlgorithm,
    DerivationMethod,
    DigitalSignatureAlgorithm,
    HashingAlgorithm,
    ObjectType,
    Operation,
    PaddingMethod,
)
from kmip_server.ttlv.tags import Tag
from policy.parameters import NO_PARAMETERS as NOTHING
from policy.parameters import NONE, Parameters

_ASYMMETRIC: Final = frozenset({ObjectType.PUBLIC_KEY, ObjectType.PRIVATE_KEY})
_EDWARDS: Final = frozenset({CryptographicAlgorithm.ED25519, CryptographicAlgorithm.ED448})
_MASKED: Final = frozenset({PaddingMethod.OAEP, PaddingMethod.PSS})
_RSA: Final = CryptographicAlgorithm.RSA
_SIGNATURES: Final = {
    (row.algorithm, row.hashing_algorithm, row.padding_method): name for name, row in SIGNATURE_ALGORITHMS.items()
}


def parameters_in_effect(
    operation: Operation, request: Any, streams: Streams, target: ManagedObject | None
) -> Parameters:
    """The parameters of an operation's request about an object; of a part of several, those of the first part."""
    computes = _COMPUTES.get(operation)
    if computes is None or request is None:
        return NOTHING
    value = getattr(request, "correlation_value", None)
    begun = None if value is None else streams.parameters(value)
    return computes(request, target) if begun is None else begun


def given_or_own(target: ManagedObject | None, given: CryptographicParameters | None) -> CryptographicParameters:
    """The request's Cryptographic Parameters, or the key's own (s6.1.17)."""
    # Their fields are compared one by one, and most often the first one differs.
    if given is not None and vars(given) != vars(NO_PARAMETERS):
        return given
    own: CryptographicParameters | None = None if target is None else target.first(Tag.CRYPTOGRAPHIC_PARAMETERS)
    return own or NO_PARAMETERS


def of_encryption(target: ManagedObject, parameters: CryptographicParameters) -> Parameters:
    """The parameters of an encryption, decryption or wrapping with a key: a cipher's, or RSA's."""
    if target.object_type in _ASYMMETRIC:
        padding = parameters.padding_method
        hashing, mask = oaep_hashes(parameters) if padding is PaddingMethod.OAEP else (None, None)
        return _named(padding=padding, hashing=hashing, mask=mask)
    return _of_cipher(target.first(Tag.CRYPTOGRAPHIC_ALGORITHM) or CryptographicAlgorithm.AES, parameters)


def _of_cipher(algorithm: CryptographicAlgorithm, parameters: CryptographicParameters) -> Parameters:
    cipher = CIPHERS.get(algorithm)
    name = parameters.block_cipher_mode or (None if cipher is None else cipher.default_mode)
    mode = None if cipher is None else cipher.modes.get(name)
    padded = mode is not None and mode.padded
    return _named(mode=name, padding=parameters.padding_method if padded else None)


def _of_signature(target: ManagedObject, parameters: CryptographicParameters) -> Parameters:
    algorithm = target.first(Tag.CRYPTOGRAPHIC_ALGORITHM)
    if algorithm in _EDWARDS:
        return NOTHING
    try:
        wanted = requested(parameters)
    except KmipError:
        wanted = SignatureAlgorithm(
            algorithm=algorithm,
            hashing_algorithm=parameters.hashing_algorithm,
            padding_method=parameters.padding_method,
        )
    hashing, padding, family = wanted.hashing_algorithm, wanted.padding_method, CryptographicAlgorithm.ECDSA
    if algorithm in (_RSA, None):
        padding, family = padding or PaddingMethod.PKCS1_V1_5, _RSA
    masked = padding is PaddingMethod.PSS
    return _named(
        padding=padding,
        hashing=hashing,
        mask=parameters.mask_generator_hashing_algorithm or hashing if masked else None,
        signature=_SIGNATURES.get((family, None if masked else hashing, padding))
        or parameters.digital_signature_algorithm,
    )


def _of_mac(target: ManagedObject, parameters: CryptographicParameters) -> Parameters:
    algorithm = mac_algorithm(target.first(Tag.CRYPTOGRAPHIC_ALGORITHM), parameters)
    hashing = hash_of_hmac(algorithm)
    if hashing is not None:
        return _named(hashing=hashing)
    return _named(mode=parameters.block_cipher_mode or (BlockCipherMode.CMAC if algorithm in CIPHERS else None))


def _of_derivation(request: Any, target: ManagedObject) -> Parameters:
    algorithm = target.first(Tag.CRYPTOGRAPHIC_ALGORITHM)
    parameters = request.derivation_parameters.cryptographic_parameters or NO_PARAMETERS
    if request.derivation_method is DerivationMethod.ENCRYPT:
        return of_encryption(target, parameters)
    hashing = hash_in_effect(request.derivation_method, algorithm, parameters)
    is_prf = request.derivation_method in _PRF_METHODS
    return _named(hashing=hashing, mode=BlockCipherMode.CMAC if is_prf and hashing is None else None)


_PRF_METHODS: Final = frozenset(
    {DerivationMethod.NIST800_108_C, DerivationMethod.NIST800_108_F, DerivationMethod.NIST800_108_DPI}
)


def _named(
    *,
    mode: BlockCipherMode | None = None,
    padding: PaddingMethod | None = None,
    hashing: HashingAlgorithm | None = None,
    mask: HashingAlgorithm | None = None,
    signature: DigitalSignatureAlgorithm | None = None,
) -> Parameters:
    return Parameters(*[NONE if each is None else each.name for each in (mode, padding, hashing, mask, signature)])


def _with(of: Callable[[ManagedObject, CryptographicParameters], Parameters]) -> Callable[[Any, Any], Parameters]:
    """Parameters of an operation whose request has them, or else its key."""
    return lambda request, target: of(target, given_or_own(target, request.cryptographic_parameters))


_COMPUTES: Final[dict[Operation, Callable[[Any, Any], Parameters]]] = {
    Operation.ENCRYPT: _with(of_encryption),
    Operation.DECRYPT: _with(of_encryption),
    Operation.SIGN: _with(_of_signature),
    Operation.SIGNATURE_VERIFY: _with(_of_signature),
    Operation.MAC: _with(_of_mac),
    Operation.MAC_VERIFY: _with(_of_mac),
    Operation.DERIVE_KEY: _of_derivation,
    Operation.HASH: lambda request, _: _named(hashing=request.cryptographic_parameters.hashing_algorithm),
}
"""The operations that compute. Keys that wrap others are decided as Get (`wrapping.py`)."""
