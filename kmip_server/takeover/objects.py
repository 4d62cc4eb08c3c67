"""Storing the objects of another server as this server's own."""

from __future__ import annotations

from typing import Any

from kmip_server.errors import KmipError
from kmip_server.identity.caller import Caller
from kmip_server.objects.attribute_set import AttributeSet, AttributeValue
from kmip_server.objects.key_block import Certificate, OpaqueObject
from kmip_server.operations import load_all
from kmip_server.operations.batch import Batch
from kmip_server.operations.call import Call
from kmip_server.operations.creation import new_object
from kmip_server.operations.registration import Examined, examine
from kmip_server.operations.registry import REGISTRY
from kmip_server.operations.services import Services
from kmip_server.storage.port import AuditEntry, Unit
from kmip_server.takeover.pykmip_database import PyKmipObject
from kmip_server.ttlv.enumerations import Operation, State
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V2_1
from policy.model import Who

RECORDED_AS = "Take over from PyKMIP"
"""The operation in the audit records of a take-over."""


class AlreadyTaken(Exception):  # noqa: N818
    """The store has an object with this Unique Identifier already."""


def take_over(unit: Unit, services: Services, found: PyKmipObject, now: int) -> None:
    """Store one object under its own Unique Identifier, owner, names, state and Initial Date. Raises AlreadyTaken.

    PyKMIP keeps no dates but the Initial Date: an object that was activated there has it as its Activation Date here.
    Its names may be the names of other objects too, as PyKMIP allows that.
    """
    if unit.get(found.unique_identifier) is not None:
        raise AlreadyTaken(f"there is an object {found.unique_identifier} in the store already")
    load_all()
    owner = services.ruling.subject(Who.CLIENT, found.owner)
    spec, batch = REGISTRY[Operation.IMPORT], Batch()
    call = Call(spec, V2_1, Caller(found.owner), now, unit, services, batch, services.ruling, owner)
    template = AttributeSet.of(
        [
            *found.attributes,
            AttributeValue(Tag.OPERATION_POLICY_NAME, found.operation_policy),
            AttributeValue(Tag.SENSITIVE, found.sensitive),
            AttributeValue(Tag.CRYPTOGRAPHIC_USAGE_MASK, found.usage_mask),
        ]
    )
    examined = _examined(call, found, template)
    made = new_object(
        call,
        found.object_type,
        template,
        facts=examined.facts,
        digest=examined.digest,
        generated=False,
        unique_identifier=found.unique_identifier,
    )
    for attribute in examined.more:
        made.attributes = made.attributes.with_added(attribute.tag, attribute.value)
    made.set(Tag.STATE, found.state)
    if found.initial_date:
        made.set(Tag.INITIAL_DATE, found.initial_date)
    if found.state in (State.ACTIVE, State.DEACTIVATED):
        made.set(Tag.ACTIVATION_DATE, found.initial_date or now)
    if found.state is State.DEACTIVATED:
        made.set(Tag.DEACTIVATION_DATE, now)
    call.add(made, examined.stored)
    unit.audit(AuditEntry(now, found.owner, RECORDED_AS, found.unique_identifier, "succeeded"))
    unit.accept()


def _examined(call: Call, found: PyKmipObject, template: AttributeSet) -> Examined:
    """What the object is by its value; what PyKMIP says of it, if the value is wrapped or not understood here."""
    value = found.value
    wrapped = not isinstance(value, Certificate | OpaqueObject) and isinstance(value.key_block.key_value, bytes)
    if not wrapped:
        try:
            return examine(call, value, template)
        except KmipError:
            pass
    facts: dict[int, Any] = {Tag.CRYPTOGRAPHIC_USAGE_MASK: found.usage_mask}
    if isinstance(value, Certificate):
        facts[Tag.CERTIFICATE_TYPE] = value.certificate_type
    elif not isinstance(value, OpaqueObject):
        block = value.key_block
        facts[Tag.KEY_FORMAT_TYPE] = block.key_format_type
        if block.cryptographic_algorithm is not None:
            facts[Tag.CRYPTOGRAPHIC_ALGORITHM] = block.cryptographic_algorithm
            facts[Tag.CRYPTOGRAPHIC_LENGTH] = block.cryptographic_length
    return Examined(facts=facts, digest=None, stored=value)
