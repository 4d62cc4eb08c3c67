"""Autonomous Trustless Keyfill: the ratchet from a stage to the next, in a session of the stage before (T1 to T4).

    plain      no claim: who holds an earlier key and recorded the session computes the next root
    oob        a code that went another way is mixed in
    kem        an ML-KEM secret is mixed in: against who only listens
    kem+oob    both
    multipath  a secret comes in pieces over the sessions with other nodes; without one of them it is not known

The earlier key never follows from a later one. The way back is closed in two slots: the device stores the next chain
beside the present one before T3 leaves; the node replaces its chain by the next one after T3 is verified, and before T4
leaves; the device drops the one before on T4, or on the first session that is authentic with either. A forged refusal
drops nothing.

T3 may be held up, and let go after the device has opened another session with the chain before, and dropped the next
one. So T3 is good only as long as the stored chain is the one of its own session: each session has another.
"""

from __future__ import annotations

from enum import StrEnum
from functools import reduce
from typing import Final, NamedTuple

from dscc.errors import DsccError, Reason
from dscc.hardening import Encapsulated, KemKey
from dscc.messages import T1, T2, T3, T4
from dscc.primitives import NONCE_BYTES, NOTHING, Suite, enc, suite_named
from dscc.registration import Root
from dscc.session import Chain, begin_chain
from dscc.wire import core, transcript

STEP_KEM: Final = "mlkem1024"
LEAST_CODE_BYTES: Final = 16
"""T3 tells who has the earlier key whether a guess is right: a code that can be guessed is none."""


class KeyfillMode(StrEnum):
    """What is mixed into the next root beside the fresh halves of both."""

    PLAIN = "plain"
    OOB = "oob"
    KEM = "kem"
    KEM_OOB = "kem+oob"
    MULTIPATH = "multipath"

    @property
    def takes_kem(self) -> bool:
        """An encapsulated secret."""
        return self in (KeyfillMode.KEM, KeyfillMode.KEM_OOB)

    @property
    def takes_code(self) -> bool:
        """A code that went another way."""
        return self in (KeyfillMode.OOB, KeyfillMode.KEM_OOB)


class Secrets(NamedTuple):
    """What was mixed in, by either side: the encapsulated secret, the code, the secret that came in pieces."""

    encapsulated: bytes = NOTHING
    code: bytes = NOTHING
    pieces: bytes = NOTHING

    def __repr__(self) -> str:
        return "Secrets(...)"


