"""The server behind the listeners: decodes in the reactor's thread, works in the storage lanes, answers after commit.

The steps of a request: decode and check the message; verify its credentials, if it has any; do slow preparation in a
thread; carry out the batch in a unit of the storage; encode. What needs no storage is answered at once. Every unit
checks that the directory (clients, users, policies) by which it decides is still the newest.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, Final, NamedTuple

import structlog
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred, inlineCallbacks, succeed
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from kmip_server.asynchrony import Asynchrony
from kmip_server.engine import Answer, Engine, Plan
from kmip_server.errors import KmipError
from kmip_server.execution import Prepared
from kmip_server.identity.caller import Caller
from kmip_server.identity.certificate import IdentityError, caller_from
from kmip_server.identity.credentials import CredentialVerifier
from kmip_server.identity.directory import Directory, DirectorySource, StaleDirectory
from kmip_server.listeners.handler import Encoding, Reply
from kmip_server.responses import all_failed, refusal
from kmip_server.stateless import STATELESS
from kmip_server.storage.group import Outcome
from kmip_server.storage.lane import Lanes
from kmip_server.storage.port import (
    OutcomeUnknown,
    QueueFull,
    StorageConflict,
    StorageUnavailable,
    Unit,
    WritesNeeded,
)
from kmip_server.ttlv import binary, json, tree, xml
from kmip_server.ttlv.enumerations import ResultReason
from kmip_server.ttlv.item import CodecError, Item, Limits
from policy.operation_policies import PolicyError

_log: Final = structlog.stdlib.get_logger("kmip.service")

_DECODE: Final[dict[Encoding, Callable[[bytes, Limits], Item]]] = {
    Encoding.TTLV: binary.decode,
    Encoding.XML: xml.decode,
    Encoding.JSON: json.decode,
}
_ENCODE: Final[dict[Encoding, Callable[[Item], bytes]]] = {
    Encoding.TTLV: binary.encode,
    Encoding.XML: lambda message: xml.encode(binary.expand(message)),
    Encoding.JSON: lambda message: json.encode(binary.expand(message)),
}
_UNAVAILABLE: Final = (
    (QueueFull, (ResultReason.SERVER_LIMIT_EXCEEDED, "the server is busy; try again")),
    (OutcomeUnknown, (ResultReason.GENERAL_FAILURE, "the database was lost; whether this was done is not known")),
    (Exception, (ResultReason.GENERAL_FAILURE, "the server's storage is unavailable; nothing was done")),
)
_RELOADS: Final = 3
_REFRESH_SECONDS: Final = 0.4
_SHOWN_CHARACTERS: Final = 128


def _sayable_in_xml(payload: Item) -> None:
    try:
        xml.encode(binary.expand(payload))
    except CodecError:
        raise KmipError(
            ResultReason.GENERAL_FAILURE, "the answer has characters that XML does not have; ask in TTLV or in JSON"
        ) from None


_SAYABLE: Final[dict[Encoding, Callable[[Item], None]]] = {Encoding.XML: _sayable_in_xml}
"""What an encoding cannot express is found before an operation's effect is accepted."""


