"""What gateways tell each other of a shared key: all that the other has to know of it, and never the key. Pure.

A word says everything, whatever has changed: the first one makes the object at the other site, and later ones bring it
up to date. It says from which seed the key is drawn, so that both have the same key under the same Unique Identifier.
"""

from __future__ import annotations

from typing import Annotated, Final, NamedTuple

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, ValidationError

from dscc.errors import DsccError, Reason
from kmip_server.errors import KmipError
from kmip_server.messages.structures import Link, RevocationReason
from kmip_server.objects.attribute_set import AttributeSet, Instance
from kmip_server.objects.dscc_attributes import ROWS, VENDOR, without_dscc
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.objects.sharing import MOST_TOLD_BYTES, is_delivered, is_held
from kmip_server.ttlv.enumerations import LinkType, RevocationReasonCode, State
from kmip_server.ttlv.item import CodecError
from kmip_server.ttlv.tags import Tag

MOST_WORDS: Final = 32
"""In one notice."""
MOST_BYTES: Final = 48_000

DATES: Final = (Tag.ACTIVATION_DATE, Tag.PROCESS_START_DATE, Tag.PROTECT_STOP_DATE, Tag.DEACTIVATION_DATE)
_FACTS: Final = (Tag.COMPROMISE_DATE, Tag.COMPROMISE_OCCURRENCE_DATE, Tag.DESTROY_DATE)
CHANGING: Final = frozenset({*DATES, *_FACTS, Tag.REVOCATION_REASON})
"""What both sites have alike for as long as there is the key, beside its State."""

GIVEN: Final = frozenset(
    {
        *DATES,
        Tag.NAME,
        Tag.OBJECT_GROUP,
        Tag.CRYPTOGRAPHIC_USAGE_MASK,
        Tag.CRYPTOGRAPHIC_PARAMETERS,
        Tag.SENSITIVE,
        Tag.EXTRACTABLE,
        Tag.USAGE_LIMITS,
        Tag.CONTACT_INFORMATION,
        Tag.APPLICATION_SPECIFIC_INFORMATION,
        Tag.COMMENT,
        Tag.DESCRIPTION,
    }
)
"""What a key comes with as its client has given it; from then on it is each site's own, but for what is `CHANGING`."""

_DESCRIBED: Final = frozenset(
    {Tag.CRYPTOGRAPHIC_ALGORITHM, Tag.CRYPTOGRAPHIC_LENGTH, Tag.CRYPTOGRAPHIC_USAGE_MASK, Tag.STATE}
)
_TOLD_STILL: Final = CHANGING | _DESCRIBED | {Tag.LINK, Tag.SENSITIVE, Tag.EXTRACTABLE}
_TOLD: Final = GIVEN | _TOLD_STILL | {Tag.ATTRIBUTE}
OWN: Final = frozenset({"ConfirmedAt", "Gateway", "Revocation"})
"""DSCC attributes that each site sets for itself."""

