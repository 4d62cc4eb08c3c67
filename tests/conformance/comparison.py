"""Where an answer differs from the published one, and which differences are allowed.

Everything is compared exactly, in the order of the standard, except for what a row of RULES allows; each row has its
reason. A difference says where in the tree it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from published import Moment, Placeholder
from support.numbers import Tag
from support.wire import ENUMERATION, STRUCTURE

from kmip_server.ttlv.item import Item
from kmip_server.ttlv.text import TYPE_NAME, enumeration_text, tag_text
from kmip_server.ttlv.tree import render

TOLERANCE_S = 60
"""How far a time may be from the published one: a case plays within it on a slow machine."""


class Effect(Enum):
    """What a rule allows at a place."""

    ANY_VALUE = auto()
    """Present, of the same type, with any value."""
    SAME_SIZE = auto()
    """Present, of the same type and length, with any value."""
    ANY_CONTENT = auto()
    """A structure with anything in it."""
    MAY_BE_ABSENT = auto()
    """Expected, but need not be there."""
    MAY_BE_EXTRA = auto()
    """Not expected, but may be there."""
    ANY_ORDER = auto()
    """A structure whose children may be in any order."""


@dataclass
class Knowledge:
    """What a case has learnt while it was played: bound placeholders, and how each object came to be."""

    bound: dict[str, Any] = field(default_factory=dict)
    generated: set[str] = field(default_factory=set)
    """Unique Identifiers of objects whose key the server made."""
    object_types: dict[str, int] = field(default_factory=dict)
    """Object Type of registered objects."""

    def copy_of_bindings(self) -> Knowledge:
        return Knowledge(dict(self.bound), self.generated, self.object_types)


class Place(NamedTuple):
    """Where the comparison is: the operation, its request's and the actual response's payload."""

    operation: str
    request: Item | None
    response: Item | None
    knowledge: Knowledge
    now: int

    def target(self) -> str | None:
        """The Unique Identifier in the response's payload."""
        return value_at(self.response, Tag.UNIQUE_IDENTIFIER)


Condition = Callable[[Place], bool]


def key_is_the_servers(place: Place) -> bool:
    return place.target() in place.knowledge.generated


def iv_is_the_servers(place: Place) -> bool:
    return value_at(place.response, Tag.IV_COUNTER_NONCE) is not None


def padding_is_random(place: Place) -> bool:
    return place.knowledge.object_types.get(place.target() or "") == 3


def lists_all_attributes(place: Place) -> bool:
    names = {Tag.ATTRIBUTE_NAME, Tag.ATTRIBUTE_REFERENCE}
    return place.request is None or not any(item.tag in names for item in place.request.value)


def always(_place: Place) -> bool:
    return True


class Rule(NamedTuple):
    """A difference that is allowed: "operation: path" with * for anything, what is allowed, why, and when."""

    where: str
    effect: Effect
    reason: str
    when: Condition = always


OUT_OF_SCOPE = ("Certify", "ReCertify", "Notify", "Put", "CreateSplitKey", "JoinSplitKey", "Log", "Interop",
                "SetEndpointRole", "Template", "SplitKey", "PGPKey", "CertificateRequest")  # fmt: skip
"""Operations and object types of the published lists that this server does not have."""

