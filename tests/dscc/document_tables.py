"""Tables of `docs/dscc-protocol.md` that follow from the code: `python tests/dscc/document_tables.py` writes them."""

from __future__ import annotations

import re
from pathlib import Path

from dscc import direct_messages, messages
from dscc.uses.derivation import USES
from dscc.wire import _BY_NUMBER

DOCUMENT = Path(__file__).parents[2] / "docs" / "dscc-protocol.md"
_BEGIN, _END = "<!-- messages: written by tests/dscc/document_tables.py -->", "<!-- end of messages -->"
_BEGIN_USES, _END_USES = "<!-- uses: written by tests/dscc/document_tables.py -->", "<!-- end of uses -->"
_WORDS = (
    (r"at most (\d+) times a name and a value", r"up to \1 pairs of texts"),
    (r"at most (\d+) times a printable text.*", r"up to \1 names"),
    (r"at most (\d+) times 0 to (\d+) bytes", r"up to \1 × 0–\2 bytes"),
    (r"a printable text of at most 64 bytes", "name"),
    (r"a printable text of at most (\d+) bytes", r"text of \1 bytes"),
    (r"a number from 0 to 2\^63 - 1", "number"),
    (r"(\d+) to \1 bytes", r"\1 bytes"),
    (r"(\d+) to (\d+) bytes", r"\1–\2 bytes"),
)


def table() -> str:
    """Every message: its number, its fields in their order, and what each has to be."""
    rows = ["| Number | Message | Fields |", "|---|---|---|"]
    for number in sorted(_BY_NUMBER):
        kind = _BY_NUMBER[number]
        if kind.type.__module__ in (messages.__name__, direct_messages.__name__):
            fields = ", ".join(f"`{name}` {_kind(check.what)}" for name, check in kind.fields)
            rows.append(f"| {number} | `{kind.type.__name__}` | {fields or '-'} |")
    return "\n".join(rows)


def _kind(what: str) -> str:
    for pattern, words in _WORDS:
        if re.fullmatch(pattern, what):
            return re.sub(pattern, words, what)
    raise ValueError(what)


def uses() -> str:
    """Every use: what its key is negotiated for, its label, whose names it is bound to, and its bytes."""
    rows = ["| Purpose | Label | Names | Bytes |", "|---|---|---|---|"]
    for use in USES:
        names = "the client's, the server's" if use.has_roles else "both, in their order as bytes"
        rows.append(f"| `{use.purpose}` | `{use.label}` | {names} | {use.size} |")
    return "\n".join(rows)


def with_tables(document: str) -> str:
    """The document with the tables as they are now."""
    for begin, written, end in ((_BEGIN, table(), _END), (_BEGIN_USES, uses(), _END_USES)):
        before, rest = document.split(begin)
        document = f"{before}{begin}\n{written}\n{end}{rest.split(end)[1]}"
    return document


if __name__ == "__main__":
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text()))
