"""A share of a pairwise key from two nodes, where each device asks its own.

    first device's node X    draws a key of the link with node Y, and gives its device the share and the key's id
    first device             passes the id to the second one
    second device's node Y   gets the key by its id, and gives its device the same share

Both nodes know it: in the count of nodes that may be corrupt, the two are one path.
"""

from __future__ import annotations

from typing import NamedTuple

from dscc.links.source import KeySource
from dscc.primitives import KEY_BYTES, ROOT_BYTES, Suite, enc


class Session(NamedTuple):
    """What a share is for, and for whom: as both devices agreed on it, and as both nodes granted it."""

    sid: bytes
    initiator: str
    responder: str
    granted: bytes
    """The context: what the policy grants. If the nodes grant something else, the shares differ, and no key is made."""


class LocatedShare(NamedTuple):
    """A share, and the id of the key that it was made of."""

    key_id: str
    share: bytes

    def __repr__(self) -> str:
        return f"LocatedShare({self.key_id!r})"


def located_share(suite: Suite, key: bytes, session: Session) -> bytes:
    """s = HMAC(XL(q, "share"), enc(sid, A, B, ctx)), cut to the size of a share."""
    names = session.initiator.encode(), session.responder.encode()
    return suite.mac(suite.expand(key, "share"), enc(session.sid, *names, session.granted))[:ROOT_BYTES]


def draw_share(suite: Suite, source: KeySource, peer: str, session: Session) -> LocatedShare:
    """The share for this node's device, of a fresh key with the peer. Raises LinkError."""
    (key,) = source.get_key(peer, KEY_BYTES)
    return LocatedShare(key.key_id, located_share(suite, key.secret, session))


def fetch_share(suite: Suite, source: KeySource, peer: str, key_id: str, session: Session) -> LocatedShare:
    """The same share at the peer, by the id that the devices passed on. Raises LinkError."""
    (key,) = source.get_by_id(peer, (key_id,))
    return LocatedShare(key.key_id, located_share(suite, key.secret, session))
