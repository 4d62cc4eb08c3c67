"""What a peer's word does here: a shared key arrives, or the one that is here is brought up to date.

A peer has a say about the keys that it shares with this site, and about no other. Who owns what arrives is for this
site's policy to say, which also bounds what such an owner may have; what no rule takes in is refused. States only go
forward, whoever says so first; of the dates those hold that were changed last.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from dscc.drawing import Drawn, unique_identifier
from kmip_server.cryptography.algorithms import is_legacy
from kmip_server.cryptography.generation import symmetric_key_length
from kmip_server.errors import KmipError
from kmip_server.gateway import words
from kmip_server.gateway.calls import call_of
from kmip_server.gateway.confirming import withdraw
from kmip_server.gateway.seeds import Named
from kmip_server.gateway.watching import stop
from kmip_server.gateway.words import Answer, Standing, Word
from kmip_server.identity.directory import Directory
from kmip_server.objects.attribute_set import AttributeSet, AttributeValue
from kmip_server.objects.dscc_attributes import ASKED, ROWS, with_dscc
from kmip_server.objects.key_block import raw_symmetric_material
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.objects.sharing import group_of, is_held, is_shared, members_of, peer_of
from kmip_server.operations.call import Call
from kmip_server.operations.creation import check_bounds, check_template, digest_of, new_object
from kmip_server.operations.replacement import (
    hand_over,
    has_taken_over,
    link_replacement,
    replaced_by,
    replacement_of,
    unlink_replacement,
)
from kmip_server.operations.services import Services
from kmip_server.operations.sharing import resource_of
from kmip_server.storage.port import AuditEntry, Unit
from kmip_server.ttlv.enumerations import KeyFormatType, ObjectType, State
from kmip_server.ttlv.tags import Tag
from policy.model import Arrival
from policy.notifications import Event

_TAKEN: Final = Answer()
_NO_SUCH_KEY: Final = "the two sites share no such key"
"""In all words about a key that is not the peer's, too: whether there is one is not for it to learn."""
_NOT_YET: Final = "not everybody has this key yet"
_PEERS_TO_SAY: Final = ASKED - {"Peer"} | {"Requester"}
"""The DSCC attributes that a key has because the peer says so; where it comes from this site knows by itself."""
_MOST_AHEAD_SECONDS: Final = 60
_LIFETIME_SLACK_SECONDS: Final = 60
_ENDED: Final = frozenset({State.DESTROYED, State.DESTROYED_COMPROMISED})
_TELLING: Final = {
    State.DEACTIVATED: "key-revoked",
    State.COMPROMISED: "key-compromised",
    State.DESTROYED: "key-destroyed",
    State.DESTROYED_COMPROMISED: "key-compromised",
}
"""What is told of a key that a peer has brought to this state."""


class Refusal(Exception):  # noqa: N818
    """A word is not taken, for a reason that the peer is told. Nothing was done.

    `final`: it will not be taken later either.
    """

    def __init__(self, reason: str, *, final: bool = True) -> None:
        super().__init__(reason)
        self.final = final


class Told(NamedTuple):
    """A word and its attributes; the key that it names, or why there is none."""

    word: Word
    attributes: AttributeSet
    named: Named | Answer


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
        _check_time(taking, told)
        row = taking.unit.get(told.word.unique_identifier)
        found = None if row is None else ManagedObject.of(row)
        if found is not None and _is_with(taking, found):
            _update(taking, found, told)
        else:
            _arrive(taking, told, is_taken=found is not None)
    except Refusal as refusal:
        return Answer(refusal=str(refusal)[:512], final=refusal.final)
    except KmipError as error:
        return Answer(refusal=f"the other site refuses it: {error.message}"[:512])
    return _TAKEN


def _check_time(taking: Taking, told: Told) -> None:
    """What was changed last holds, so nothing was changed in time to come; and all dates are those of a calendar."""
    if told.word.at > taking.now + _MOST_AHEAD_SECONDS:
        ahead = f"by the clock of {taking.me} this has not happened yet: do the sites' clocks agree?"
        raise Refusal(ahead, final=False)
    for tag in words.CHANGING:
        value = told.attributes.first(tag)
        if value is not None:
            check_bounds(tag, value)


# A key arrives. -------------------------------------------------------------------------------------------------------


