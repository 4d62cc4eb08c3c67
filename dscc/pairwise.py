"""A key for two devices: agreed directly (D1 to D4), with a share from each of several nodes (S1 to S3).

    sid = H("DSCC1 sid", D1, D2)            names both, and everything that they agreed on
    ck  = cascade of: the pair chain's secret, an encapsulated one, each share with what its node granted, both nonces
    K   = XL(ck, "key " + purpose, TH)      TH = H(D1, D2, the nodes used, what they granted)

A key is known to who knows the shares of all nodes that were used, and saw the direct messages; or to nobody else, if
the pair chain or an encapsulation adds a secret. Who gets a share is up to each node: it gives it to the two whom the
session names, and to each only in its own role.

Persist, then send: a device stores the agreement as it is derived before D3 or D4 leaves, sealed by itself. With it go
D3 and the D4 that is expected, or D4: after a crash, each side says again what it said.

A device has one negotiation with a peer at a time: a D1 from the peer, or a new one to it, ends what was under way,
and what belongs to that is refused from then on. When both begin, the lower identifier stays the initiator.

Where a confirmation was lost, one side has gone on to a pair chain that the other one does not know; where that
happened in both directions, they have different ones of one number. The one before is the same at both, and is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from hmac import compare_digest
from typing import Final, NamedTuple

from dscc import paths
from dscc.agreement import NO_CHAIN, Agreement, Limits, PairChain, Wanted, check_d4
from dscc.direct_messages import D1, D2, D3, D4, Subset
from dscc.errors import DsccError, Reason
from dscc.hardening import Encapsulated, KemKey, encapsulate
from dscc.messages import ShareRequest, ShareResponse
from dscc.primitives import BASE, NOTHING, SUITES, Suite, choose_suite, enc, suite_named
from dscc.wire import core, transcript

PAIR_KEM: Final = "mlkem768"
KID_BYTES: Final = 16
MOST_BITS: Final = 4096


class Role(StrEnum):
    """Which of the two a device is."""

    INITIATOR = "initiator"
    RESPONDER = "responder"


class _Negotiation:
    """What both sides have: the two first messages, the shares, and the schedule that follows from them."""

    role: Role

    def __init__(self, limits: Limits, chains: Mapping[int, PairChain]) -> None:
        self._limits, self._chains = limits, chains
        self._shares: dict[str, ShareResponse] = {}
        self._encapsulated = NOTHING
        self._suite: Suite
        self._d1: D1
        self._d2: D2 | None = None
        self.sid = b""
        """The session's identifier, once D2 is there."""

    def _agreed(self, d1: D1, d2: D2) -> None:
        self._suite, self._d1, self._d2 = suite_named(d2.suite), d1, d2
        self._said = (transcript(d1), transcript(d2))
        self.sid = self._suite.digest(enc(b"DSCC1 sid", *self._said))

    @property
    def _chosen(self) -> D2:
        if self._d2 is None:
            raise DsccError(Reason.OUT_OF_ORDER, "D2 comes first")
        return self._d2

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes that were chosen, each of which is asked for its share."""
        return self._chosen.nodes

    @property
    def enough(self) -> bool:
        """Whether there are shares from all chosen nodes."""
        return len(self._shares) == len(self.nodes)

    def share_request(self) -> ShareRequest:
        """What to ask each of the chosen nodes."""
        self._chosen  # noqa: B018 - there is none before D2
        d1 = self._d1
        return ShareRequest(
            self.sid, d1.initiator, d1.responder, self.role.value, d1.purpose, d1.algorithm, d1.bits, d1.lifetime
        )

    def on_share(self, node: str, share: ShareResponse) -> None:
        """A node's share, once; a node says the same if it is asked again.

        Raises DsccError (NOT_AUTHENTIC) if it is for others, of a node that was not chosen, or not the one of before.
        """
        chosen, d1 = self._chosen, self._d1
        if node not in chosen.nodes or (share.sid, share.initiator, share.responder) != (
            self.sid,
            d1.initiator,
            d1.responder,
        ):
            raise DsccError(Reason.NOT_AUTHENTIC, f"{node} sent a share for another session")
        if self._shares.setdefault(node, share) != share:
            raise DsccError(Reason.NOT_AUTHENTIC, f"{node} sent another share than before")

    @property
    def shared(self) -> tuple[str, ...]:
        """The nodes whose shares are here. Raises DsccError (INSUFFICIENT_PATHS) if there are too few."""
        nodes = tuple(sorted(self._shares))
        if len(nodes) < self._limits.paths:
            raise DsccError(
                Reason.INSUFFICIENT_PATHS,
                f"{len(nodes)} of {len(self.nodes)} nodes gave a share; at least {self._limits.paths} are needed",
            )
        return nodes

    def _derive(self, nodes: tuple[str, ...]) -> _Derived:
        suite, d1, d2 = self._suite, self._d1, self._chosen
        chain = self._chains.get(d2.chain, NO_CHAIN) if d2.chain else NO_CHAIN
        shares = [self._shares[node] for node in nodes]
        if any(share.kem for share in shares) and not d2.ct:
            raise KemNeeded
        grants = [_granted(share) for share in shares]
        secret = suite.extract(suite.extract(bytes(suite.size), chain.secret), self._encapsulated)
        for node, grant in zip(nodes, grants, strict=True):
            secret = suite.extract(secret, self._shares[node].share + suite.digest(grant))
        secret = suite.extract(secret, d1.nonce + d2.nonce)
        granted = suite.digest(enc(*grants))
        said = suite.digest(enc(*self._said, enc(*[node.encode() for node in nodes]), granted))
        return _Derived(suite, secret, said, granted)

    def _agreement(self, derived: _Derived, nodes: tuple[str, ...]) -> Agreement:
        d1, d2 = self._d1, self._chosen
        shares = [self._shares[node] for node in nodes]
        return Agreement(
            sid=self.sid,
            kid=derived.key("kid", KID_BYTES),
            initiator=d1.initiator,
            responder=d1.responder,
            wanted=Wanted(d1.purpose, d1.bits, d1.algorithm, d1.policy, d1.lifetime, d1.activation),
            key=derived.key(f"key {d1.purpose}", d1.bits // 8),
            chain=PairChain(d2.chain + 1, derived.key("pair next")),
            nodes=nodes,
            lifetime=_least(d1.lifetime, *[share.lifetime for share in shares]),
            uses=_least(*[share.uses for share in shares]),
            policy_digests=tuple(share.policy_digest for share in shares),
            hardened=bool(d2.ct),
            chained=bool(d2.chain),
        )


class KemNeeded(DsccError):  # noqa: N818
    """A node's policy grants no key without ML-KEM, and this negotiation began without."""

    def __init__(self) -> None:
        super().__init__(Reason.POLICY_DENIED, "the nodes' policy grants no key without ML-KEM: ask for it with one")


