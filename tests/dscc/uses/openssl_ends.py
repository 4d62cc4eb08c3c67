"""The system's OpenSSL at both ends: its test server and its test client."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

TOOL = shutil.which("openssl")
needs_openssl = pytest.mark.skipif(TOOL is None, reason="not installed: openssl (Debian: apt-get install openssl)")


@contextmanager
def s_server(command: list[str]) -> Iterator[int]:
    """OpenSSL's server, which answers each line with its letters in reverse. Its port."""
    with subprocess.Popen(
        [*command, "-rev", "-no_ticket"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as server:
        assert server.stdout is not None
        try:
            while (found := re.search(rb"ACCEPT 127\.0\.0\.1:(\d+)", line := server.stdout.readline())) is None:
                assert line, "the server did not start"
            yield int(found[1])
        finally:
            server.kill()


def s_client(command: list[str], port: int) -> str:
    """What OpenSSL's client hears to a line, and tells; empty if there was no handshake."""
    words = [word.replace("HOST:PORT", f"127.0.0.1:{port}") for word in command]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "bufsize": 0}
    with subprocess.Popen([*words, "-brief"], **pipes) as client:  # type: ignore[call-overload]
        # It may have been refused before it reads.
        with suppress(BrokenPipeError):
            client.stdin.write(b"negotiated\n")
        heard: bytes = client.stdout.readline()
        client.kill()
        told: bytes = client.stderr.read()
    assert heard or b"error" in told, told
    return (heard + told).decode() if heard else ""
