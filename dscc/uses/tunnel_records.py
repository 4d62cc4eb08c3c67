"""The records of a tunnel's connection: bytes in, bytes out. Pure.

    hello   "dscc-tunnel-1" ‖ kid 16 ‖ nonce 32                    the client's first, then the server's: 61 bytes each
    record  u32 epoch ‖ u64 number ‖ u16 length ‖ sealed           length counts what is sealed, with its tag
    sealed  AES-256-GCM of u8 kind ‖ body                          kinds: 0 data, 1 the next key's kid, 2 the end

    digest = H(enc(client's hello, server's hello))
    key of a way and epoch = XL(key of the use, "c2s key", digest ‖ u32 epoch, 32); its iv: "c2s iv", 12 bytes

Each way (c2s, s2c) begins at epoch 0, with the key that its sender's hello names, and numbers its records from 0 in
each epoch. A sender goes on to another key by a record of kind 1: the next record is of the next epoch. So the
receiver reads the old epoch until its peer has moved, knows exactly where it did, and nothing is lost or comes twice;
each way moves by itself. After so many records an epoch ends though the key stays.

Both nonces are in every key: what was recorded opens in no other connection. A record is the next one of its way, or
the connection ends; and so does one without a record of kind 2, which says that nothing was cut off.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import Final, NamedTuple

from dscc.errors import DsccError, Reason
from dscc.primitives import IV_BYTES, KEY_BYTES, NONCE_BYTES, S384, TAG_BYTES, Direction, enc
from dscc.uses.derivation import TUNNEL, Role, SharedKey, key_of_use

BODY_BYTES: Final = 16_384
"""The most that a record carries."""
_MAGIC: Final = b"dscc-tunnel-1"
_KID_BYTES: Final = 16
HELLO_BYTES: Final = len(_MAGIC) + _KID_BYTES + NONCE_BYTES
_HEAD: Final = Struct(">IQH")
_LEAST: Final = 1 + TAG_BYTES
_MOST: Final = _LEAST + BODY_BYTES
_EPOCH_RECORDS: Final = 1 << 23
"""Half of what a `Direction` carries: there is always room for the record that ends an epoch."""
_LAST_EPOCH: Final = (1 << 32) - 1


class Kind(IntEnum):
    """What a record is."""

    DATA = 0
    NEXT_KEY = 1
    END = 2


class Event(NamedTuple):
    """What a record says: data, the identifier of the key that comes next (in hexadecimal), or the end."""

    kind: Kind
    data: bytes = b""
    kid: str = ""


class Connection(NamedTuple):
    """What both ends know of a connection once both hellos are there; `role` is this end's."""

    digest: bytes
    role: Role


def hello(shared: SharedKey, nonce: bytes) -> bytes:
    """What an end says first: which key its records begin with, and 32 bytes that are new each time."""
    return _MAGIC + bytes.fromhex(shared.kid) + nonce


def kid_of(said: bytes) -> str:
    """The key that a hello names. Raises DsccError (MALFORMED)."""
    if len(said) != HELLO_BYTES or not said.startswith(_MAGIC):
        raise DsccError(Reason.MALFORMED, "that is no end of a tunnel: it does not begin with a hello")
    return said[len(_MAGIC) :][:_KID_BYTES].hex()


def connection(role: Role, own: bytes, peers: bytes) -> Connection:
    """A connection, from the hello of this end and the peer's."""
    both = (own, peers) if role is Role.CLIENT else (peers, own)
    return Connection(S384.digest(enc(*both)), role)


class Sending:
    """What this end says, sealed in order."""

    def __init__(self, between: Connection, shared: SharedKey, *, epoch_records: int = _EPOCH_RECORDS) -> None:
        self._between, self._epoch_records = between, epoch_records
        self._epoch, self._ended = 0, False
        self._begin(shared)

    @property
    def kid(self) -> str:
        """The key that it seals with."""
        return self._shared.kid

    @property
    def has_ended(self) -> bool:
        """Whether the end was said."""
        return self._ended

    def seal(self, data: bytes) -> bytes:
        """Records that carry these bytes; one that carries nothing, if there are none."""
        parts = [data[at : at + BODY_BYTES] for at in range(0, len(data), BODY_BYTES)] or [b""]
        return b"".join([self._room() + self._record(Kind.DATA, part) for part in parts])

    def go_on_with(self, shared: SharedKey) -> bytes:
        """The record that names another key, or the same one; what comes after it is sealed with that."""
        if self._epoch >= _LAST_EPOCH:
            raise DsccError(Reason.EXPIRED, "the connection has had all its epochs")
        said = self._record(Kind.NEXT_KEY, bytes.fromhex(shared.kid))
        self._epoch += 1
        self._begin(shared)
        return said

    def end(self) -> bytes:
        """The last record."""
        said = self._room() + self._record(Kind.END, b"")
        self._ended = True
        return said

    def _begin(self, shared: SharedKey) -> None:
        self._shared, self._number = shared, 0
        way = "c2s" if self._between.role is Role.CLIENT else "s2c"
        self._direction = _direction(self._between, shared, way, self._epoch)

    def _room(self) -> bytes:
        """Nothing, or what ends an epoch that has carried enough."""
        return self.go_on_with(self._shared) if self._number >= self._epoch_records else b""

    def _record(self, kind: Kind, body: bytes) -> bytes:
        if self._ended:
            raise DsccError(Reason.OUT_OF_ORDER, "the end was said before")
        sealed = self._direction.seal(bytes((kind,)) + body)
        head = _HEAD.pack(self._epoch, self._number, len(sealed))
        self._number += 1
        return head + sealed


