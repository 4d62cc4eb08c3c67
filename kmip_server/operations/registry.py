"""The table of operations: what each takes, answers, touches and puts on record. Filled by the `operation` decorator.

An operation that is not in this table does not exist: Query does not list it, and a request for it is answered with
Operation Not Supported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from kmip_server.errors import KmipError
from kmip_server.messages.fields import Payload
from kmip_server.messages.headers import ResponseBatchItem
from kmip_server.ttlv.enumerations import Operation, ResultReason
from kmip_server.ttlv.item import Item, Type
from kmip_server.ttlv.memory import remembered, weight
from kmip_server.ttlv.versions import V2_1, ProtocolVersion

if TYPE_CHECKING:
    from kmip_server.operations.call import Call
    from kmip_server.operations.services import Services

    Handler = Callable[[Call, Any], Payload | ResponseBatchItem]
    Prepare = Callable[[Services, Any], Any]


SMALL_REQUEST: Final = 512
"""What was read in a request is remembered for requests up to this many bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationSpec:
    """One row of the table.

    `changes`: it needs a transaction that writes. `audited`: a success is put on record, with or without a change
    (every refusal is); it is so for all that changes something, uses a key, or releases a secret.
    `sets_placeholder`: its object becomes the ID Placeholder. `archived`: it may be applied to an archived object.
    `prepare`: slow work that needs no transaction and no object, done before it (key pair generation).
    `names_object`: the decision whether it is allowed is made on an existing object, by Call.target; otherwise it is
    made on the server itself before the handler runs. `stateless`: it looks at nothing that is stored.
    `releases`: it answers with an object's value, which is not kept for Poll but read again.
    `repeats`: clients ask for it with the same bytes again and again, and these hold nothing secret; so what was read
    in them may be remembered.
    `asynchronous`: it can be carried out after the answer Operation Pending (s6.1.38). A handler answers with its
    response payload; Poll alone answers with a whole batch item, which is another operation's.
    """

    operation: Operation
    since: ProtocolVersion
    until: ProtocolVersion
    request: type[Payload]
    response: type[Payload]
    handler: Handler
    changes: bool
    audited: bool
    sets_placeholder: bool
    archived: bool
    names_object: bool
    stateless: bool
    releases: bool
    repeats: bool
    asynchronous: bool
    prepare: Prepare | None

    def known_in(self, version: ProtocolVersion) -> bool:
        """Whether this version of the protocol has the operation."""
        return self.since <= version <= self.until

    def decode(self, payload: Item, version: ProtocolVersion) -> Payload:
        """The typed request in a Request Payload. Raises KmipError."""
        if payload.type != Type.STRUCTURE:
            raise KmipError(ResultReason.INVALID_MESSAGE, "a Request Payload (420079) is a Structure")
        read = _read_once if self.repeats else _read
        return read(self.request, payload, version)


def _read(request: type[Payload], payload: Item, version: ProtocolVersion) -> Payload:
    return request.decode(payload.value, version)


_read_once: Final = remembered(256, lambda arguments, _: weight(arguments[1]) <= SMALL_REQUEST)(_read)

REGISTRY: Final[dict[Operation, OperationSpec]] = {}

_Handler = TypeVar("_Handler", bound=Callable[..., Payload | ResponseBatchItem])


def operation(
    code: Operation,
    *,
    request: type[Payload],
    response: type[Payload],
    until: ProtocolVersion = V2_1,
    changes: bool = False,
    audited: bool | None = None,
    sets_placeholder: bool = False,
    archived: bool = False,
    names_object: bool = True,
    stateless: bool = False,
    releases: bool = False,
    repeats: bool = False,
    asynchronous: bool = True,
    prepare: Prepare | None = None,
) -> Callable[[_Handler], _Handler]:
    """Register a handler. `audited` is as `changes` unless given; see OperationSpec."""

    def register(handler: _Handler) -> _Handler:
        if code in REGISTRY:
            raise ValueError(f"{code.title} is registered twice")
        REGISTRY[code] = OperationSpec(
            operation=code,
            since=code.since,
            until=until,
            request=request,
            response=response,
            handler=handler,
            changes=changes,
            audited=changes if audited is None else audited,
            sets_placeholder=sets_placeholder,
            archived=archived,
            names_object=names_object,
            stateless=stateless,
            releases=releases,
            repeats=repeats,
            asynchronous=asynchronous,
            prepare=prepare,
        )
        return handler

    return register
