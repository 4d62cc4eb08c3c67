"""How an object stands that is shared with another site: its peers, and whether they have it yet.

The peer, or the group, is in its DSCC attributes. Until the peers have taken it, it is *held*: it is there, Pre-Active,
and nothing is done with its value. So no key is ever Active here and unknown there.
"""

from __future__ import annotations

from kmip_server.objects.attribute_set import AttributeSet
from kmip_server.objects.dscc_attributes import dscc_value, dscc_values
from kmip_server.ttlv.tags import Tag


def peer_of(attributes: AttributeSet) -> str:
    """The gateway of the other site, "" for a key of this site alone, or of a group."""
    return dscc_value(attributes, "Peer") or ""


def group_of(attributes: AttributeSet) -> str:
    """The group of gateways that has it, ""."""
    return dscc_value(attributes, "Group") or ""


def is_shared(attributes: AttributeSet) -> bool:
    """Whether other sites have the key, too."""
    if Tag.ATTRIBUTE not in attributes:
        return False
    said = dscc_values(attributes)
    return "Peer" in said or "Group" in said


def is_held(attributes: AttributeSet) -> bool:
    """Whether the peers have not said yet that they have it."""
    return is_shared(attributes) and "ConfirmedAt" not in dscc_values(attributes)
