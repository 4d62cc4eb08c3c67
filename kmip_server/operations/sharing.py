"""Keys that are shared with other sites: what a handler asks to be negotiated, and what the new object says of it.

The object is *held* until the peers have it (objects/sharing.py), and they are told of every later change of it
(`Call.change`).
"""

from __future__ import annotations

from typing import Final

from kmip_server.cryptography.algorithms import is_legacy
from kmip_server.errors import KmipError
from kmip_server.objects.attribute_set import AttributeSet
from kmip_server.objects.dscc_attributes import asked_in, dscc_value, with_dscc
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.objects.sharing import ETSI014, is_held, is_shared, peer_of
from kmip_server.operations.call import Call
from kmip_server.operations.negotiation import Negotiated, NegotiationNeeded, Wanted
from kmip_server.operations.obligations import limited
from kmip_server.operations.replacement import replaced_by, unlink_replacement
from kmip_server.operations.resource import bits_of
from kmip_server.storage.port import NODES, PEERS, WITHDRAWN, SharedChange
from kmip_server.ttlv.enumerations import CryptographicAlgorithm, ObjectType, ResultReason, State
from kmip_server.ttlv.tags import Tag
from policy.compiling import Ruling
from policy.decision import Subject, Thing
from policy.model import Sharing
from policy.operation_policies import DEFAULT
from policy.sharing import Asked, Refused

_LEAST_BITS: Final = 128
_MOST_BITS: Final = 4096
_ASKED: Final = ("Peer", "Group", "Purpose", "Policy", "Paths", "Hybrid")


def wanted_for(
    ruling: Ruling, subject: Subject, template: AttributeSet, algorithm: CryptographicAlgorithm, bits: int
) -> Wanted | None:
    """The key to be negotiated for a new symmetric key of these attributes; None if it is one of this site alone.

    Raises Permission Denied if the policy does not offer the subject what it asks for.
    """
    asked = asked_in(template)
    if asked is None and not ruling.sharing:
        return None
    chosen = ruling.choose(subject, resource_of(subject.name, ruling, template), asked or Asked())
    if chosen is None:
        return None
    if isinstance(chosen, Refused):
        raise KmipError(ResultReason.PERMISSION_DENIED, chosen.reason)
    return _wanted(chosen, algorithm, bits)


def sharing_of(call: Call, existing: ManagedObject) -> Sharing | Refused | None:
    """The rule by which a shared key would be shared now as it is."""
    said = {name: dscc_value(existing.attributes, name) for name in _ASKED}
    asked = Asked(**{name.lower(): value for name, value in said.items()})
    return call.ruling.choose(call.subject, resource_of(existing.owner, call.ruling, existing.attributes), asked)


def resource_of(owner: str, ruling: Ruling, attributes: AttributeSet) -> Thing:
    """A symmetric key of these attributes as rules about sharing see it."""
    algorithm = attributes.first(Tag.CRYPTOGRAPHIC_ALGORITHM)
    return Thing(
        ObjectType.SYMMETRIC_KEY.name,
        owner=owner,
        tenants=ruling.tenants(owner),
        operation_policy=attributes.first(Tag.OPERATION_POLICY_NAME) or DEFAULT,
        groups=frozenset(attributes.all(Tag.OBJECT_GROUP)),
        names=frozenset([name.name_value for name in attributes.all(Tag.NAME)]),
        algorithm=None if algorithm is None else algorithm.name,
        length=attributes.first(Tag.CRYPTOGRAPHIC_LENGTH),
        uses=bits_of(attributes.first(Tag.CRYPTOGRAPHIC_USAGE_MASK) or 0),
    )


def _wanted(rule: Sharing, algorithm: CryptographicAlgorithm, bits: int) -> Wanted:
    """The key that a rule shares. It is so many bits, any of them: no key of an algorithm with rules of its own."""
    if is_legacy(algorithm):
        raise KmipError(
            ResultReason.INVALID_ATTRIBUTE_VALUE,
            f"{algorithm.title} is a legacy Cryptographic Algorithm (420028): no key of it is negotiated",
        )
    if not _LEAST_BITS <= bits <= _MOST_BITS:
        raise KmipError(
            ResultReason.INVALID_ATTRIBUTE_VALUE,
            f"a negotiated key has a Cryptographic Length (42002A) of {_LEAST_BITS} to {_MOST_BITS} bits",
        )
    return Wanted(
        rule.peer, rule.group, rule.purpose, rule.policy, rule.paths, rule.hybrid, bits, rule.pool, rule.lifetime
    )


