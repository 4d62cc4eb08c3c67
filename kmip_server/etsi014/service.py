"""What delivers keys, as the surface of ETSI GS QKD 014 V1.1.1 sees it. Sizes are in bits, as in the standard.

An SAE of the standard is a client of the server: its SAE ID is the client's name, and nothing but its certificate says
which it is. A key leaves once to its master and once to its slave, and is erased then.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from twisted.internet.defer import Deferred, fail

from kmip_server.identity.caller import Caller

MOST_KEYS: Final = 128
"""In one request."""
LEAST_BITS: Final = 128
"""No shorter key is negotiated."""
MOST_BITS: Final = 4096
DEFAULT_BITS: Final = 256


class Kind(StrEnum):
    """Why no key is delivered: the three errors of the standard (s5)."""

    MALFORMED = "malformed"
    UNAUTHORISED = "unauthorised"
    UNAVAILABLE = "unavailable"


class KeyDeliveryError(Exception):
    """No key is delivered. The message says why and what to do, is safe to show, and tells nothing of others' keys.

    `details` are objects with more about it (s6.5).
    """

    def __init__(self, kind: Kind, message: str, details: Sequence[dict[str, str]] = ()) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.details = tuple(details)


def unknown_sae() -> KeyDeliveryError:
    """There is no such SAE, or none with which the caller may share keys: who asks cannot tell which."""
    return KeyDeliveryError(
        Kind.MALFORMED,
        "this gateway shares no keys between you and the SAE in the path: the two of a pair are at two gateways",
    )


def keys_not_found() -> KeyDeliveryError:
    """One of the keys was never made, has been delivered already, or is another pair's: who asks cannot tell which."""
    return KeyDeliveryError(Kind.MALFORMED, "one or more keys specified are not found on KME")


class DeliveredKey(NamedTuple):
    """A key and its key_ID: a UUID in lower case, the Unique Identifier of the negotiated key. It is never shown."""

    key_id: str
    secret: bytes

    def __repr__(self) -> str:
        return f"DeliveredKey({self.key_id!r})"


class KeyStatus(NamedTuple):
    """What the gateway has for a pair: the ids of both gateways, how many keys wait, and how many can at most."""

    source_kme: str
    target_kme: str
    stored_keys: int
    most_keys: int


class KeyDelivery(Protocol):
    """Delivers negotiated keys. All methods are called in the reactor's thread, with arguments within the limits above.

    Callers are as they were when they connected. Each Deferred fails with KeyDeliveryError; anything else is a fault of
    ours. One that is cancelled takes too long: new keys that nobody gets are taken back, and those that were erased to
    be delivered are lost, as with an answer that does not arrive.
    """

    def status(self, master: Caller, slave: str) -> Deferred[KeyStatus]:
        """What waits for this pair (s5.1). Fails with `unknown_sae`."""

    def enc_keys(self, master: Caller, slave: str, number: int, bits: int) -> Deferred[Sequence[DeliveredKey]]:
        """As many new keys of this size for the master (s5.2): all of them or none. Fails with `unknown_sae`."""

    def dec_keys(self, slave: Caller, master: str, key_ids: Sequence[str]) -> Deferred[Sequence[DeliveredKey]]:
        """The keys of these key_IDs, all different, for the slave (s5.3), in the same order: all of them or none.

        Fails with `keys_not_found`, and the keys that are there stay.
        """


class NoGateway:
    """The KeyDelivery of a server that is no gateway: it has no keys for anybody."""

    def status(self, master: Caller, slave: str) -> Deferred[KeyStatus]:
        """Unavailable."""
        return fail(_no_gateway())

    def enc_keys(self, master: Caller, slave: str, number: int, bits: int) -> Deferred[Sequence[DeliveredKey]]:
        """Unavailable."""
        return fail(_no_gateway())

    def dec_keys(self, slave: Caller, master: str, key_ids: Sequence[str]) -> Deferred[Sequence[DeliveredKey]]:
        """Unavailable."""
        return fail(_no_gateway())


def _no_gateway() -> KeyDeliveryError:
    return KeyDeliveryError(Kind.UNAVAILABLE, "this server negotiates no keys: it is not set up as a gateway")
