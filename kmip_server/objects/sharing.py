"""How an object stands that is shared with another site: its peers, and whether they have it yet.

The peer, or the group, is in its DSCC attributes. Until the peers have taken it, it is *held*: it is there, Pre-Active,
and nothing is done with its value. So no key is ever Active here and unknown there.
"""

from __future__ import annotations

from typing import Final

from kmip_server.objects.attribute_set import AttributeSet
from kmip_server.objects.dscc_attributes import dscc_value, dscc_values
from kmip_server.ttlv.enumerations import State
from kmip_server.ttlv.tags import Tag

ETSI014: Final = "etsi014"
"""The purpose of keys that each site delivers once, and erases then (ETSI GS QKD 014)."""

MOST_TOLD_BYTES: Final = 8_192
"""How many bytes of attributes other sites are told of a key, at most."""


def peer_of(attributes: AttributeSet) -> str:
    """The gateway of the other site, "" for a key of this site alone, or of a group."""
    return dscc_value(attributes, "Peer") or ""


def group_of(attributes: AttributeSet) -> str:
    """The group of gateways that has it, ""."""
    return dscc_value(attributes, "Group") or ""


def members_of(attributes: AttributeSet) -> frozenset[str]:
    """The gateways that have a group's key, this one included: those that were in the group when it was made."""
    return frozenset((dscc_value(attributes, "Members") or "").split(", ")) - {""}


def is_shared(attributes: AttributeSet) -> bool:
    """Whether other sites have the key, too."""
    if Tag.ATTRIBUTE not in attributes:
        return False
    said = dscc_values(attributes)
    return "Peer" in said or "Group" in said


def is_held(attributes: AttributeSet) -> bool:
    """Whether the peers have not said yet that they have it."""
    return is_shared(attributes) and "ConfirmedAt" not in dscc_values(attributes)


def is_delivered(attributes: AttributeSet) -> bool:
    """Whether this site has delivered its copy of a key that each site delivers once, and has erased it.

    That is this site's own matter: the other one has still to deliver its copy. A key that was destroyed before it was
    delivered, or after it was revoked, or that was ever Active, is destroyed at both.
    """
    return (
        attributes.first(Tag.STATE) is State.DESTROYED
        and attributes.first(Tag.FRESH) is False
        and Tag.ACTIVATION_DATE not in attributes
        and dscc_value(attributes, "Purpose") == ETSI014
    )