PAYLOAD = "BatchItem/ResponsePayload"
RULES = (
    Rule("*: ResponseHeader/ProtocolVersion", Effect.ANY_CONTENT,
         "one file misprints it: the player compares it with the request's instead"),
    Rule("*: ResponseHeader/ServerCorrelationValue", Effect.ANY_VALUE, "the server chooses it"),
    Rule("*: ResponseHeader/ServerCorrelationValue", Effect.MAY_BE_ABSENT, "a server MAY send it (KMIP 2.1 s9.15)"),
    Rule("*: ResponseHeader/ServerCorrelationValue", Effect.MAY_BE_EXTRA, "a server MAY send it (KMIP 2.1 s9.15)"),
    Rule("*: ResponseHeader/ClientCorrelationValue", Effect.MAY_BE_EXTRA, "a server MAY send it back (KMIP 2.1 s9.4)"),
    Rule("*: BatchItem/ResultMessage", Effect.ANY_VALUE, "the wording is the server's"),
    Rule(f"*: {PAYLOAD}/Attribute:*/AttributeIndex", Effect.MAY_BE_EXTRA, "index 0 may be written out"),
    Rule(f"*: {PAYLOAD}/Attributes", Effect.ANY_ORDER, "attributes have no order"),
    *(Rule(f"Query: {PAYLOAD}/*={name}", Effect.MAY_BE_ABSENT, "out of this server's scope") for name in OUT_OF_SCOPE),
    Rule(f"Query: {PAYLOAD}/Operation=*", Effect.MAY_BE_EXTRA, "a server may do more than the file's"),
    Rule(f"Query: {PAYLOAD}/ObjectType=*", Effect.MAY_BE_EXTRA, "a server may hold more than the file's"),
    Rule(f"Query: {PAYLOAD}/VendorIdentification", Effect.ANY_VALUE, "it names the server's vendor"),
    Rule(f"Query: {PAYLOAD}/ServerInformation", Effect.ANY_CONTENT, "it describes the server"),
    Rule(f"Query: {PAYLOAD}/ApplicationNamespace*", Effect.MAY_BE_EXTRA, "they are the server's namespaces"),
    Rule(f"Locate: {PAYLOAD}/LocatedItems", Effect.MAY_BE_EXTRA, "a server MAY count (KMIP 2.1 s6.1.27)"),
    Rule("GetAttributes: *DigestValue", Effect.SAME_SIZE, "the server made the key", key_is_the_servers),
    Rule("GetAttributes: */RandomNumberGenerator", Effect.ANY_CONTENT, "it describes the server's generator"),
    Rule("GetAttributes: */Attribute:Random Number Generator", Effect.ANY_CONTENT,
         "it describes the server's generator"),
    Rule(f"GetAttributes: {PAYLOAD}/Attribute:*", Effect.MAY_BE_EXTRA, "a full listing", lists_all_attributes),
    Rule(f"GetAttributes: {PAYLOAD}/Attributes/*", Effect.MAY_BE_EXTRA, "a full listing", lists_all_attributes),
    Rule(f"GetAttributeList: {PAYLOAD}/Attribute*", Effect.MAY_BE_EXTRA, "a full listing"),
    Rule("Get: */KeyMaterial", Effect.SAME_SIZE, "the server made the key", key_is_the_servers),
    Rule(f"*crypt: {PAYLOAD}/Data", Effect.SAME_SIZE, "the server made the key", key_is_the_servers),
    Rule(f"Encrypt: {PAYLOAD}/Data", Effect.SAME_SIZE, "the server made the IV", iv_is_the_servers),
    Rule(f"Encrypt: {PAYLOAD}/IVCounterNonce", Effect.SAME_SIZE, "the server made the IV"),
    Rule(f"Encrypt: {PAYLOAD}/Data", Effect.SAME_SIZE, "RSA pads with random bytes", padding_is_random),
    Rule(f"RNGRetrieve: {PAYLOAD}/Data", Effect.SAME_SIZE, "it is random"),
)  # fmt: skip


def differences(expected: Item, actual: Item, place: Place, path: str) -> list[str]:
    """Where the actual item differs from the expected one; binds the placeholders that are not bound yet."""
    here = path
    if (expected.tag, expected.type) != (actual.tag, actual.type):
        return [f"{here}: expected {_kind(expected)}, got {_kind(actual)}"]
    if isinstance(expected.value, Placeholder | Moment):
        return _placeholder_differences(expected, actual, place, here)
    if _allowed(Effect.ANY_VALUE, path, place) or _allowed(Effect.ANY_CONTENT, path, place):
        return []
    if _allowed(Effect.SAME_SIZE, path, place) and expected.type != STRUCTURE:
        return _size_differences(expected, actual, here)
    if expected.type == STRUCTURE:
        return _children_differences(expected, actual, place, path)
    if expected.value != actual.value:
        return [f"{here}: expected {_shown(expected)}, got {_shown(actual)}"]
    return []


def _placeholder_differences(expected: Item, actual: Item, place: Place, here: str) -> list[str]:
    if isinstance(expected.value, Moment):
        wanted = place.now + expected.value.offset
        if abs(actual.value - wanted) > TOLERANCE_S:
            return [f"{here}: expected a time within {TOLERANCE_S} s of {wanted}, got {actual.value}"]
        return []
    bound = place.knowledge.bound.setdefault(expected.value.name, actual.value)
    if bound != actual.value:
        return [f"{here}: expected {expected.value.name}, which is {bound!r}, got {actual.value!r}"]
    return []


