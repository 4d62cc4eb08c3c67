"""What a new key is when the client does not say (KMIP 2.1 s4, table of mandatory attributes; Query Defaults)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kmip_server.ttlv.enumerations import CryptographicAlgorithm, CryptographicUsageMask, ObjectType


@dataclass(frozen=True, slots=True)
class Default:
    """The values that the server supplies for an object type."""

    algorithm: CryptographicAlgorithm
    length: int
    usage_mask: int


SYMMETRIC_KEY: Final = Default(
    CryptographicAlgorithm.AES, 256, CryptographicUsageMask.ENCRYPT | CryptographicUsageMask.DECRYPT
)
PRIVATE_KEY: Final = Default(CryptographicAlgorithm.RSA, 2048, int(CryptographicUsageMask.SIGN))
PUBLIC_KEY: Final = Default(CryptographicAlgorithm.RSA, 2048, int(CryptographicUsageMask.VERIFY))
SECRET_DATA_USAGE_MASK: Final = 0
SECRET_DATA_LENGTH: Final = 256
SECRET_LENGTHS: Final = range(64, 65_537, 8)
"""The bits of Secret Data that is made here, and of what is derived. What is shorter can be found by trying, and what
is derived shorter gives its base key's output away bit by bit."""

DEFAULTS: Final = {
    ObjectType.SYMMETRIC_KEY: SYMMETRIC_KEY,
    ObjectType.PRIVATE_KEY: PRIVATE_KEY,
    ObjectType.PUBLIC_KEY: PUBLIC_KEY,
}
