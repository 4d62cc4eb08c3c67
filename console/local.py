"""Who is at the other end of a Unix socket."""

from __future__ import annotations

import asyncio
import os
import socket
from struct import Struct
from typing import Final

_credentials: Final = Struct("3i")


def is_own_user(writer: asyncio.StreamWriter) -> bool:
    """Whether it is a program of this user, or of root.

    The mode of the socket says so, too; this holds where a file system does not keep modes.
    """
    peer: socket.socket = writer.get_extra_info("socket")
    _, user, _ = _credentials.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _credentials.size))
    return user in (0, os.geteuid())
