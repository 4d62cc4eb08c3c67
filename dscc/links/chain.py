"""The chain of a link between two nodes: it makes each key of the source's key and of all keys before it (L1 to L3).

    L   = Extract(chain_j, q)            q: the source's key, or nothing if it has run dry
    key = XL(L, "link key", H(L1, L2))   chain_(j+1) = XL(L, "link next", H(L1, L2))

Who knows every key of the source, but not the chain, knows no key of the link; nor does who knows the chain, from the
first key of the source on that it does not know. Without the source the link goes on for `max_chain_only` steps, and
then stops. Both ends count by themselves.

The node whose name is the lower one asks. States are stored before a message leaves that presumes them; the functions
give both together. The asker counts its attempts at a step, and takes an answer to the last one only. The other keeps
the present chain beside the next one until it sees that the asker went on: by L3, or by the next step. It answers each
attempt once, in ascending order, so that a repeated L1 never moves it. Whatever is lost, the next attempt succeeds,
with other nonces and so another key. A state restored from a backup is no use: such a link is begun again.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from dscc.errors import DsccError, Reason
from dscc.links.source import (
    ChainOnlyError,
    Key,
    KeySource,
    SourceEmptyError,
    SourceUnreachableError,
    is_key_id,
    is_simulated,
)
from dscc.primitives import KEY_BYTES, NOTHING, Suite, enc, suite_named
from dscc.wire import Count, Mac, Name, Nonce, core, message

MAX_CHAIN_ONLY: Final = 8


@message(110)
class L1(NamedTuple):
    """The asker's: the step, which attempt at it this is, and the id of the source's key (none: the chain alone)."""

    initiator: Name
    responder: Name
    number: Count
    attempt: Count
    key_id: Name
    nonce: Nonce
    mac: Mac


@message(111)
class L2(NamedTuple):
    """The other's nonce. The MAC shows that it has the key."""

    number: Count
    attempt: Count
    nonce: Nonce
    mac: Mac


@message(112)
class L3(NamedTuple):
    """The asker has the key, too, and has gone on."""

    number: Count
    attempt: Count
    mac: Mac


class Next(NamedTuple):
    """The chain of the step to come, at the one who does not know yet whether the asker took it."""

    secret: bytes
    chain_only: int

    def __repr__(self) -> str:
        return "Next(...)"


class Link(NamedTuple):
    """What a node keeps of a link: sealed before it is stored."""

    suite: str
    initiator: str
    responder: str
    number: int
    secret: bytes
    chain_only: int = 0
    """How many steps there were in a row without a key of the source."""
    attempt: int = 0
    """Of the present step, the last that was made or answered."""
    next: Next | None = None

    def __repr__(self) -> str:
        return f"Link({self.initiator!r}, {self.responder!r}, {self.number}, chain_only={self.chain_only})"


class LinkKey(NamedTuple):
    """A key of the link, and what it rests on."""

    number: int
    secret: bytes
    key_id: str
    """The source's key that went into it; empty: the chain alone."""

    def __repr__(self) -> str:
        return f"LinkKey({self.number}, {self.key_id!r}{', simulated' if self.simulated else ''})"

    @property
    def simulated(self) -> bool:
        """Whether the source's key came from a simulation."""
        return bool(self.key_id) and is_simulated(self.key_id)


class LinkStatus(NamedTuple):
    """What a node shows of a link."""

    peer: str
    number: int
    chain_only: int
    max_chain_only: int

    @property
    def state(self) -> str:
        """In a word: `source`, `chain only`, or `stopped` when the next step needs the source."""
        if not self.chain_only:
            return "source"
        return "chain only" if self.chain_only < self.max_chain_only else "stopped"


def begin_link(suite: Suite, one: str, other: str, secret: bytes) -> Link:
    """The first state, at both ends, from a secret that both were given."""
    initiator, responder = sorted((one, other))
    names = suite.digest(enc(initiator.encode(), responder.encode()))
    begun = suite.expand(suite.extract(b"DSCC1 link", secret), "link begin", names)
    return Link(suite.name, initiator, responder, 0, begun)


def status(link: Link, name: str, max_chain_only: int = MAX_CHAIN_ONLY) -> LinkStatus:
    """What the node of this name shows."""
    peer = link.responder if name == link.initiator else link.initiator
    chain_only = max(link.chain_only, link.next.chain_only if link.next else 0)
    return LinkStatus(peer, link.number, chain_only, max_chain_only)


def draw(source: KeySource, peer: str) -> Key | None:
    """A key of the source, or None while it has none or does not answer. Raises LinkError for everything else."""
    try:
        return source.get_key(peer, KEY_BYTES)[0]
    except (SourceEmptyError, SourceUnreachableError):
        return None


