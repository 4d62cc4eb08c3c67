"""Asynchronous operations after their request was answered: carried out, taken up again, and in the end forgotten.

1. What came in one request is carried out together: in its order, in one transaction, as its owner, and by the
   directory of that moment.
2. The database keeps what is outstanding. A server looks there when it starts and then every minute, so that what a
   killed worker or an unavailable database left behind is done in the end. Several workers may find the same; the
   storage takes one answer to each job, and the others' work is rolled back.
3. Answers are kept for a day. They may hold plaintext, so they are not kept for longer; they hold no keys (jobs.py).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

import structlog
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from kmip_server.engine import Engine
from kmip_server.errors import KmipError
from kmip_server.execution import Prepared
from kmip_server.identity.certificate import IdentityError
from kmip_server.identity.directory import DirectorySource, StaleDirectory
from kmip_server.messages.headers import RequestMessage
from kmip_server.operations.jobs import by_request, request_of
from kmip_server.operations.negotiation import NegotiationFailed, NegotiationNeeded, Negotiator, Wanted
from kmip_server.storage.group import Outcome
from kmip_server.storage.lane import Lanes
from kmip_server.storage.port import Job, StorageUnavailable, Unit
from kmip_server.ttlv.enumerations import ProcessingStage, ResultReason

_log: Final = structlog.stdlib.get_logger("kmip.asynchrony")

LOOK_SECONDS: Final = 60
"""How often the server looks for what is outstanding; younger jobs are left to the worker that took the request."""

KEPT_SECONDS: Final = 86_400
"""How long a job is remembered after it was submitted, once it is completed."""

_AGAIN_SECONDS: Final = 5
"""How long an operation waits for a peer that is not reached, before it is asked again."""

_FOUND_AT_ONCE: Final = 1000
_ATTEMPTS: Final = 4
_SUBMITTED: Final = int(ProcessingStage.SUBMITTED)
_COMPLETED: Final = int(ProcessingStage.COMPLETED)

_T = TypeVar("_T")
Now = Callable[[], int]
"""The time in POSIX seconds."""


class InThread(Protocol):
    """Calls a function in a thread, for what is slow."""

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        """The function's result, or its exception."""


