"""Codes that people carry to a device: one to enrol it (URI or QR), one for a step of keyfill. Pure.

    dscc-enrol:v1?device=NAME&mode=qkey|ota-kem|ota-tofu&n=NODE~HOST:PORT~TOKEN_ID~TOKEN&n=...
    dscc-step:v1?stage=NAME&n=NODE~CODE&n=...

Values are percent-encoded (RFC 3986); identifiers, tokens and codes are hexadecimal. Each node makes its own part, and
whoever puts them together sees them all: a code is a secret until it is used.
"""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode

from dscc.errors import DsccError, Reason
from dscc.primitives import NONCE_BYTES
from dscc.registration import TOKEN_BYTES, TOKEN_ID_BYTES, Mode, Token

ENROL: Final = "dscc-enrol:v1"
STEP: Final = "dscc-step:v1"
MOST_CHARACTERS: Final = 8192
MOST_NODES: Final = 16
_NAME_CHARACTERS: Final = 64
_BETWEEN: Final = "~"


class Address(NamedTuple):
    """A host and a TCP port; written HOST:PORT, with an IPv6 address in brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class EnrolmentNode(NamedTuple):
    """A node to enrol at, and the token for it."""

    node: str
    address: Address
    token: Token


class EnrolmentCode(NamedTuple):
    """What a device needs to enrol: its name, how, and where."""

    device: str
    mode: Mode
    nodes: tuple[EnrolmentNode, ...]

    def text(self) -> str:
        """The code as a URI. Raises DsccError if it would not be read again."""
        nodes = [
            _BETWEEN.join((each.node, str(each.address), each.token.token_id.hex(), each.token.secret.hex()))
            for each in self.nodes
        ]
        return _written(ENROL, ("device", self.device), ("mode", self.mode.value), nodes)


class StepCode(NamedTuple):
    """The codes of one stage, by node, each of 32 bytes."""

    stage: str
    codes: dict[str, bytes]

    def __repr__(self) -> str:
        return f"StepCode({self.stage!r}, {sorted(self.codes)})"

    def text(self) -> str:
        """The code as a URI. Raises DsccError if it would not be read again."""
        nodes = [_BETWEEN.join((node, code.hex())) for node, code in self.codes.items()]
        return _written(STEP, ("stage", self.stage), None, nodes)


def read_enrolment(text: str) -> EnrolmentCode:
    """An enrolment code. Raises DsccError (MALFORMED) that names what is wrong, and no secret."""
    fields, nodes = _read(ENROL, text, {"device", "mode"})
    try:
        mode = Mode(fields["mode"])
    except ValueError:
        raise _malformed(f"there is no registration mode {fields['mode']!r}") from None
    entries = tuple(
        EnrolmentNode(node, read_address(address), Token(_hex(identifier, TOKEN_ID_BYTES), _hex(secret, TOKEN_BYTES)))
        for node, address, identifier, secret in (_parts(each, 4) for each in nodes)
    )
    _check_names(tuple(entry.node for entry in entries))
    return EnrolmentCode(_name(fields["device"]), mode, entries)


def read_step(text: str) -> StepCode:
    """A code for a step. Raises DsccError (MALFORMED)."""
    fields, nodes = _read(STEP, text, {"stage"})
    pairs = [_parts(each, 2) for each in nodes]
    _check_names(tuple(node for node, _ in pairs))
    return StepCode(_name(fields["stage"]), {node: _hex(code, NONCE_BYTES) for node, code in pairs})


def read_address(text: str) -> Address:
    """HOST:PORT. Raises DsccError (MALFORMED)."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not _is_host(host) or not (port.isascii() and port.isdecimal()) or not 0 < int(port[:6]) < 65536:
        raise _malformed(f"an address is HOST:PORT, not {text[:64]!r}")
    return Address(host, int(port))


def _is_host(text: str) -> bool:
    """Whether this can be looked up: it prints, and none of its labels is empty or too long."""
    try:
        text.encode("idna")
    except UnicodeError:
        return False
    return 0 < len(text) <= 255 and text.isprintable()


def as_qr(code: str) -> str:
    """A code as a QR code of block characters, for a terminal."""
    from io import StringIO

    import segno

    drawn = StringIO()
    segno.make_qr(code, error="l").terminal(drawn, border=2, compact=True)
    return drawn.getvalue()


def _written(scheme: str, first: tuple[str, str], second: tuple[str, str] | None, nodes: list[str]) -> str:
    fields = [first, *([second] if second else []), *[("n", node) for node in nodes]]
    text = f"{scheme}?{urlencode(fields, quote_via=quote, safe='~:')}"
    (read_enrolment if scheme == ENROL else read_step)(text)
    return text


def _read(scheme: str, text: str, names: set[str]) -> tuple[dict[str, str], list[str]]:
    """The fields of a code, and its nodes."""
    if len(text) > MOST_CHARACTERS:
        raise _malformed(f"a code has at most {MOST_CHARACTERS} characters")
    start, _, query = text.strip().partition("?")
    if start != scheme:
        raise _malformed(f"the code does not begin with {scheme}?")
    try:
        fields = parse_qsl(query, keep_blank_values=True, strict_parsing=True, max_num_fields=MOST_NODES + len(names))
    except ValueError:
        raise _malformed("the code is not a list of NAME=VALUE, or is too long") from None
    nodes = [value for name, value in fields if name == "n"]
    rest = {name: value for name, value in fields if name != "n"}
    if set(rest) != names or len(rest) + len(nodes) != len(fields) or not nodes:
        raise _malformed(f"the code has {', '.join(sorted(names))} once each, and n for each node")
    return rest, nodes


def _parts(value: str, number: int) -> list[str]:
    parts = value.split(_BETWEEN)
    if len(parts) != number:
        raise _malformed(f"a node's part has {number} fields with {_BETWEEN} between them, not {len(parts)}")
    return parts


def _hex(value: str, size: int) -> bytes:
    try:
        read = bytes.fromhex(value)
    except ValueError:
        read = b""
    if len(read) != size:
        raise _malformed(f"{size} bytes in hexadecimal were expected")
    return read


def _name(value: str) -> str:
    if not 0 < len(value) <= _NAME_CHARACTERS or _BETWEEN in value or not value.isprintable():
        raise _malformed(f"a name has 1 to {_NAME_CHARACTERS} printable characters without {_BETWEEN}")
    return value


def _check_names(names: tuple[str, ...]) -> None:
    if len({_name(name) for name in names}) != len(names):
        raise _malformed("a node is named twice")


def _malformed(message: str) -> DsccError:
    return DsccError(Reason.MALFORMED, message)
