"""The shares that a node holds for sessions that are under way: in memory only, for a minute, for two devices. Pure.

The first of the two who asks makes the share, the second gets the same one, if both want the same. Whoever asks again
in the same role gets it again, until it is erased. A crash of the node loses them, and none is ever used twice.

What was made with another node, which knows it, is held apart from what is this node's own, and from what was made with
a third one. Were it one place, a node that tells of every session that it hears of would choose the shares of all
others, and know the keys of all devices.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, NamedTuple

from dscc.errors import DsccError, Reason
from dscc.messages import ShareRequest
from dscc.pairwise import Role
from dscc.primitives import ROOT_BYTES

_ALONE: Final = ""
SHARE_SECONDS: Final = 60
MOST_SHARES: Final = 100_000
"""How many sessions may be under way at once."""


class Grant(NamedTuple):
    """What the policy grants: seconds, uses (0: without a limit), by which version and digest of the policy.

    `kem` is 1 if it grants no key without ML-KEM: the two devices see to that.
    """

    policy_version: int
    policy_digest: bytes
    lifetime: int
    uses: int
    kem: int


class _Held(NamedTuple):
    what: tuple[str, str, str, str, int]
    share: bytes
    grant: Grant
    roles: frozenset[str]
    expires_at: float


class Shares:
    """The shares of one node. Times are seconds of any clock that only goes on."""

    def __init__(self) -> None:
        # By the node with which a share was made ("": this one alone), and the session.
        self._held: OrderedDict[tuple[str, bytes], _Held] = OrderedDict()
        self._made_with = {_ALONE}

    def release(self, device: str, asked: ShareRequest, grant: Grant, now: float, fresh: bytes) -> tuple[bytes, Grant]:
        """The share of a session for a device that may have it: `fresh`, 48 random bytes, if it is the first to ask.

        Raises DsccError: NOT_AUTHENTIC for who is neither of the two, or wants another thing under the same session
        identifier (then neither gets it any more); BUSY if there are too many.
        """
        if len(fresh) != ROOT_BYTES:
            raise ValueError(f"a share has {ROOT_BYTES} bytes")
        if device != named(asked) or asked.initiator == asked.responder:
            raise DsccError(Reason.NOT_AUTHENTIC, "who asks for a share is one of the two, in its own role")
        self._expire(now)
        what, place = _what(asked), (_ALONE, asked.sid)
        held = self._held.get(place)
        if held is None:
            if len(self._held) >= MOST_SHARES:
                raise DsccError(Reason.BUSY, "too many sessions are under way")
            held = _Held(what, fresh, grant, frozenset(), now + SHARE_SECONDS)
        elif held.what != what:
            del self._held[place]
            raise DsccError(Reason.SID_MISMATCH, "the two do not want the same under this session identifier")
        self._held[place] = held._replace(roles=held.roles | {asked.role})
        return held.share, held.grant

    def hold(self, asked: ShareRequest, grant: Grant, now: float, share: bytes, other: str) -> None:
        """Hold a share that was made with the node `other`, for the two whom the request names.

        Raises DsccError: SID_MISMATCH if one is held for this session already, BUSY if there are too many.
        """
        self._expire(now)
        place = (other, asked.sid)
        self._made_with.add(other)
        if place in self._held:
            raise DsccError(Reason.SID_MISMATCH, "there is a share for this session already")
        if len(self._held) >= MOST_SHARES:
            raise DsccError(Reason.BUSY, "too many sessions are under way")
        self._held[place] = _Held(_what(asked), share, grant, frozenset(), now + SHARE_SECONDS)

    def held(self, device: str, asked: ShareRequest, now: float, other: str) -> tuple[bytes, Grant]:
        """A share that was made with the node `other`.

        Raises DsccError: NOT_AUTHENTIC as `release`, WAITING if it is not there yet.
        """
        self._expire(now)
        place = (other, asked.sid)
        found = self._held.get(place)
        if found is None:
            raise DsccError(Reason.WAITING, "the other device's node has not told of this session yet; ask again")
        if device != named(asked) or found.what != _what(asked):
            raise DsccError(Reason.NOT_AUTHENTIC, "that is not what the session is for")
        self._held[place] = found._replace(roles=found.roles | {asked.role})
        return found.share, found.grant

    def done(self, sid: bytes, device: str) -> None:
        """A device has what it needs. The share is erased when both have said so."""
        for made_with in self._made_with:
            held = self._held.get((made_with, sid))
            if held is None or device not in held.what[:2]:
                continue
            role = Role.INITIATOR if device == held.what[0] else Role.RESPONDER
            ended = held.roles - {role} if role in held.roles else held.roles
            if ended:
                self._held[made_with, sid] = held._replace(roles=ended)
            else:
                del self._held[made_with, sid]

    def peer_of(self, sid: bytes, device: str) -> str | None:
        """With whom a device is in a session; None if it is in none of this identifier."""
        for made_with in self._made_with:
            held = self._held.get((made_with, sid))
            if held is not None and device in held.what[:2]:
                return held.what[1] if device == held.what[0] else held.what[0]
        return None

    def is_held(self, sid: bytes, device: str, other: str) -> bool:
        """Whether a share that was made with the node `other` is held for this device."""
        held = self._held.get((other, sid))
        return held is not None and device in held.what[:2]

    def forget(self, device: str) -> None:
        """Erase every share of a device that was revoked."""
        for place in [place for place, held in self._held.items() if device in held.what[:2]]:
            del self._held[place]

    def __len__(self) -> int:
        return len(self._held)

    def _expire(self, now: float) -> None:
        while self._held:
            place, held = next(iter(self._held.items()))
            if held.expires_at > now:
                return
            del self._held[place]


def _what(asked: ShareRequest) -> tuple[str, str, str, str, int]:
    return asked.initiator, asked.responder, asked.purpose, asked.algorithm, asked.bits


def named(asked: ShareRequest) -> str:
    """Who a request says that it is from. Raises DsccError (MALFORMED) for a role that there is not."""
    if asked.role == Role.INITIATOR:
        return asked.initiator
    if asked.role == Role.RESPONDER:
        return asked.responder
    raise DsccError(Reason.MALFORMED, "a role is initiator or responder")
