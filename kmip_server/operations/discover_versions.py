"""Discover Versions: the protocol versions that both sides speak, the preferred one first (KMIP 2.1 s6.1.16)."""

from __future__ import annotations

from kmip_server.messages.fields import Payload, payload, structure
from kmip_server.messages.headers import ProtocolVersionStructure
from kmip_server.operations.call import Call
from kmip_server.operations.registry import operation
from kmip_server.ttlv.enumerations import Operation
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import SUPPORTED_VERSIONS


@payload
class DiscoverVersionsRequest(Payload):
    """The versions that the client speaks, in its order of preference; none means: tell me all."""

    protocol_version: tuple[ProtocolVersionStructure, ...] = structure(
        Tag.PROTOCOL_VERSION, ProtocolVersionStructure, many=True
    )


@payload
class DiscoverVersionsResponse(Payload):
    """The versions that the server speaks, of those that were asked for."""

    protocol_version: tuple[ProtocolVersionStructure, ...] = structure(
        Tag.PROTOCOL_VERSION, ProtocolVersionStructure, many=True
    )


_ALL = tuple(
    ProtocolVersionStructure(protocol_version_major=version.major, protocol_version_minor=version.minor)
    for version in SUPPORTED_VERSIONS
)


@operation(
    Operation.DISCOVER_VERSIONS,
    request=DiscoverVersionsRequest,
    response=DiscoverVersionsResponse,
    names_object=False,
    stateless=True,
)
def discover_versions(call: Call, request: DiscoverVersionsRequest) -> DiscoverVersionsResponse:
    """The server's order of preference, whatever the client's (s6.1.16)."""
    asked = request.protocol_version
    return DiscoverVersionsResponse(
        protocol_version=tuple([version for version in _ALL if version in asked]) if asked else _ALL
    )
