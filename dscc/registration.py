"""Registration: a device and one node come to share a root, by a token, an encapsulated key, or both (R1 to R4).

    qkey      the token went another way (a QR code, a letter); symmetric only
    ota-kem   the token, and ML-KEM-1024: who only read the token and recorded everything does not know the root
    ota-tofu  ML-KEM alone, for laboratories: whoever is first is trusted, and administrators compare short strings

It is done with each node on its own, and each has a token of its own. Persist, then send: a node burns the token in
the transaction that stores the root, before R4 leaves; R3 is answered again as long as the token would have held.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from dscc.errors import DsccError, Reason
from dscc.hardening import Encapsulated, KemKey
from dscc.messages import R1, R2, R3, R4
from dscc.primitives import BASE, NOTHING, SUITES, Suite, choose_suite, enc, suite_named
from dscc.wire import core, transcript

TOKEN_BYTES: Final = 32
TOKEN_ID_BYTES: Final = 16
NO_TOKEN_ID: Final = bytes(TOKEN_ID_BYTES)
REGISTRATION_KEM: Final = "mlkem1024"


class Mode(StrEnum):
    """How a device comes to share its first root with a node."""

    QKEY = "qkey"
    OTA_KEM = "ota-kem"
    OTA_TOFU = "ota-tofu"


class Token(NamedTuple):
    """A token as both have it: single use, for one device at one node."""

    token_id: bytes
    secret: bytes

    def __repr__(self) -> str:
        return f"Token({self.token_id.hex()})"


NO_TOKEN: Final = Token(NO_TOKEN_ID, NOTHING)
"""For ota-tofu."""


class Root(NamedTuple):
    """What a registration or a step of keyfill gives both: the secret from which the stage's keys come."""

    suite: Suite
    ratchet: int
    stage: str
    secret: bytes

    def __repr__(self) -> str:
        return f"Root({self.suite.name}, ratchet={self.ratchet}, stage={self.stage!r})"


class DeviceRegistration:
    """The device's side of one registration at one node. Send `r1`, then follow the answers."""

    def __init__(
        self,
        device: str,
        node: str,
        mode: Mode,
        token: Token,
        nonce: bytes,
        kem: KemKey | None = None,
        attributes: tuple[tuple[str, str], ...] = (),
        suites: tuple[str, ...] = tuple(SUITES),
    ) -> None:
        if (token.token_id == NO_TOKEN_ID) != (mode is Mode.OTA_TOFU):
            raise ValueError(f"{mode} takes {'no' if mode is Mode.OTA_TOFU else 'a'} token")
        if (kem is None) != (mode is Mode.QKEY):
            raise ValueError(f"{mode} takes {'no' if kem else 'an'} encapsulation key")
        self._token, self._kem, self._suites = token, kem, suites
        self._keys: _Bootstrap | None = None
        public = b"" if kem is None else kem.public
        asked = R1(suites, mode.value, token.token_id, device, node, attributes, nonce, public, b"")
        self.r1 = asked._replace(mac=_offer_mac(token, asked))

    def on_r2(self, r2: R2) -> R3:
        """The node's choice. Raises DsccError: it does not know the token, or chose what was not offered."""
        if self._keys is not None:
            raise DsccError(Reason.OUT_OF_ORDER, "R2 was taken before")
        suite = suite_named(r2.suite)
        if r2.suite not in self._suites:
            raise DsccError(Reason.UNSUPPORTED, f"the node chose {r2.suite}, which was not offered")
        suite.check(_node_key(suite, self._token), _both(self.r1, r2), r2.mac, "R2")
        secret = NOTHING if self._kem is None else self._kem.open(r2.ct)
        keys = self._keys = _Bootstrap.of(suite, self._token, secret, self.r1, r2)
        return keys.r3()

    def on_r4(self, r4: R4) -> Root:
        """The root that both have now; the token is of no further use. Raises DsccError."""
        return self._after_r2().checked_root(r4)

    @property
    def short_string(self) -> str:
        """What an administrator compares with the node's, after R2 (ota-tofu)."""
        return self._after_r2().short_string

    def _after_r2(self) -> _Bootstrap:
        if self._keys is None:
            raise DsccError(Reason.OUT_OF_ORDER, "R2 comes first")
        return self._keys