class Asynchrony:
    """One worker's asynchronous operations. All methods run in the reactor's thread."""

    def __init__(
        self,
        reactor: ReactorBase,
        engine: Engine,
        lanes: Lanes,
        directories: DirectorySource,
        read_directory: Callable[[], Deferred[None]],
        in_thread: InThread,
        now: Now,
        negotiator: Negotiator,
    ) -> None:
        self._reactor = reactor
        self._negotiator = negotiator
        self._engine = engine
        self._lanes = lanes
        self._directories = directories
        self._read_directory = read_directory
        self._in_thread = in_thread
        self._now = now
        self._under_way: set[bytes] = set()
        self._asked_meanwhile: set[bytes] = set()
        self._waiting: set[bytes] = set()
        """Of those that wait for a peer, and are begun again in a moment."""
        self._forgotten_at = 0
        self._looking = LoopingCall(self._look)
        self._looking.clock = reactor

    def start(self) -> None:
        """Take up what a stopped server left behind, and go on looking."""
        self._take_up(self._now())
        self._looking.start(LOOK_SECONDS, now=False)

    def stop(self) -> None:
        """Begin nothing more by itself."""
        if self._looking.running:
            self._looking.stop()

    def begin(self, jobs: Sequence[Job]) -> None:
        """Carry out the jobs of one request; once more, if that is under way here already and they are still open."""
        values = {job.correlation_value for job in jobs}
        if values & self._under_way:
            # What made them worth another try may have come too late for the one that is under way.
            self._asked_meanwhile |= values
            return
        self._under_way |= values

        def ended(_: object) -> None:
            self._under_way -= values
            if values & self._asked_meanwhile:
                self._asked_meanwhile -= values
                self.look_again()

        self._carry_out(jobs).addErrback(_report).addBoth(ended)

    def look_again(self) -> None:
        """Take up everything that is outstanding now: what stood in its way may be gone."""
        self._take_up(self._now())

    def _look(self) -> None:
        self._take_up(self._now() - LOOK_SECONDS)

    def _take_up(self, until: int) -> None:
        """Begin what was submitted until then and is outstanding; forget what has been remembered for long enough."""
        now = self._now()

        def find(unit: Unit) -> list[Job]:
            return unit.jobs(_SUBMITTED, _FOUND_AT_ONCE)

        def forget(unit: Unit) -> None:
            unit.forget_jobs(_COMPLETED, now - KEPT_SECONDS)
            unit.accept()

        def begin(found: list[Job]) -> None:
            requests = by_request(job for job in found if job.submitted_at <= until)
            # The last one may not be there as a whole: the next look finds it.
            whole = requests[:-1] if len(found) == _FOUND_AT_ONCE and len(requests) > 1 else requests
            for jobs in whole:
                self.begin(jobs)

        if now - self._forgotten_at >= KEPT_SECONDS // 24:
            self._forgotten_at = now
            in_storage(self._lanes, forget, writes=True).addErrback(_report)
        in_storage(self._lanes, find, writes=False).addCallbacks(begin).addErrback(_report)

    @inlineCallbacks
    def _carry_out(self, jobs: Sequence[Job]) -> Generator[Deferred[Any], Any, None]:
        request = request_of(jobs)
        prepared = yield self._in_thread(self._engine.prepare, request)
        for _ in range(_ATTEMPTS + len(jobs)):
            try:
                yield in_storage(self._lanes, self._work(jobs, request, prepared), writes=True)
            except StaleDirectory:
                yield self._read_directory()
            except NegotiationNeeded as needed:
                negotiated = yield self.negotiated(needed.wanted)
                if _may_come(negotiated) and self._now() - jobs[0].submitted_at < KEPT_SECONDS:
                    self._wait(jobs)
                    return
                prepared = {**prepared, needed.place: negotiated}
            else:
                self._negotiator.look()
                return

    def _wait(self, jobs: Sequence[Job]) -> None:
        """Begin them again in a moment, once: a look may have begun them, too, and finds the peer no sooner."""
        values = {job.correlation_value for job in jobs}
        if values & self._waiting:
            return
        self._waiting |= values

        def again() -> None:
            self._waiting -= values
            self.begin(jobs)

        self._reactor.callLater(_AGAIN_SECONDS, again)

    def negotiated(self, wanted: Wanted) -> Deferred[Prepared]:
        """A key that was negotiated, or why there is none."""
        negotiated: Deferred[Any] = self._negotiator.negotiate(wanted)
        return negotiated.addCallbacks(Prepared, _no_key)

    def _work(
        self, jobs: Sequence[Job], request: RequestMessage, prepared: Mapping[int, Prepared]
    ) -> Callable[[Unit], None]:
        directory = self._directories.current

        def work(unit: Unit) -> None:
            if unit.epoch() != directory.epoch:
                raise StaleDirectory
            now = self._now()
            try:
                caller = directory.named(jobs[0].owner)
            except IdentityError as gone:
                error = KmipError(ResultReason.AUTHENTICATION_NOT_SUCCESSFUL, str(gone))
                self._engine.refuse_jobs(unit, jobs, request, now, error)
            else:
                self._engine.run_jobs(unit, caller, jobs, request, now, prepared, directory.ruling)

        return work


def _no_key(failure: Failure) -> Prepared | Failure:
    error = failure.value
    return Prepared(None, error) if isinstance(error, NegotiationFailed) else failure


def _may_come(prepared: Prepared) -> bool:
    """Whether what there is no key for now may have one later."""
    return isinstance(prepared.error, NegotiationFailed) and prepared.error.may_come


def in_storage(lanes: Lanes, work: Callable[[Unit], _T], *, writes: bool) -> Deferred[_T]:
    """The value of a piece of work after its commit, or the exception that it ended with."""
    deferred: Deferred[_T] = Deferred()

    def done(outcome: Outcome) -> None:
        if outcome.error is None:
            deferred.callback(outcome.value)
        else:
            deferred.errback(outcome.error)

    try:
        lanes.submit(work, done, writes=writes)
    except StorageUnavailable as error:
        deferred.errback(error)
    return deferred


def _report(failure: Failure) -> None:
    """Nobody waits for an answer here: it is tried again at the next look, or the next start."""
    if isinstance(failure.value, StorageUnavailable):
        _log.warning("asynchronous operations wait for the storage", reason=str(failure.value))
    else:
        _log.error("asynchronous operations failed", exc_info=failure.value)