def _arrive(taking: Taking, told: Told, *, is_taken: bool) -> None:
    """Store a key that is not here yet. `is_taken`: there is something by its name that is not the peer's."""
    unit, word = taking.unit, told.word
    given = words.dscc(told.attributes)
    named = _checked(taking, told, given)
    if is_taken:
        raise Refusal(_NO_SUCH_KEY)
    if told.attributes.first(Tag.STATE) in _ENDED:
        # However late the word before this one comes, there will be no such key here.
        unit.withdraw(word.unique_identifier, taking.now)
        return
    if unit.is_withdrawn(word.unique_identifier):
        raise Refusal("this key was withdrawn")
    _check_life(told, named)
    given = {name: value for name, value in given.items() if name in _PEERS_TO_SAY} | dict(named.provenance)
    replaced = words.replaced_in(told.attributes)
    existing = _replaced(taking, replaced, is_group="Group" in given) if replaced else None
    if existing is None:
        arrival = _arrival(taking, told.attributes, given)
        owner, why, channels = arrival.owner, f"rule {arrival.name}", arrival.tell
    else:
        owner, why, channels = existing.owner, f"it replaces {replaced}", frozenset[str]()
    call = taking.call(owner)
    made = _made(call, told, given, named.drawn, taking)
    if existing is not None:
        link_replacement(existing, made)
        # It has not changed by that: its dates are as old as they were.
        call.save(existing)
    key = named.drawn.key
    call.add(made, raw_symmetric_material(made.first(Tag.CRYPTOGRAPHIC_ALGORITHM), 8 * len(key), key))
    _take_over(taking, made, told)
    detail = f"for {owner}: {why}"
    unit.audit(AuditEntry(taking.now, f"site {taking.sender}", "Arrival", made.unique_identifier, "succeeded", detail))
    event = Event("key-arrived", taking.now, call.subject, made.unique_identifier, "Arrival", taking.sender)
    unit.notify(taking.directory.ruling.messages(event, channels))


def _checked(taking: Taking, told: Told, given: dict[str, str]) -> Named:
    """The key of a word, if it is what it says that it is."""
    named, group = told.named, given.get("Group")
    for name, value in given.items():
        if not ROWS[name].fits(value):
            raise Refusal(f"DSCC-{name} is a text that {ROWS[name].values}")
    if taking.directory.ruling.is_revoked(taking.sender):
        raise Refusal(f"the device {taking.sender} is revoked here")
    if not (_is_for_group(taking, group, told.attributes) if group else given.get("Peer") == taking.me):
        raise Refusal("this key is shared with others")
    if given.get("Initiator") != taking.sender:
        # Of a group's key others may say something before who asked for it is heard.
        raise Refusal("a key is told of by who asked for it", final=not group)
    if isinstance(named, Answer):
        raise Refusal(named.refusal, final=named.final)
    kid = named.drawn.kid
    if given.get("KeyId") != kid.hex() or unique_identifier(kid) != told.word.unique_identifier:
        raise Refusal("this key goes by another Unique Identifier")
    if not group and given.get("Purpose", "") != named.purpose:
        raise Refusal("the seed of this key was agreed on for another purpose")
    return named


def _is_for_group(taking: Taking, group: str, attributes: AttributeSet) -> bool:
    return group in taking.groups and {taking.me, taking.sender} <= members_of(attributes)


def _check_life(told: Told, named: Named) -> None:
    """A key is of an algorithm that is negotiated, and lives no longer than the nodes have granted."""
    attributes = told.attributes
    algorithm, bits = attributes.first(Tag.CRYPTOGRAPHIC_ALGORITHM), attributes.first(Tag.CRYPTOGRAPHIC_LENGTH)
    if is_legacy(algorithm) or symmetric_key_length(algorithm, bits) != bits:
        raise Refusal(f"no key of the Cryptographic Algorithm {algorithm.title} is negotiated")
    start, end = attributes.first(Tag.ACTIVATION_DATE), attributes.first(Tag.DEACTIVATION_DATE)
    latest = (told.word.at if start is None else start) + named.lifetime + _LIFETIME_SLACK_SECONDS
    if named.lifetime and (end is None or end > latest):
        raise Refusal("this key would live longer than the nodes have granted")


def _arrival(taking: Taking, attributes: AttributeSet, given: dict[str, str]) -> Arrival:
    ruling = taking.directory.ruling
    resource = resource_of("", ruling, attributes)
    found = ruling.owner_of(taking.sender, given.get("Purpose", ""), given.get("Group"), resource)
    if found is None:
        raise Refusal(f"the policy of {taking.me} has no rule in [[arrivals]] for such a key from {taking.sender}")
    return found


def _replaced(taking: Taking, replaced: str, *, is_group: bool) -> ManagedObject | None:
    """The key that the new one replaces, which has to be one that the two sites share.

    None for a group's that is not here: this site was not in the group when that was made.
    """
    row = taking.unit.get(replaced)
    if row is None and is_group:
        return None
    existing = None if row is None else ManagedObject.of(row)
    if existing is None or not _is_with(taking, existing) or existing.destroyed:
        raise Refusal("the two sites share no such key that could be replaced")
    if is_held(existing.attributes):
        raise Refusal(_NOT_YET, final=False)
    other = replacement_of(taking.unit, existing)
    if other is None:
        return existing
    is_open = is_held(other.attributes) and not other.destroyed
    if not is_open or taking.me < taking.sender:
        # Both replace it at once: the replacement of the gateway with the lower name holds.
        raise Refusal("the other site replaces, or has replaced, this key itself")
    reason = f"{taking.sender} replaces the same key at the same time"
    withdraw(taking.unit, taking.directory, taking.services, other.unique_identifier, taking.now, reason)
    row = taking.unit.get(replaced)
    return existing if row is None else ManagedObject.of(row)