class NodeRegistration:
    """The node's side, after R1 with a token that it knows. `r2` is its answer."""

    def __init__(
        self,
        token: Token,
        r1: R1,
        nonce: bytes,
        encapsulated: Encapsulated | None,
        accepted: tuple[str, ...] = tuple(SUITES),
    ) -> None:
        BASE.check(_offer_key(token), core(r1), r1.mac, "R1")
        mode = _mode(r1)
        if r1.token_id != token.token_id or (token.token_id == NO_TOKEN_ID) != (mode is Mode.OTA_TOFU):
            raise DsccError(Reason.TOKEN_REFUSED, f"{mode} does not go with this token")
        if (encapsulated is None) != (mode is Mode.QKEY):
            raise DsccError(Reason.MALFORMED, f"{mode} goes {'with' if encapsulated is None else 'without'} a key")
        suite = choose_suite(r1.suites, accepted)
        secret, ciphertext = (NOTHING, b"") if encapsulated is None else encapsulated
        chosen = R2(suite.name, nonce, ciphertext, b"")
        self.r1 = r1
        self.r2 = chosen._replace(mac=suite.mac(_node_key(suite, token), _both(r1, chosen)))
        self._keys = _Bootstrap.of(suite, token, secret, r1, self.r2)

    def on_r3(self, r3: R3, stage: str) -> tuple[R4, Root]:
        """The answer, and the root: store it, and burn the token, before that leaves. Raises DsccError."""
        self._keys.suite.check(self._keys.key("reg cd"), self._keys.bound(core(r3)), r3.mac, "R3")
        return self._keys.r4(stage), self._keys.root(stage)

    @property
    def short_string(self) -> str:
        """What an administrator compares with the device's (ota-tofu)."""
        return self._keys.short_string


class _Bootstrap(NamedTuple):
    """The bootstrap key and what was said to come to it."""

    suite: Suite
    secret: bytes
    said: bytes

    @classmethod
    def of(cls, suite: Suite, token: Token, encapsulated: bytes, r1: R1, r2: R2) -> _Bootstrap:
        key = suite.extract(suite.extract(token.secret, encapsulated), r1.nonce + r2.nonce)
        return cls(suite, key, suite.digest(enc(transcript(r1), transcript(r2))))

    def key(self, label: str) -> bytes:
        return self.suite.expand(self.secret, label, self.said)

    def bound(self, body: bytes) -> bytes:
        return enc(self.said, body)

    def r3(self) -> R3:
        said = R3(b"")
        return said._replace(mac=self.suite.mac(self.key("reg cd"), self.bound(core(said))))

    def r4(self, stage: str) -> R4:
        said = R4(stage, b"")
        return said._replace(mac=self.suite.mac(self.key("reg cn"), self.bound(core(said))))

    def root(self, stage: str) -> Root:
        return Root(self.suite, 0, stage, self.key("atk root"))

    def checked_root(self, r4: R4) -> Root:
        self.suite.check(self.key("reg cn"), self.bound(core(r4)), r4.mac, "R4")
        return self.root(r4.stage)

    @property
    def short_string(self) -> str:
        # Nobody is committed to anything before: who stands between tries keys until both strings are alike. 10^24 is
        # out of reach; 10^12 was not.
        number = int.from_bytes(self.suite.expand(self.secret, "reg short", self.said, 16), "big")
        return f"{number % 10**24:024d}"


def _mode(r1: R1) -> Mode:
    try:
        return Mode(r1.mode)
    except ValueError:
        raise DsccError(Reason.UNSUPPORTED, f"there is no registration mode {r1.mode!r}") from None


def _offer_key(token: Token) -> bytes:
    return BASE.expand(token.secret, "reg dev")


def _offer_mac(token: Token, r1: R1) -> bytes:
    """The offer is under the suite that all know: who strips suites from it would have to forge this."""
    return BASE.mac(_offer_key(token), core(r1))


def _node_key(suite: Suite, token: Token) -> bytes:
    return suite.expand(token.secret, "reg node")


def _both(r1: R1, r2: R2) -> bytes:
    return enc(transcript(r1), core(r2))