class Initiator(_Negotiation):
    """The one who asks. Send `d1`; then shares; then D3, as often as a Subset comes instead of D4."""

    role = Role.INITIATOR

    def __init__(
        self,
        initiator: str,
        responder: str,
        wanted: Wanted,
        nodes: tuple[str, ...],
        nonce: bytes,
        *,
        limits: Limits,
        chains: Mapping[int, PairChain],
        kem: KemKey | None = None,
        suites: tuple[str, ...] = tuple(SUITES),
    ) -> None:
        super().__init__(limits, chains)
        if initiator == responder:
            raise DsccError(Reason.MALFORMED, "a device does not negotiate with itself")
        self._kem = kem
        self._derived: _Derived | None = None
        index = max(chains, default=0)
        asked = D1(
            suites,
            initiator,
            responder,
            wanted.purpose,
            wanted.algorithm,
            wanted.bits,
            wanted.lifetime,
            wanted.policy,
            wanted.activation,
            nodes,
            nonce,
            b"" if kem is None else kem.public,
            index,
            b"",
        )
        self.d1 = asked._replace(mac=_chain_mac(chains, index, "pair d1", lambda: core(asked)))
        _check_wanted(self.d1, limits)

    def on_d2(self, d2: D2) -> None:
        """The peer's choice, once. Raises DsccError if it was not offered, or is less than this device takes."""
        if self._d2 is not None:
            raise DsccError(Reason.OUT_OF_ORDER, "D2 was taken before")
        if d2.suite not in self.d1.suites or not set(d2.nodes) <= set(self.d1.nodes):
            raise DsccError(Reason.UNSUPPORTED, "the peer chose what was not offered")
        _check_chosen(d2, self._limits, self._chains)
        _check_chain_mac(self._chains, d2.chain, "pair d2", lambda: enc(transcript(self.d1), core(d2)), d2.mac)
        if bool(d2.ct) != (self._kem is not None):
            raise DsccError(Reason.UNSUPPORTED, "the peer left out the encapsulated secret")
        if self._kem is not None:
            self._encapsulated = self._kem.open(d2.ct)
        self._agreed(self.d1, d2)

    def derive(self) -> tuple[Agreement, D3]:
        """The agreement to store as Pre-Active, and then the message to send. Raises DsccError (INSUFFICIENT_PATHS)."""
        nodes = self.shared
        derived = self._derived = self._derive(nodes)
        said = D3(self.sid, nodes, derived.granted, b"")
        mac = derived.mac("conf I", core(said))
        return self._agreement(derived, nodes), said._replace(mac=mac)

    def on_subset(self, subset: Subset) -> None:
        """The peer lacks some shares: go on without them. `derive` says if there are enough."""
        if self._derived is None or subset.sid != self.sid or set(self._shares) <= set(subset.nodes):
            raise DsccError(Reason.OUT_OF_ORDER, "the peer has what was used, and still asks for less")
        self._shares = {node: share for node, share in self._shares.items() if node in subset.nodes}

    @property
    def expected(self) -> D4:
        """What the peer answers if it has the key. Kept with the agreement, it is recognised after a crash, too."""
        if self._derived is None:
            raise DsccError(Reason.OUT_OF_ORDER, "D4 comes after D3")
        said = D4(self.sid, b"")
        return said._replace(mac=self._derived.mac("conf R", core(said)))

    def on_d4(self, d4: D4) -> None:
        """The peer has the key: it is Active. Raises DsccError."""
        check_d4(self.expected, d4)


