"""What holds for every refusal that any test gets: its Result Reason and its Result Message.

The Result Reasons with which an operation of 2.1 may fail are its error table in KMIP 2.1 s6.1, and named exceptions;
`wire.read_response` asks about every answer. The tables are in ../shared: where that is absent, reasons are not asked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from support.numbers import Operation, Reason

TABLES: Final = Path(__file__).parents[3] / "shared" / "design" / "kmip21_errors.json"

IN_EVERY_TABLE: Final = frozenset(
    {
        Reason.ATTESTATION_FAILED,
        Reason.ATTESTATION_REQUIRED,
        Reason.FEATURE_NOT_SUPPORTED,
        Reason.INVALID_FIELD,
        Reason.INVALID_MESSAGE,
        Reason.OPERATION_NOT_SUPPORTED,
        Reason.PERMISSION_DENIED,
        Reason.RESPONSE_TOO_LARGE,
    }
)
"""The file has what is specific to an operation; these are in each of the standard's tables."""

EXCEPTIONS: Final[Mapping[Reason, str]] = {
    Reason.AUTHENTICATION_NOT_SUCCESSFUL: "it fails the whole message, whatever the operation",
    Reason.GENERAL_FAILURE: "a fault of ours; an item that was not begun; a Tag Length, as published",
    Reason.OBJECT_ARCHIVED: "an archived object can only be recovered, whatever the operation (s6.1.42)",
    Reason.OPERATION_CANCELED_BY_REQUESTER: "Poll answers as the canceled operation (s6.1.5)",
    Reason.SERVER_LIMIT_EXCEEDED: "a limit of the server is no fault of the field that meets it",
    Reason.UNKNOWN_ENUMERATION: "s11.46 has it, for a value in any field, and no table does",
    Reason.UNKNOWN_TAG: "s11.46 has it, for a tag in any structure, and no table does",
}
"""Reasons that any operation may fail with (docs/decisions/result-reasons.md), and why."""

EXCEPTIONS_FOR: Final[Mapping[tuple[Operation, Reason], str]] = {
    (Operation.GET, Reason.OBJECT_DESTROYED): "the object is there, and its value is not",
}
"""Reasons that one operation may fail with."""


_TAG: Final = re.compile(r"\b(42|54)[0-9A-F]{4}\b")
_SECTION: Final = re.compile(r"KMIP (1\.4|2\.1) s\d+(\.\d+)*")


def says_where(message: str | None) -> bool:
    """Whether a Result Message names a tag, and a section of the specification."""
    return message is not None and _TAG.search(message) is not None and _SECTION.search(message) is not None


@cache
def tables() -> Mapping[str, frozenset[str]] | None:
    """The words of each operation's table, by its title; None if they are not at hand."""
    if not TABLES.exists():
        return None
    found: dict[str, frozenset[str]] = {}
    for table in json.loads(TABLES.read_text()).values():
        title = _plain(table["op"].removesuffix(" Errors"))
        found[title] = found.get(title, frozenset()) | {_plain(word) for word in table["specific"]}
    return found


def _plain(words: str) -> str:
    return words.lower().replace("-", " ").replace("_", " ").replace("#", " ")


def in_table(operation: Operation, reason: Reason) -> bool:
    """Whether the operation's own table has the reason."""
    words = (tables() or {}).get(_plain(operation.name), frozenset())
    return reason in IN_EVERY_TABLE or _plain(reason.name) in words


def assert_allowed(operation: int | None, reason: int | None) -> None:
    """The operation may fail with this reason in 2.1. A message that fails as a whole names no operation."""
    if operation is None or reason is None or tables() is None:
        return
    asked, why = Operation(operation), Reason(reason)
    allowed = why in EXCEPTIONS or (asked, why) in EXCEPTIONS_FOR or in_table(asked, why)
    assert allowed, f"{asked.name} fails with {why.name}, which its table of KMIP 2.1 s6.1 does not have"
