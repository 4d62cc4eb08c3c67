"""The deliverer of one worker: takes what is due from the outbox, sends it, and writes down what became of it.

1. A message is claimed before it is sent: its next attempt moves behind the time that sending may take. Another worker
   leaves it alone until then, and takes it up if this one has died.
2. What was not taken is tried again after a time that doubles, with some chance in it, and given up in the end.
3. Each channel has one thread at most: a receiver that is slow holds up no other one.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import structlog
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from notifying.sending import NO_MORE, Senders, send
from notifying.transport import Delivery, NotDeliveredError, WithheldError, read_secrets
from policy.model import Policy
from policy.notifications import Waiting

_log: Final = structlog.stdlib.get_logger("kmip.notifications")

LOOK_SECONDS: Final = 1
_LONGEST_PAUSE: Final = 3600
_AT_ONCE: Final = 20
_STEPS: Final = 6
"""How many timeouts sending one message may take: connect, TLS, log in, and so on."""
_FORGET_EVERY: Final = 3600


class DeliverySettings(NamedTuple):
    """How messages are delivered. Times are in seconds."""

    secrets: Path
    authorities: Path | None = None
    timeout: float = 10
    first_pause: float = 5
    attempts: int = 30
    kept: int = 30 * 86_400


class Outbox(Protocol):
    """The outbox, in a transaction of whoever keeps it."""

    def due_messages(self, now: int, limit: int) -> list[Waiting]:
        """Messages whose next attempt is due, the most urgent first, so many of them."""

    def claim_message(self, message: Waiting, until: int) -> bool:
        """Have a message to deliver until then (POSIX seconds); False if another process has it already."""

    def settle_message(self, message: Waiting) -> None:
        """Store when a message was delivered, or is tried again, or that it is given up; with the last error."""

    def forget_messages(self, before: int) -> None:
        """Forget the messages from before a time that are delivered or given up."""


class Transaction(Protocol):
    """Carries out work on the outbox in one transaction. Fires with its answer after the commit."""

    def __call__(self, work: Callable[[Outbox], Any], *, writes: bool) -> Deferred[Any]:
        """See above."""


class Deliverer:
    """Empties the outbox. All methods run in the reactor's thread; sending runs in threads of its own."""

    def __init__(
        self,
        reactor: ReactorBase,
        transaction: Transaction,
        policy: Callable[[], Policy],
        settings: DeliverySettings,
        now: Callable[[], int],
        unavailable: tuple[type[Exception], ...] = (),
        senders: Senders = NO_MORE,
    ) -> None:
        """`unavailable` are the exceptions that say that the outbox cannot be reached now; `senders` are as in send."""
        self._reactor = reactor
        self._transaction = transaction
        self._unavailable = unavailable
        self._senders = senders
        self._policy = policy
        self._settings = settings
        self._now = now
        self._under_way: dict[str, Deferred[None]] = {}
        self._stopping = False
        self._forgotten_at = 0
        self._looking = LoopingCall(self._look)
        self._looking.clock = reactor

    def start(self) -> None:
        """Take up what is due, and go on looking."""
        self._looking.start(LOOK_SECONDS, now=False)

    def stop(self) -> Deferred[Any]:
        """Begin nothing more. Fires when what is being sent has ended."""
        self._stopping = True
        if self._looking.running:
            self._looking.stop()
        return DeferredList(list(self._under_way.values())) if self._under_way else succeed(None)

    def _look(self) -> Deferred[None]:
        now = self._now()

        def due(unit: Outbox) -> bool:
            return bool(unit.due_messages(now, 1))

        def claim(anything: bool) -> Deferred[list[Waiting]]:
            until = now + int(self._settings.timeout * _STEPS * _AT_ONCE) + 1
            busy = frozenset(self._under_way)

            def take(unit: Outbox) -> list[Waiting]:
                found = [each for each in unit.due_messages(now, _AT_ONCE) if each.channel not in busy]
                return [each._replace(attempts=each.attempts + 1) for each in found if unit.claim_message(each, until)]

            return self._transaction(take, writes=True) if anything else succeed([])

        if now - self._forgotten_at >= _FORGET_EVERY:
            self._forgotten_at = now
            before = now - self._settings.kept
            self._transaction(lambda unit: unit.forget_messages(before), writes=True).addErrback(self._report)
        return (
            self._transaction(due, writes=False).addCallback(claim).addCallbacks(self._begin).addErrback(self._report)
        )

    def _begin(self, claimed: Sequence[Waiting]) -> None:
        for channel, together in groupby(sorted(claimed, key=lambda one: one.channel), lambda one: one.channel):
            done: Deferred[None] = Deferred()
            self._under_way[channel] = done
            arguments = (channel, list(together), self._policy(), done)
            # A thread that hangs on its receiver keeps no process from ending.
            threading.Thread(target=self._send, args=arguments, name="notification", daemon=True).start()

    def _send(self, channel: str, messages: list[Waiting], policy: Policy, done: Deferred[None]) -> None:
        """In a thread: send the messages of one channel, in their order."""
        settled = [self._sent(channel, one, policy) for one in messages]
        self._reactor.callFromThread(self._settle, channel, settled, done)

    def _sent(self, channel: str, message: Waiting, policy: Policy) -> Waiting:
        settings, now = self._settings, self._now()
        if self._stopping:
            return message._replace(next_attempt_at=now)
        if channel not in policy.channels:
            return self._later(message, "the policy has no such channel any more")
        try:
            secret = read_secrets(settings.secrets).get(channel, "")
            delivery = Delivery(message, policy.channels[channel], secret, settings.authorities, settings.timeout, now)
            send(delivery, self._senders)
        except NotDeliveredError as error:
            return self._later(message, str(error))
        except WithheldError as error:
            return message._replace(next_attempt_at=None, delivered_at=self._now(), last_error=str(error))
        except Exception as error:
            _log.exception("a fault of ours", message_id=message.message_id)
            return self._later(message, type(error).__name__)
        return message._replace(next_attempt_at=None, delivered_at=self._now(), last_error="")

    def _later(self, message: Waiting, why: str) -> Waiting:
        if message.attempts >= self._settings.attempts:
            _log.error("a notification is given up", message_id=message.message_id, channel=message.channel, reason=why)
            return message._replace(next_attempt_at=None, last_error=why)
        pause = min(self._settings.first_pause * 2 ** (message.attempts - 1), _LONGEST_PAUSE)
        pause *= random.uniform(0.75, 1.25)  # noqa: S311 - a pause, not a secret
        return message._replace(next_attempt_at=self._now() + max(1, round(pause)), last_error=why)

    def _settle(self, channel: str, settled: list[Waiting], done: Deferred[None]) -> None:
        def write(unit: Outbox) -> None:
            for message in settled:
                unit.settle_message(message)

        def ended(_: object) -> None:
            del self._under_way[channel]
            done.callback(None)

        self._transaction(write, writes=True).addErrback(self._report).addBoth(ended)

    def _report(self, failure: Failure) -> None:
        """It is tried again at the next look."""
        if isinstance(failure.value, self._unavailable):
            _log.warning("notifications wait for the storage", reason=str(failure.value))
        else:
            _log.error("notifications were not delivered", exc_info=failure.value)
