"""What a source of keys for a link is: two ends draw the same keys, the one by peer and number, the other by their ids.

A source blocks while it works (a network, a simulation): a node asks it from a thread. Sizes are in bytes.
"""

from __future__ import annotations

from typing import ClassVar, Final, NamedTuple, Protocol
from uuid import UUID

from dscc.errors import DsccError, Reason

LEAST_BYTES: Final = 16
MOST_BYTES: Final = 512
"""The longest key that is drawn for a link: 4,096 bits, as the longest that devices negotiate."""
MOST_KEYS: Final = 128
"""In one request."""


class LinkError(DsccError):
    """A link or its source did not do what it was asked. The subclass says what follows from it."""

    why: ClassVar[Reason] = Reason.FAILED

    def __init__(self, message: str) -> None:
        super().__init__(self.why, message)


class SourceEmptyError(LinkError):
    """There are not enough keys now; later there may be."""

    why = Reason.BUSY


class SourceUnreachableError(LinkError):
    """The source did not answer, or not in time; it may later."""


class SourceRefusedError(LinkError):
    """The source does not serve this node, or not for this peer: somebody has to see to it."""

    why = Reason.POLICY_DENIED


class SourceRequestError(LinkError):
    """The source does not give what was asked for: another size or number, or an id that it does not know."""

    why = Reason.UNSUPPORTED


class SourceAnswerError(LinkError):
    """The answer is not what the source's standard says. Nothing of it was used."""

    why = Reason.MALFORMED


class KeyGoneError(SourceRequestError):
    """No key of this id waits here: it was never drawn, has been given already, or was dropped."""

    why = Reason.EXPIRED


class ChainOnlyError(LinkError):
    """The source gives nothing, and the chain alone has been used as often as it may."""

    why = Reason.INSUFFICIENT_PATHS


class Key(NamedTuple):
    """A key and the id by which the other end has the same one. It is never shown."""

    key_id: str
    secret: bytes

    def __repr__(self) -> str:
        return f"Key({self.key_id!r})"

    @property
    def simulated(self) -> bool:
        """Whether it came from a simulation: its id says so."""
        return is_simulated(self.key_id)


class SourceStatus(NamedTuple):
    """What a source says of itself, for one peer. There is no secret in it."""

    source: str
    peer: str
    stored_keys: int
    """How many keys of `key_bytes` can be drawn now."""
    key_bytes: int
    """The size that it is made for."""
    most_keys: int
    """At most in one request."""
    least_bytes: int
    most_bytes: int
    simulated: bool = False
    detail: str = ""


class KeySource(Protocol):
    """One end of a source. Every method raises LinkError."""

    def status(self, peer: str) -> SourceStatus:
        """How much there is for a link with this peer."""

    def get_key(self, peer: str, size: int, number: int = 1) -> list[Key]:
        """Draw fresh keys of `size` bytes. Raises SourceEmptyError: then none is drawn."""

    def get_by_id(self, peer: str, key_ids: tuple[str, ...]) -> list[Key]:
        """The keys that the peer drew, in the order of the ids. Each is given once."""


def check_request(size: int, number: int) -> None:
    """Raises SourceRequestError for a size or a number that no link asks for."""
    if not LEAST_BYTES <= size <= MOST_BYTES:
        raise SourceRequestError(f"keys have {LEAST_BYTES} to {MOST_BYTES} bytes, not {size}")
    if not 1 <= number <= MOST_KEYS:
        raise SourceRequestError(f"1 to {MOST_KEYS} keys are drawn at a time, not {number}")


def check_ids(key_ids: tuple[str, ...]) -> None:
    """Raises SourceRequestError for ids that are none, are too many, or are there twice."""
    if not 1 <= len(key_ids) <= MOST_KEYS:
        raise SourceRequestError(f"1 to {MOST_KEYS} keys are asked for at a time, not {len(key_ids)}")
    if not all(map(is_key_id, key_ids)) or len(set(key_ids)) != len(key_ids):
        raise SourceRequestError("the ids of keys are different UUIDs")


def is_key_id(value: object) -> bool:
    """Whether this is a UUID as RFC 9562 writes it: 32 digits with four hyphens."""
    if not isinstance(value, str) or len(value) != 36:
        return False
    try:
        return str(UUID(value)) == value.lower()
    except ValueError:
        return False


_SIMULATED: Final = b"SIM\0"


def simulated_key_id(random: bytes) -> str:
    """A simulated key's id, from 12 random bytes: a UUID of version 8 (RFC 9562 s5.8) that begins with 53494d00."""
    return str(UUID(int=int.from_bytes(_SIMULATED + random) & ~(0xF << 76 | 3 << 62) | 8 << 76 | 2 << 62))


def is_simulated(key_id: str) -> bool:
    """Whether the id is one of a simulated key."""
    number = UUID(key_id)
    return number.bytes.startswith(_SIMULATED) and number.version == 8


def new_key_id(random: bytes) -> str:
    """A key's id from 16 random bytes: a UUID of version 4 (RFC 9562 s5.4)."""
    return str(UUID(bytes=random, version=4))