def _size_differences(expected: Item, actual: Item, here: str) -> list[str]:
    if len(expected.value) != len(actual.value):
        return [f"{here}: expected {len(expected.value)} bytes, got {len(actual.value)}"]
    return []


def _children_differences(expected: Item, actual: Item, place: Place, path: str) -> list[str]:
    found: list[str] = []
    lists = {tag for side in (expected, actual) for tag, count in _tags(side).items() if count > 1}
    left = list(actual.value)
    matched: list[Item] = []
    for child in expected.value:
        inner = _below(path, child, lists)
        candidates = [
            item for item in left if _below(path, item, lists) == inner or isinstance(child.value, Placeholder)
        ]
        partner, problems = _best(child, [item for item in candidates if item.tag == child.tag], place, inner)
        if partner is not None:
            left.remove(partner)
            matched.append(partner)
            found.extend(problems)
        elif not _allowed(Effect.MAY_BE_ABSENT, inner, place):
            found.append(f"{inner}: missing: {_shown(child)}")
    found.extend(
        f"{_below(path, item, lists)}: not expected: {_shown(item)}"
        for item in left
        if not _allowed(Effect.MAY_BE_EXTRA, _below(path, item, lists), place)
    )
    if not _allowed(Effect.ANY_ORDER, path, place):
        found.extend(_order_differences(matched, actual, path))
    return found


def _tags(item: Item) -> Counter[int]:
    return Counter(child.tag for child in item.value)


def _best(expected: Item, candidates: Iterable[Item], place: Place, path: str) -> tuple[Item | None, list[str]]:
    """The candidate with the fewest differences, and them; binds placeholders as that candidate does."""
    best: tuple[Item, list[str], Knowledge] | None = None
    for candidate in candidates:
        trial = place._replace(knowledge=place.knowledge.copy_of_bindings())
        problems = differences(expected, candidate, trial, path)
        if best is None or len(problems) < len(best[1]):
            best = candidate, problems, trial.knowledge
        if not problems:
            break
    if best is None:
        return None, []
    place.knowledge.bound.update(best[2].bound)
    return best[0], best[1]


def _order_differences(matched: list[Item], actual: Item, path: str) -> list[str]:
    """The fields of a structure are in the order of the standard; items of one tag among each other need not be."""
    wanted = list(dict.fromkeys(item.tag for item in matched))
    got = list(dict.fromkeys(item.tag for item in actual.value if item.tag in set(wanted)))
    if wanted == got:
        return []
    return [f"{path or tag_text(actual.tag)}: order {_names(got)}, expected {_names(wanted)}"]


def _allowed(effect: Effect, path: str, place: Place) -> bool:
    where = f"{place.operation}: {path}"
    return any(rule.effect is effect and fnmatchcase(where, rule.where) and rule.when(place) for rule in RULES)


def _below(path: str, child: Item, lists: Container[int] = ()) -> str:
    """The path of a child: an attribute by its name, a value of a list by itself, any other field by its tag."""
    name = tag_text(child.tag)
    if child.tag in (Tag.ATTRIBUTE, Tag.ATTRIBUTE_REFERENCE) and child.type == STRUCTURE:
        titles = (value_at(child, Tag.VENDOR_IDENTIFICATION), value_at(child, Tag.ATTRIBUTE_NAME))
        name += ":" + "-".join(title for title in titles if title)
    elif child.tag in lists and child.type == ENUMERATION:
        name += "=" + enumeration_text(child.tag, child.value)
    elif child.tag in lists and child.tag == Tag.ATTRIBUTE_NAME:
        name += f"={child.value}"
    return f"{path}/{name}" if path else name


def value_at(item: Item | None, *path: int) -> Any:
    """The value at a path of tags, or None."""
    for tag in path:
        item = next((child for child in item.value if child.tag == tag), None) if item is not None else None
    return None if item is None else item.value


def _kind(item: Item) -> str:
    return f"{tag_text(item.tag)} ({TYPE_NAME[item.type]})"


def _names(tags: Iterable[int]) -> str:
    return ", ".join(tag_text(tag) for tag in tags)


def _shown(item: Item) -> str:
    if isinstance(item.value, Placeholder):
        return f"{tag_text(item.tag)} {item.value.name}"
    if isinstance(item.value, Moment):
        return f"{tag_text(item.tag)} now{item.value.offset:+d}"
    if item.type == STRUCTURE:
        return f"{tag_text(item.tag)}{{{'; '.join(_shown(child) for child in item.value)}}}"
    return render(item, reveal=True)
