"""Links between nodes: a session as that of a device, over which either side asks the other.

The node with the lower name connects. A link says what has to be known everywhere (revocations), and carries pieces of
secrets for devices; shares never travel on it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final

import structlog
from sqlalchemy import Connection
from twisted.application.internet import ClientService, backoffPolicy
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred, succeed
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.protocol import Factory, connectionDone
from twisted.python.failure import Failure

from dscc.errors import DsccError, Reason
from dscc.links.chain import L1, L3
from dscc.messages import M2, M4, Deposit, Done, LinkKeyRequest, Located, Refused, Revocation
from dscc.node import registry, revocations
from dscc.node.connection import FramedConnection
from dscc.node.sealing import NodeKey
from dscc.node.settings import Peer, Settings
from dscc.node.writer import Writer
from dscc.primitives import NONCE_BYTES, S512, enc
from dscc.registration import Root
from dscc.session import Chain, DeviceHandshake, Session, begin_chain
from dscc.wire import Frame, FrameKind, Message, decode, encode, expect, write_frame

_log: Final = structlog.stdlib.get_logger("dscc.node")
_STAGE: Final = "link"
_MOST_UNDER_WAY: Final = 1024
CODE_BYTES: Final = 32
ANSWER_SECONDS: Final = 30
"""After so long a node that was asked is not waited for any more."""
AGAIN_SECONDS: Final = 10
"""After so long a node that did not take a revocation is told it again; one that is not linked, as soon as it is."""


def link_chain(code: bytes, one: str, other: str) -> Chain:
    """The first chain of the link between two nodes, from a code that both were given."""
    names = enc(*sorted([one.encode(), other.encode()]))
    return begin_chain(Root(S512, 0, _STAGE, S512.expand(code, "link root", S512.digest(names))))


class Link:
    """One open link, on either side. The one who connected gives its requests odd numbers, the other even ones."""

    def __init__(
        self,
        session: Session,
        send: Callable[[bytes], None],
        answer: Callable[[Message], Deferred[Message]],
        *,
        first: int,
    ) -> None:
        self._session, self._send, self._answer = session, send, answer
        self._next = first
        self._pending: dict[int, Deferred[Message]] = {}
        self._answering = 0

    def ask(self, said: Message) -> Deferred[Message]:
        """Ask the other node. Fails with DsccError if it refuses, or the link is lost."""
        if len(self._pending) >= _MOST_UNDER_WAY:
            raise DsccError(Reason.BUSY, "too much is under way on this link")
        number, self._next = self._next, self._next + 2
        done: Deferred[Message] = Deferred()
        self._pending[number] = done
        self._say(number, said)
        return done

    def on_record(self, record: bytes) -> None:
        """What the other node says. Raises DsccError: close the link."""
        plain = self._session.open(record)
        number, said = int.from_bytes(plain[:8], "big"), decode(plain[8:])
        done = self._pending.pop(number, None)
        if done is None and self._answering >= _MOST_UNDER_WAY:
            self._say(number, Refused(Reason.BUSY, "too much is under way on this link"))
        elif done is None:
            self._answering += 1
            self._answer(said).addCallback(self._answered, number)
        elif isinstance(said, Refused):
            done.errback(DsccError(Reason.FAILED, f"the other node refused: {said.reason}: {said.words}"))
        else:
            done.callback(said)

    def lost(self) -> None:
        """Fail what is under way."""
        pending, self._pending = self._pending, {}
        for done in pending.values():
            done.errback(DsccError(Reason.FAILED, "the link to the other node was lost"))

    def _answered(self, answer: Message, number: int) -> None:
        self._answering -= 1
        self._say(number, answer)

    def _say(self, number: int, said: Message) -> None:
        self._send(write_frame(FrameKind.RECORD, self._session.seal(number.to_bytes(8, "big") + encode(said))))


class Peers:
    """The links of a node with all others."""

    def __init__(self, reactor: ReactorBase, settings: Settings, key: NodeKey, writer: Writer) -> None:
        self.reactor = reactor
        self.settings, self.key, self.writer = settings, key, writer
        self.deposited: Callable[[Deposit], None] = lambda _: None
        """Is told of each piece for a device."""
        self.link_keys: Callable[[str, Message], Deferred[Message]] = _nothing
        """Answers what makes keys of a link."""
        self.located: Callable[[str, Located], Deferred[Message]] = _nothing
        """Answers that a share is given together with another node."""
        self.acknowledged: Callable[[Revocation, str], None] = lambda _, __: None
        """Is told which node knows of a revocation, as soon as that says so."""
        self._links: dict[str, Link] = {}
        self._behind: set[str] = set()
        """The nodes that did not take what they were told, and are told all of it again soon."""
        self._services: list[ClientService] = []

    def start(self) -> None:
        """Connect to those nodes that this one has to connect to, again and again."""
        for name, peer in self.settings.peers.items():
            if self.settings.name < name:
                self._services.append(self._service(name, peer))
        for service in self._services:
            service.startService()

    def stop(self) -> None:
        """Connect no more."""
        for service in self._services:
            service.stopService()

    @property
    def linked(self) -> frozenset[str]:
        """The nodes to which there is a link now."""
        return frozenset(self._links)

    def opened(self, name: str, link: Link) -> None:
        """A link is open: tell the other node what it does not know yet. An earlier one is of no use any more."""
        before = self._links.get(name)
        self._links[name] = link
        if before is not None:
            before.lost()
        _log.info("link open", node=name)
        self._tell_from(name, 0)

    def closed(self, name: str, link: Link | None) -> None:
        """A link is lost."""
        if link is not None and self._links.get(name) is link:
            del self._links[name]
            _log.warning("link lost", node=name)
        if link is not None:
            link.lost()

    def tell_all(self, after: int) -> None:
        """Tell every linked node of the revocations behind a place that it does not know of."""
        for name in list(self._links):
            self._tell_from(name, after)

    def pass_on(self, said: Revocation) -> None:
        """Tell every linked node of one revocation, at once."""
        for name in list(self._links):
            self._tell(name, said)

    def _tell_from(self, name: str, after: int) -> None:
        """Tell a node of all that it does not know of behind a place: so many, and when it has answered, the next."""
        link = self._links[name]
        with self.writer.reading() as connection:
            unknown = revocations.unknown_to(connection, name, after)
        told = DeferredList([self._tell(name, said) for _, said in unknown])

        def go_on(_: object) -> None:
            if self._links.get(name) is link:
                self._tell_from(name, unknown[-1].recorded)

        if len(unknown) == revocations.TOLD_AT_ONCE:
            told.addCallback(go_on)

    def ask(self, name: str, said: Message) -> Deferred[Message]:
        """Ask another node. Raises DsccError (INSUFFICIENT_PATHS) if there is no link to it.

        Fails as `Link.ask` does, and if it is silent: whoever waits for it holds a place in a device's session.
        """
        link = self._links.get(name)
        if link is None:
            raise DsccError(Reason.INSUFFICIENT_PATHS, f"there is no link to {name}")
        return link.ask(said).addTimeout(ANSWER_SECONDS, self.reactor, onTimeoutCancel=_silent)

    def answer(self, name: str, said: Message) -> Deferred[Message]:
        """What this node answers another one."""
        if isinstance(said, Revocation):
            node = self.settings.name

            def take(connection: Connection) -> Message:
                if revocations.take(connection, node, said, told_by=name):
                    _log.warning("revocation", of=said.kind, subject=said.subject, origin=said.origin)
                return Done()

            return self.writer.submit(take).addErrback(_refusal)
        if isinstance(said, Deposit):
            if said.of != name:
                return succeed(Refused(Reason.NOT_AUTHENTIC.value, "a node gives pieces for its own steps only"))
            self.deposited(said)
            return succeed(Done())
        if isinstance(said, (L1, L3, LinkKeyRequest)):
            return maybeDeferred(self.link_keys, name, said).addErrback(_refusal)
        if isinstance(said, Located):
            return maybeDeferred(self.located, name, said).addErrback(_refusal)
        return succeed(Refused(Reason.OUT_OF_ORDER, "nodes do not ask each other that"))

    def _tell(self, name: str, said: Revocation) -> Deferred[None]:
        def acknowledged(_: Message) -> Deferred[None]:
            self.acknowledged(said, name)
            return self.writer.submit(lambda connection: revocations.acknowledge(connection, said, name))

        def failed(failure: Failure) -> None:
            _log.warning("a revocation was not passed on yet", node=name, reason=str(failure.value))
            if name not in self._behind:
                self._behind.add(name)
                self.reactor.callLater(AGAIN_SECONDS, self._tell_again, name)

        return maybeDeferred(self.ask, name, said).addCallback(acknowledged).addErrback(failed)

    def _tell_again(self, name: str) -> None:
        self._behind.discard(name)
        if name in self._links:
            self._tell_from(name, 0)

    def _service(self, name: str, peer: Peer) -> ClientService:
        endpoint = HostnameEndpoint(self.reactor, peer.host, peer.port)
        factory = Factory.forProtocol(lambda: LinkClient(self, name))
        return ClientService(endpoint, factory, retryPolicy=backoffPolicy(0.2, 10), clock=self.reactor)


def _silent(_: object, seconds: float) -> Message:
    raise DsccError(Reason.FAILED, f"the other node did not answer within {seconds:g} s")


def _nothing(_: str, __: Message) -> Deferred[Message]:
    raise DsccError(Reason.OUT_OF_ORDER, "nodes do not ask each other that")


def _refusal(failure: Failure) -> Message:
    if isinstance(failure.value, DsccError):
        return Refused(failure.value.reason.value, failure.value.message[:512])
    _log.error("a fault of ours", exc_info=failure.value)
    return Refused(Reason.FAILED, "the node failed; its log has more")


class LinkClient(FramedConnection):
    """The connection of the node that connects."""

    def __init__(self, peers: Peers, name: str) -> None:
        super().__init__(peers.reactor)
        self._peers, self._name = peers, name
        self._link: Link | None = None

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Begin the handshake."""
        super().connectionMade()
        peers = self._peers
        with peers.writer.reading() as connection:
            chain = registry.load_chain(connection, peers.key, registry.LINK + self._name)
        me = registry.LINK + peers.settings.name
        self._handshake = DeviceHandshake(me, self._name, chain, secrets.token_bytes(NONCE_BYTES))
        self._say(self._handshake.m1)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802 - Twisted's name
        """It is connected again by the service."""
        super().connectionLost(reason)
        self._peers.closed(self._name, self._link)

    def _on_frame(self, frame: Frame) -> None:
        if frame.kind is FrameKind.RECORD and self._link is not None:
            self._link.on_record(frame.body)
        elif frame.kind is FrameKind.MESSAGE and self._link is None:
            self._on_message(decode(frame.body))
        else:
            raise DsccError(Reason.OUT_OF_ORDER, "a frame that does not belong here")

    def _on_message(self, said: Message) -> None:
        if isinstance(said, Refused):
            raise DsccError(Reason.FAILED, f"{said.reason}: {said.words}")
        if isinstance(said, M2):
            chain, m3 = self._handshake.on_m2(said)
            holder = registry.LINK + self._name
            save = self._peers.writer.submit(
                lambda connection: registry.save_chain(connection, self._peers.key, holder, chain)
            )
            save.addCallback(lambda _: self._say(m3))
            save.addErrback(lambda _: self.close())
            return
        session = self._handshake.on_m4(expect(M4, said))
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._link = Link(session, self._write, lambda asked: self._peers.answer(self._name, asked), first=1)
        self._peers.opened(self._name, self._link)

    def _refuse(self, error: DsccError) -> None:
        self._ended = True
        _log.warning("link refused", node=self._name, reason=error.reason.value, detail=error.message)
        self.close()
