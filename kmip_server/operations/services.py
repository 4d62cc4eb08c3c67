"""What operations need from the server around them: limits, policies, and the streams of multi-part cryptography."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kmip_server.operations.streams import Streams
from policy.decision import OperationPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationLimits:
    """What one operation may cost."""

    batch_items: int = 100
    response_bytes: int = 4 << 20
    locate_items: int = 10_000
    pbkdf2_iterations: int = 2_000_000
    random_bytes: int = 65_536
    attribute_instances: int = 256
    attribute_bytes: int = 65_536


@dataclass(slots=True, kw_only=True)
class Services:
    """The server as operations see it. `policies` decide where a request does not bring newer ones."""

    policies: Mapping[str, OperationPolicy]
    limits: OperationLimits = OperationLimits()
    legacy_algorithms: bool = False
    lease_seconds: int = 3600
    time_stamp_skew_seconds: int = 0
    streams: Streams = field(default_factory=Streams)
