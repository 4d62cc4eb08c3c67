"""What the parts of a device have in common: its state, its links, its limits, the time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from dscc import paths
from dscc.device.clock import Clock
from dscc.device.config import Config
from dscc.device.link import NodeLink
from dscc.device.records import Held
from dscc.device.state import State
from dscc.errors import DsccError, Reason
from dscc.messages import Receipt

_NO_KID = bytes(16)


class Resources(NamedTuple):
    """The parts of one open device."""

    state: State
    links: dict[str, NodeLink]
    config: Config
    clock: Clock

    @property
    def registered(self) -> tuple[str, ...]:
        """The nodes at which the device is registered."""
        return tuple(name for name, record in self.state.nodes.items() if record.present)

    def check_peer(self, peer: str) -> None:
        """Whether there may be keys with a peer. Raises DsccError (REVOKED)."""
        if peer in self.state.revoked:
            raise DsccError(Reason.REVOKED, f"{peer} was revoked")

    def nearest(self, count: int) -> tuple[str, ...]:
        """The paths to offer: nodes that are up, of the own region, and quick, come first; then pairs of nodes."""

        def distance(node: str) -> tuple[bool, bool, float, str]:
            link, region = self.links[node], self.state.nodes[node].region
            return link.is_down, region != self.config.region, link.latency or float("inf"), node

        located = [path for path in self.config.keys.located if paths.near(path, initiator=True) in self.registered]
        return (*sorted(self.registered, key=distance)[:count], *located)


def receipts(links: Mapping[str, NodeLink], held: Held, received: Iterable[str], *, initiator: bool) -> None:
    """Tell the nodes that gave a share what became of it."""
    used = Receipt(held.agreement.sid, held.agreement.kid, 1)
    for path in received:
        said = used if path in held.agreement.nodes else Receipt(held.agreement.sid, _NO_KID, 0)
        links[paths.near(path, initiator=initiator)].tell(said)


def no_key(links: Mapping[str, NodeLink], sid: bytes, received: Iterable[str], *, initiator: bool) -> None:
    """Tell the nodes that gave a share that there will be no key."""
    for path in received:
        links[paths.near(path, initiator=initiator)].tell(Receipt(sid, _NO_KID, 0))