def shared_key(call: Call, template: AttributeSet, algorithm: CryptographicAlgorithm, bits: int) -> Negotiated | None:
    """The key for a new object of these attributes, if it is to be shared with another site.

    Raises NegotiationNeeded; Permission Denied if the policy does not offer what the client asks for.
    """
    wanted = wanted_for(call.ruling, call.subject, template, algorithm, bits)
    return None if wanted is None else _negotiated(call, wanted)


def replacing_key(call: Call, existing: ManagedObject, template: AttributeSet, bits: int) -> Negotiated | None:
    """The key that takes the place of one, shared as that is; None if that is of this site alone.

    Raises NegotiationNeeded; Permission Denied if the policy does not offer it any more, or the other site has not
    taken it yet.
    """
    if not is_shared(existing.attributes):
        return None
    if is_held(existing.attributes):
        raise KmipError(
            ResultReason.KEY_VALUE_NOT_PRESENT,
            "the other site has not taken this key yet: replace its Key Value (420045) later",
        )
    rule = sharing_of(call, existing)
    if not isinstance(rule, Sharing):
        raise KmipError(
            ResultReason.PERMISSION_DENIED, "the policy shares no such key any more: look at its Attributes (420125)"
        )
    return _negotiated(call, _wanted(rule, template.first(Tag.CRYPTOGRAPHIC_ALGORITHM), bits))


def _check_peer(ruling: Ruling, peer: str) -> None:
    """A site that is revoked here shares nothing any more. Raises Permission Denied."""
    if ruling.is_revoked(peer):
        raise KmipError(
            ResultReason.PERMISSION_DENIED,
            f"{peer}, the DSCC-Peer among its Attributes (420125), is revoked: no key is shared with it",
        )


def _negotiated(call: Call, wanted: Wanted) -> Negotiated:
    """What was negotiated for this batch item. Raises NegotiationNeeded if nothing was, or for something else."""
    _check_peer(call.ruling, wanted.peer)
    found = call.prepared
    if isinstance(found, Negotiated) and found.wanted == wanted and not call.unit.is_withdrawn(found.unique_identifier):
        return found
    raise NegotiationNeeded(wanted)


def withdraw(call: Call, found: ManagedObject, reason: str) -> bool:
    """A key that the peers have not taken is destroyed, and they are told. False if it is not held (any more)."""
    if not is_held(found.attributes) or found.destroyed:
        return False
    found.set(Tag.STATE, State.DESTROYED)
    found.set(Tag.DESTROY_DATE, call.now)
    found.set(Tag.LAST_CHANGE_DATE, call.now)
    call.save(found, erased=True)
    existing = replaced_by(call.unit, found)
    if existing is not None:
        unlink_replacement(existing, found.unique_identifier)
        call.save(existing)
    version = found.row.version if found.row is not None else 0
    # The nodes tell a peer that cannot be reached from here, and may have the key.
    audiences = {PEERS: reason, NODES: WITHDRAWN} if peer_of(found.attributes) else {PEERS: reason}
    for audience, said in audiences.items():
        call.unit.note_shared(SharedChange(found.unique_identifier, audience, version, said, call.now))
    return True


def with_provenance(call: Call, template: AttributeSet, made: Negotiated) -> AttributeSet:
    """The attributes of a negotiated key: whom it is shared with, how it came to be, and the limits it was granted.

    The other site delivers a key of ETSI GS QKD 014 as one of who has asked for it: that is for no client to say.
    """
    wanted = made.wanted
    whom = {"Peer": wanted.peer} if wanted.peer else {"Group": wanted.group}
    asked = {"Purpose": wanted.purpose, "Policy": wanted.policy, "Paths": wanted.paths, "Hybrid": wanted.hybrid}
    said = {name: value for name, value in asked.items() if value}
    requester = {"Requester": call.caller.name} if wanted.purpose == ETSI014 else {}
    attributes = with_dscc(template, {**whom, **said, **requester, **made.provenance})
    return _limited(attributes, made, call.now)


def _limited(attributes: AttributeSet, made: Negotiated, now: int) -> AttributeSet:
    """A key lives no longer, and is used no more often, than the nodes have granted."""
    if made.lifetime:
        start = attributes.first(Tag.ACTIVATION_DATE)
        end = (now if start is None else start) + made.lifetime
        stated = attributes.first(Tag.DEACTIVATION_DATE)
        attributes = attributes.with_value(Tag.DEACTIVATION_DATE, end if stated is None else min(end, stated))
        stop = attributes.first(Tag.PROTECT_STOP_DATE)
        if stop is not None and stop > attributes.first(Tag.DEACTIVATION_DATE):
            attributes = attributes.with_value(Tag.PROTECT_STOP_DATE, attributes.first(Tag.DEACTIVATION_DATE))
    if made.uses:
        attributes = attributes.with_value(Tag.USAGE_LIMITS, limited(attributes.first(Tag.USAGE_LIMITS), made.uses))
    return attributes
