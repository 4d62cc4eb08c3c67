"""Which attributes a Get Attributes without names lists (KMIP 2.1 s6.1.20; docs/decisions).

By the standard it lists all. But the client that most 1.x and 2.0 scripts are written with stops at the first attribute
that it has no code for, and the script with it. So, in the versions that the configuration names, a listing holds what
that client reads; whoever asks for another attribute by its name gets it, in every version.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V1_0, V2_0, ProtocolVersion

_READ_BY_ALL: Final = frozenset(
    {
        Tag.UNIQUE_IDENTIFIER,
        Tag.NAME,
        Tag.OBJECT_TYPE,
        Tag.CRYPTOGRAPHIC_ALGORITHM,
        Tag.CRYPTOGRAPHIC_LENGTH,
        Tag.CRYPTOGRAPHIC_PARAMETERS,
        Tag.CERTIFICATE_LENGTH,
        Tag.OPERATION_POLICY_NAME,
        Tag.CRYPTOGRAPHIC_USAGE_MASK,
        Tag.LEASE_TIME,
        Tag.STATE,
        Tag.INITIAL_DATE,
        Tag.ACTIVATION_DATE,
        Tag.PROCESS_START_DATE,
        Tag.PROTECT_STOP_DATE,
        Tag.DEACTIVATION_DATE,
        Tag.DESTROY_DATE,
        Tag.COMPROMISE_OCCURRENCE_DATE,
        Tag.COMPROMISE_DATE,
        Tag.ARCHIVE_DATE,
        Tag.OBJECT_GROUP,
        Tag.FRESH,
        Tag.APPLICATION_SPECIFIC_INFORMATION,
        Tag.CONTACT_INFORMATION,
        Tag.LAST_CHANGE_DATE,
        Tag.SENSITIVE,
    }
)
_SINCE_2_0: Final = _READ_BY_ALL | {Tag.DIGEST}
_SINCE_1_1: Final = _SINCE_2_0 | {
    Tag.CERTIFICATE_TYPE,
    Tag.ORIGINAL_CREATION_DATE,
    Tag.ALWAYS_SENSITIVE,
    Tag.EXTRACTABLE,
    Tag.NEVER_EXTRACTABLE,
    Tag.ATTRIBUTE,
}
_IN_1_0: Final = _SINCE_1_1 - {Tag.DIGEST}


def listed(version: ProtocolVersion, short_listings: Collection[ProtocolVersion]) -> frozenset[Tag] | None:
    """The attributes that a listing in this version holds, or None if it holds all."""
    if version not in short_listings:
        return None
    if version >= V2_0:
        return _SINCE_2_0
    return _IN_1_0 if version == V1_0 else _SINCE_1_1
