"""How one request is carried out: its credentials are verified, what is slow is prepared, its batch goes through the
storage, once more if others were first or a key has to be negotiated, and it is answered after the commit.

Every unit of the storage checks that the directory by which it decides is still the newest.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any, Final

import structlog
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.python.failure import Failure

from kmip_server.asynchrony import Asynchrony, InThread, in_storage
from kmip_server.engine import Answer, Engine
from kmip_server.errors import KmipError
from kmip_server.exchanges import SAYABLE, Attempt, Exchange, alike
from kmip_server.identity.caller import Caller
from kmip_server.identity.certificate import IdentityError
from kmip_server.identity.credentials import CredentialVerifier, WrongPassword
from kmip_server.identity.directory import Directory, DirectorySource, StaleDirectory
from kmip_server.listeners.handler import Reply
from kmip_server.newest import Newest
from kmip_server.operations.negotiation import NegotiationNeeded, Negotiator, Settled
from kmip_server.repeated import ForeseenKeys
from kmip_server.replies import Replies, encoded
from kmip_server.settled import awaited, settled_in, unanswered, with_settled
from kmip_server.storage.group import Outcome
from kmip_server.storage.lane import Lanes
from kmip_server.storage.port import AuditEntry, OutcomeUnknown, StorageUnavailable, Unit, WritesNeeded
from kmip_server.ttlv.enumerations import ResultReason

_log: Final = structlog.stdlib.get_logger("kmip.service")


class Carrying:
    """Carries out requests, and answers them. All methods run in the reactor's thread.

    `heard` is called with the names of clients whose requests are taken, `answered` after the commit of a request that
    waits for nobody, with its reply.
    """

    def __init__(
        self,
        engine: Engine,
        lanes: Lanes,
        directories: DirectorySource,
        newest: Newest,
        in_thread: InThread,
        asynchrony: Asynchrony,
        negotiator: Negotiator,
        replies: Replies,
        now: Callable[[], int],
        *,
        heard: Callable[[str], None],
        answered: Callable[[Attempt, Reply], None],
    ) -> None:
        self._engine, self._lanes, self._in_thread = engine, lanes, in_thread
        self._directories, self._newest = directories, newest
        self._asynchrony, self._negotiator, self._replies, self._now = asynchrony, negotiator, replies, now
        self._heard, self._answered = heard, answered
        self._verifier = CredentialVerifier()
        self._foreseen = ForeseenKeys()

    def begin(self, exchange: Exchange) -> None:
        """Carry a request out, by the newest directory that is known here; it is answered, now or later."""
        directory, plan = self._directories.current, exchange.plan
        try:
            caller = directory.again(exchange.caller)
        except IdentityError as error:
            gone = KmipError(ResultReason.AUTHENTICATION_NOT_SUCCESSFUL, str(error))
            self._replies.refuse_all(exchange, gone, close=True)
            return
        self._heard(caller.name)
        given = plan.request.header.authentication is not None
        # Query and Discover Versions should not need authentication (KMIP 2.1 s9.4).
        if given or plan.slow or (caller.name in directory.users and not plan.stateless):
            self._begin_slowly(exchange, caller, directory).addErrback(self._replies.failed, exchange)
            return
        attempt = Attempt(exchange, caller, directory, None)
        needed = self._foreseen.needed(directory, caller.name, exchange.data)
        if needed is None:
            self._submit(attempt, plan.writes)
        else:
            self._negotiate(attempt, needed).addErrback(self._replies.failed, exchange)

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
            if exchange.reloads and not (yield self._newest.is_newest(directory)):
                self.begin(exchange._replace(reloads=exchange.reloads - 1))
                return
            if isinstance(error, WrongPassword):
                yield self._record_guess(caller, error)
            else:
                _log.info("authentication refused", caller=caller.name, detail=error.message)
            self._replies.refuse_all(exchange, error)
            return
        self._submit(Attempt(exchange, verified, directory, prepared), plan.writes)

    def _record_guess(self, caller: Caller, error: WrongPassword) -> Deferred[None]:
        """Put a wrong password on record before it is answered. Who has to wait adds to the log, and no commit."""
        _log.warning("wrong password", caller=caller.name, user=error.user)
        detail = f"{error.reason.title}: {error.message} (user {error.user})"
        entry = AuditEntry(self._now(), caller.name, "Authentication", None, "failed", detail)
        return in_storage(self._lanes, lambda unit: unit.audit(entry), writes=True)

    # In the storage. --------------------------------------------------------------------------------------------------

    def _submit(self, attempt: Attempt, writes: bool) -> None:
        try:
            self._lanes.submit(partial(self._work, attempt), partial(self._done, attempt), writes=writes)
        except StorageUnavailable as error:
            self._replies.unavailable(attempt.exchange, error)

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
        return encoded(answer.message, exchange.encoding), answer

    def _done(self, attempt: Attempt, outcome: Outcome) -> None:
        exchange, error = attempt.exchange, outcome.error
        if error is None:
            reply, answer = outcome.value
            waited = awaited(answer) if answer.unsettled else ()
            if waited:
                self._settle(exchange, answer, waited).addErrback(self._unsettled, exchange)
            else:
                if answer.unsettled:
                    self._negotiator.look()
                if attempt.prepared:
                    self._foreseen.forget(attempt.caller.name, exchange.data)
                if self._replies.traces:
                    self._replies.trace(exchange, answer.message)
                self._answered(attempt, reply)
                exchange.answer(reply)
            if answer.jobs:
                self._asynchrony.begin(answer.jobs)
        elif isinstance(error, WritesNeeded):
            self._submit(attempt, True)
        elif isinstance(error, NegotiationNeeded):
            self._foreseen.keep(attempt.directory, attempt.caller.name, exchange.data, exchange.plan, error)
            self._negotiate(attempt, error).addErrback(self._replies.failed, exchange)
        elif isinstance(error, StaleDirectory) and exchange.reloads:
            again = self._begin_again(exchange._replace(reloads=exchange.reloads - 1))
            again.addErrback(self._replies.failed, exchange)
        else:
            self._replies.fail(exchange, error)

    @inlineCallbacks
    def _begin_again(self, exchange: Exchange) -> Generator[Deferred[Any], Any, None]:
        """Read the directory anew, and begin again with the caller as it knows it now."""
        yield self._newest.read()
        self.begin(exchange)

    # With other sites. ------------------------------------------------------------------------------------------------

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

    @inlineCallbacks
    def _settle(self, exchange: Exchange, answer: Answer, waited: Sequence[str]) -> Generator[Deferred[Any], Any, None]:
        """Answer when those have answered who are waited for."""
        settled: dict[str, Settled] = yield self._negotiator.settle(waited)
        unknown = unanswered(answer, settled)
        if unknown:
            # The gateway has gone, perhaps after the peers had taken them.
            settled |= yield in_storage(self._lanes, lambda unit: settled_in(unit, unknown), writes=False)
        exchange.answer(self._replies.reply(exchange, with_settled(exchange.plan.request, answer, settled)))

    def _unsettled(self, failure: Failure, exchange: Exchange) -> None:
        """It was carried out, and nobody can say whether the others have taken it."""
        if isinstance(failure.value, StorageUnavailable):
            self._replies.fail(exchange, OutcomeUnknown("the storage does not say what has become of a shared key"))
        else:
            self._replies.failed(failure, exchange)