def _take_over(taking: Taking, made: ManagedObject, told: Told) -> None:
    """A replacement has the names of its key as soon as its sender uses it; until then it may be withdrawn."""
    existing = None if told.word.held or has_taken_over(made) else replaced_by(taking.unit, made)
    if existing is None:
        _take_names(taking, made, told)
        return
    hand_over(existing, made, taking.now)
    call = taking.call(made.owner)
    call.save(existing)
    call.save(made)
    call.notify("key-replaced", made.unique_identifier, existing.unique_identifier)


def _take_names(taking: Taking, made: ManagedObject, told: Told) -> None:
    """The replacement of a key that is not here has the names that it has where that is."""
    replaced = words.replaced_in(told.attributes)
    if not replaced or told.word.held or Tag.NAME in made.attributes or taking.unit.get(replaced) is not None:
        return
    names = AttributeSet.of([AttributeValue(Tag.NAME, name) for name in told.attributes.all(Tag.NAME)])
    made.attributes = made.attributes.joined(names)
    taking.call(made.owner).save(made)


def _made(call: Call, told: Told, given: dict[str, str], drawn: Drawn, taking: Taking) -> ManagedObject:
    """The object of a key that arrives, as the other site has it, but for what is each site's own."""
    attributes = told.attributes
    template = check_template(call, ObjectType.SYMMETRIC_KEY, words.given(attributes))
    facts: dict[int, Any] = {
        tag: attributes.first(tag)
        for tag in (Tag.CRYPTOGRAPHIC_ALGORITHM, Tag.CRYPTOGRAPHIC_LENGTH, Tag.CRYPTOGRAPHIC_USAGE_MASK)
    }
    own = {"Gateway": taking.me, "ConfirmedAt": str(taking.now)}
    if not given.get("Group"):
        own["Peer"] = taking.sender
    made = new_object(
        call,
        ObjectType.SYMMETRIC_KEY,
        with_dscc(template, given | own),
        facts=facts | {Tag.KEY_FORMAT_TYPE: KeyFormatType.RAW},
        digest=digest_of(drawn.key, KeyFormatType.RAW),
        generated=True,
        unique_identifier=told.word.unique_identifier,
    )
    made.set(Tag.LAST_CHANGE_DATE, told.word.at)
    _bring_up_to_date(made, told, taking.now)
    return made


# A key that is here is brought up to date. ----------------------------------------------------------------------------


def _update(taking: Taking, found: ManagedObject, told: Told) -> None:
    if told.word.left and told.attributes.first(Tag.STATE) not in _ENDED:
        why = f"this site is not in the group {group_of(found.attributes)} any more"
        stop(taking.unit, taking.directory, taking.services, found, taking.now, why, f"site {taking.sender}")
        return
    if is_held(found.attributes) and not found.destroyed:
        # Whether there will be this key is for its maker to say, who is still asking the others.
        raise Refusal(_NOT_YET, final=False)
    before, version = found.state, found.attributes
    _bring_up_to_date(found, told, taking.now)
    call = taking.call(found.owner)
    ends = found.destroyed and before not in _ENDED
    if found.attributes != version:
        call.save(found, erased=ends)
    if told.word.held and ends:
        _forget(call, found)
    _take_over(taking, found, told)
    if found.state is not before:
        detail = f"{before.title} to {found.state.title}"
        who = f"site {taking.sender}"
        taking.unit.audit(AuditEntry(taking.now, who, "Change of State", found.unique_identifier, "succeeded", detail))
        if found.state in _TELLING:
            call.notify(_TELLING[found.state], found.unique_identifier, f"by {taking.sender}")


def _forget(call: Call, withdrawn: ManagedObject) -> None:
    """A replacement was withdrawn: its key is not replaced, and may be."""
    existing = replaced_by(call.unit, withdrawn)
    if existing is not None and not has_taken_over(withdrawn):
        unlink_replacement(existing, withdrawn.unique_identifier)
        call.save(existing)


def _is_with(taking: Taking, found: ManagedObject) -> bool:
    """Whether a key is shared with the peer, by itself or in a group."""
    attributes = found.attributes
    if not is_shared(attributes):
        return False
    group = group_of(attributes)
    if group:
        return group in taking.groups and taking.sender in members_of(attributes)
    return peer_of(attributes) == taking.sender


def _bring_up_to_date(found: ManagedObject, told: Told, now: int) -> None:
    """Have a key stand as both sites will have it (words.joined)."""
    mine = Standing.of(found.attributes, found.first(Tag.LAST_CHANGE_DATE))
    words.joined(mine, Standing.of(told.attributes, told.word.at)).put(found)
    if found.destroyed and found.first(Tag.DESTROY_DATE) is None:
        found.set(Tag.DESTROY_DATE, now)
    found.settle(now)
