"""Keys that have to be negotiated before a batch item can be carried out, and what others answer to what it did.

A handler that needs a negotiated key raises `NegotiationNeeded`; nothing was done then. Whoever carries the request out
has the gateway negotiate, and carries it out again with what came of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

from kmip_server.errors import KmipError
from kmip_server.ttlv.enumerations import ResultReason

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred


class Wanted(NamedTuple):
    """A key to be negotiated, with a peer or in a group.

    `pool` is how many keys one negotiation may give, `lifetime` for how many seconds it is wanted (0: as long as it is
    granted).
    """

    peer: str
    group: str
    purpose: str
    policy: str
    paths: str
    hybrid: str
    bits: int
    pool: int
    lifetime: int


class Negotiated(NamedTuple):
    """A key that was negotiated: `provenance` are the DSCC attributes that say how, `uses` how often it may be used.

    `lifetime` is in seconds from its Activation Date; 0 is without a limit, for both.
    """

    wanted: Wanted
    unique_identifier: str
    key: bytes
    provenance: Mapping[str, str]
    lifetime: int
    uses: int

    def __repr__(self) -> str:
        return f"Negotiated({self.unique_identifier!r}, {self.wanted!r})"


class NegotiationNeeded(Exception):  # noqa: N818
    """A batch item needs a negotiated key first. Nothing was done. `place` is the item's place in its batch."""

    def __init__(self, wanted: Wanted, place: int = 0) -> None:
        super().__init__("a key has to be negotiated first")
        self.wanted, self.place = wanted, place


class NegotiationFailed(KmipError):  # noqa: N818
    """There is no key. `may_come`: there may be one later, when those are reached who are not now."""

    def __init__(self, reason: ResultReason, message: str, *, may_come: bool = False) -> None:
        super().__init__(reason, message)
        self.may_come = may_come


class Unsettled(NamedTuple):
    """What a batch item did that others hear of; it is answered when they have answered, if that is waited for.

    A new key that is `held` has to be taken by the peers, one that is `revoked` is acknowledged by nodes.
    """

    unique_identifier: str
    revoked: bool
    held: bool

    @property
    def is_awaited(self) -> bool:
        """Whether the answer waits for others."""
        return self.revoked or self.held


class Settled(NamedTuple):
    """What others answered: `refusal` says why there is no key, `nodes` of `needed` nodes know of a revocation."""

    refusal: NegotiationFailed | None = None
    nodes: int = 0
    needed: int = 0


class Stored(NamedTuple):
    """How many keys of a kind can be had at once, without a negotiation, and how many at most, at this `device`."""

    device: str
    keys: int
    most: int


class Negotiator(Protocol):
    """The gateway to other sites, as the KMIP server asks it. Deferreds fire in the reactor's thread."""

    def negotiate(self, wanted: Wanted) -> Deferred[Negotiated]:
        """A key. Fails with NegotiationFailed."""

    def settle(self, unique_identifiers: Iterable[str]) -> Deferred[dict[str, Settled]]:
        """What others answer, by Unique Identifier; what they do not answer in time is left out. Does not fail."""

    def stored(self, wanted: Wanted) -> Deferred[Stored]:
        """How many such keys there are. Fails with NegotiationFailed."""

    def look(self) -> None:
        """Have the gateway see that shared objects have changed."""
