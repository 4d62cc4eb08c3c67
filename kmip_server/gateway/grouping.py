"""Groups of gateways: who leads one has it be as server.toml says, whoever is revoked left out.

The lowest name of those who are left leads. What server.toml says of a group counts at who leads it, and at who would
lead it if the one who does is taken out, or was revoked; elsewhere it says nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any, Final

import structlog

from dscc.device.device import Device, nobody
from dscc.errors import DsccError
from kmip_server.gateway.places import Places
from kmip_server.gateway.rotating import Standing

_log: Final = structlog.stdlib.get_logger("kmip.gateway")
_ROUND_SECONDS: Final = 1.0


class Grouping:
    """Keeps the groups of a device. Runs in the gateway's event loop."""

    def __init__(self, device: Device, places: Places) -> None:
        self._device, self._places = device, places

    def standings(self) -> dict[str, Standing]:
        """How the groups stand that this gateway is in."""
        found = self._device.state.groups.items()
        return {name: Standing(one.epoch.number, one.epoch.roster, one.leader, one.behind) for name, one in found}

    async def keep(self) -> None:
        """Look again and again, until this is cancelled; a group that is not reached holds up no other."""
        for name, address in self._places.peers.items():
            # Who takes a group over has to find those who were told by another one so far.
            self._device.state.put_peer(name, address)
        names: set[str] = set()
        async with asyncio.TaskGroup() as group:
            while True:
                for name in (self._places.groups.keys() | self._device.state.groups.keys()) - names:
                    names.add(name)
                    group.create_task(self._keep(name))
                await asyncio.sleep(_ROUND_SECONDS)

    async def _keep(self, name: str) -> None:
        while True:
            await self._round(name)
            await asyncio.sleep(_ROUND_SECONDS)

    async def _round(self, name: str) -> None:
        reasons = [reason for reason in await self._tried(self._changes(name)) if reason]
        unknown = self._places.groups.get(name, frozenset()) - self._places.peers.keys() - {self._device.name}
        if unknown:
            reasons.append(f"server.toml does not say where {', '.join(sorted(unknown))} listens ([dscc] peers)")
        record = self._device.state.groups.get(name)
        if record is not None and record.behind:
            with suppress(DsccError):
                await self._device.groups.sync(name, nobody)
        said = "; ".join(reasons)
        if said and said != self._places.why_not.get(name):
            _log.warning("a group is not as server.toml says", group=name, reason=said)
        self._places.why_not[name] = said

    @staticmethod
    async def _tried(changes: Iterable[Callable[[], Awaitable[Any]]]) -> list[str]:
        """Make changes one after another; why each was not made, "" if it was."""
        reasons = []
        for change in changes:
            try:
                await change()
            except DsccError as error:
                reasons.append(error.message)
            else:
                reasons.append("")
        return reasons

    def _changes(self, name: str) -> list[Callable[[], Awaitable[Any]]]:
        """What this gateway has to change in a group."""
        device, groups, me = self._device, self._device.groups, self._device.name
        reached = self._places.peers.keys() | {me}
        members = self._places.groups.get(name, frozenset()) & reached - set(device.state.revoked)
        record = device.state.groups.get(name)
        if me not in members:
            return []
        if record is None:
            others = {member: self._places.peers[member] for member in sorted(members - {me})}
            return [lambda: groups.form(name, others, nobody)] if others and me == min(members) else []
        roster = frozenset(record.epoch.roster)
        gone = roster - members
        if record.leader != me:
            follows = record.leader in gone and me == min(roster & members)
            return [lambda: groups.take_over(name, nobody, gone)] if follows else []
        changes: list[Callable[[], Awaitable[Any]]] = []
        if gone:
            changes.append(lambda: groups.remove(name, gone, nobody))
        return changes + [self._adding(name, member) for member in sorted(members - roster)]

    def _adding(self, name: str, member: str) -> Callable[[], Awaitable[Any]]:
        address = self._places.peers[member]
        return lambda: self._device.groups.add(name, member, address, nobody)
