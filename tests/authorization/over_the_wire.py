"""The matrix's clients on a running server: a certificate each, and the policy document in force."""

from __future__ import annotations

import ssl

import tomli_w
from authorization.cast import CLIENTS, DOCUMENT
from support.server import RunningServer
from support.wire import Connection, Credentials, Response, Version

from kmip_server.identity.pki import issue_client, load_credentials


class Clients:
    """Connections of all clients, each opened when it is needed."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server
        self.authority = next(server.data.rglob("ca-cert.pem"))
        self._issuer = load_credentials(self.authority, next(server.data.rglob("ca-key.pem")))
        self._folder = server.folder / "cast"
        self._folder.mkdir()
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._open: dict[str, Connection] = {}
        self.put_in_force("the cast")

    def put_in_force(self, comment: str) -> None:
        """Put the policy in force. The comment makes a version of its own of it, and decides nothing."""
        document = self._folder / "policy.toml"
        tenants = DOCUMENT["tenants"] | {"other": comment}
        document.write_text(tomli_w.dumps(DOCUMENT | {"tenants": tenants}))
        self.server.command("policy", "import", str(self.server.data), str(document))

    def connect(self, who: str) -> Connection:
        """A new connection of a client of the cast, with a certificate of the server's own authority."""
        assert who in CLIENTS, who
        if who not in self._contexts:
            made = issue_client(self._issuer, who)
            certificate, key = self._folder / f"{who}.pem", self._folder / f"{who}.key"
            certificate.write_bytes(made.certificate_pem)
            key.write_bytes(made.key_pem)
            self._contexts[who] = Credentials(certificate, key, self.authority).context()
        return Connection(self.server.kmip, self._contexts[who], timeout=60)

    def exchange(self, who: str, _: Version, message: bytes) -> Response:
        """Carry out a message as a client of the cast."""
        if who not in self._open:
            self._open[who] = self.connect(who)
        return self._open[who].exchange(message)

    def close(self) -> None:
        for connection in self._open.values():
            connection.close()
