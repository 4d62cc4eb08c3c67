"""A message as an indented tree with names, for people: `kmip-server decode` and the trace log.

Secrets are masked. Byte Strings and Big Integers are shown only where their tag is known to be harmless, everything
inside Key Material is masked, and so are the values of tags that no published version has. Text is escaped, so that a
peer's text cannot move a terminal's cursor or forge a line of a log.
"""

from __future__ import annotations

from typing import Any, Final

from kmip_server.ttlv import text
from kmip_server.ttlv.enumeration_of import name_of_tag
from kmip_server.ttlv.item import Item, Type
from kmip_server.ttlv.tags import Tag

_SHOWN_OCTETS: Final = frozenset(
    {
        Tag.UNIQUE_BATCH_ITEM_ID,
        Tag.ASYNCHRONOUS_CORRELATION_VALUE,
        Tag.SHORT_UNIQUE_IDENTIFIER,
        Tag.DIGEST_VALUE,
        Tag.IV_COUNTER_NONCE,
        Tag.NONCE_ID,
        Tag.CERTIFICATE_VALUE,
        Tag.CERTIFICATE_REQUEST,
        Tag.CERTIFICATE_REQUEST_VALUE,
        Tag.CERTIFICATE_SERIAL_NUMBER,
        Tag.ISSUER_DISTINGUISHED_NAME,
        Tag.SUBJECT_DISTINGUISHED_NAME,
    }
)
_MASKED_TEXT: Final = frozenset({Tag.PASSWORD})
_MASKED_WHOLE: Final = frozenset({Tag.KEY_MATERIAL})
_SHOWN_CHARACTERS: Final = 200
_SHOWN_BYTES: Final = 64
_INDENT: Final = "  "


def render(item: Item, *, reveal: bool = False) -> str:
    """The item and everything in it, one line each; with `reveal`, secrets too, and everything in full."""
    lines: list[str] = []
    _append(item, int(item.tag), 0, reveal, False, lines)
    return "\n".join(lines)


def _append(item: Item, meaning: int, level: int, reveal: bool, secret: bool, lines: list[str]) -> None:
    secret = secret or item.tag in _MASKED_WHOLE or name_of_tag(item.tag) is None
    start = f"{_INDENT * level}{text.tag_text(item.tag)} ({text.TYPE_NAME[item.type]})"
    if item.type != Type.STRUCTURE:
        lines.append(f"{start}: {_value(item, meaning, reveal, secret)}")
        return
    lines.append(start)
    for place, child in enumerate(item.value):
        _append(child, text.meaning_of(child.tag, item.value, place), level + 1, reveal, secret, lines)


def _value(item: Item, meaning: int, reveal: bool, secret: bool) -> str:
    kind, value = item.type, item.value
    if not reveal and (secret or _is_masked(item)):
        return f"<masked, {_size(kind, value)}>"
    if kind == Type.TEXT_STRING:
        return _quoted(value, reveal)
    if kind == Type.BYTE_STRING:
        shown: bytes = value if reveal else value[:_SHOWN_BYTES]
        return shown.hex() + ("" if shown == value else f"… ({len(value)} bytes)")
    if kind == Type.BIG_INTEGER:
        return text.big_integer_text(value)
    if kind == Type.ENUMERATION:
        name = text.enumeration_text(meaning, value)
        return name if name.startswith("0x") else f"{name} (0x{value:08X})"
    if kind == Type.INTEGER:
        names = text.mask_text(meaning, value, " | ")
        return f"{names} (0x{value:08X})" if names else str(value)
    if kind == Type.DATE_TIME:
        return text.date_text(value) or str(value)
    if kind == Type.DATE_TIME_EXTENDED:
        return text.date_text(*divmod(value, 1_000_000)) or str(value)
    if kind == Type.BOOLEAN:
        return "true" if value else "false"
    return str(value)


def _is_masked(item: Item) -> bool:
    if item.type in (Type.BYTE_STRING, Type.BIG_INTEGER):
        return item.tag not in _SHOWN_OCTETS
    return item.type == Type.TEXT_STRING and item.tag in _MASKED_TEXT


def _size(kind: int, value: Any) -> str:
    """The size of a masked value where it is no secret: of bytes. The length of a password is one."""
    return f"{len(value)} bytes" if kind == Type.BYTE_STRING else text.TYPE_NAME[kind]


def _quoted(value: str, whole: bool) -> str:
    shown = value if whole else value[:_SHOWN_CHARACTERS]
    escaped = "".join(
        character if character.isprintable() and character not in '"\\' else _escape(character) for character in shown
    )
    return f'"{escaped}"' + ("" if shown == value else f"… ({len(value)} characters)")


def _escape(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
