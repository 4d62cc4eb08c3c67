"""The ceiling: a Twisted TLS server that answers each operation with a recorded response, and does nothing else.

Run as `python -m bench.canned FOLDER ANSWERS`: certificates from the folder, and a JSON object of operation number to
response in hexadecimal. Prints its port when it accepts connections.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from OpenSSL import SSL
from twisted.internet import reactor, ssl
from twisted.internet.protocol import Factory, Protocol

_OPERATION = bytes.fromhex("42005c0500000004")


class Canned(Protocol):
    """Frames messages and answers each from the table."""

    answers: dict[int, bytes] = {}

    def __init__(self) -> None:
        self.buffer = b""

    def connectionMade(self) -> None:  # noqa: N802 -- Twisted's name
        self.transport.setTcpNoDelay(True)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 -- Twisted's name
        self.buffer += data
        while len(self.buffer) >= 8:
            size = 8 + int.from_bytes(self.buffer[4:8], "big")
            if len(self.buffer) < size:
                return
            at = self.buffer.index(_OPERATION) + 8
            self.transport.write(self.answers[int.from_bytes(self.buffer[at : at + 4], "big")])
            self.buffer = self.buffer[size:]


def main() -> None:
    folder, answers = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
    Canned.answers = {int(operation): bytes.fromhex(answer) for operation, answer in answers.items()}
    authority = ssl.Certificate.loadPEM((folder / "ca.pem").read_bytes())
    own = ssl.PrivateCertificate.loadPEM((folder / "server.pem").read_bytes() + (folder / "server.key").read_bytes())
    options = own.options(authority)
    options.getContext().set_session_cache_mode(SSL.SESS_CACHE_OFF)
    port = reactor.listenSSL(0, Factory.forProtocol(Canned), options, backlog=1024, interface="127.0.0.1")
    sys.stdout.write(f"{port.getHost().port}\n")
    sys.stdout.flush()
    reactor.run()


if __name__ == "__main__":
    main()
