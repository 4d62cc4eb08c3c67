"""Lines that say that something is ready: scripts read them, and several processes write them to one pipe."""

from __future__ import annotations

import socket
import subprocess
import sys

SAYS = "from console.output import say_line; say_line('kmip-server ready'); say_line('kmip-server gateway ready')"


def test_a_line_is_written_in_one_piece_whatever_the_environment() -> None:
    for unbuffered in ("", "1"):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours:
            with theirs:
                subprocess.run(
                    [sys.executable, "-c", SAYS],
                    stdout=theirs,
                    env={"PYTHONUNBUFFERED": unbuffered},
                    check=True,
                    timeout=30,
                )
            assert [ours.recv(100) for _ in range(3)] == [b"kmip-server ready\n", b"kmip-server gateway ready\n", b""]
