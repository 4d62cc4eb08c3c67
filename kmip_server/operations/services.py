"""What operations need from the server around them: limits, policies, and the streams of multi-part cryptography."""

from __future__ import annotations

from dataclasses import dataclass, field

from kmip_server.operations.streams import Streams
from kmip_server.ttlv.versions import ProtocolVersion
from policy.compiling import Ruling


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationLimits:
    """What one operation may cost."""

    batch_items: int = 100
    locate_items: int = 10_000
    pbkdf2_iterations: int = 2_000_000
    random_bytes: int = 65_536
    attribute_instances: int = 256
    attribute_bytes: int = 65_536


@dataclass(slots=True, kw_only=True)
class Services:
    """The server as operations see it. `ruling` decides where a request does not bring a newer one."""

    ruling: Ruling
    limits: OperationLimits = OperationLimits()
    legacy_algorithms: bool = False
    lease_seconds: int = 3600
    time_stamp_skew_seconds: int = 0
    short_listings: frozenset[ProtocolVersion] = frozenset()
    streams: Streams = field(default_factory=Streams)
