"""A worker's end of the gateway's desk (operations.negotiation.Negotiator), in the worker's reactor."""

# mypy: allow-untyped-calls

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.error import AlreadyCalled, AlreadyCancelled
from twisted.internet.protocol import Factory, connectionDone
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure

from kmip_server.gateway.desk import LINE_BYTES, SOCKET
from kmip_server.operations.negotiation import Negotiated, NegotiationFailed, Settled, Stored, Wanted
from kmip_server.ttlv.enumerations import ResultReason

_LATER_SECONDS: Final = 50.0
"""How much longer than it waits itself the gateway is waited for. It answers sooner; this is for one that hangs."""


def _unreached(message: str) -> NegotiationFailed:
    return NegotiationFailed(ResultReason.GENERAL_FAILURE, message, may_come=True)


def _no_gateway() -> NegotiationFailed:
    message = "this server shares no keys with other sites: it has no gateway"
    return NegotiationFailed(ResultReason.FEATURE_NOT_SUPPORTED, message)


class NoGateway:
    """A server without a gateway negotiates no keys."""

    def negotiate(self, wanted: Wanted) -> Deferred[Negotiated]:
        """See Negotiator."""
        return fail(_no_gateway())

    def settle(self, unique_identifiers: Iterable[str]) -> Deferred[dict[str, Settled]]:
        """See Negotiator: others hear of it when there is a gateway again."""
        return succeed({})

    def stored(self, wanted: Wanted) -> Deferred[Stored]:
        """See Negotiator."""
        return fail(_no_gateway())

    def look(self) -> None:
        """See Negotiator."""


class GatewayClient:
    """Asks the gateway of this server, over one connection, which is made when it is needed.

    `answer_seconds` is how long the gateway waits for others: what it has said by then is so, and is waited for.
    """

    def __init__(self, reactor: ReactorBase, directory: Path, answer_seconds: float) -> None:
        self._reactor, self._seconds = reactor, answer_seconds + _LATER_SECONDS
        self._endpoint = UNIXClientEndpoint(reactor, str(directory / SOCKET), timeout=2)
        self._connection: _Connection | None = None
        self._connecting: list[Deferred[_Connection]] = []

    def negotiate(self, wanted: Wanted) -> Deferred[Negotiated]:
        """See Negotiator."""

        def read(answer: dict[str, Any]) -> Negotiated:
            identifier, key, provenance, lifetime, uses = answer["negotiated"]
            return Negotiated(wanted, identifier, b64decode(key), provenance, lifetime, uses)

        return self._ask({"do": "negotiate", "wanted": list(wanted)}).addCallback(read)

    def settle(self, unique_identifiers: Iterable[str]) -> Deferred[dict[str, Settled]]:
        """See Negotiator."""

        def read(answer: dict[str, Any]) -> dict[str, Settled]:
            return {name: _settled(*said) for name, said in answer["settled"].items()}

        asked = self._ask({"do": "settle", "unique_identifiers": list(unique_identifiers)})
        # What is not told now is told as soon as there is a gateway.
        return asked.addCallbacks(read, lambda _: {})

    def stored(self, wanted: Wanted) -> Deferred[Stored]:
        """See Negotiator."""
        asked = self._ask({"do": "stored", "wanted": list(wanted)})
        return asked.addCallback(lambda answer: Stored(*answer["stored"]))

    def look(self) -> None:
        """See Negotiator: without it the gateway looks once a second."""
        if self._connection is not None:
            self._connection.say({"number": 0, "do": "look"})

    def _ask(self, asked: dict[str, Any]) -> Deferred[dict[str, Any]]:
        return self._connected().addCallback(lambda connection: connection.ask(asked))

    def _connected(self) -> Deferred[_Connection]:
        if self._connection is not None:
            return succeed(self._connection)
        waiting: Deferred[_Connection] = Deferred()
        self._connecting.append(waiting)
        if len(self._connecting) == 1:
            made = self._endpoint.connect(Factory.forProtocol(self._begun))
            made.addCallbacks(self._made, self._refused)
        return waiting

    def _begun(self) -> _Connection:
        return _Connection(self._reactor, self._seconds, self._lost)

    def _made(self, connection: _Connection) -> None:
        self._connection = connection
        waiting, self._connecting = self._connecting, []
        for each in waiting:
            each.callback(connection)

    def _refused(self, _: Failure) -> None:
        waiting, self._connecting = self._connecting, []
        for each in waiting:
            each.errback(_unreached("the gateway of this server does not run"))

    def _lost(self) -> None:
        self._connection = None


class _Connection(LineReceiver):
    """A connection to the desk. Answers come by the numbers of what was asked, within so many seconds."""

    delimiter = b"\n"
    MAX_LENGTH = LINE_BYTES

    def __init__(self, reactor: ReactorBase, seconds: float, lost: Callable[[], None]) -> None:
        self._reactor, self._seconds, self._on_lost = reactor, seconds, lost
        self._pending: dict[int, Deferred[dict[str, Any]]] = {}
        self._number = 0

    def ask(self, asked: dict[str, Any]) -> Deferred[dict[str, Any]]:
        """The answer. Fails with NegotiationFailed."""
        self._number += 1
        number = self._number
        answer: Deferred[dict[str, Any]] = Deferred()
        self._pending[number] = answer
        timer = self._reactor.callLater(self._seconds, self._late, number)

        def answered(result: Any) -> Any:
            with suppress(AlreadyCalled, AlreadyCancelled):
                timer.cancel()
            return result

        self.say({**asked, "number": number})
        return answer.addBoth(answered)

    def say(self, said: dict[str, Any]) -> None:
        """Say something that is not answered."""
        self.sendLine(json.dumps(said).encode())

    def lineReceived(self, line: bytes) -> None:  # noqa: N802 - Twisted's name
        """Take an answer."""
        said = json.loads(line)
        waiting = self._pending.pop(said["number"], None)
        if waiting is None:
            return
        if "failed" in said:
            reason, message, may_come = said["failed"]
            waiting.errback(NegotiationFailed(ResultReason(reason), message, may_come=may_come))
        else:
            waiting.callback(said)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802 - Twisted's name
        """Nothing is answered any more."""
        self._on_lost()
        pending, self._pending = self._pending, {}
        for waiting in pending.values():
            waiting.errback(_unreached("the gateway of this server went away"))

    def _late(self, number: int) -> None:
        waiting = self._pending.pop(number, None)
        if waiting is not None:
            waiting.errback(_unreached("the gateway of this server does not answer"))


def _settled(refusal: str | None, nodes: int, needed: int) -> Settled:
    failed = None if refusal is None else NegotiationFailed(ResultReason.GENERAL_FAILURE, refusal)
    return Settled(failed, nodes, needed)
