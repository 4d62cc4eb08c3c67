"""Encrypt to an RSA public key, decrypt with the private key (KMIP 2.1 s6.1.11, s6.1.17).

In OAEP the hash is by default SHA-1 (PKCS #1), the mask's hash is by default the same hash, and P Source is the label.
A PKCS #1 v1.5 ciphertext with wrong padding decrypts to random bytes (the library's implicit rejection), so that nobody
learns whether the padding was right.
"""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from kmip_server.cryptography.algorithms import hash_of
from kmip_server.cryptography.failures import bad_parameters, decryption_failed, unsupported
from kmip_server.cryptography.key_formats import PrivateKey, PublicKey
from kmip_server.cryptography.parameters import CryptographicParameters
from kmip_server.ttlv.enumerations import CryptographicAlgorithm, HashingAlgorithm, PaddingMethod


def encrypt(key: PublicKey, data: bytes, parameters: CryptographicParameters) -> bytes:
    """Encrypt a short message to an RSA key; Padding Method OAEP or PKCS1 v1.5 is required.

    Raises Bad Cryptographic Parameters for a missing Padding Method or data that is too long, Unsupported Cryptographic
    Parameters for other keys, paddings and hashes.
    """
    scheme = _padding(parameters)
    if not isinstance(key, rsa.RSAPublicKey):
        raise unsupported("an asymmetric key that encrypts has the Cryptographic Algorithm (420028) RSA")
    try:
        return key.encrypt(data, scheme)
    except UnsupportedAlgorithm:
        raise unsupported(
            "this Hashing Algorithm (420038) and that of the Mask Generator are not supported for OAEP"
        ) from None
    except ValueError:
        raise bad_parameters("the Data (4200C2) is too long for this key and padding") from None


def decrypt(key: PrivateKey, data: bytes, parameters: CryptographicParameters) -> bytes:
    """Decrypt with an RSA key. Raises as `encrypt`, and one Cryptographic Failure for every other failure."""
    scheme = _padding(parameters)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise unsupported("an asymmetric key that decrypts has the Cryptographic Algorithm (420028) RSA")
    try:
        return key.decrypt(data, scheme)
    except UnsupportedAlgorithm:
        raise unsupported(
            "this Hashing Algorithm (420038) and that of the Mask Generator are not supported for OAEP"
        ) from None
    except ValueError:
        raise decryption_failed() from None


def _padding(parameters: CryptographicParameters) -> padding.AsymmetricPadding:
    if parameters.cryptographic_algorithm not in (None, CryptographicAlgorithm.RSA):
        raise bad_parameters("the Cryptographic Algorithm (420028) of the parameters is not RSA, as the key's is")
    match parameters.padding_method:
        case None:
            raise bad_parameters("RSA encryption needs a Padding Method (42005F): OAEP or PKCS1 v1.5")
        case PaddingMethod.PKCS1_V1_5:
            return padding.PKCS1v15()
        case PaddingMethod.OAEP:
            return _oaep(parameters)
    raise unsupported(
        f"RSA encryption with the Padding Method (42005F) {parameters.padding_method.title} is not supported"
    )


def oaep_hashes(parameters: CryptographicParameters) -> tuple[HashingAlgorithm, HashingAlgorithm]:
    """The hash of OAEP, and that of its mask, with their defaults."""
    hashing = parameters.hashing_algorithm or HashingAlgorithm.SHA_1
    return hashing, parameters.mask_generator_hashing_algorithm or hashing


def _oaep(parameters: CryptographicParameters) -> padding.AsymmetricPadding:
    hashing, mask = oaep_hashes(parameters)
    return padding.OAEP(
        mgf=padding.MGF1(hash_of(mask, "for the mask")),
        algorithm=hash_of(hashing, "for OAEP"),
        label=parameters.p_source or None,
    )