class DeviceKeyfill:
    """The device's side of one step. Send `t1`; ask again with the same one while it is waiting for approval."""

    def __init__(
        self,
        chain: Chain,
        stage: str,
        nonce: bytes,
        kem: KemKey | None = None,
        evidence: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self._suite, self._chain, self._kem = suite_named(chain.suite), chain, kem
        self._next: _Step | None = None
        self.t1 = T1(stage, chain.ratchet + 1, nonce, b"" if kem is None else kem.public, evidence)

    def on_t2(
        self, t2: T2, least: KeyfillMode, code: bytes = NOTHING, pieces: tuple[bytes, ...] = ()
    ) -> tuple[Chain, T3]:
        """The chain to store beside the present one, and then the message to send.

        `least` is the mode that the device insists on: a node that was corrupted does not talk it out of it. `pieces`
        are those of the nodes that T2 names. Raises DsccError.
        """
        if self._next is not None:
            raise DsccError(Reason.OUT_OF_ORDER, "T2 was taken before")
        mode = _known(t2.mode)
        if t2.ratchet != self.t1.ratchet or t2.stage != self.t1.stage:
            raise DsccError(Reason.OUT_OF_ORDER, "T2 is about another step")
        if mode is not least:
            raise DsccError(Reason.POLICY_DENIED, f"the node wants {mode}; this device takes {least} and no other")
        secrets = Secrets(self._opened(t2, mode), _checked(code, mode), _joined(pieces, t2, mode))
        following = self._next = _next_root(self._suite, self._chain, self.t1, t2, secrets)
        said = T3(t2.ratchet, b"")
        mac = self._suite.mac(following.key("atk cd"), following.bound(core(said)))
        return begin_chain(following.root), said._replace(mac=mac)

    def on_t4(self, t4: T4) -> None:
        """The node has the next root: the chain before is to be dropped. Raises DsccError."""
        if self._next is None:
            raise DsccError(Reason.OUT_OF_ORDER, "T4 comes after T2")
        self._suite.check(self._next.key("atk cn"), self._next.bound(core(t4)), t4.mac, "T4")

    def _opened(self, t2: T2, mode: KeyfillMode) -> bytes:
        if not mode.takes_kem:
            return NOTHING
        if self._kem is None:
            raise DsccError(Reason.UNSUPPORTED, f"{mode} needs an encapsulation key")
        return self._kem.open(t2.ct)


class NodeKeyfill:
    """The node's side, once the workflow and the approvers agree. `t2` is its answer to T1.

    `chain` is the one of the session that T1 came in; `stage` is the one that the workflow has next for this device.
    """

    def __init__(
        self,
        chain: Chain,
        t1: T1,
        *,
        stage: str,
        mode: KeyfillMode,
        workflow: str,
        approval: bytes,
        nonce: bytes,
        encapsulated: Encapsulated | None = None,
        code: bytes = NOTHING,
        pieces: tuple[tuple[str, bytes], ...] = (),
    ) -> None:
        if t1.ratchet != chain.ratchet + 1:
            raise DsccError(Reason.OUT_OF_ORDER, f"the next step is number {chain.ratchet + 1}, not {t1.ratchet}")
        if t1.stage != stage:
            raise DsccError(Reason.OUT_OF_ORDER, f"the next stage is {stage!r}, not {t1.stage!r}")
        if mode.takes_kem != (encapsulated is not None):
            raise DsccError(Reason.UNSUPPORTED, f"{mode} goes {'with' if mode.takes_kem else 'without'} a key")
        secret, ciphertext = (NOTHING, b"") if encapsulated is None else encapsulated
        self._suite, self._chain, self._ended = suite_named(chain.suite), chain, False
        self.t2 = T2(
            t1.stage, t1.ratchet, mode.value, workflow, approval, nonce, ciphertext, tuple(node for node, _ in pieces)
        )
        mixed = Secrets(
            secret,
            _checked(code, mode),
            _joined(tuple(piece for _, piece in pieces), self.t2, mode),
        )
        self._next = _next_root(self._suite, chain, t1, self.t2, mixed)

    def on_t3(self, t3: T3, stored: Chain) -> tuple[Chain, T4]:
        """The chain to store in place of the present one, and then the message to send.

        `stored` is the device's chain as it is now, read in the transaction that replaces it. Raises DsccError
        (OUT_OF_ORDER): the device has opened another session meanwhile, and may have dropped the next chain.
        """
        if self._ended or stored != self._chain:
            raise DsccError(Reason.OUT_OF_ORDER, "T3 was taken before, or the device has gone on meanwhile")
        self._suite.check(self._next.key("atk cd"), self._next.bound(core(t3)), t3.mac, "T3")
        self._ended = True
        said = T4(t3.ratchet, b"")
        mac = self._suite.mac(self._next.key("atk cn"), self._next.bound(core(said)))
        return begin_chain(self._next.root), said._replace(mac=mac)


class _Step(NamedTuple):
    """The next root, and what was said to come to it."""

    root: Root
    said: bytes

    def key(self, label: str) -> bytes:
        return self.root.suite.expand(self.root.secret, label, self.said)

    def bound(self, body: bytes) -> bytes:
        return enc(self.said, body)


def _next_root(suite: Suite, chain: Chain, t1: T1, t2: T2, secrets: Secrets) -> _Step:
    said = suite.digest(enc(transcript(t1), transcript(t2), chain.stage.encode()))
    mixed = suite.extract(chain.ascent, t1.nonce + t2.nonce)
    for secret in secrets:
        mixed = suite.extract(mixed, secret)
    return _Step(Root(suite, t2.ratchet, t2.stage, suite.expand(mixed, "atk stage", said)), said)


def _known(mode: str) -> KeyfillMode:
    try:
        return KeyfillMode(mode)
    except ValueError:
        raise DsccError(Reason.UNSUPPORTED, f"there is no keyfill mode {mode!r}") from None


def split(secret: bytes, randoms: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Pieces that give the secret by exclusive or: one for each of the random strings, and one more."""
    return (*randoms, reduce(_xor, randoms, secret))


def _checked(code: bytes, mode: KeyfillMode) -> bytes:
    """The code to mix in. Without one, a step would silently be as good as a plain one."""
    if not mode.takes_code:
        return NOTHING
    if len(code) < LEAST_CODE_BYTES or code == NOTHING:
        raise DsccError(Reason.UNSUPPORTED, f"{mode} needs a code of at least {LEAST_CODE_BYTES} bytes")
    return code


def _joined(pieces: tuple[bytes, ...], t2: T2, mode: KeyfillMode) -> bytes:
    if mode is not KeyfillMode.MULTIPATH:
        return NOTHING
    nodes = len(set(t2.pieces))
    if nodes < 2 or not nodes == len(t2.pieces) == len(pieces) or any(len(piece) != NONCE_BYTES for piece in pieces):
        raise DsccError(Reason.INSUFFICIENT_PATHS, "multipath takes the pieces of two nodes or more, from each of them")
    return reduce(_xor, pieces)


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
