"""The server behind the listeners: what they ask of one worker, and all that the worker keeps running beside it.

A request is decoded here, in the reactor's thread; how it is carried out is in `carrying.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import structlog
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from kmip_server.asynchrony import Asynchrony, in_storage
from kmip_server.automating.automation import Automation
from kmip_server.automating.scheduler import Scheduler
from kmip_server.carrying import Carrying
from kmip_server.engine import Engine
from kmip_server.errors import KmipError
from kmip_server.exchanges import DECODE, Attempt, Exchange, Said, correlated, is_by, unreadable
from kmip_server.identity.caller import Caller
from kmip_server.identity.certificate import caller_from
from kmip_server.identity.directory import DirectorySource
from kmip_server.listeners.handler import Answered, Encoding, Reply, Resource
from kmip_server.newest import Newest
from kmip_server.operations.negotiation import Negotiator
from kmip_server.remembered import Remembered
from kmip_server.repeated import RepeatedRequests
from kmip_server.replies import Replies
from kmip_server.storage.group import Outcome
from kmip_server.storage.lane import Lanes
from kmip_server.storage.port import StorageUnavailable
from kmip_server.ttlv import binary, tree
from kmip_server.ttlv.item import CodecError, Limits
from notifying.deliverer import Deliverer, DeliverySettings
from notifying.sending import Senders

_log: Final = structlog.stdlib.get_logger("kmip.service")


class Service:
    """One worker's server (listeners.handler.RequestHandler). All methods run in the reactor's thread."""

    def __init__(
        self,
        reactor: ReactorBase,
        engine: Engine,
        lanes: Lanes,
        directories: DirectorySource,
        *,
        limits: Limits,
        principal: str = "common_name",
        require_client_auth_usage: bool = True,
        trace: bool = False,
        delivery: DeliverySettings,
        senders: Senders,
        automation: Automation,
        period_seconds: float,
        negotiator: Negotiator,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._reactor = reactor
        self._engine = engine
        self._lanes = lanes
        self._directories = directories
        self._limits = limits
        self._principal = principal
        self._require_client_auth_usage = require_client_auth_usage
        self._trace = trace
        self._clock = clock
        self._remembered = Remembered()
        self._repeated = RepeatedRequests()
        self._threads = ThreadPool(1, 2, "kmip slow")
        self._threads.start()
        self._newest = Newest(reactor, directories, self._in_thread)
        self._asynchrony = Asynchrony(
            reactor, engine, lanes, directories, self._newest.read, self._in_thread, self._now, negotiator
        )
        # What waits for an approval may go on when accounts, policy or votes have changed.
        self._newest.on_change = self._asynchrony.look_again
        self._newest.start()
        self._asynchrony.start()
        self._deliverer = Deliverer(
            reactor,
            partial(in_storage, lanes),
            lambda: self._directories.current.ruling.policy,
            delivery,
            self._now,
            unavailable=(StorageUnavailable,),
            senders=senders,
        )
        self._deliverer.start()
        self._scheduler = Scheduler(reactor, automation, self._in_thread, self._now, period_seconds)
        self._scheduler.start()
        self._replies = Replies(self._now, traces=trace)
        self._carrying = Carrying(
            engine,
            lanes,
            directories,
            self._newest,
            self._in_thread,
            self._asynchrony,
            negotiator,
            self._replies,
            self._now,
            heard=self._scheduler.heard.add,
            answered=self._remember,
        )
        self.resources: tuple[Resource, ...] = ()
        """What the HTTPS port answers beside KMIP; given to it when it is there, as they may ask it."""

    # What listeners ask. ----------------------------------------------------------------------------------------------

    def caller(self, certificate: bytes) -> Caller:
        """Who presents this certificate. Raises IdentityError."""
        identity = caller_from(certificate, self._principal, self._require_client_auth_usage)
        caller = self._directories.current.caller(identity)
        self._scheduler.heard.add(caller.name)
        return caller

    def admits(self, caller: Caller) -> bool:
        """Whether the client is still allowed to be connected."""
        return self._directories.current.admits(caller)

    def framing_error(self, message: str) -> Reply:
        """The answer to bytes that are no message; the connection is closed after it (KMIP 2.1 s11.46)."""
        return self._replies.refuse(unreadable(message), None, Encoding.TTLV, close=True)

    def handle(self, caller: Caller, data: bytes, encoding: Encoding, answer: Answered) -> None:
        """Answer one request message, now or later, once. Never fails."""
        directory = self._directories.current
        known = self._remembered.answer(self._now(), directory, caller, data)
        if known is not None and encoding is Encoding.TTLV:
            self._say_again(Said(caller, data, known, directory, answer))
        else:
            self._hear(caller, data, encoding, answer)

    def carry_out(self, caller: Caller, data: bytes, answer: Answered) -> None:
        """As `handle`, for a request in TTLV that this server has made for a caller.

        What limits requests is not for it, since what it is made for is limited itself.
        """
        now = self._now()
        plan = self._engine.read(binary.decode(data), now, limited=False)
        self._carrying.begin(Exchange(caller, data, plan, Encoding.TTLV, now, answer))

    def close(self) -> Deferred[None]:
        """Finish what was taken. Fires when the process may end."""
        self._newest.stop()
        self._asynchrony.stop()
        self._scheduler.stop()
        sent = self._deliverer.stop()
        closed = sent.addCallback(lambda _: deferToThreadPool(self._reactor, self._threads, self._lanes.close))
        return closed.addBoth(lambda _: self._threads.stop())

    # A request is heard. ----------------------------------------------------------------------------------------------

    def _hear(self, caller: Caller, data: bytes, encoding: Encoding, answer: Answered) -> None:
        now, message = self._now(), None
        plan = self._repeated.plan(data)
        if plan is None:
            try:
                message = DECODE[encoding](data, self._limits)
                plan = self._engine.read(message, now)
            except CodecError as error:
                close = encoding is Encoding.TTLV
                answer(self._replies.refuse(unreadable(str(error)), message, encoding, close=close))
                return
            except KmipError as error:
                answer(self._replies.refuse(error, message, encoding))
                return
            if self._trace:
                _log.info("request", caller=caller.name, message=tree.render(message))
            elif encoding is Encoding.TTLV:
                self._repeated.keep(data, plan)
        if plan.request.header.client_correlation_value is not None:
            plan = correlated(caller, plan)
        self._carrying.begin(Exchange(caller, data, plan, encoding, now, answer))

    def _say_again(self, said: Said) -> None:
        """Give an answer of this second again, if the directory that decided it is the newest; ask anew otherwise."""
        try:
            self._lanes.submit(partial(is_by, said.directory), partial(self._said_again, said), writes=False)
        except StorageUnavailable:
            self._hear(said.caller, said.data, Encoding.TTLV, said.answer)

    def _said_again(self, said: Said, outcome: Outcome) -> None:
        if outcome.error is None and outcome.value:
            said.answer(said.reply)
        else:
            self._hear(said.caller, said.data, Encoding.TTLV, said.answer)

    def _remember(self, attempt: Attempt, reply: Reply) -> None:
        """Keep an answer for those who ask the same in this second, if it may be said again."""
        exchange = attempt.exchange
        request = exchange.plan.request
        if (
            exchange.plan.stateless
            and exchange.encoding is Encoding.TTLV
            and request.correlation is None
            and request.header.authentication is None
            and not self._trace
        ):
            self._remembered.keep(exchange.now, attempt.directory, exchange.caller, exchange.data, reply)

    def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        return deferToThreadPool(self._reactor, self._threads, function, *arguments)

    def _now(self) -> int:
        return int(self._clock())
