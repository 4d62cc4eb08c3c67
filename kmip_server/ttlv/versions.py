"""The protocol versions this server speaks (KMIP 2.1 s9.16)."""

from __future__ import annotations

from typing import Final, NamedTuple


class ProtocolVersion(NamedTuple):
    """A KMIP protocol version; compares and sorts by major, then minor."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


V1_0: Final = ProtocolVersion(1, 0)
V1_1: Final = ProtocolVersion(1, 1)
V1_2: Final = ProtocolVersion(1, 2)
V1_3: Final = ProtocolVersion(1, 3)
V1_4: Final = ProtocolVersion(1, 4)
V2_0: Final = ProtocolVersion(2, 0)
V2_1: Final = ProtocolVersion(2, 1)

SUPPORTED_VERSIONS: Final = (V2_1, V2_0, V1_4, V1_3, V1_2, V1_1, V1_0)
"""In the order of the server's preference (Discover Versions, KMIP 2.1 s6.1.16)."""

STORAGE_VERSION: Final = ProtocolVersion(0, 0)
"""Not a protocol version: the form in which the server keeps structures for itself, with everything any version has."""


def within(since: ProtocolVersion, until: ProtocolVersion, version: ProtocolVersion) -> bool:
    """Whether something that exists from `since` to `until` exists in `version`; in storage everything does."""
    return since <= version <= until or version == STORAGE_VERSION
