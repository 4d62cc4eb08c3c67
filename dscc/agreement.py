"""What two devices agree on, and what they keep of it: the key, its states, and the chain that a pair carries over."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from hmac import compare_digest
from typing import Final, NamedTuple

from dscc.direct_messages import D4, Abort
from dscc.errors import DsccError, Reason
from dscc.primitives import BASE, NOTHING
from dscc.wire import core


class KeyState(StrEnum):
    """The states of an agreement that is kept."""

    PRE_ACTIVE = "pre-active"
    ACTIVE = "active"
    EXPIRED = "expired"
    DEACTIVATED = "deactivated"
    COMPROMISED = "compromised"
    DESTROYED = "destroyed"


class PairChain(NamedTuple):
    """What two devices carry over from one agreement to the next: how many there were, and the secret of the last.

    Of the two newest ones each keeps both, since the other may not have gone on.
    """

    number: int
    secret: bytes

    def __repr__(self) -> str:
        return f"PairChain({self.number})"


NO_CHAIN: Final = PairChain(0, NOTHING)


class Limits(NamedTuple):
    """What a device insists on by itself, whatever nodes and peer say."""

    paths: int = 2
    """k: how many nodes' shares it takes at least."""
    least_bits: int = 128
    purposes: frozenset[str] = frozenset()
    """Empty: any."""
    require_chain: bool = False
    """Refuse to go on without the pair chain, once there were two agreements. (After the first one it may be that the
    other has none: its confirmation was lost. An attacker who cuts it must not part the two for good.)"""
    require_kem: bool = False


class Wanted(NamedTuple):
    """What a key is wanted for."""

    purpose: str
    bits: int = 256
    algorithm: str = "AES"
    policy: str = ""
    lifetime: int = 0
    activation: int = 0
    """When both begin to use it, in POSIX seconds; 0: at once."""


class Agreement(NamedTuple):
    """A key that two devices have, or are about to have: sealed before it is stored, and never shown."""

    sid: bytes
    kid: bytes
    initiator: str
    responder: str
    wanted: Wanted
    key: bytes
    chain: PairChain
    nodes: tuple[str, ...]
    lifetime: int
    """Seconds, 0 without a limit: the shortest of those that the nodes granted and the devices wanted."""
    uses: int
    """How often it may be used, 0 without a limit."""
    policy_digests: tuple[bytes, ...]
    hardened: bool
    chained: bool

    def __repr__(self) -> str:
        return f"Agreement({self.kid.hex()}, {self.initiator!r}, {self.responder!r}, {self.wanted.purpose!r})"

    @property
    def trust(self) -> str:
        """What the key rests on, in words."""
        also = [word for word, there in (("ML-KEM", self.hardened), ("pair chain", self.chained)) if there]
        return f"{len(self.nodes)} paths, {' + '.join(also) or 'pure'}"


def check_d4(expected: D4, d4: D4) -> None:
    """Whether the peer confirms what is expected. Raises DsccError (NOT_AUTHENTIC)."""
    if d4.sid != expected.sid or not compare_digest(d4.mac, expected.mac):
        raise DsccError(Reason.NOT_AUTHENTIC, "D4 was not made with the key that it names")


def abort(agreement: Agreement, reason: Reason) -> Abort:
    """What tells the peer, who may have the key already, that it will not be used."""
    said = Abort(agreement.sid, reason.value, b"")
    return said._replace(mac=BASE.mac(_abort_key(agreement), core(said)))


def check_abort(agreement: Agreement, said: Abort) -> None:
    """Whether the peer of an agreement gives it up. Raises DsccError (NOT_AUTHENTIC)."""
    BASE.check(_abort_key(agreement), core(said), said.mac, "Abort")


def _abort_key(agreement: Agreement) -> bytes:
    return BASE.expand(agreement.chain.secret, "pair abort")


def next_chains(chains: Mapping[int, PairChain], agreed: PairChain) -> dict[int, PairChain]:
    """The pair chains to keep after an agreement: its own, and the one that it came from, be that none (number 0).

    Raises DsccError (OUT_OF_ORDER) if that is not kept any more: the pair has gone on since the negotiation began.
    """
    before = NO_CHAIN if agreed.number == 1 else chains.get(agreed.number - 1)
    if before is None:
        raise DsccError(Reason.OUT_OF_ORDER, "the pair has gone on since this negotiation began")
    return {before.number: before, agreed.number: agreed}
