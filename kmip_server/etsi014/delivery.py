"""The KeyDelivery of a gateway: negotiated keys, by requests of KMIP that are carried out as the SAE that asks.

There is no second way to a key: policy, negotiation, holding, telling the other site, leases, revocation and the audit
record are KMIP's own. What is decided here is which pairs there are, and which error of the standard an SAE gets.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, Final, Protocol

import structlog
from twisted.internet.defer import Deferred, inlineCallbacks

from kmip_server.errors import KmipError
from kmip_server.etsi014 import requests
from kmip_server.etsi014.requests import Answered, Pair
from kmip_server.etsi014.service import (
    DEFAULT_BITS,
    DeliveredKey,
    KeyDeliveryError,
    KeyStatus,
    Kind,
    keys_not_found,
    unknown_sae,
)
from kmip_server.identity.caller import Caller
from kmip_server.identity.certificate import IdentityError
from kmip_server.identity.directory import Directory
from kmip_server.listeners.handler import Answered as Answer
from kmip_server.listeners.handler import Reply
from kmip_server.messages.headers import ResponseBatchItem
from kmip_server.objects.attribute_set import AttributeSet
from kmip_server.operations.negotiation import NegotiationFailed, Negotiator, Wanted
from kmip_server.operations.sharing import wanted_for
from kmip_server.ttlv.enumerations import Operation, ResultReason
from policy.model import Who

_log: Final = structlog.stdlib.get_logger("kmip.etsi014")

_Steps = Generator[Deferred[Any], Any, Sequence[DeliveredKey]]


class CarryOut(Protocol):
    """Carries out a request message in TTLV as a caller, and gives the reply after the commit."""

    def __call__(self, caller: Caller, data: bytes, answer: Answer) -> None:
        """Answer the request, once, in the reactor's thread."""


class GatewayDelivery:
    """Delivers the keys that this gateway shares with those at which `saes` are. A key lives `lifetime` seconds."""

    def __init__(
        self,
        carry_out: CarryOut,
        directory: Callable[[], Directory],
        negotiator: Negotiator,
        saes: Mapping[str, str],
        lifetime: int,
        now: Callable[[], float],
    ) -> None:
        self._carry_out = carry_out
        self._directory = directory
        self._negotiator = negotiator
        self._saes = saes
        self._lifetime = lifetime
        self._now = now

    @inlineCallbacks
    def status(self, master: Caller, slave: str) -> Generator[Deferred[Any], Any, KeyStatus]:
        """See KeyDelivery."""
        pair, wanted = self._offered(master, slave, DEFAULT_BITS)
        try:
            stored = yield self._negotiator.stored(wanted)
        except NegotiationFailed as error:
            raise KeyDeliveryError(Kind.UNAVAILABLE, error.message) from None
        return KeyStatus(stored.device, pair.site, stored.keys, stored.most)

    @inlineCallbacks
    def enc_keys(self, master: Caller, slave: str, number: int, bits: int) -> _Steps:
        """See KeyDelivery. The keys are there at both sites before the first one leaves."""
        pair, _ = self._offered(master, slave, bits)
        asked = requests.create(self._attributes(pair, bits), number)
        made: Answered = yield self._done(master, asked, lambda late: self._take_back(master, late.created))
        failed = made.failed
        if failed is None:
            taken: Answered = yield self._done(master, requests.take(made.created), _is_lost)
            if taken.failed is None:
                return _delivered(taken)
            failed = taken.failed
        self._take_back(master, made.created)
        raise _refusal(failed)

    @inlineCallbacks
    def dec_keys(self, slave: Caller, master: str, key_ids: Sequence[str]) -> _Steps:
        """See KeyDelivery."""
        site = self._saes.get(master)
        if site is None:
            raise keys_not_found()
        asked = requests.fetch(Pair(master, slave.name, site), key_ids, int(self._now()))
        taken: Answered = yield self._done(slave, asked, _is_lost)
        if taken.failed is None:
            return _delivered(taken)
        is_there = taken.failed.result_reason is not ResultReason.OBJECT_NOT_FOUND
        raise _refusal(taken.failed) if is_there else keys_not_found()

    # Which pairs there are. -------------------------------------------------------------------------------------------

    def _offered(self, master: Caller, slave: str, bits: int) -> tuple[Pair, Wanted]:
        """A pair, and what its keys are negotiated by, as the policy has it now.

        Whether the keys are made is decided with them, once more. Raises KeyDeliveryError.
        """
        found = self._wanted(master, slave, bits)
        if found is not None:
            return found
        if any(self._wanted(master, other, bits) for other in self._saes):
            raise unknown_sae()
        raise KeyDeliveryError(Kind.UNAUTHORISED, "you get no keys here")

    def _wanted(self, master: Caller, slave: str, bits: int) -> tuple[Pair, Wanted] | None:
        site, directory = self._saes.get(slave), self._directory()
        if site is None:
            return None
        pair, algorithm = Pair(master.name, slave, site), requests.algorithm_of(bits)
        try:
            caller = directory.again(master)
            subject = directory.ruling.subject(Who.CLIENT, caller.name, caller.groups)
            wanted = wanted_for(directory.ruling, subject, self._attributes(pair, bits), algorithm, bits)
        except (IdentityError, KmipError):
            return None
        return None if wanted is None else (pair, wanted)

    def _attributes(self, pair: Pair, bits: int) -> AttributeSet:
        return requests.wanted(pair, bits, int(self._now()) + self._lifetime)

    # What is carried out. ---------------------------------------------------------------------------------------------

    def _done(self, caller: Caller, asked: bytes, late: Callable[[Answered], None]) -> Deferred[Answered]:
        """The answer to a request. It is carried out to its end; `late` has the answer if nobody waits any more."""
        waiting: Deferred[Answered] = Deferred()

        def done(reply: Reply) -> None:
            answer = requests.read(reply.data)
            if not waiting.called:
                waiting.callback(answer)
            else:
                late(answer)

        self._carry_out(caller, asked, done)
        return waiting

    def _take_back(self, master: Caller, key_ids: Sequence[str]) -> None:
        """Have keys destroyed, here and at the other site, that nobody gets."""

        def done(reply: Reply) -> None:
            failed = requests.read(reply.data).failed
            if failed is not None:
                # They are erased when their lifetime is over.
                _log.warning("keys that nobody gets were not destroyed", reason=failed.result_message)

        if key_ids:
            self._carry_out(master, requests.take_back(key_ids), done)


def _is_lost(answer: Answered) -> None:
    if answer.secrets:
        _log.warning("keys were erased too late to be delivered", keys=[key_id for key_id, _ in answer.secrets])


def _delivered(answer: Answered) -> Sequence[DeliveredKey]:
    return [DeliveredKey(key_id, secret) for key_id, secret in answer.secrets]


def _refusal(failed: ResponseBatchItem) -> KeyDeliveryError:
    """The error of the standard for a batch item that failed."""
    return KeyDeliveryError(_kind(failed), failed.result_message or "no keys are delivered now")


def _kind(failed: ResponseBatchItem) -> Kind:
    if failed.result_reason is ResultReason.AUTHENTICATION_NOT_SUCCESSFUL:
        return Kind.UNAUTHORISED
    # A Get is also denied while this site does not know whether the key is revoked.
    is_denied = failed.operation is Operation.CREATE and failed.result_reason is ResultReason.PERMISSION_DENIED
    return Kind.UNAUTHORISED if is_denied else Kind.UNAVAILABLE