class Responder(_Negotiation):
    """The one who is asked. Send `d2`; get shares; then check D3."""

    role = Role.RESPONDER

    def __init__(
        self,
        responder: str,
        d1: D1,
        nonce: bytes,
        *,
        limits: Limits,
        chains: Mapping[int, PairChain],
        nodes: tuple[str, ...],
        suites: tuple[str, ...] = tuple(SUITES),
    ) -> None:
        super().__init__(limits, chains)
        if d1.responder != responder or d1.initiator == responder:
            raise DsccError(Reason.NOT_AUTHENTIC, "D1 is for another device")
        _check_wanted(d1, limits)
        self._accepted: tuple[D3, tuple[Agreement, D4]] | None = None
        index = _common(d1, chains)
        hardened: Encapsulated | None = encapsulate(PAIR_KEM, d1.ek) if d1.ek else None
        if hardened is not None:
            self._encapsulated = hardened.secret
        chosen = D2(
            choose_suite(d1.suites, suites).name,
            paths.chosen(d1.nodes, nodes),
            nonce,
            b"" if hardened is None else hardened.ciphertext,
            index,
            b"",
        )
        _check_chosen(chosen, limits, chains)
        self.d2 = chosen._replace(mac=_chain_mac(chains, index, "pair d2", lambda: enc(transcript(d1), core(chosen))))
        self._agreed(d1, self.d2)

    def on_d3(self, d3: D3) -> tuple[Agreement, D4] | Subset:
        """The agreement to store as Active, and then the answer; or what to answer if some shares are not here.

        One D3 is accepted, and answered again in the same way: a session has one key, whatever comes late or twice.
        Raises DsccError: CONTEXT_MISMATCH if nodes granted something else to the peer.
        """
        if self._accepted is not None:
            before, given = self._accepted
            if d3 != before:
                raise DsccError(Reason.OUT_OF_ORDER, "another D3 was accepted before")
            return given
        if d3.sid != self.sid or list(d3.nodes) != sorted(set(d3.nodes)):
            raise DsccError(Reason.OUT_OF_ORDER, "D3 is about another session")
        mine = self.shared
        if not set(d3.nodes) <= set(mine):
            return Subset(self.sid, mine)
        if len(d3.nodes) < self._limits.paths:
            raise DsccError(
                Reason.INSUFFICIENT_PATHS, f"{len(d3.nodes)} nodes were used; at least {self._limits.paths} are needed"
            )
        derived = self._derive(d3.nodes)
        if derived.granted != d3.granted:
            raise DsccError(Reason.CONTEXT_MISMATCH, "the nodes granted something else to the peer")
        self._suite.check(derived.key("conf I"), derived.bound(core(d3)), d3.mac, "D3")
        said = D4(self.sid, b"")
        answer = said._replace(mac=derived.mac("conf R", core(said)))
        given = self._agreement(derived, d3.nodes), answer
        self._accepted = d3, given
        return given


