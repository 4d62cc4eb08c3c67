"""Where the gateways of other sites listen, and who is in which group."""

from __future__ import annotations

from collections.abc import Mapping

from dscc.device.device import Device
from dscc.enrolment import Address


class Places:
    """What server.toml says of other sites, and what the device knows of its groups."""

    def __init__(self, device: Device, peers: Mapping[str, Address], groups: Mapping[str, tuple[str, ...]]) -> None:
        self._device = device
        self.peers = peers
        self.groups = {name: frozenset(members) for name, members in groups.items()}
        self.why_not: dict[str, str] = {}
        """Why a group is not as server.toml says, in words, by its name."""

    def members(self, group: str) -> tuple[str, ...]:
        """Who is in a group now, this gateway included."""
        record = self._device.state.groups.get(group)
        return () if record is None else record.epoch.roster
