"""The process of a node: it listens, links itself to the others, and notices what other processes write.

Administrators' commands write into the node's store. Every request looks at it, so that they hold at once; what no
request would notice (a session to close, a revocation to pass on) is looked for as soon as the store has changed.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import resource
import signal
from typing import Any, Final, cast

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.task import LoopingCall

from console.output import say_line
from dscc.messages import Event
from dscc.node import revocations, schema, telling
from dscc.node.database import NodeDatabase
from dscc.node.listener import NodeFactory
from dscc.node.sealing import NodeKey
from dscc.node.service import NodeService
from dscc.node.settings import Settings
from policy.model import PolicyError

_log: Final = structlog.stdlib.get_logger("dscc.node")
LOOK_SECONDS: Final = 0.1


class Serving:
    """A node that runs."""

    def __init__(self, reactor: PosixReactorBase, settings: Settings, database: NodeDatabase, key: NodeKey) -> None:
        service = self.service = NodeService(reactor, settings, database, key)
        self._deliverer = telling.deliverer(
            reactor, service.writer, lambda: service.deciding.policy, database.path.parent, lambda: service.now
        )
        self._factory = NodeFactory(self.service)
        self._reactor, self._settings = reactor, settings
        self._watching = database.open()
        self._looking = LoopingCall(self._look)
        self._looking.clock = reactor
        self._changed, self._policy = -1, 0
        self._obeyed = 0
        self._reads = True
        self._port: IListeningPort | None = None

    def start(self) -> int:
        """Listen, and answer the port."""
        settings = self._settings
        self._port = self._reactor.listenTCP(settings.port, self._factory, backlog=1024, interface=settings.host)
        self.service.peers.start()
        self._deliverer.start()
        self._looking.start(LOOK_SECONDS, now=True)
        host: Any = self._port.getHost()
        return int(host.port)

    def stop(self) -> Deferred[None]:
        """Listen no more, and close what is open. Fires when it is done."""
        if self._looking.running:
            self._looking.stop()
        self.service.peers.stop()
        stopped = self._deliverer.stop()
        if self._port is not None:
            port = self._port
            stopped.addCallback(lambda _: maybeDeferred(port.stopListening))

        def close(_: object) -> None:
            for connection in list(self._factory.connections):
                connection.close()
            self.service.writer.close()
            self._watching.close()

        return stopped.addCallback(close)

    def _look(self) -> None:
        """Look whether anything was written. What cannot be read now is looked for the next time."""
        try:
            self._look_for_changes()
        except (SQLAlchemyError, PolicyError) as error:
            if self._reads:
                _log.error("the node's store cannot be read", reason=f"{type(error).__name__}: {error}"[:512])
            self._reads = False
        else:
            self._reads = True

    def _look_for_changes(self) -> None:
        """If anything was written: close the sessions of the revoked, pass revocations on, tell of a new policy."""
        # The version that this connection sees changes with every commit of another one.
        changed = self._watching.exec_driver_sql("PRAGMA data_version").scalar_one()
        self._watching.rollback()
        if changed == self._changed:
            return
        first = self._changed == -1
        with self.service.writer.reading() as connection:
            newest = revocations.last(connection)
        if first:
            # Nobody is in a session yet, and nodes are told of the earlier ones when they are linked.
            self._obeyed = newest
        elif newest > self._obeyed:
            self._obey()
        before, self._policy = self._policy, self.service.deciding.version
        if self._policy != before and not first:
            for session in list(self.service.sessions.values()):
                session.push(Event("policy", str(self._policy), self.service.now))
        self._changed = changed

    def _obey(self) -> None:
        """Of what was revoked since the last look: close the sessions, tell the peers, and pass it on."""
        service, receipts, before = self.service, schema.receipts, self._obeyed
        with service.writer.reading() as connection:
            fresh = revocations.since(connection, before)
            devices = {said.subject: said.at for _, said in fresh if said.kind == revocations.DEVICE}
            peers = select(receipts.c.peer, receipts.c.device).where(receipts.c.peer.in_(devices)).distinct()
            told = [(row.peer, row.device) for row in connection.execute(peers)]
        for name in devices:
            service.shares.forget(name)
            session = service.sessions.get(name)
            if session is not None:
                _log.warning("session closed: the device was revoked", device=name)
                session.close()
        for revoked, device in told:
            service.tell_devices([device], Event("device-revoked", revoked, devices[revoked]))
        for _, said in fresh:
            if said.kind == revocations.KEY:
                _, *pair = revocations.key_and_pair(said.subject)
                service.tell_devices(pair, revocations.event_of(said))
        service.peers.tell_all(before)
        self._obeyed = fresh[-1].recorded


def run(settings: Settings, database: NodeDatabase, key: NodeKey) -> None:
    """Run a node until SIGTERM or SIGINT; "dscc-node ready NAME HOST:PORT" is printed when it listens."""
    from twisted.internet import reactor as default

    # Each device holds a connection; the system gives fewer unless it is asked.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    reactor = cast(PosixReactorBase, default)
    serving = Serving(reactor, settings, database, key)

    def begin() -> None:
        try:
            port = serving.start()
        except CannotListenError as error:
            _log.error("the node cannot listen", reason=str(error))
            reactor.stop()
        else:
            say_line(f"dscc-node ready {settings.name} {settings.host}:{port}")

    def end() -> None:
        serving.stop().addBoth(lambda _: reactor.stop())

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: reactor.callFromThread(end))
    reactor.callWhenRunning(begin)
    reactor.run(installSignalHandlers=False)
