"""Acts on keys: Re-key as the owner, by the code that clients' requests go through, and what tells of old keys.

The rule is what allows it, as any other rule does: what another rule denies is denied still, and what it requires holds
for the replacement. It is on record as the owner's Re-key, for the rule.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from kmip_server.automating.facts import key_in
from kmip_server.automating.wanted import NotWantedError, RefusedError, author, event
from kmip_server.engine import Engine
from kmip_server.execution import Execution
from kmip_server.identity.directory import Directory, StaleDirectory
from kmip_server.messages.headers import ProtocolVersionStructure, RequestBatchItem, RequestHeader, RequestMessage
from kmip_server.operations.jobs import STORED_LIMITS
from kmip_server.operations.re_key import ReKeyRequest
from kmip_server.storage.port import AuditEntry, Unit
from kmip_server.storage.store import Store
from kmip_server.ttlv import binary
from kmip_server.ttlv.enumerations import Operation, ResultStatus
from kmip_server.ttlv.item import Item, Type
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V2_1
from policy.automation import Due
from policy.compiling import Ruling
from policy.model import Act, Effect, Match, Rule, Selector, Who


def act_on_key(store: Store, engine: Engine, directory: Directory, one: Due, now: int) -> None:
    """Do what a rule wants with a key, in one transaction with its claim.

    Raises StaleDirectory or NotWantedError, and nothing was done; RefusedError, and that is on record.
    """
    rule = one.rule
    with store.unit(writes=True) as unit:
        if unit.epoch() != directory.epoch:
            raise StaleDirectory
        if not unit.claim_act(rule.name, one.about, one.last, now):
            raise NotWantedError
        row = unit.get(one.about)
        key = None if row is None else key_in(row, directory, now)
        if key is None or not one.is_due_still([key], now):
            raise NotWantedError
        refusal = _ACTS[rule.act](unit, engine, directory, key.owner.name, one, now)
    if refusal:
        raise RefusedError(refusal)


def _rotate(unit: Unit, engine: Engine, directory: Directory, owner: str, one: Due, now: int) -> str:
    ruling = allowing(directory.ruling, author(one.rule))
    caller, request = directory.named(owner), re_key_request(one.about, 0)
    execution = Execution(unit, caller, request, now, engine.services, ruling=ruling, because=f"by {author(one.rule)}")
    answer = execution.carry_out(request.items[0], None)
    if answer.result_status is not ResultStatus.SUCCESS:
        return answer.result_message or "it was refused"
    unit.notify(ruling.messages(event("rule-acted", one, now)))
    return ""


def _escalate(unit: Unit, engine: Engine, directory: Directory, owner: str, one: Due, now: int) -> str:
    unit.audit(AuditEntry(now, author(one.rule), "Escalation", one.about, "succeeded", one.why))
    unit.notify(directory.ruling.messages(event("escalation", one, now), one.rule.channels))
    return ""


_ACTS: Final[dict[Act, Callable[[Unit, Engine, Directory, str, Due, int], str]]] = {
    Act.ROTATE: _rotate,
    Act.ESCALATE: _escalate,
}
"""What each act does with a key; in words why it was refused, or "" if it was not."""


def re_key_request(unique_identifier: str, offset: int | None) -> RequestMessage:
    """Re-key with an Offset in seconds: the replacement is active then, and its period is as long (table 303).

    Without one it has the dates of its key.
    """
    fields = ReKeyRequest(unique_identifier=unique_identifier, offset=offset).encode(V2_1)
    payload = binary.decode(binary.encode(Item(Tag.REQUEST_PAYLOAD, Type.STRUCTURE, fields)), STORED_LIMITS)
    item = RequestBatchItem(operation=Operation.RE_KEY, request_payload=payload)
    version = ProtocolVersionStructure(protocol_version_major=V2_1.major, protocol_version_minor=V2_1.minor)
    return RequestMessage(V2_1, RequestHeader(protocol_version=version, batch_count=1), (item,))


@lru_cache(maxsize=4)
def allowing(ruling: Ruling, name: str) -> Ruling:
    """A ruling by which owners may Re-key what is theirs, for an automatic rule."""
    return ruling.allowing(
        Rule(
            name=name,
            effect=Effect.ALLOW,
            subjects=(Selector(Who.ANYONE),),
            actions=frozenset({Operation.RE_KEY.name}),
            resource=Match(own=True),
        )
    )
