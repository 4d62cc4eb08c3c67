"""The folder of a client, as `kmip-server client add` makes it: who it is, whom it trusts, and where its server is.

It may be on another machine than the server, and anywhere there: of `pykmip.conf` only host and port are read.
"""

from __future__ import annotations

import ssl
import stat
from configparser import ConfigParser, Error
from pathlib import Path
from typing import Final, NamedTuple

from kmip_server.client.errors import ClientError

_CERTIFICATE: Final = "cert.pem"
_KEY: Final = "key.pem"
_AUTHORITY: Final = "ca.pem"
_CONFIGURATION: Final = "pykmip.conf"
_SECTION: Final = "client"


class ServerAddress(NamedTuple):
    """Where a KMIP server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def server_of(folder: Path) -> ServerAddress:
    """The server of a client. Raises OSError, ClientError."""
    file = folder / _CONFIGURATION
    parser = ConfigParser()
    try:
        parser.read_string(file.read_text())
        section = parser[_SECTION]
        found = ServerAddress(section["host"], int(section["port"]))
        found.host.encode("idna")
    except (Error, KeyError, ValueError):
        raise ClientError(f"{file} does not say where the server is: its [client] has a host and a port") from None
    if not found.host or not 0 < found.port < 1 << 16:
        raise ClientError(f"{file}: {found} is no address of a server")
    return found


def tls_of(folder: Path) -> ssl.SSLContext:
    """How a client makes its connections: it shows its certificate, and knows the server by name and authority.

    Raises OSError; ClientError if others can read the key, or a file is not what it should be.
    """
    key = folder / _KEY
    mode = stat.S_IMODE(key.stat().st_mode)
    if mode & 0o077:
        raise ClientError(f"{key} has mode {mode:04o}: set it to 0600")
    # What is not ASCII are words around the certificates.
    authority = (folder / _AUTHORITY).read_text(encoding="ascii", errors="ignore")
    certificate = folder / _CERTIFICATE
    certificate.stat()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(cadata=authority)
        # Without a password it would ask the terminal for that of an encrypted key.
        context.load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, ValueError) as error:
        raise ClientError(f"{folder} holds no certificate with its key and authority: {error}") from None
    return context
