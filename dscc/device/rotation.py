"""When a kept key is renewed, and when an old one is given up. Pure.

agreed     `lead` seconds before the next Activation Date, which goes into D1, so that both have the same one
protect    the key whose Activation Date has come last (keys.to_protect)
process    the key before, too, until `overlap` seconds after that date: clocks differ, and messages are under way
destroyed  after that
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from dscc.agreement import KeyState
from dscc.device.config import Keep
from dscc.device.keys import to_process, to_protect
from dscc.device.records import Held


class Due(NamedTuple):
    """When to ask for the next key, and its Activation Date, which is never left to each side's own clock."""

    at: float
    activation: int


def next_key(keep: Keep, held: Iterable[Held], now: float, first_at: float, *, asks_first: bool) -> Due:
    """When the next key of a peer is due; without any, at `first_at`.

    If both of two keep a key, one asks first, and the other one if that did not happen. A key that is granted for less
    than `every` is renewed in time for its end.
    """
    usable = to_process(held, now)
    if not usable:
        return Due(first_at, int(now))
    newest = usable[0]
    following = newest.activates_at + keep.every
    if newest.expires_at:
        following = min(following, max(newest.expires_at - keep.overlap, newest.activates_at + 1))
    at = following - keep.lead if asks_first else following
    return Due(at, max(following, int(now)))


def superseded(keep: Keep, held: Iterable[Held], now: float) -> list[bytes]:
    """The keys whose successor has been in use for `overlap` seconds."""
    usable = to_process(held, now)
    present = to_protect([each for each in usable if each.activates_at <= now - keep.overlap], now)
    if present is None:
        return []
    return [each.agreement.kid for each in usable if each.activates_at < present.activates_at]


def over(held: Iterable[Held], now: float) -> list[bytes]:
    """The Active keys whose lifetime is over."""
    return [each.agreement.kid for each in held if each.state is KeyState.ACTIVE and 0 < each.expires_at <= now]


def next_change(held: Iterable[Held], keeps: Iterable[Keep], now: float) -> float | None:
    """When the next key is over or superseded; None: none will be, as things are."""
    overlaps = {(keep.peer, keep.purpose): keep.overlap for keep in keeps}
    moments = []
    for each in held:
        if each.state is KeyState.ACTIVE:
            moments.append(each.expires_at)
            moments.append(each.activates_at + overlaps.get((each.peer, each.purpose), 0))
    return min((moment for moment in moments if moment > now), default=None)
