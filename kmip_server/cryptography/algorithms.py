"""What this server can compute: tables of ciphers with their modes, of hashing algorithms and of HMAC algorithms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from kmip_server.cryptography.failures import bad_parameters, unsupported
from kmip_server.ttlv.enumerations import BlockCipherMode, CryptographicAlgorithm, HashingAlgorithm

GCM_TAGS = (16, 15, 14, 13, 12)


@dataclass(frozen=True, kw_only=True, slots=True)
class CipherMode:
    """One way to use a cipher. All lengths are in bytes, except the key's, in bits.

    `ivs`: the lengths of IV/Counter/Nonce it takes (none: it takes no IV); `random_iv`: the length of one made here.
    `tags`: the lengths of authentication tag it accepts, the default first (none: it does not authenticate).
    `counter`: part of its first block counts. `once`: a key must not encrypt twice with one IV, since that would give
    the plaintext or the authentication key away. `padded`: it works on full blocks, so that Padding Method has a
    meaning. `whole`: it needs the whole message at once. `key_lengths`: where not every key of the algorithm fits.
    `minimum` and `maximum`: the shortest message, and the longest under one IV.
    """

    ivs: tuple[int, ...] = ()
    random_iv: int = 0
    tags: tuple[int, ...] = ()
    counter: bool = False
    once: bool = False
    padded: bool = False
    whole: bool = False
    key_lengths: tuple[int, ...] = ()
    minimum: int = 0
    maximum: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CipherAlgorithm:
    """A symmetric cipher: `lengths` are Cryptographic Lengths in bits, the default first.

    `default_mode` is what a peer that names no Block Cipher Mode gets, where `modes` has it.
    `material` maps a Cryptographic Length to bytes of key material where it is not simply an eighth. `block` is the
    library's block cipher, for those that are one, `block_size` its size in bytes. `legacy`: the policy must consent.
    """

    lengths: tuple[int, ...]
    modes: Mapping[BlockCipherMode | None, CipherMode]
    block: Callable[[bytes], BlockCipherAlgorithm] | None = None
    block_size: int = 1
    material: Mapping[int, int] = field(default_factory=dict)
    default_mode: BlockCipherMode | None = None
    legacy: bool = False

    def material_length(self, bits: int) -> int:
        """How many bytes of key material a key of this Cryptographic Length has."""
        return self.material.get(bits, bits // 8)

    def fits(self, key: bytes, lengths: tuple[int, ...] = ()) -> bool:
        """Whether the key material has one of `lengths` (in bits), or of all the algorithm's lengths."""
        size = len(key)
        return any(self.material_length(bits) == size for bits in lengths or self.lengths)


@dataclass(frozen=True, kw_only=True, slots=True)
class Hash:
    """A hashing algorithm: the library's, and whether the policy must consent to it."""

    make: Callable[[], hashes.HashAlgorithm]
    legacy: bool = False


_AES_KEYS = (256, 128, 192)
# A 512-bit AES key is the pair of AES-256 keys of XTS (IEEE 1619) and has no other use.
_AES_MODES: dict[BlockCipherMode | None, CipherMode] = {
    BlockCipherMode.ECB: CipherMode(padded=True, key_lengths=_AES_KEYS),
    BlockCipherMode.CBC: CipherMode(ivs=(16,), random_iv=16, padded=True, key_lengths=_AES_KEYS),
    BlockCipherMode.CFB: CipherMode(ivs=(16,), random_iv=16, key_lengths=_AES_KEYS),
    BlockCipherMode.OFB: CipherMode(ivs=(16,), random_iv=16, key_lengths=_AES_KEYS),
    BlockCipherMode.CTR: CipherMode(
        ivs=tuple(range(8, 17)), random_iv=16, counter=True, once=True, key_lengths=_AES_KEYS
    ),
    BlockCipherMode.GCM: CipherMode(
        ivs=tuple(range(8, 129)), random_iv=12, tags=GCM_TAGS, once=True, key_lengths=_AES_KEYS, maximum=2**36 - 32
    ),
    BlockCipherMode.CCM: CipherMode(
        ivs=tuple(range(7, 14)), random_iv=12, tags=(16, 14, 12), once=True, whole=True, key_lengths=_AES_KEYS
    ),
    BlockCipherMode.XTS: CipherMode(
        ivs=(16,), random_iv=16, whole=True, key_lengths=(512, 256), minimum=16, maximum=2**24
    ),
    BlockCipherMode.NISTKEYWRAP: CipherMode(whole=True, minimum=16, key_lengths=_AES_KEYS),
    BlockCipherMode.AESKEYWRAPPADDING: CipherMode(whole=True, minimum=1, key_lengths=_AES_KEYS),
}
_DES3_MODES: dict[BlockCipherMode | None, CipherMode] = {
    BlockCipherMode.ECB: CipherMode(padded=True),
    BlockCipherMode.CBC: CipherMode(ivs=(8,), random_iv=8, padded=True),
    BlockCipherMode.CFB: CipherMode(ivs=(8,), random_iv=8),
    BlockCipherMode.OFB: CipherMode(ivs=(8,), random_iv=8),
}
# 8 bytes: the original nonce with a 64-bit counter; 12 bytes: RFC 8439, with a 32-bit counter; 16: counter and nonce.
_CHACHA20 = CipherMode(ivs=(8, 12, 16), random_iv=12, counter=True, once=True)
_CHACHA20_POLY1305 = CipherMode(ivs=(12,), random_iv=12, tags=GCM_TAGS, once=True, whole=True, maximum=(2**32 - 1) * 64)