class _Exchange(NamedTuple):
    """A request on its way through a storage lane, and where its reply goes.

    It holds no function that holds it: nearly everything a request makes is gone with its answer, and nothing of it is
    left for the garbage collector, whose searches cost more than many a request.
    """

    caller: Caller
    directory: Directory
    plan: Plan
    encoding: Encoding
    prepared: Mapping[int, Prepared] | None
    reloads: int
    reply: Deferred[Reply]


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
        self._threads = ThreadPool(1, 2, "kmip slow")
        self._threads.start()
        self._refreshing = LoopingCall(self._refresh)
        self._refreshing.clock = reactor
        self._refreshing.start(_REFRESH_SECONDS, now=False)
        self._asynchrony = Asynchrony(
            reactor, engine, lanes, directories, self._read_directory, self._in_thread, self._now
        )
        self._asynchrony.start()

    # What listeners ask. ----------------------------------------------------------------------------------------------

    def caller(self, certificate: bytes) -> Caller:
        """Who presents this certificate. Raises IdentityError."""
        identity = caller_from(certificate, self._principal, self._require_client_auth_usage)
        return self._directories.current.caller(identity)

    def admits(self, caller: Caller) -> bool:
        """Whether the client is still allowed to be connected."""
        return caller.fingerprint not in self._directories.current.revoked

    def framing_error(self, message: str) -> Reply:
        """The answer to bytes that are no message; the connection is closed after it (KMIP 2.1 s11.46)."""
        return self._refuse(KmipError(ResultReason.CODEC_ERROR, message), None, Encoding.TTLV, close=True)

    def handle(self, caller: Caller, data: bytes, encoding: Encoding) -> Deferred[Reply]:
        """The answer to one request message. Never fails."""
        message = None
        try:
            message = _DECODE[encoding](data, self._limits)
            plan = self._engine.read(message, self._now())
        except CodecError as error:
            fault = KmipError(ResultReason.CODEC_ERROR, str(error))
            return succeed(self._refuse(fault, message, encoding, close=encoding is Encoding.TTLV))
        except KmipError as error:
            return succeed(self._refuse(error, message, encoding))
        if self._trace:
            _log.info("request", caller=caller.name, message=tree.render(message))
        if plan.request.header.client_correlation_value is not None:
            plan = _correlated(caller, plan)
        return self._answer(caller, plan, encoding, _RELOADS)

    def _refresh(self) -> Deferred[None]:
        """Notice revocations and changed policies even when no request comes; connections are closed by them."""
        return self._read_directory().addErrback(
            lambda failure: _log.error("the directory was not read", reason=str(failure.value))
        )

    @inlineCallbacks
    def _read_directory(self) -> Generator[Deferred[Any], Any, None]:
        """Have the newest directory. Policies that cannot be used are reported, and the former ones stay."""
        try:
            yield self._in_thread(self._directories.refresh)
        except PolicyError as error:
            _log.error("the operation policies were not read, the former ones stay", reason=str(error))

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
        closed: Deferred[None] = deferToThreadPool(self._reactor, self._threads, self._lanes.close)
        return closed.addBoth(lambda _: self._threads.stop())

    # How a request is carried out. ------------------------------------------------------------------------------------

    def _answer(self, caller: Caller, plan: Plan, encoding: Encoding, reloads: int) -> Deferred[Reply]:
        directory = self._directories.current
        try:
            known = directory.again(caller)
        except IdentityError:
            revoked = KmipError(ResultReason.AUTHENTICATION_NOT_SUCCESSFUL, "the client certificate is revoked")
            refused = all_failed(plan.request, revoked, self._now())
            return succeed(Reply(_ENCODE[encoding](refused.encode()), close=True))
        given = plan.request.header.authentication is not None
        # Query and Discover Versions should not need authentication (KMIP 2.1 s9.4).
        if given or plan.slow or (known.name in directory.users and not plan.stateless):
            return self._answer_slowly(known, directory, plan, encoding, reloads)
        return self._carry_out(known, directory, plan, encoding, None, reloads)

    @inlineCallbacks
    def _answer_slowly(
        self, caller: Caller, directory: Directory, plan: Plan, encoding: Encoding, reloads: int
    ) -> Generator[Deferred[Any], Any, Reply]:
        """Verify credentials and prepare in a thread, then go on as usual."""
        request = plan.request
        try:
            verified = yield self._in_thread(
                self._verifier.verify, directory, caller, request.header.authentication, request.version
            )
            prepared = (yield self._in_thread(self._engine.prepare, request)) if plan.slow else None
        except KmipError as error:
            # The user may have been entered, or given another password, a moment ago.
            if reloads and not (yield self._is_newest(directory)):
                again: Reply = yield self._answer(caller, plan, encoding, reloads - 1)
                return again
            return self._encoded(all_failed(request, error, self._now()).encode(), encoding)
        except Exception as error:
            _log.error("a fault of ours", exc_info=error)
            return self._fault(plan, encoding)
        reply: Reply = yield self._carry_out(verified, directory, plan, encoding, prepared, reloads)
        return reply

    def _carry_out(
        self,
        caller: Caller,
        directory: Directory,
        plan: Plan,
        encoding: Encoding,
        prepared: Mapping[int, Prepared] | None,
        reloads: int,
    ) -> Deferred[Reply]:
        if plan.stateless:
            try:
                answer = self._engine.process(
                    STATELESS, caller, plan.request, self._now(), None, directory.policies, _SAYABLE.get(encoding)
                )
                return succeed(self._encoded(answer.message.encode(), encoding))
            except WritesNeeded:
                pass
        exchange = _Exchange(caller, directory, plan, encoding, prepared, reloads, Deferred())
        self._submit(exchange, plan.writes)
        return exchange.reply

    def _submit(self, exchange: _Exchange, writes: bool) -> None:
        try:
            self._lanes.submit(partial(self._work, exchange), partial(self._done, exchange), writes=writes)
        except StorageUnavailable as error:
            exchange.reply.callback(self._unavailable(exchange.plan, exchange.encoding, error))

    def _work(self, exchange: _Exchange, unit: Unit) -> tuple[bytes, Answer]:
        caller, directory, plan, encoding, prepared, _, _ = exchange
        if unit.epoch() != directory.epoch:
            raise StaleDirectory
        answer = self._engine.process(
            unit, caller, plan.request, self._now(), prepared, directory.policies, _SAYABLE.get(encoding)
        )
        return _ENCODE[encoding](answer.message.encode()), answer

    def _done(self, exchange: _Exchange, outcome: Outcome) -> None:
        caller, _, plan, encoding, _, reloads, reply = exchange
        error = outcome.error
        if error is None:
            data, answer = outcome.value
            if self._trace:
                _log.info("response", caller=caller.name, message=tree.render(binary.expand(answer.message.encode())))
            reply.callback(Reply(data))
            if answer.jobs:
                self._asynchrony.begin(answer.jobs)
        elif isinstance(error, WritesNeeded):
            self._submit(exchange, True)
        elif isinstance(error, StaleDirectory) and reloads:
            self._decide_again(caller, plan, encoding, reloads - 1).chainDeferred(reply)
        elif isinstance(error, (StorageUnavailable, StorageConflict)):
            reply.callback(self._unavailable(plan, encoding, error))
        else:
            _log.error("a fault of ours", exc_info=error)
            reply.callback(self._fault(plan, encoding))

    @inlineCallbacks
    def _decide_again(
        self, caller: Caller, plan: Plan, encoding: Encoding, reloads: int
    ) -> Generator[Deferred[Any], Any, Reply]:
        """Read the directory anew, and begin again with the caller as it knows it now."""
        try:
            yield self._read_directory()
        except StorageUnavailable as error:
            return self._unavailable(plan, encoding, error)
        except Exception as error:
            _log.error("a fault of ours", exc_info=error)
            return self._fault(plan, encoding)
        reply: Reply = yield self._answer(caller, plan, encoding, reloads)
        return reply

    # Answers. ---------------------------------------------------------------------------------------------------------

    def _refuse(self, error: KmipError, message: Item | None, encoding: Encoding, *, close: bool = False) -> Reply:
        _log.info("message refused", reason=error.reason.title, detail=error.message)
        return Reply(_ENCODE[encoding](refusal(error, message, self._now()).encode()), close)

    def _unavailable(self, plan: Plan, encoding: Encoding, error: Exception) -> Reply:
        _log.error("the storage did not carry out a request", reason=str(error))
        reason, message = next(shown for kind, shown in _UNAVAILABLE if isinstance(error, kind))
        answer = all_failed(plan.request, KmipError(reason, message), self._now())
        # A failure that may be a success is no answer: the client shall look before it tries again.
        return Reply(_ENCODE[encoding](answer.encode()), close=isinstance(error, OutcomeUnknown))

    def _fault(self, plan: Plan, encoding: Encoding) -> Reply:
        hidden = KmipError(ResultReason.GENERAL_FAILURE, "the server failed; its log has more")
        return self._encoded(all_failed(plan.request, hidden, self._now()).encode(), encoding)

    @staticmethod
    def _encoded(message: Item, encoding: Encoding) -> Reply:
        return Reply(_ENCODE[encoding](message))

    def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        return deferToThreadPool(self._reactor, self._threads, function, *arguments)

    def _now(self) -> int:
        return int(self._clock())


def _correlated(caller: Caller, plan: Plan) -> Plan:
    """A plan whose answer has a Server Correlation Value, which stands in the log beside the client's (s9.9, s9.10)."""
    request, correlation = plan.request, secrets.token_hex(16)
    _log.info(
        "correlation",
        caller=caller.name,
        client_correlation_value=ascii((request.header.client_correlation_value or "")[:_SHOWN_CHARACTERS]),
        server_correlation_value=correlation,
    )
    return replace(plan, request=replace(request, correlation=correlation))
