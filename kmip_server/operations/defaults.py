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

DEFAULTS: Final = {
    ObjectType.SYMMETRIC_KEY: SYMMETRIC_KEY,
    ObjectType.PRIVATE_KEY: PRIVATE_KEY,
    ObjectType.PUBLIC_KEY: PUBLIC_KEY,
}