def _triple_des(key: bytes) -> BlockCipherAlgorithm:
    """Two-key 3DES uses its first key again as the third."""
    return TripleDES((key + key)[:24])


CIPHERS: Mapping[CryptographicAlgorithm, CipherAlgorithm] = MappingProxyType(
    {
        CryptographicAlgorithm.AES: CipherAlgorithm(
            lengths=(*_AES_KEYS, 512), modes=_AES_MODES, block=AES, block_size=16
        ),
        # 112 and 168 bits leave the parity bits out of the count, 128 and 192 bits count them (KMIP 2.1 s3.1).
        CryptographicAlgorithm.DES3: CipherAlgorithm(
            lengths=(168, 112, 192, 128),
            modes=_DES3_MODES,
            block=_triple_des,
            block_size=8,
            material={112: 16, 168: 24},
            legacy=True,
        ),
        CryptographicAlgorithm.CHACHA20: CipherAlgorithm(lengths=(256,), modes={None: _CHACHA20}),
        CryptographicAlgorithm.CHACHA20POLY1305: CipherAlgorithm(
            lengths=(256,), modes={BlockCipherMode.AEAD: _CHACHA20_POLY1305}, default_mode=BlockCipherMode.AEAD
        ),
    }
)

HASHES: Mapping[HashingAlgorithm, Hash] = MappingProxyType(
    {
        HashingAlgorithm.MD5: Hash(make=hashes.MD5, legacy=True),
        HashingAlgorithm.SHA_1: Hash(make=hashes.SHA1),
        HashingAlgorithm.SHA_224: Hash(make=hashes.SHA224),
        HashingAlgorithm.SHA_256: Hash(make=hashes.SHA256),
        HashingAlgorithm.SHA_384: Hash(make=hashes.SHA384),
        HashingAlgorithm.SHA_512: Hash(make=hashes.SHA512),
        HashingAlgorithm.SHA_512_224: Hash(make=hashes.SHA512_224),
        HashingAlgorithm.SHA_512_256: Hash(make=hashes.SHA512_256),
        HashingAlgorithm.SHA3_224: Hash(make=hashes.SHA3_224),
        HashingAlgorithm.SHA3_256: Hash(make=hashes.SHA3_256),
        HashingAlgorithm.SHA3_384: Hash(make=hashes.SHA3_384),
        HashingAlgorithm.SHA3_512: Hash(make=hashes.SHA3_512),
    }
)

HMACS: Mapping[CryptographicAlgorithm, HashingAlgorithm] = MappingProxyType(
    {
        CryptographicAlgorithm.HMAC_MD5: HashingAlgorithm.MD5,
        CryptographicAlgorithm.HMAC_SHA1: HashingAlgorithm.SHA_1,
        CryptographicAlgorithm.HMAC_SHA224: HashingAlgorithm.SHA_224,
        CryptographicAlgorithm.HMAC_SHA256: HashingAlgorithm.SHA_256,
        CryptographicAlgorithm.HMAC_SHA384: HashingAlgorithm.SHA_384,
        CryptographicAlgorithm.HMAC_SHA512: HashingAlgorithm.SHA_512,
        CryptographicAlgorithm.HMAC_SHA3_224: HashingAlgorithm.SHA3_224,
        CryptographicAlgorithm.HMAC_SHA3_256: HashingAlgorithm.SHA3_256,
        CryptographicAlgorithm.HMAC_SHA3_384: HashingAlgorithm.SHA3_384,
        CryptographicAlgorithm.HMAC_SHA3_512: HashingAlgorithm.SHA3_512,
    }
)


def hash_of_hmac(algorithm: CryptographicAlgorithm | None) -> HashingAlgorithm | None:
    """The hash of an HMAC algorithm; None for every other algorithm."""
    return None if algorithm is None else HMACS.get(algorithm)


def hash_of(algorithm: HashingAlgorithm | None, purpose: str) -> hashes.HashAlgorithm:
    """Return the hash to use for `purpose`; absent is Bad, unknown to the table is Unsupported."""
    if algorithm is None:
        raise bad_parameters(f"a Hashing Algorithm (420038) is required {purpose}")
    row = HASHES.get(algorithm)
    if row is None:
        raise unsupported(f"the Hashing Algorithm (420038) {algorithm.title} is not supported")
    return row.make()


def cipher_of(algorithm: CryptographicAlgorithm) -> CipherAlgorithm:
    """Return the row of a symmetric cipher. Raises Unsupported Cryptographic Parameters."""
    row = CIPHERS.get(algorithm)
    if row is None:
        raise unsupported(f"the Cryptographic Algorithm (420028) {algorithm.title} is not a supported symmetric cipher")
    return row


_LEGACY: Mapping[type, frozenset[int]] = MappingProxyType(
    {
        HashingAlgorithm: frozenset(name for name, row in HASHES.items() if row.legacy),
        CryptographicAlgorithm: frozenset(
            [name for name, row in CIPHERS.items() if row.legacy]
            + [name for name, hashing in HMACS.items() if HASHES[hashing].legacy]
        ),
    }
)


def is_legacy(algorithm: CryptographicAlgorithm | HashingAlgorithm | None) -> bool:
    """Whether an algorithm is there for old clients only, and only where the policy allows it."""
    return algorithm in _LEGACY.get(type(algorithm), ())