Identifier = Annotated[str, Field(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")]


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Word(_Said):
    """A shared key as its sender has it. `at` is its Last Change Date; `held`: the sender does not use it yet.

    `left`: who is told is not in the key's group any more.
    """

    unique_identifier: Identifier
    at: Annotated[int, Field(ge=0, lt=1 << 40)]
    held: bool
    left: bool = False
    attributes: Annotated[Base64Bytes, Field(max_length=MOST_TOLD_BYTES)]

    @property
    def told(self) -> AttributeSet:
        """Its attributes. Raises DsccError (MALFORMED)."""
        try:
            values = list(AttributeSet.from_bytes(self.attributes))
        except (CodecError, KmipError, ValueError, KeyError) as error:
            raise DsccError(Reason.MALFORMED, f"a shared key is described by its attributes: {error}") from None
        found = AttributeSet.of(values)
        if any(tag not in _TOLD for tag in found.tags) or not all(tag in found for tag in _DESCRIBED):
            raise DsccError(Reason.MALFORMED, "a shared key is described by other attributes")
        return found


class Words(_Said):
    """A notice to a peer."""

    words: Annotated[tuple[Word, ...], Field(max_length=MOST_WORDS)]


class Answer(_Said):
    """What became of a word: "" if it was taken, or why it was not. `final`: it is not to be said again."""

    refusal: Annotated[str, Field(max_length=512)] = ""
    final: bool = True


class Answers(_Said):
    """The answers to a notice, in the order of its words."""

    answers: Annotated[tuple[Answer, ...], Field(max_length=MOST_WORDS)]


def word_of(found: ManagedObject, replaced: str) -> Word:
    """What is said of a shared key, which replaces another one, or none ("").

    That it is delivered here is not said: the other site has still to deliver it.
    """
    attributes = found.attributes
    if is_delivered(attributes):
        attributes = attributes.with_value(Tag.STATE, State.PRE_ACTIVE).with_value(Tag.DESTROY_DATE, None)
    told = without_dscc(attributes.only(_TOLD), OWN)
    for link in told.instances(Tag.LINK):
        if not _is_told(link.value, replaced):
            told = told.without(Tag.LINK, link)
    described = told.to_bytes()
    if len(described) > MOST_TOLD_BYTES:
        # Its owner has added to them since it was made: that is each site's own.
        described = told.only(_TOLD_STILL).with_instances(Tag.ATTRIBUTE, _of_dscc(told)).to_bytes()
    return Word.model_construct(
        unique_identifier=found.unique_identifier,
        at=found.first(Tag.LAST_CHANGE_DATE),
        held=is_held(attributes),
        left=False,
        attributes=described,
    )


def _of_dscc(told: AttributeSet) -> list[Instance]:
    return [each for each in told.instances(Tag.ATTRIBUTE) if each.value.vendor_identification == VENDOR]


def _is_told(link: Link, replaced: str) -> bool:
    # What a client has linked itself replaces nothing.
    return link.link_type is LinkType.REPLACED_OBJECT_LINK and str(link.linked_object_identifier) == replaced


def read_words(body: bytes) -> Words:
    """The words of a notice. Raises DsccError (MALFORMED)."""
    try:
        return Words.model_validate_json(body)
    except ValidationError as error:
        raise DsccError(Reason.MALFORMED, f"this says nothing of shared keys: {_first(error)}") from None


def read_answers(body: bytes, count: int) -> tuple[Answer, ...]:
    """The answers to so many words. Raises DsccError (MALFORMED)."""
    try:
        answers = Answers.model_validate_json(body).answers
    except ValidationError as error:
        raise DsccError(Reason.MALFORMED, f"these are no answers: {_first(error)}") from None
    if len(answers) != count:
        raise DsccError(Reason.MALFORMED, f"{count} words have as many answers, not {len(answers)}")
    return answers


def _first(error: ValidationError) -> str:
    wrong = error.errors()[0]
    return f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}"


def replaced_in(told: AttributeSet) -> str:
    """The Unique Identifier of the key that a key replaces, "" if it replaces none."""
    links: tuple[Link, ...] = told.all(Tag.LINK)
    named = (link.linked_object_identifier for link in links if link.link_type is LinkType.REPLACED_OBJECT_LINK)
    return next(map(str, named), "")


def given(told: AttributeSet) -> AttributeSet:
    """What a client has given with a key, without the DSCC attributes."""
    own = [each for each in told.instances(Tag.ATTRIBUTE) if each.value.vendor_identification != VENDOR]
    return told.only(GIVEN).with_instances(Tag.ATTRIBUTE, own)


def dscc(told: AttributeSet) -> dict[str, str]:
    """The DSCC attributes of a key, those that are known here."""
    return {
        value.attribute_name: str(value.attribute_value.value)
        for value in told.all(Tag.ATTRIBUTE)
        if value.vendor_identification == VENDOR and value.attribute_name in ROWS and value.attribute_value is not None
    }


_RANKS: Final = (State.PRE_ACTIVE, State.ACTIVE, State.DEACTIVATED, State.COMPROMISED, State.DESTROYED)


def later_state(one: State, other: State) -> State:
    """The state of a key that two sites have in different ones: no way leads back (KMIP 2.1 s4.57)."""
    both = {one, other}
    if State.DESTROYED_COMPROMISED in both or both == {State.COMPROMISED, State.DESTROYED}:
        return State.DESTROYED_COMPROMISED
    return max(both, key=_RANKS.index)


# How a key stands. ----------------------------------------------------------------------------------------------------

_COMPROMISE: Final = frozenset({RevocationReasonCode.KEY_COMPROMISE, RevocationReasonCode.CA_COMPROMISE})
_IN_USE: Final = frozenset({State.PRE_ACTIVE, State.ACTIVE})
_NEVER: Final = -(1 << 64)


class Standing(NamedTuple):
    """What both sites have alike of a key: its State, its dates, since when, and what has happened to it.

    `at` is the Last Change Date, `dates` are those of `DATES`, `facts` those of a compromise and of its destruction.
    """

    state: State
    at: int
    dates: tuple[int | None, ...]
    facts: tuple[int | None, ...]
    reason: RevocationReason | None

    @classmethod
    def of(cls, attributes: AttributeSet, at: int) -> Standing:
        """How a key of these attributes stands."""
        return cls(
            attributes.first(Tag.STATE),
            at,
            tuple([attributes.first(tag) for tag in DATES]),
            tuple([attributes.first(tag) for tag in _FACTS]),
            attributes.first(Tag.REVOCATION_REASON),
        )

    def put(self, found: ManagedObject) -> None:
        """Have an object stand like this."""
        for tag, date in zip((*DATES, *_FACTS), (*self.dates, *self.facts), strict=True):
            found.set(tag, date)
        found.set(Tag.STATE, self.state)
        found.set(Tag.REVOCATION_REASON, self.reason)
        found.set(Tag.LAST_CHANGE_DATE, self.at)


def joined(one: Standing, other: Standing) -> Standing:
    """How a key stands that stands so at one site and so at another: the same, whoever of the two works it out.

    In whatever order sites hear of each other, and however often, they end alike (a join semilattice). The dates are
    those of the site that has gone further with the key, or else has changed it last, but for the end of a key in use,
    which nobody puts off; of what has happened nothing is forgotten, the earliest time holds, and a compromise is the
    reason before any other.
    """
    dated = max(one, other, key=_how_late)
    dates = dated.dates
    if dated.state in _IN_USE:
        dates = (*dates[:-1], _earliest(one.dates[-1], other.dates[-1]))
    return Standing(
        later_state(one.state, other.state),
        dated.at,
        dates,
        tuple([_earliest(*both) for both in zip(one.facts, other.facts, strict=True)]),
        max(one.reason, other.reason, key=_how_grave),
    )


def _how_late(one: Standing) -> tuple[int, int, tuple[int, ...]]:
    # By the dates themselves if they were changed in the same second.
    return _rank(one.state), one.at, tuple([_NEVER if date is None else date for date in one.dates])


def _rank(state: State) -> int:
    return _RANKS.index(State.DESTROYED if state is State.DESTROYED_COMPROMISED else state)


def _earliest(one: int | None, other: int | None) -> int | None:
    return min([date for date in (one, other) if date is not None], default=None)


def _how_grave(reason: RevocationReason | None) -> tuple[bool, int, str]:
    if reason is None:
        return False, 0, ""
    code = reason.revocation_reason_code
    return code in _COMPROMISE, int(code), reason.revocation_message or ""
