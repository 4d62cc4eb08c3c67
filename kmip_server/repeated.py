"""Requests that come again and again with the same bytes: what was read in them is read once.

An appliance makes all its keys with one template. What stands in a message depends on its bytes alone; whether it is
allowed, and what it does, is found out each time. If it needs a negotiated key, that is asked for beforehand the next
time; whether it is allowed to have it is found out all the same, and a key that is not used is nobody's.
"""

from __future__ import annotations

from typing import Final

from kmip_server.engine import Plan
from kmip_server.identity.directory import Directory
from kmip_server.operations.negotiation import NegotiationNeeded
from kmip_server.operations.registry import SMALL_REQUEST

_MOST: Final = 256


class RepeatedRequests:
    """The plans of messages in TTLV that may be asked again; so many and no longer ones than the bounds allow."""

    def __init__(self) -> None:
        self._plans: dict[bytes, Plan] = {}

    def plan(self, data: bytes) -> Plan | None:
        """What was read in a message with these bytes, if it was one of them."""
        return self._plans.get(data)

    def keep(self, data: bytes, plan: Plan) -> None:
        """Remember it, if it may be. When there are too many, all are forgotten: what is asked again comes soon."""
        if plan.repeats and len(data) <= SMALL_REQUEST:
            if len(self._plans) >= _MOST:
                self._plans.clear()
            self._plans[data] = plan


class ForeseenKeys:
    """What requests need to be negotiated that clients have sent before, as long as the same directory decides."""

    def __init__(self) -> None:
        self._needed: dict[tuple[str, bytes], tuple[Directory, NegotiationNeeded]] = {}

    def needed(self, directory: Directory, client: str, data: bytes) -> NegotiationNeeded | None:
        """What a request needs, if it was asked for."""
        found = self._needed.get((client, data))
        return found[1] if found is not None and found[0] is directory else None

    def keep(self, directory: Directory, client: str, data: bytes, plan: Plan, needed: NegotiationNeeded) -> None:
        """Remember it, if the request may come again. When there are too many, all are forgotten."""
        if plan.repeats and len(data) <= SMALL_REQUEST:
            if len(self._needed) >= _MOST:
                self._needed.clear()
            self._needed[client, data] = directory, needed

    def forget(self, client: str, data: bytes) -> None:
        """It did not come to a key, so that none is negotiated for nothing again."""
        self._needed.pop((client, data), None)
