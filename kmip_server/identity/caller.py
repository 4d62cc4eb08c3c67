"""The caller of a request, as every layer below the listeners sees it."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated client.

    `name` is the principal that owns objects; `groups` come from the server's own records, never from the request;
    `fingerprint` is the SHA-256 of the client certificate in lower-case hexadecimal; `address` is where it connects
    from.
    """

    name: str
    groups: frozenset[str] = frozenset()
    fingerprint: str = ""
    address: IPv4Address | IPv6Address | None = None
