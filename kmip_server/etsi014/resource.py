"""The paths of ETSI GS QKD 014 V1.1.1 on the HTTPS port (s5), each method of the standard a row of one table.

TLS, the certificate's name, budgets and deadlines are the listener's. What is wrong with a request is status 400,
whatever HTTP might say: the standard has 400, 401 and 503, and clients know no others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import structlog
from twisted.internet.defer import Deferred, TimeoutError, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from kmip_server.etsi014 import documents
from kmip_server.etsi014.service import DeliveredKey, KeyDelivery, KeyDeliveryError, KeyStatus, Kind
from kmip_server.listeners.handler import HttpAnswer, HttpRequest

_log: Final = structlog.stdlib.get_logger(__name__)

ANSWER_SECONDS: Final = 8.0
"""How long keys may take: less than the ten seconds that clients wait, or what comes too late would be lost."""

_JSON: Final = b"application/json"
_STATUS: Final[Mapping[Kind, int]] = {Kind.MALFORMED: 400, Kind.UNAUTHORISED: 401, Kind.UNAVAILABLE: 503}

_Method = Callable[["KeysResource", HttpRequest, str], "Deferred[bytes]"]


class KeysResource:
    """Answers the requests of SAEs (listeners.handler.Resource)."""

    prefix = documents.PREFIX
    body_bytes = documents.MOST_BODY_BYTES

    def __init__(self, delivery: KeyDelivery, clock: IReactorTime) -> None:
        self._delivery = delivery
        self._clock = clock

    def refusal(self, message: str) -> HttpAnswer:
        """The answer to a request that cannot be taken."""
        return HttpAnswer(400, _JSON, documents.error_answer(message))

    def respond(self, request: HttpRequest, answer: Callable[[HttpAnswer], None]) -> None:
        """Answer a request, once the keys are there."""
        done: Deferred[bytes] = maybeDeferred(self._carry_out, request)
        done.addTimeout(ANSWER_SECONDS, self._clock)
        given: Deferred[HttpAnswer] = done.addCallbacks(partial(HttpAnswer, 200, _JSON), partial(_refuse, request))
        given.addCallback(answer)

    def _carry_out(self, request: HttpRequest) -> Deferred[bytes]:
        peer, name = documents.read_path(request.path)
        methods = _METHODS.get(name)
        if methods is None:
            raise KeyDeliveryError(Kind.MALFORMED, f"the last part of the path is one of {', '.join(_METHODS)}")
        method = methods.get(request.method)
        if method is None:
            allowed = " or ".join(allowed.decode() for allowed in methods)
            raise KeyDeliveryError(Kind.MALFORMED, f"the HTTP method of {name} is {allowed}")
        if peer == request.caller.name:
            raise KeyDeliveryError(Kind.MALFORMED, "the SAE ID in the path is your own: name the other SAE")
        return method(self, request, peer)

    def _status(self, request: HttpRequest, slave: str) -> Deferred[bytes]:
        if _query(request):
            raise KeyDeliveryError(Kind.MALFORMED, "status has no parameters")
        found: Deferred[KeyStatus] = self._delivery.status(request.caller, slave)
        return found.addCallback(partial(documents.status_answer, request.caller.name, slave))

    def _enc_keys(self, request: HttpRequest, slave: str, asked: documents.KeyRequest) -> Deferred[bytes]:
        found: Deferred[Sequence[DeliveredKey]]
        found = self._delivery.enc_keys(request.caller, slave, asked.number, asked.size)
        return found.addCallback(documents.keys_answer)

    def _dec_keys(self, request: HttpRequest, master: str, key_ids: Sequence[str]) -> Deferred[bytes]:
        return self._delivery.dec_keys(request.caller, master, key_ids).addCallback(documents.keys_answer)

    def _get_enc_keys(self, request: HttpRequest, slave: str) -> Deferred[bytes]:
        return self._enc_keys(request, slave, documents.key_request(_query(request)))

    def _post_enc_keys(self, request: HttpRequest, slave: str) -> Deferred[bytes]:
        return self._enc_keys(request, slave, documents.key_request_document(_body(request)))

    def _get_dec_keys(self, request: HttpRequest, master: str) -> Deferred[bytes]:
        return self._dec_keys(request, master, documents.key_ids(_query(request)))

    def _post_dec_keys(self, request: HttpRequest, master: str) -> Deferred[bytes]:
        return self._dec_keys(request, master, documents.key_ids_document(_body(request)))


_METHODS: Final[Mapping[str, Mapping[bytes, _Method]]] = {
    "status": {b"GET": KeysResource._status},
    "enc_keys": {b"GET": KeysResource._get_enc_keys, b"POST": KeysResource._post_enc_keys},
    "dec_keys": {b"GET": KeysResource._get_dec_keys, b"POST": KeysResource._post_dec_keys},
}
"""The methods of the standard (s5, table 1), by the last part of their path."""


def _query(request: HttpRequest) -> bytes:
    """The query of a GET. Raises KeyDeliveryError if there is a body, too."""
    if request.body:
        raise KeyDeliveryError(Kind.MALFORMED, "a GET has no body: ask with POST")
    return request.query


def _body(request: HttpRequest) -> bytes:
    """The document of a POST. Raises KeyDeliveryError if it is something else, or there is a query, too."""
    if request.media_type != _JSON:
        raise KeyDeliveryError(Kind.MALFORMED, "the content type is application/json, in UTF-8 and not compressed")
    if request.query:
        raise KeyDeliveryError(Kind.MALFORMED, "a POST has no query: the parameters are in the body")
    return request.body


def _refuse(request: HttpRequest, failure: Failure) -> HttpAnswer:
    error = _known(failure.value)
    if error is None:
        _log.error("a fault of ours", sae=request.caller.name, exc_info=failure.value)
        error = KeyDeliveryError(Kind.UNAVAILABLE, "the server failed; its log has more")
    _log.info("no keys delivered", sae=request.caller.name, kind=error.kind.value, reason=error.message)
    return HttpAnswer(_STATUS[error.kind], _JSON, documents.error_answer(error.message, error.details))


def _known(error: Any) -> KeyDeliveryError | None:
    """The error as the client is told it; None for a fault of ours."""
    if isinstance(error, TimeoutError):
        return KeyDeliveryError(Kind.UNAVAILABLE, f"the keys were not there within {ANSWER_SECONDS:.0f} s; try again")
    return error if isinstance(error, KeyDeliveryError) else None
