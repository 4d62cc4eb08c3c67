"""Requests that come again and again with the same bytes: what was read in them is read once.

An appliance makes all its keys with one template. What stands in a message depends on its bytes alone; whether it is
allowed, and what it does, is found out each time.
"""

from __future__ import annotations

from typing import Final

from kmip_server.engine import Plan
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
