"""How many connections may be open, in total and from one address, and how many bytes may wait in buffers."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv6Address, ip_address


class ConnectionBudget:
    """Counts open connections by the peer's address; an IPv6 peer counts by its /64, which one host may own whole."""

    def __init__(self, total: int, per_address: int) -> None:
        self._total = total
        self._per_address = per_address
        self._open: Counter[str] = Counter()
        self._count = 0

    def take(self, host: str) -> bool:
        """Count one more connection from this address; False, and nothing is counted, if that is too many."""
        key = _network(host)
        if self._count >= self._total or self._open[key] >= self._per_address:
            return False
        self._count += 1
        self._open[key] += 1
        return True

    def release(self, host: str) -> None:
        """Count one connection less."""
        key = _network(host)
        self._count -= 1
        self._open[key] -= 1
        if not self._open[key]:
            del self._open[key]


class ByteBudget:
    """Counts the bytes that wait in the buffers of all connections."""

    def __init__(self, total: int) -> None:
        self._free = total

    def move(self, held: int, wanted: int) -> bool:
        """Replace a charge of `held` bytes by one of `wanted`; False, and nothing changes, if that is too much."""
        if wanted - held > self._free:
            return False
        self._free -= wanted - held
        return True


def _network(host: str) -> str:
    address = ip_address(host.partition("%")[0])
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(IPv6Address(int(address) >> 64 << 64))
    return host