class _Derived(NamedTuple):
    """The end of the cascade, what was said to come to it, and the digest of what was granted."""

    suite: Suite
    secret: bytes
    said: bytes
    granted: bytes

    def key(self, label: str, size: int = 48) -> bytes:
        return self.suite.expand(self.secret, label, self.said, size)

    def bound(self, body: bytes) -> bytes:
        return enc(self.said, body)

    def mac(self, label: str, body: bytes) -> bytes:
        return self.suite.mac(self.key(label), self.bound(body))


def _granted(share: ShareResponse) -> bytes:
    """The context of a share: what its node's policy grants."""
    numbers = (share.policy_version, share.lifetime, share.uses, share.kem)
    return enc(share.policy_digest, *[number.to_bytes(8, "big") for number in numbers])


def _least(*limits: int) -> int:
    return min([limit for limit in limits if limit], default=0)


def _check_wanted(d1: D1, limits: Limits) -> None:
    if not limits.least_bits <= d1.bits <= MOST_BITS or d1.bits % 8:
        raise DsccError(Reason.POLICY_DENIED, f"keys have {limits.least_bits} to {MOST_BITS} bits here, not {d1.bits}")
    if limits.purposes and d1.purpose not in limits.purposes:
        raise DsccError(Reason.POLICY_DENIED, f"this device forms no key for {d1.purpose!r}")
    if limits.require_kem and not d1.ek:
        raise DsccError(Reason.POLICY_DENIED, "this device takes no key without ML-KEM")


def _check_chosen(d2: D2, limits: Limits, chains: Mapping[int, PairChain]) -> None:
    if not paths.are_disjoint(d2.nodes):
        raise DsccError(Reason.MALFORMED, "a node is in one path, and once")
    if len(d2.nodes) < limits.paths:
        raise DsccError(
            Reason.INSUFFICIENT_PATHS, f"{len(d2.nodes)} nodes in common; at least {limits.paths} are needed"
        )
    if d2.chain and d2.chain not in chains:
        raise DsccError(Reason.OUT_OF_ORDER, "the peer chose a pair chain that is not here")
    if not d2.chain and chains and NO_CHAIN.number not in chains and limits.require_chain:
        raise DsccError(Reason.CHAIN_BROKEN, "the pair chain is lost, and this device insists on it")


def _common(d1: D1, chains: Mapping[int, PairChain]) -> int:
    """The number of the newest pair chain that both have; 0 if there is none.

    The initiator has the one that it names and the one before. The one that it names is not the same here if its MAC is
    another one; who forges that gains no more than who names no chain at all.
    """
    for number in (d1.chain, d1.chain - 1):
        if number in chains and (number < d1.chain or _is_chain_mac(chains[number], d1)):
            return number
    return 0


def _is_chain_mac(chain: PairChain, d1: D1) -> bool:
    return compare_digest(BASE.mac(BASE.expand(chain.secret, "pair d1"), core(d1)), d1.mac)


def _chain_mac(chains: Mapping[int, PairChain], index: int, label: str, body: Callable[[], bytes]) -> bytes:
    chain = chains.get(index)
    if chain is None or not index:
        return b""
    return BASE.mac(BASE.expand(chain.secret, label), body())


def _check_chain_mac(
    chains: Mapping[int, PairChain], index: int, label: str, body: Callable[[], bytes], mac: bytes
) -> None:
    chain = chains.get(index)
    if chain is not None and index:
        BASE.check(BASE.expand(chain.secret, label), body(), mac, label[-2:].upper())
