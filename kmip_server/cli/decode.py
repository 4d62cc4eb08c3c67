"""kmip-server decode: a message in hexadecimal as a tree with names."""

from __future__ import annotations

import re
import sys
from typing import Annotated

import typer

from console.output import CommandError

_SIZE_LIMIT = 64 << 20
_NOISE = re.compile(r"\s|0[xX]|[:,|]")


def decode(
    hexadecimal: Annotated[str, typer.Argument(metavar="HEX", help="The bytes; - reads them from standard input.")],
    reveal: Annotated[bool, typer.Option("--reveal", help="Show secrets too, and long values in full.")] = False,
) -> None:
    """Print TTLV messages as trees with names. Secrets are masked.

    Spaces, line ends, colons, commas and 0x between the digits are skipped, so what a packet capture or a log prints
    can be pasted as it is.

    Example: kmip-server decode "42007b 01 00000000"
    """
    from kmip_server.ttlv.binary import decode as decode_item
    from kmip_server.ttlv.item import CodecError, Limits
    from kmip_server.ttlv.tree import render

    text = sys.stdin.read(2 * _SIZE_LIMIT) if hexadecimal == "-" else hexadecimal
    try:
        data = bytes.fromhex(_NOISE.sub("", text))
    except ValueError:
        raise CommandError("these are not hexadecimal digits, two for each byte") from None
    if not data:
        raise CommandError("there is nothing to decode")
    limits = Limits(message_bytes=_SIZE_LIMIT, depth=100, nodes=1_000_000)
    position = 0
    while position < len(data):
        size = 8 + int.from_bytes(data[position + 4 : position + 8])
        try:
            item = decode_item(data[position : position + size], limits)
        except CodecError as error:
            raise CommandError(f"the message at byte {position}: {error}") from None
        print(render(item, reveal=reveal))
        position += size
