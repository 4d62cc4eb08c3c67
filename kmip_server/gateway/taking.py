"""What a peer's word does here: a shared key arrives, or the one that is here is brought up to date.

A peer has a say about the keys that it shares with this site, and about no other. Who owns what arrives is for this
site's policy to say, which also bounds what such an owner may have; what no rule takes in is refused. States only go
forward, whoever says so first; of the dates those hold that were changed last.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from dscc.drawing import Drawn, unique_identifier
from kmip_server.errors import KmipError
from kmip_server.gateway import words
from kmip_server.gateway.calls import call_of
from kmip_server.gateway.confirming import confirm, withdraw
from kmip_server.gateway.words import Answer, Word
from kmip_server.identity.directory import Directory
from kmip_server.objects.attribute_set import AttributeSet
from kmip_server.objects.dscc_attributes import with_dscc
from kmip_server.objects.key_block import raw_symmetric_material
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.objects.sharing import group_of, is_held, is_shared, peer_of
from kmip_server.operations.call import Call
from kmip_server.operations.creation import check_template, digest_of, new_object
from kmip_server.operations.replacement import take_over
from kmip_server.operations.services import Services
from kmip_server.operations.sharing import resource_of
from kmip_server.storage.port import AuditEntry, Unit
from kmip_server.ttlv.enumerations import KeyFormatType, LinkType, ObjectType, State
from kmip_server.ttlv.tags import Tag
from policy.model import Arrival
from policy.notifications import Event

_TAKEN: Final = Answer()
_NOT_YET: Final = Answer(refusal="not everybody in the group has this key yet", final=False)
_ENDED: Final = frozenset({State.DESTROYED, State.DESTROYED_COMPROMISED})
_TELLING: Final = {
    State.DEACTIVATED: "key-revoked",
    State.COMPROMISED: "key-compromised",
    State.DESTROYED: "key-destroyed",
    State.DESTROYED_COMPROMISED: "key-compromised",
}
"""What is told of a key that a peer has brought to this state."""


class Refusal(Exception):  # noqa: N818
    """A word is not taken, for a reason that the peer is told. Nothing was done."""


class Told(NamedTuple):
    """A word and its attributes; the key that it names, or why there is none."""

    word: Word
    attributes: AttributeSet
    drawn: Drawn | str


class Taking(NamedTuple):
    """Where a word is taken: by this gateway, from this peer, in this transaction.

    `groups` are those that this gateway and the peer are in.
    """

    unit: Unit
    directory: Directory
    services: Services
    me: str
    sender: str
    groups: frozenset[str]
    now: int

    def call(self, owner: str) -> Call:
        """A call of an owner."""
        return call_of(self.unit, self.directory, self.services, owner, self.now)


def take(taking: Taking, told: Told) -> Answer:
    """Take a word in, or refuse it. What was done for a word that is refused is to be discarded."""
    try:
        row = taking.unit.get(told.word.unique_identifier)
        if row is None:
            _arrive(taking, told)
        else:
            return _update(taking, ManagedObject.of(row), told)
    except Refusal as refusal:
        return Answer(refusal=str(refusal)[:512])
    except KmipError as error:
        return Answer(refusal=f"the other site refuses it: {error.message}"[:512])
    return _TAKEN


# A key arrives. -------------------------------------------------------------------------------------------------------


def _arrive(taking: Taking, told: Told) -> None:
    unit, word = taking.unit, told.word
    if told.attributes.first(Tag.STATE) in _ENDED:
        # However late the word before this one comes, there will be no such key here.
        unit.withdraw(word.unique_identifier, taking.now)
        return
    if unit.is_withdrawn(word.unique_identifier):
        raise Refusal("this key was withdrawn")
    given = words.dscc(told.attributes)
    drawn = _checked(taking, told, given)
    replaced = words.replaced_by(told.attributes)
    existing = _replaced(taking, replaced) if replaced else None
    if existing is None:
        arrival = _arrival(taking, told.attributes, given)
        owner, why, channels = arrival.owner, f"rule {arrival.name}", arrival.tell
    else:
        owner, why, channels = existing.owner, f"it replaces {replaced}", frozenset[str]()
    call = taking.call(owner)
    made = _made(call, told, given, drawn, taking)
    if existing is not None:
        take_over(call, existing, made)
    call.add(made, raw_symmetric_material(made.first(Tag.CRYPTOGRAPHIC_ALGORITHM), 8 * len(drawn.key), drawn.key))
    detail = f"for {owner}: {why}"
    unit.audit(AuditEntry(taking.now, f"site {taking.sender}", "Arrival", made.unique_identifier, "succeeded", detail))
    event = Event("key-arrived", taking.now, call.subject, made.unique_identifier, "Arrival", taking.sender)
    unit.notify(taking.directory.ruling.messages(event, channels))


def _checked(taking: Taking, told: Told, given: dict[str, str]) -> Drawn:
    """The key of a word, if it is what it says that it is."""
    if isinstance(told.drawn, str):
        raise Refusal(told.drawn)
    if given.get("Initiator") != taking.sender:
        raise Refusal("a key is told of by who asked for it")
    group = given.get("Group")
    if group not in taking.groups if group else given.get("Peer") != taking.me:
        raise Refusal("this key is shared with others")
    drawn = told.drawn
    if given.get("KeyId") != drawn.kid.hex() or unique_identifier(drawn.kid) != told.word.unique_identifier:
        raise Refusal("this key goes by another Unique Identifier")
    return drawn


def _arrival(taking: Taking, attributes: AttributeSet, given: dict[str, str]) -> Arrival:
    ruling = taking.directory.ruling
    resource = resource_of("", ruling, attributes)
    found = ruling.owner_of(taking.sender, given.get("Purpose", ""), given.get("Group"), resource)
    if found is None:
        raise Refusal(f"the policy of {taking.me} has no rule in [[arrivals]] for such a key from {taking.sender}")
    return found


def _replaced(taking: Taking, replaced: str) -> ManagedObject:
    """The key that the new one replaces, which has to be one that the two sites share."""
    row = taking.unit.get(replaced)
    existing = None if row is None else ManagedObject.of(row)
    if existing is None or not _is_with(taking, existing):
        raise Refusal("the two sites share no such key that could be replaced")
    other = next(
        (
            str(link.linked_object_identifier)
            for link in existing.attributes.all(Tag.LINK)
            if link.link_type is LinkType.REPLACEMENT_OBJECT_LINK
        ),
        "",
    )
    if not other:
        return existing
    row = taking.unit.get(other)
    is_open = row is not None and is_held(ManagedObject.of(row).attributes)
    if not is_open or taking.me < taking.sender:
        # Both replace it at once: the replacement of the gateway with the lower name holds.
        raise Refusal("the other site replaces, or has replaced, this key itself")
    reason = f"{taking.sender} replaces the same key at the same time"
    withdraw(taking.unit, taking.directory, taking.services, other, taking.now, reason)
    row = taking.unit.get(replaced)
    return existing if row is None else ManagedObject.of(row)


def _made(call: Call, told: Told, given: dict[str, str], drawn: Drawn, taking: Taking) -> ManagedObject:
    """The object of a key that arrives, as the other site has it, but for what is each site's own."""
    attributes = told.attributes
    template = check_template(call, ObjectType.SYMMETRIC_KEY, words.given(attributes))
    facts: dict[int, Any] = {
        tag: attributes.first(tag)
        for tag in (Tag.CRYPTOGRAPHIC_ALGORITHM, Tag.CRYPTOGRAPHIC_LENGTH, Tag.CRYPTOGRAPHIC_USAGE_MASK)
    }
    own = {"Peer": taking.sender} if not given.get("Group") else {}
    made = new_object(
        call,
        ObjectType.SYMMETRIC_KEY,
        with_dscc(template, given | own | {"ConfirmedAt": str(taking.now)}),
        facts=facts | {Tag.KEY_FORMAT_TYPE: KeyFormatType.RAW},
        digest=digest_of(drawn.key, KeyFormatType.RAW),
        generated=True,
        unique_identifier=told.word.unique_identifier,
    )
    made.set(Tag.LAST_CHANGE_DATE, told.word.at)
    _bring_up_to_date(made, told, taking.now)
    return made


