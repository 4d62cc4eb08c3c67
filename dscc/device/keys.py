"""A key as a program gets it, and which of several is the one to use."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from dscc import notices
from dscc.agreement import KeyState
from dscc.device.records import Held

_DRAWN_FROM: Final = "kmip:"


class Key(NamedTuple):
    """A key that this device and a peer have. Times are POSIX seconds, 0: none."""

    kid: str
    peer: str
    purpose: str
    algorithm: str
    bits: int
    key: bytes
    state: KeyState
    activates_at: int
    expires_at: int
    uses: int
    """How often it may be used, 0 without a limit."""
    trust: str
    nodes: tuple[str, ...]
    initiator: str

    def __repr__(self) -> str:
        return f"Key({self.kid}, {self.peer!r}, {self.purpose!r}, {self.state})"

    def shown(self) -> dict[str, Any]:
        """All but the key itself."""
        rest = self._asdict()
        del rest["key"]
        return rest | {"state": self.state.value, "nodes": list(self.nodes)}


def key_of(held: Held) -> Key:
    """The key of an agreement."""
    agreement, wanted = held.agreement, held.agreement.wanted
    return Key(
        agreement.kid.hex(),
        held.peer,
        wanted.purpose,
        wanted.algorithm,
        wanted.bits,
        agreement.key,
        held.state,
        held.activates_at,
        held.expires_at,
        agreement.uses,
        agreement.trust,
        agreement.nodes,
        agreement.initiator,
    )


def is_gateways(purpose: str) -> bool:
    """Whether a gateway ends the keys of this purpose itself: those for notices, and those that it draws from."""
    return purpose == notices.PURPOSE or purpose.startswith(_DRAWN_FROM)


def to_protect(held: Iterable[Held], now: float) -> Held | None:
    """The key to encrypt with: the Active one with the latest Activation Date that has come.

    Of two with one date it is the one with the larger identifier, so that both sides choose the same.
    """
    usable = [each for each in to_process(held, now) if each.activates_at <= now]
    return max(usable, key=lambda each: (each.activates_at, each.agreement.kid), default=None)


def to_process(held: Iterable[Held], now: float) -> list[Held]:
    """The keys to decrypt with, the latest first: also one whose date has not come, since clocks differ."""
    usable = [each for each in held if each.state is KeyState.ACTIVE and not _over(each, now)]
    return sorted(usable, key=lambda each: (each.activates_at, each.agreement.kid), reverse=True)


def _over(held: Held, now: float) -> bool:
    return 0 < held.expires_at <= now
