"""Mutual authentication of a device and a node with keys that evolve, and the session's records (M1 to M4).

Each has a chain: an epoch and its key. A handshake uses up the epoch's key, and both go on to the next, from which the
one before cannot be computed. The epochs differ by 0 or 1, whatever is lost and whoever crashes, provided that a state
is stored before the message leaves that presumes it: the functions here give both together.

A node whose state was restored may be further behind, by up to WINDOW: it catches up on a valid MAC. A device may be
one behind, which happens only if it was restored, or cloned; the node knows it. One that is further behind enrols
again, since the node has erased what would authenticate it.

Each message is taken once. Who would take M3 or M4 again would open the session a second time, and number its records
from 0 again, under the same key. And a node goes on from the chain that is stored, not from one that it remembers: a
handshake that was held up, and let go after later ones, would set it back, and bring back keys that were erased.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from dscc.errors import DsccError, Reason
from dscc.messages import M1, M2, M3, M4
from dscc.primitives import IV_BYTES, KEY_BYTES, Direction, Suite, enc, suite_named
from dscc.registration import Root
from dscc.wire import core

WINDOW: Final = 64
"""How many epochs a restored state may be behind."""
SESSION_SECONDS: Final = 3600


class Chain(NamedTuple):
    """What a device and a node each keep of their common stage.

    `key` is the epoch's. `prior` is the key of the device's MAC in the epoch before, which the node alone keeps, to
    know a device that is one behind (empty: none). `ascent` goes into the next root, and into nothing else: from it no
    key of a session can be computed.
    """

    suite: str
    stage: str
    ratchet: int
    epoch: int
    key: bytes
    prior: bytes
    ascent: bytes

    def __repr__(self) -> str:
        return f"Chain({self.suite}, {self.stage!r}, ratchet={self.ratchet}, epoch={self.epoch})"


def begin_chain(root: Root) -> Chain:
    """The chain of a stage. The root is not needed any more, and is to be forgotten."""
    suite = root.suite
    key, ascent = suite.expand(root.secret, "na root"), suite.expand(root.secret, "atk ascent")
    return Chain(suite.name, root.stage, root.ratchet, 0, key, b"", ascent)


def _evolved(suite: Suite, chain: Chain, epochs: int = 1) -> Chain:
    for _ in range(epochs):
        prior = suite.expand(chain.key, "na dev")
        chain = chain._replace(epoch=chain.epoch + 1, key=suite.expand(chain.key, "na evolve"), prior=prior)
    return chain


class Session:
    """An open session: what this side says is sealed in order, and what the other says is opened in order."""

    def __init__(self, sends: Direction, receives: Direction, chain: Chain, *, behind: bool = False) -> None:
        self._sends, self._receives = sends, receives
        self.chain = chain
        """The chain as it was stored when the session opened."""
        self.behind = behind
        """The device was an epoch behind (known to the node alone): restored, or cloned."""

    def seal(self, plain: bytes) -> bytes:
        """The next record to send."""
        return self._sends.seal(plain)

    def open(self, record: bytes) -> bytes:
        """What the next record says. Raises DsccError: close the session."""
        return self._receives.open(record)


class DeviceHandshake:
    """The device's side. Send `m1`."""

    def __init__(self, device: str, node: str, chain: Chain, nonce: bytes) -> None:
        self._suite, self._chain = suite_named(chain.suite), chain
        self._after: _After | None = None
        self._ended = False
        asked = M1(device, node, chain.stage, chain.ratchet, chain.epoch, nonce, b"")
        self.m1 = asked._replace(mac=self._suite.mac(self._suite.expand(chain.key, "na dev"), core(asked)))

    def on_m2(self, m2: M2) -> tuple[Chain, M3]:
        """The chain to store, and then the message to send. Raises DsccError."""
        if self._after is not None:
            raise DsccError(Reason.OUT_OF_ORDER, "M2 was taken before")
        suite, ahead = self._suite, m2.epoch - self._chain.epoch
        if not 0 <= ahead <= WINDOW:
            raise DsccError(Reason.CHAIN_BROKEN, f"the node is {ahead} epochs ahead: the device has to enrol again")
        chain = _evolved(suite, self._chain, ahead)
        said = enc(core(self.m1), core(m2))
        suite.check(suite.expand(chain.key, "na node"), said, m2.mac, "M2")
        digest = suite.digest(said)
        mac = suite.mac(suite.expand(chain.key, "na dev"), enc(b"3", digest))
        following = self._chain = _evolved(suite, chain)._replace(prior=b"")
        self._after = _After(digest, suite.expand(chain.key, "na sess", digest))
        return following, M3(mac)

    def on_m4(self, m4: M4) -> Session:
        """The open session. Raises DsccError."""
        suite, after = self._suite, self._after
        if after is None or self._ended:
            raise DsccError(Reason.OUT_OF_ORDER, "M4 comes once, after M2")
        suite.check(suite.expand(self._chain.key, "na node"), enc(b"4", after.said), m4.mac, "M4")
        self._ended = True
        to_node, to_device = _directions(suite, after.session_key)
        return Session(to_node, to_device, self._chain)


