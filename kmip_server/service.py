"""The server behind the listeners: decodes in the reactor's thread, works in the storage lanes, answers after commit.

The steps of a request: decode and check the message; verify its credentials, if it has any; do slow preparation in a
thread; carry out the batch in a unit of the storage; encode. Every unit checks that the directory (clients, users,
policies) by which it decides is still the newest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final

import structlog
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from kmip_server.asynchrony import Asynchrony, in_storage
from kmip_server.automating.automation import Automation
from kmip_server.automating.scheduler import Scheduler
from kmip_server.engine import Answer, Engine
from kmip_server.errors import KmipError
from kmip_server.exchanges import (
    DECODE,
    ENCODE,
    SAYABLE,
    UNAVAILABLE,
    Attempt,
    Exchange,
    Said,
    alike,
    correlated,
    is_by,
    unreadable,
)
from kmip_server.identity.caller import Caller
from kmip_server.identity.certificate import IdentityError, caller_from
from kmip_server.identity.credentials import CredentialVerifier, WrongPassword
from kmip_server.identity.directory import Directory, DirectorySource, StaleDirectory
from kmip_server.listeners.handler import Answered, Encoding, Reply, Resource
from kmip_server.messages.headers import ResponseMessage
from kmip_server.operations.negotiation import NegotiationNeeded, Negotiator, Settled
from kmip_server.remembered import Remembered
from kmip_server.repeated import ForeseenKeys, RepeatedRequests
from kmip_server.responses import all_failed, refusal
from kmip_server.settled import awaited, with_settled
from kmip_server.storage.group import Outcome
from kmip_server.storage.lane import Lanes
from kmip_server.storage.port import (
    AuditEntry,
    OutcomeUnknown,
    StorageConflict,
    StorageUnavailable,
    Unit,
    WritesNeeded,
)
from kmip_server.ttlv import binary, tree
from kmip_server.ttlv.enumerations import ResultReason
from kmip_server.ttlv.item import CodecError, Item, Limits
from notifying.deliverer import Deliverer, DeliverySettings
from notifying.sending import Senders
from policy.model import PolicyError

_log: Final = structlog.stdlib.get_logger("kmip.service")

_REFRESH_SECONDS: Final = 0.4


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
        self._verifier = CredentialVerifier()
        self._remembered = Remembered()
        self._repeated = RepeatedRequests()
        self._foreseen = ForeseenKeys()
        self._threads = ThreadPool(1, 2, "kmip slow")
        self._threads.start()
        self._refreshing = LoopingCall(self._refresh)
        self._refreshing.clock = reactor
        self._refreshing.start(_REFRESH_SECONDS, now=False)
        self._negotiator = negotiator
        self._asynchrony = Asynchrony(
            reactor, engine, lanes, directories, self._read_directory, self._in_thread, self._now, negotiator
        )
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
        return self._refuse(unreadable(message), None, Encoding.TTLV, close=True)

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
        self._begin(Exchange(caller, data, plan, Encoding.TTLV, now, answer))

    def _hear(self, caller: Caller, data: bytes, encoding: Encoding, answer: Answered) -> None:
        now, message = self._now(), None
        plan = self._repeated.plan(data)
        if plan is None:
            try:
                message = DECODE[encoding](data, self._limits)
                plan = self._engine.read(message, now)
            except CodecError as error:
                answer(self._refuse(unreadable(str(error)), message, encoding, close=encoding is Encoding.TTLV))
                return
            except KmipError as error:
                answer(self._refuse(error, message, encoding))
                return
            if self._trace:
                _log.info("request", caller=caller.name, message=tree.render(message))
            elif encoding is Encoding.TTLV:
                self._repeated.keep(data, plan)
        if plan.request.header.client_correlation_value is not None:
            plan = correlated(caller, plan)
        self._begin(Exchange(caller, data, plan, encoding, now, answer))

    def _refresh(self) -> Deferred[None]:
        """Notice revocations and changed policies even when no request comes; connections are closed by them."""
        return self._read_directory().addErrback(
            lambda failure: _log.error("the directory was not read", reason=str(failure.value))
        )

    @inlineCallbacks
    def _read_directory(self) -> Generator[Deferred[Any], Any, None]:
        """Have the newest directory. Policies that cannot be used are reported, and the former ones stay.

        What waits for an approval may go on when accounts, policy or votes have changed, whoever notices it first.
        """
        before = self._directories.current
        try:
            yield self._in_thread(self._directories.refresh)
        except PolicyError as error:
            _log.error("the policy was not read", reason=str(error))
        if self._directories.current is not before:
            self._asynchrony.look_again()

    @inlineCallbacks
    def _is_newest(self, directory: Directory) -> Generator[Deferred[Any], Any, bool]:
        """Whether nothing has changed since this directory was read; so it counts while the storage does not answer."""
        with suppress(StorageUnavailable):
            yield self._read_directory()
        return self._directories.current is directory

    def close(self) -> Deferred[None]:
        """Finish what was taken. Fires when the process may end."""
        self._refreshing.stop()
        self._asynchrony.stop()
        self._scheduler.stop()
        sent = self._deliverer.stop()
        closed = sent.addCallback(lambda _: deferToThreadPool(self._reactor, self._threads, self._lanes.close))
        return closed.addBoth(lambda _: self._threads.stop())

    # How a request is carried out. ------------------------------------------------------------------------------------

    def _begin(self, exchange: Exchange) -> None:
        directory, plan = self._directories.current, exchange.plan
        try:
            caller = directory.again(exchange.caller)
        except IdentityError as error:
            gone = KmipError(ResultReason.AUTHENTICATION_NOT_SUCCESSFUL, str(error))
            self._refuse_all(exchange, gone, close=True)
            return
        self._scheduler.heard.add(caller.name)
        given = plan.request.header.authentication is not None
        # Query and Discover Versions should not need authentication (KMIP 2.1 s9.4).
        if given or plan.slow or (caller.name in directory.users and not plan.stateless):
            self._begin_slowly(exchange, caller, directory).addErrback(self._failed, exchange)
            return
        attempt = Attempt(exchange, caller, directory, None)
        needed = self._foreseen.needed(directory, caller.name, exchange.data)
        if needed is None:
            self._submit(attempt, plan.writes)
        else:
            self._negotiate(attempt, needed).addErrback(self._failed, exchange)

    @inlineCallbacks
    def _begin_slowly(
        self, exchange: Exchange, caller: Caller, directory: Directory
    ) -> Generator[Deferred[Any], Any, None]:
        """Verify credentials and prepare in a thread, then go on as usual."""
        plan, request, prepared = exchange.plan, exchange.plan.request, None
        try:
            verified = yield self._in_thread(
                self._verifier.verify, directory, caller, request.header.authentication, request.version
            )
            if plan.slow:
                prepared = yield self._in_thread(self._engine.prepare, request)
        except KmipError as error:
            # The user may have been entered, or given another password, a moment ago.
            if exchange.reloads and not (yield self._is_newest(directory)):
                self._begin(exchange._replace(reloads=exchange.reloads - 1))
                return
            if isinstance(error, WrongPassword):
                yield self._record_guess(caller, error)
            else:
                _log.info("authentication refused", caller=caller.name, detail=error.message)
            self._refuse_all(exchange, error)
            return
        self._submit(Attempt(exchange, verified, directory, prepared), plan.writes)

    def _record_guess(self, caller: Caller, error: WrongPassword) -> Deferred[None]:
        """Put a wrong password on record before it is answered. Who has to wait adds to the log, and no commit."""
        _log.warning("wrong password", caller=caller.name, user=error.user)
        detail = f"{error.reason.title}: {error.message} (user {error.user})"
        entry = AuditEntry(self._now(), caller.name, "Authentication", None, "failed", detail)
        return in_storage(self._lanes, lambda unit: unit.audit(entry), writes=True)

    def _may_remember(self, exchange: Exchange) -> bool:
        request = exchange.plan.request
        return (
            exchange.plan.stateless
            and exchange.encoding is Encoding.TTLV
            and request.correlation is None
            and request.header.authentication is None
            and not self._trace
        )

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

    def _submit(self, attempt: Attempt, writes: bool) -> None:
        try:
            self._lanes.submit(partial(self._work, attempt), partial(self._done, attempt), writes=writes)
        except StorageUnavailable as error:
            self._unavailable(attempt.exchange, error)

    def _work(self, attempt: Attempt, unit: Unit) -> tuple[Reply, Answer]:
        exchange, caller, directory, prepared = attempt
        if unit.epoch() != directory.epoch:
            raise StaleDirectory
        answer = self._engine.process(
            unit,
            caller,
            exchange.plan.request,
            self._now(),
            prepared,
            directory.ruling,
            SAYABLE.get(exchange.encoding),
        )
        return self._encoded(answer.message, exchange.encoding), answer

    def _done(self, attempt: Attempt, outcome: Outcome) -> None:
        exchange, error = attempt.exchange, outcome.error
        if error is None:
            reply, answer = outcome.value
            if answer.unsettled:
                self._settle(exchange, reply, answer)
                return
            if attempt.prepared:
                self._foreseen.forget(attempt.caller.name, exchange.data)
            if self._trace:
                self._trace_response(exchange, answer.message)
            if self._may_remember(exchange):
                self._remembered.keep(exchange.now, attempt.directory, exchange.caller, exchange.data, reply)
            exchange.answer(reply)
            if answer.jobs:
                self._asynchrony.begin(answer.jobs)
        elif isinstance(error, WritesNeeded):
            self._submit(attempt, True)
        elif isinstance(error, NegotiationNeeded):
            self._foreseen.keep(attempt.directory, attempt.caller.name, exchange.data, exchange.plan, error)
            self._negotiate(attempt, error).addErrback(self._failed, exchange)
        elif isinstance(error, StaleDirectory) and exchange.reloads:
            self._begin_again(exchange._replace(reloads=exchange.reloads - 1)).addErrback(self._failed, exchange)
        else:
            self._fail(exchange, error)

    @inlineCallbacks
    def _negotiate(self, attempt: Attempt, needed: NegotiationNeeded) -> Generator[Deferred[Any], Any, None]:
        """Have the key that a batch item needs, or why there is none, and carry the request out again with it.

        Later items that ask in the same words need such a key, too: it is there when they are carried out.
        """
        prepared = dict(attempt.prepared or {})
        for place in alike(attempt.exchange.plan.request, needed.place):
            prepared[place] = negotiated = yield self._asynchrony.negotiated(needed.wanted)
            if negotiated.error is not None:
                break
        self._submit(attempt._replace(prepared=prepared), attempt.exchange.plan.writes)

    def _settle(self, exchange: Exchange, reply: Reply, answer: Answer) -> None:
        """Answer when those have answered who are waited for."""
        waited = awaited(answer)
        if not waited:
            self._negotiator.look()
            exchange.answer(reply)
            return

        def settled(answers: Mapping[str, Settled]) -> None:
            exchange.answer(self._reply(exchange, with_settled(exchange.plan.request, answer, answers)))

        self._negotiator.settle(waited).addCallback(settled).addErrback(self._failed, exchange)

    @inlineCallbacks
    def _begin_again(self, exchange: Exchange) -> Generator[Deferred[Any], Any, None]:
        """Read the directory anew, and begin again with the caller as it knows it now."""
        yield self._read_directory()
        self._begin(exchange)

    # Answers. ---------------------------------------------------------------------------------------------------------

    def _failed(self, failure: Failure, exchange: Exchange) -> None:
        self._fail(exchange, failure.value)

    def _fail(self, exchange: Exchange, error: BaseException | None) -> None:
        """Answer a request that was not carried out, through no fault of its own."""
        if isinstance(error, (StorageUnavailable, StorageConflict, StaleDirectory)):
            self._unavailable(exchange, error)
        else:
            _log.error("a fault of ours", exc_info=error)
            self._refuse_all(exchange, KmipError(ResultReason.GENERAL_FAILURE, "the server failed; its log has more"))

    def _unavailable(self, exchange: Exchange, error: Exception) -> None:
        _log.error("the storage did not carry out a request", reason=str(error))
        reason, message = next(shown for kind, shown in UNAVAILABLE if isinstance(error, kind))
        # A failure that may be a success is no answer: the client shall look before it tries again.
        self._refuse_all(exchange, KmipError(reason, message), close=isinstance(error, OutcomeUnknown))

    def _refuse_all(self, exchange: Exchange, error: KmipError, *, close: bool = False) -> None:
        refused = all_failed(exchange.plan.request, error, self._now())
        exchange.answer(self._reply(exchange, refused, close=close))

    def _refuse(self, error: KmipError, message: Item | None, encoding: Encoding, *, close: bool = False) -> Reply:
        refused = refusal(error, message, self._now())
        _log.info("message refused", reason=error.reason.title, detail=refused.items[0].result_message)
        return self._encoded(refused, encoding, close=close)

    def _reply(self, exchange: Exchange, message: ResponseMessage, *, close: bool = False) -> Reply:
        if self._trace:
            self._trace_response(exchange, message)
        return self._encoded(message, exchange.encoding, close=close)

    @staticmethod
    def _trace_response(exchange: Exchange, message: ResponseMessage) -> None:
        shown = tree.render(binary.expand(message.encode()))
        _log.info("response", caller=exchange.caller.name, message=shown)

    @staticmethod
    def _encoded(message: ResponseMessage, encoding: Encoding, *, close: bool = False) -> Reply:
        return Reply(ENCODE[encoding](message.encode()), close)

    def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        return deferToThreadPool(self._reactor, self._threads, function, *arguments)

    def _now(self) -> int:
        return int(self._clock())