class Receiving:
    """What the peer says, opened in order. After `Kind.NEXT_KEY` comes `go_on_with`, and then the next event."""

    def __init__(self, between: Connection, shared: SharedKey) -> None:
        self._between, self._epoch, self._number = between, 0, 0
        self._waiting, self._ended, self._next_kid = bytearray(), False, ""
        self._begin(shared)

    @property
    def kid(self) -> str:
        """The key that it opens with."""
        return self._shared.kid

    @property
    def has_ended(self) -> bool:
        """Whether the peer has said its end."""
        return self._ended

    def feed(self, data: bytes) -> None:
        """There are bytes. Take all events before the next ones: nothing else bounds what waits."""
        self._waiting += data

    def next_event(self) -> Event | None:
        """What the next record says; None if it is not all there. Raises DsccError: end the connection.

        MALFORMED: its length is none; OUT_OF_ORDER: it was repeated, left out or exchanged, or comes after the end;
        NOT_AUTHENTIC: it was made by somebody else, or changed.
        """
        if self._next_kid:
            raise DsccError(Reason.OUT_OF_ORDER, "the next record's key is not known yet")
        if self._ended and self._waiting:
            raise DsccError(Reason.OUT_OF_ORDER, "there is something after the end")
        if len(self._waiting) < _HEAD.size:
            return None
        epoch, number, length = _HEAD.unpack_from(self._waiting)
        if not _LEAST <= length <= _MOST:
            raise DsccError(Reason.MALFORMED, f"a record has {_LEAST} to {_MOST} bytes, not {length}")
        if (epoch, number) != (self._epoch, self._number):
            raise DsccError(
                Reason.OUT_OF_ORDER, f"record {number} of epoch {epoch} came for {self._number} of {self._epoch}"
            )
        if len(self._waiting) < _HEAD.size + length:
            return None
        sealed = bytes(memoryview(self._waiting)[_HEAD.size : _HEAD.size + length])
        plain = self._direction.open(sealed)
        del self._waiting[: _HEAD.size + length]
        self._number += 1
        return self._event(plain[0], plain[1:])

    def go_on_with(self, shared: SharedKey) -> None:
        """Have the key that the last event named."""
        if shared.kid != self._next_kid:
            raise DsccError(Reason.OUT_OF_ORDER, "that is not the key that the peer goes on with")
        self._next_kid, self._epoch, self._number = "", self._epoch + 1, 0
        self._begin(shared)

    def finish(self) -> None:
        """There will be no more bytes. Raises DsccError (NOT_AUTHENTIC) if the peer did not say so."""
        if not self._ended or self._waiting:
            raise DsccError(Reason.NOT_AUTHENTIC, "the connection was cut before its end")

    def _begin(self, shared: SharedKey) -> None:
        self._shared = shared
        way = "s2c" if self._between.role is Role.CLIENT else "c2s"
        self._direction = _direction(self._between, shared, way, self._epoch)

    def _event(self, kind: int, body: bytes) -> Event:
        if kind == Kind.DATA:
            return Event(Kind.DATA, data=body)
        if kind == Kind.NEXT_KEY and len(body) == _KID_BYTES:
            self._next_kid = body.hex()
            return Event(Kind.NEXT_KEY, kid=self._next_kid)
        if kind == Kind.END and not body:
            self._ended = True
            return Event(Kind.END)
        raise DsccError(Reason.MALFORMED, f"there is no record of kind {kind} with {len(body)} bytes")


def _direction(between: Connection, shared: SharedKey, way: str, epoch: int) -> Direction:
    secret = key_of_use(shared, TUNNEL, between.role)
    bound = between.digest + epoch.to_bytes(4, "big")
    return Direction(
        S384.expand(secret, f"{way} key", bound, KEY_BYTES),
        S384.expand(secret, f"{way} iv", bound, IV_BYTES),
        bound + way.encode(),
    )