class _After(NamedTuple):
    """What a device has after M2: the digest of what was said, and the session's key."""

    said: bytes
    session_key: bytes

    def __repr__(self) -> str:
        return "_After(...)"


class NodeHandshake:
    """The node's side, with the chain that is stored for the device that M1 names. `m2` is its answer.

    Whoever calls this has found out that M1 names this node, and that the device may open a session.
    """

    def __init__(self, chain: Chain, m1: M1, nonce: bytes) -> None:
        suite = suite_named(chain.suite)
        if (m1.stage, m1.ratchet) != (chain.stage, chain.ratchet):
            raise DsccError(Reason.CHAIN_BROKEN, "that is not the stage and ratchet that this node knows")
        ahead = m1.epoch - chain.epoch
        # A device that was recorded can be replayed here; only with M3 is it known to have been one behind.
        self._behind = ahead == -1 and bool(chain.prior)
        if self._behind:
            suite.check(chain.prior, core(m1), m1.mac, "M1")
        elif 0 <= ahead <= WINDOW:
            chain = _evolved(suite, chain, ahead)
            suite.check(suite.expand(chain.key, "na dev"), core(m1), m1.mac, "M1")
        else:
            raise DsccError(Reason.CHAIN_BROKEN, f"the device is {ahead} epochs ahead")
        self._suite = suite
        self.caught_up = chain if ahead > 0 else None
        """The chain to store before M2 leaves, if the node was behind."""
        self._chain = chain
        said = M2(chain.epoch, nonce, b"")
        both = enc(core(m1), core(said))
        self.m2 = said._replace(mac=suite.mac(suite.expand(chain.key, "na node"), both))
        self._said = suite.digest(both)
        self._ended = False

    def on_m3(self, m3: M3, stored: Chain) -> tuple[Chain, M4, Session]:
        """The chain to store, then the message to send, and the session that is open with it.

        `stored` is the device's chain as it is now, read in the transaction that stores the following one. A session
        that was open before is to be closed. Raises DsccError (OUT_OF_ORDER): the device has gone on meanwhile.
        """
        suite, chain = self._suite, self._chain
        if self._ended or stored != chain:
            raise DsccError(Reason.OUT_OF_ORDER, "M3 was taken before, or the device has gone on meanwhile")
        suite.check(suite.expand(chain.key, "na dev"), enc(b"3", self._said), m3.mac, "M3")
        to_node, to_device = _directions(suite, suite.expand(chain.key, "na sess", self._said))
        self._ended = True
        following = _evolved(suite, chain)
        mac = suite.mac(suite.expand(following.key, "na node"), enc(b"4", self._said))
        return following, M4(mac), Session(to_device, to_node, following, behind=self._behind)


def _directions(suite: Suite, session_key: bytes) -> tuple[Direction, Direction]:
    """From device to node, and from node to device."""
    session = suite.expand(session_key, "session id", b"", 16)
    d2n, n2d = [
        Direction(
            suite.expand(session_key, f"{way} key", b"", KEY_BYTES),
            suite.expand(session_key, f"{way} iv", b"", IV_BYTES),
            session + way.encode(),
        )
        for way in ("d2n", "n2d")
    ]
    return d2n, n2d
