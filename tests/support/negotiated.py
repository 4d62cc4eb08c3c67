"""Keys with the attributes that a negotiation gives them, put into a store."""

from __future__ import annotations

from collections.abc import Mapping

from kmip_server.objects.dscc_attributes import with_dscc
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.storage.store import Store

NEGOTIATED: Mapping[str, str] = {
    "Peer": "site-b",
    "Purpose": "tunnel",
    "KeyId": "6f1c9a",
    "Trust": "3 paths, pure",
}
"""Attributes of a key that was negotiated: two that the client asked for, and two that the server says."""


def mark_negotiated(store: Store, unique_identifier: str, values: Mapping[str, str] = NEGOTIATED) -> None:
    """Give a stored key DSCC attributes, as a negotiation does."""
    with store.unit(writes=True) as unit:
        row = unit.get(unique_identifier)
        assert row is not None
        marked = ManagedObject.of(row)
        marked.attributes = with_dscc(marked.attributes, values)
        unit.update(marked.to_row())