# A key that is here is brought up to date. ----------------------------------------------------------------------------


def _update(taking: Taking, found: ManagedObject, told: Told) -> Answer:
    if not _is_with(taking, found):
        # To a peer, a key that it does not share does not exist.
        raise Refusal("the two sites share no such key")
    if is_held(found.attributes):
        if group_of(found.attributes):
            return _NOT_YET
        # Who says something of a key has it.
        confirm(taking.unit, taking.directory, taking.services, found.unique_identifier, taking.now)
        row = taking.unit.get(found.unique_identifier)
        found = found if row is None else ManagedObject.of(row)
    before, version = found.state, found.attributes
    _bring_up_to_date(found, told, taking.now)
    if found.attributes == version:
        return _TAKEN
    call = taking.call(found.owner)
    call.save(found, erased=found.destroyed and before not in _ENDED)
    if found.state is not before:
        detail = f"{before.title} to {found.state.title}"
        who = f"site {taking.sender}"
        taking.unit.audit(AuditEntry(taking.now, who, "Change of State", found.unique_identifier, "succeeded", detail))
        if found.state in _TELLING:
            call.notify(_TELLING[found.state], found.unique_identifier, f"by {taking.sender}")
    return _TAKEN


def _is_with(taking: Taking, found: ManagedObject) -> bool:
    """Whether a key is shared with the peer, by itself or in a group."""
    attributes = found.attributes
    if not is_shared(attributes):
        return False
    group = group_of(attributes)
    return group in taking.groups if group else peer_of(attributes) == taking.sender


def _bring_up_to_date(found: ManagedObject, told: Told, now: int) -> None:
    """Take over the later state, and the dates that were changed last."""
    attributes = told.attributes
    if told.word.at >= found.first(Tag.LAST_CHANGE_DATE):
        for tag in words.CHANGING:
            if attributes.first(tag) != found.first(tag):
                found.set(tag, attributes.first(tag))
        found.set(Tag.LAST_CHANGE_DATE, told.word.at)
    found.set(Tag.STATE, words.later_state(found.state, attributes.first(Tag.STATE)))
    if found.state in _ENDED and found.first(Tag.DESTROY_DATE) is None:
        found.set(Tag.DESTROY_DATE, now)
    found.settle(now)
