"""A refusal says where to look: it names a tag, as "Name (420053)", and a section, as "KMIP 2.1 s4.32".

Every message with which these rooms make a KmipError is read from the source, whether or not a test raises it: it has
a tag of its own. What else a message lacks is added by `cited`; that what is sent has both is asked of every answer
that any test gets (support.wire).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import kmip_server
from kmip_server.objects.attribute_fields import AttributeReference
from kmip_server.ttlv.tags import Tag

ROOMS: Final = ("operations", "objects", "cryptography", "identity")
PLACE: Final = Path(kmip_server.__file__).parent

NUMBERED: Final = re.compile(r"\((42[0-9A-F]{4})\)")
COMPUTED: Final = re.compile(r"\{[^}]+:06X\}|\{name_of\([^}]+\}|\.named\}")
"""Expressions that write a tag with its number."""
PASSED_ON: Final = "{error.message}"

UNREAD: Final = {
    "cryptography/failures.py: DECRYPTION_FAILED": "one answer for every failed decryption: it names no field",
    "operations/sharing.py: chosen.reason": "what the policy says of it, which knows no tags",
    "operations/check.py: message": "the messages of its denials, which are read, one after the other",
}
"""Messages that are no text where the KmipError is made, and why."""


class Refusal:
    """A message in the source, and where it is; what is not known before it is said stands in braces."""

    def __init__(self, place: str, message: str) -> None:
        self.place, self.message = place, message

    def __repr__(self) -> str:
        return f"{self.place}: {self.message}"

    @property
    def names_a_tag(self) -> bool:
        return PASSED_ON in self.message or any(sign.search(self.message) for sign in (NUMBERED, COMPUTED))


def words(node: ast.expr) -> str | None:
    """The text of a literal; None for what is no literal."""
    match node:
        case ast.Constant(str(text)):
            return text
        case ast.JoinedStr(parts):
            return "".join([words(part) or "" for part in parts])
        case ast.FormattedValue(value, _, form):
            return "{" + ast.unparse(value) + (f":{words(form)}" if form is not None else "") + "}"
    return None


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id, node


def handed(tree: ast.Module) -> Iterator[tuple[str, int, ast.expr]]:
    """Functions that make a KmipError with a message they are given, which of their arguments it is, and its name."""
    for function in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]:
        given = [argument.arg for argument in function.args.args]
        for name, call in calls(function):
            if name == "KmipError" and isinstance(call.args[1], ast.Name) and call.args[1].id in given:
                yield function.name, given.index(call.args[1].id), call.args[1]


def makers(tree: ast.Module) -> dict[str, int]:
    return {function: argument for function, argument, _ in handed(tree)}


def messages(tree: ast.Module) -> list[ast.expr]:
    which = {"KmipError": 1, "_Denial": 2} | FAILURES | makers(tree)
    return [call.args[which[name]] for name, call in calls(tree) if name in which]


def refusals(place: str, tree: ast.Module) -> list[Refusal]:
    read = [(message.lineno, words(message)) for message in messages(tree)]
    return [Refusal(f"{place}:{line}", said) for line, said in read if said is not None]


def unread(place: str, tree: ast.Module) -> set[str]:
    """Messages that are neither a text, nor another error's, nor given to the function that makes the KmipError."""
    given = [name for _, _, name in handed(tree)]
    rest = [message for message in messages(tree) if words(message) is None and message not in given]
    return {f"{place}: {ast.unparse(message)}" for message in rest} - {f"{place}: error.message"}


TREES: Final = {
    f"{room}/{path.name}": ast.parse(path.read_text()) for room in ROOMS for path in sorted((PLACE / room).glob("*.py"))
}
FAILURES: Final = makers(TREES["cryptography/failures.py"])


REFUSALS: Final = [refusal for place, tree in TREES.items() for refusal in refusals(place, tree)]


def test_a_refusal_names_a_tag() -> None:
    assert [refusal for refusal in REFUSALS if not refusal.names_a_tag] == []


def test_a_message_that_is_made_elsewhere_is_a_known_one() -> None:
    assert set().union(*(unread(place, tree) for place, tree in TREES.items())) == UNREAD.keys()


def test_a_number_is_that_of_the_tag_before_it() -> None:
    for refusal in REFUSALS:
        for number in NUMBERED.finditer(refusal.message):
            title = Tag(int(number[1], 16)).title
            assert refusal.message[: number.start()].endswith((f"{title} ", f"{title}s ")), refusal


def test_every_room_and_every_way_to_refuse_is_read() -> None:
    """The negative control: a module whose refusals are all found, silent ones too."""
    module = ast.parse(
        """
def late(why):
    return KmipError(R.PERMISSION_DENIED, why)
def refuse(name, tag):
    raise KmipError(R.INVALID_FIELD, "it is empty")
    raise bad_parameters(f"{tag.title} is empty")
    raise late("too late")
    raise late(f"{name_of(tag)} is empty")
    raise late("Name (420053) is empty")
    raise late("it is empty (KMIP 2.1 s4.32)")
    raise KmipError(R.INVALID_FIELD, error.message)
    raise KmipError(R.INVALID_FIELD, "; ".join(found))
"""
    )
    assert unread("here", module) == {"here: '; '.join(found)"}
    found = refusals("here", module)
    assert [refusal.message for refusal in found if not refusal.names_a_tag] == [
        "it is empty",
        "{tag.title} is empty",
        "too late",
        "it is empty (KMIP 2.1 s4.32)",
    ]
    assert len(found) == 6
    for room in ROOMS:
        assert any(refusal.place.startswith(room) for refusal in REFUSALS), room


def test_a_vendor_s_attribute_is_named_by_its_vendor_and_its_name() -> None:
    assert AttributeReference(Tag.NAME).named == "Name (420053)"
    assert AttributeReference(Tag.ATTRIBUTE, "acme", "colour").named == "acme-colour (420008)"
