"""Shares that two nodes give together: each device asks its own node, and both nodes have the same share (bilocation).

The first device's node has a key made of the link, grants, tells the other one, which looks at its own policy and
device, and only then gives the share to its device. Both know the share: they count as one path.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection
from twisted.internet.defer import Deferred, inlineCallbacks, returnValue

from dscc.errors import DsccError, Reason
from dscc.links.bilocation import Session, located_share
from dscc.links.chain import LinkKey
from dscc.messages import Done, Located, LocatedRequest, ShareRequest, ShareResponse
from dscc.node import registry
from dscc.node.shares import Grant, named
from dscc.pairwise import Role
from dscc.primitives import S512, enc
from dscc.wire import Message, decode_as

if TYPE_CHECKING:
    from dscc.node.service import DeviceSession, NodeService


@inlineCallbacks
def ask(service: NodeService, session: DeviceSession, said: LocatedRequest) -> Generator[Deferred[Any], Any, Message]:
    """What a device is answered. Raises DsccError: WAITING for the second one, until the first one has asked."""
    asked = decode_as(ShareRequest, said.asked)
    if session.device != named(asked):
        raise DsccError(Reason.NOT_AUTHENTIC, "who asks for a share is one of the two, in its own role")
    if said.other not in service.settings.peers:
        raise DsccError(Reason.UNSUPPORTED, f"there is no link to {said.other}")
    if asked.role == Role.RESPONDER or service.shares.is_held(asked.sid, session.device, said.other):
        answer = yield service.writer.submit(
            lambda connection: _again(service, connection, session.device, asked, said.other)
        )
        returnValue(answer)
    granted: Grant = yield service.writer.submit(
        lambda connection: _granted(service, connection, asked, here=asked.initiator)
    )
    made: LinkKey = yield service.link_keys.make(said.other)
    yield service.peers.ask(said.other, _located(asked, made.number, granted))
    answer = yield service.writer.submit(
        lambda connection: _first(service, connection, session.device, asked, granted, made.secret, said.other)
    )
    returnValue(answer)


def take(service: NodeService, node: str, said: Located) -> Deferred[Message]:
    """What this node answers another one, whose device began: its own policy and device have to agree."""
    made = service.link_keys.take(node, said.step)
    wanted = (said.purpose, said.algorithm, said.bits)
    asked = ShareRequest(said.sid, said.initiator, said.responder, Role.RESPONDER.value, *wanted, 0)
    theirs = Grant(said.policy_version, said.policy_digest, said.lifetime, said.uses, said.kem)

    def work(connection: Connection) -> Message:
        mine = _granted(service, connection, asked, here=said.responder)
        if _shorter(mine.lifetime, theirs.lifetime) or _shorter(mine.uses, theirs.uses) or mine.kem > theirs.kem:
            raise DsccError(Reason.CONTEXT_MISMATCH, "this node grants less")
        service.shares.hold(asked, theirs, service.reactor.seconds(), _share(asked, theirs, made.secret), node)
        return Done()

    return service.writer.submit(work)


def _granted(service: NodeService, connection: Connection, asked: ShareRequest, here: str) -> Grant:
    """What this node grants, whose own device is `here`; the other one is known by the policy alone."""
    device = service.at_last_stage(connection, registry.known(connection, here))
    elsewhere = registry.elsewhere(asked.responder if here == asked.initiator else asked.initiator, device.stage)
    pair = (device, elsewhere) if here == asked.initiator else (elsewhere, device)
    return service.deciding.grant(asked, pair[0], pair[1], service.now)


def _first(
    service: NodeService, connection: Connection, device: str, asked: ShareRequest, grant: Grant, key: bytes, other: str
) -> ShareResponse:
    """The first device's share. It may have been revoked while the nodes spoke."""
    service.at_last_stage(connection, registry.known(connection, device))
    service.shares.hold(asked, grant, service.reactor.seconds(), _share(asked, grant, key), other)
    return _again(service, connection, device, asked, other)


def _again(service: NodeService, connection: Connection, device: str, asked: ShareRequest, other: str) -> ShareResponse:
    """A share that is held already."""
    service.at_last_stage(connection, registry.known(connection, device))
    share, grant = service.shares.held(device, asked, service.reactor.seconds(), other)
    return service.given(connection, device, asked, share, grant, ", with another node")


def _share(asked: ShareRequest, grant: Grant, key: bytes) -> bytes:
    numbers = [number.to_bytes(8, "big") for number in (grant.policy_version, grant.lifetime, grant.uses, grant.kem)]
    granted = enc(grant.policy_digest, *numbers)
    return located_share(S512, key, Session(asked.sid, asked.initiator, asked.responder, granted))


def _located(asked: ShareRequest, step: int, grant: Grant) -> Located:
    return Located(
        asked.sid,
        asked.initiator,
        asked.responder,
        asked.purpose,
        asked.algorithm,
        asked.bits,
        step,
        grant.policy_version,
        grant.policy_digest,
        grant.lifetime,
        grant.uses,
        grant.kem,
    )


def _shorter(mine: int, theirs: int) -> bool:
    """Whether this node grants less; 0 is without a limit."""
    return bool(mine) and (not theirs or mine < theirs)
