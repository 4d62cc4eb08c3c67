"""What operations need from the server around them: limits, policies, and the streams of multi-part cryptography."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kmip_server.identity.caller import Caller
from kmip_server.operations.streams import Streams
from kmip_server.ttlv.versions import ProtocolVersion
from policy.decision import OperationPolicy, Subject, shared_with


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
    """The server as operations see it. `policies` decide where a request does not bring newer ones."""

    policies: Mapping[str, OperationPolicy]
    limits: OperationLimits = OperationLimits()
    legacy_algorithms: bool = False
    lease_seconds: int = 3600
    time_stamp_skew_seconds: int = 0
    short_listings: frozenset[ProtocolVersion] = frozenset()
    streams: Streams = field(default_factory=Streams)
    _shared: tuple[Mapping[str, OperationPolicy], dict[tuple[frozenset[str], str], frozenset[tuple[str, str]]]] = field(
        default_factory=lambda: ({}, {}), repr=False
    )

    def shared_with(
        self, policies: Mapping[str, OperationPolicy], caller: Caller, action: str
    ) -> frozenset[tuple[str, str]]:
        """See policy.decision.shared_with; kept for each set of groups as long as the policies are the same."""
        of, kept = self._shared
        if of is not policies:
            of, kept = self._shared = (policies, {})
        key = (caller.groups, action)
        if key not in kept:
            kept[key] = shared_with(policies, Subject(caller.name, caller.groups), action)
        return kept[key]