class Asking:
    """The asker's side of one attempt. Store `state`, and then send `l1`."""

    def __init__(self, link: Link, key: Key | None, nonce: bytes, max_chain_only: int = MAX_CHAIN_ONLY) -> None:
        """`key` is what the source gave, if anything. Raises ChainOnlyError if not, and the chain is at its limit."""
        _check_chain_only(link, key is None, max_chain_only)
        self._suite, self._key = suite_named(link.suite), key
        self.state = link._replace(attempt=link.attempt + 1)
        asked = L1(
            link.initiator,
            link.responder,
            link.number,
            self.state.attempt,
            "" if key is None else key.key_id,
            nonce,
            b"",
        )
        self.l1 = asked._replace(mac=self._suite.mac(self._suite.expand(link.secret, "link ask"), core(asked)))

    def on_l2(self, stored: Link, l2: L2) -> tuple[Link, L3, LinkKey]:
        """The state to store, then the message to send; after both the key may be used. Raises DsccError."""
        _check_present(self.state, stored, l2.number, l2.attempt)
        step = _Step(self._suite, stored, self._key, self.l1, l2)
        self._suite.check(step.key("link conf R"), step.said, l2.mac, "L2")
        return step.after(stored), L3(l2.number, l2.attempt, step.confirmed), step.link_key()


def hear(link: Link, l1: L1, max_chain_only: int = MAX_CHAIN_ONLY) -> Link:
    """Check L1 before a key is fetched for it: the link at the step that it asks for. Nothing is stored yet.

    Raises DsccError: CHAIN_BROKEN for a step that is not here, OUT_OF_ORDER for an attempt that was answered before,
    NOT_AUTHENTIC; ChainOnlyError.
    """
    suite = suite_named(link.suite)
    if (l1.initiator, l1.responder) != (link.initiator, link.responder):
        raise DsccError(Reason.NOT_AUTHENTIC, "L1 is for another link")
    if l1.key_id and not is_key_id(l1.key_id):
        raise DsccError(Reason.MALFORMED, "the id of a key is a UUID")
    if link.next is not None and l1.number == link.number + 1:
        link = _taken(link)
    elif l1.number != link.number:
        raise DsccError(Reason.CHAIN_BROKEN, f"the peer is at step {l1.number} of the link, this node at {link.number}")
    suite.check(suite.expand(link.secret, "link ask"), core(l1), l1.mac, "L1")
    if l1.attempt <= link.attempt:
        raise DsccError(Reason.OUT_OF_ORDER, f"attempt {l1.attempt} at step {l1.number} was answered before")
    _check_chain_only(link, not l1.key_id, max_chain_only)
    return link


class Answering:
    """The other's side, after `hear`, with the source's key that L1 names. Store `state`, and then send `l2`."""

    def __init__(
        self, stored: Link, l1: L1, key: Key | None, nonce: bytes, max_chain_only: int = MAX_CHAIN_ONLY
    ) -> None:
        """`stored` is the link as it is now: while the key was fetched, another L1 may have been answered."""
        heard = hear(stored, l1, max_chain_only)
        if l1.key_id != ("" if key is None else key.key_id):
            raise DsccError(Reason.OUT_OF_ORDER, "that is not the key that L1 names")
        self._suite = suite_named(heard.suite)
        said = L2(l1.number, l1.attempt, nonce, b"")
        self._step = _Step(self._suite, heard, key, l1, said)
        after = self._step.after(heard)
        self.state = heard._replace(attempt=l1.attempt, next=Next(after.secret, after.chain_only))
        self.l2 = said._replace(mac=self._suite.mac(self._step.key("link conf R"), self._step.said))

    def on_l3(self, stored: Link, l3: L3) -> tuple[Link, LinkKey]:
        """The state to store; after that the key may be used. Raises DsccError."""
        _check_present(self.state, stored, l3.number, l3.attempt)
        self._suite.check(self._step.key("link conf I"), self._step.said, l3.mac, "L3")
        return _taken(stored), self._step.link_key()


class _Step:
    """What follows from the chain, the source's key, and both first messages."""

    def __init__(self, suite: Suite, link: Link, key: Key | None, l1: L1, l2: L2) -> None:
        self._suite, self._number, self._key_id = suite, l1.number, l1.key_id
        self._secret = suite.extract(link.secret, NOTHING if key is None else key.secret)
        self.said = suite.digest(enc(core(l1), core(l2)))

    def key(self, label: str, size: int = 48) -> bytes:
        return self._suite.expand(self._secret, label, self.said, size)

    @property
    def confirmed(self) -> bytes:
        return self._suite.mac(self.key("link conf I"), self.said)

    def after(self, link: Link) -> Link:
        only = 0 if self._key_id else link.chain_only + 1
        return link._replace(
            number=link.number + 1, secret=self.key("link next"), chain_only=only, attempt=0, next=None
        )

    def link_key(self) -> LinkKey:
        return LinkKey(self._number, self.key("link key", KEY_BYTES), self._key_id)


def _taken(link: Link) -> Link:
    """The link at the step after, which the asker has taken."""
    assert link.next is not None
    return link._replace(
        number=link.number + 1,
        secret=link.next.secret,
        chain_only=link.next.chain_only,
        attempt=0,
        next=None,
    )


def _check_present(state: Link, stored: Link, number: int, attempt: int) -> None:
    if stored != state or (number, attempt) != (state.number, state.attempt):
        raise DsccError(Reason.OUT_OF_ORDER, "that is about an attempt at a step which is over")


def _check_chain_only(link: Link, without: bool, most: int) -> None:
    if without and link.chain_only >= most:
        raise ChainOnlyError(
            f"the link of {link.initiator} and {link.responder} has done {link.chain_only} steps without its source"
        )
