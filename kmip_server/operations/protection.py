"""Protection Storage Masks: where a client accepts that its object is kept (KMIP 2.1 s7.33)."""

from __future__ import annotations

from kmip_server.errors import KmipError
from kmip_server.messages.fields import Payload, mask, payload
from kmip_server.ttlv.enumerations import ProtectionStorageMask, ResultReason
from kmip_server.ttlv.tags import Tag

STORED_IN = ProtectionStorageMask.SOFTWARE
"""How this server protects what it stores."""


@payload
class ProtectionStorageMasks(Payload):
    """The alternatives that the client accepts, each a mask of which all bits must be satisfied."""

    protection_storage_mask: tuple[int, ...] = mask(Tag.PROTECTION_STORAGE_MASK, ProtectionStorageMask, many=True)


def check_protection(
    wanted: ProtectionStorageMasks | None,
    reason: ResultReason = ResultReason.PROTECTION_STORAGE_UNAVAILABLE,
) -> None:
    """Refuse a request that no storage of this server can satisfy (s7.33)."""
    masks = wanted.protection_storage_mask if wanted is not None else ()
    if masks and all(alternative & ~STORED_IN for alternative in masks):
        raise KmipError(
            reason,
            "storage is protected by Software here; no Protection Storage Mask (42015E) in the request allows it",
        )
