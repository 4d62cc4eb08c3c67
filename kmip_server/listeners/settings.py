"""What the listeners need to know: addresses, TLS material, deadlines and budgets. The configuration maps onto it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from kmip_server.ttlv.item import Limits


@dataclass(frozen=True, kw_only=True)
class TlsSettings:
    """PEM files. The certificate's file holds its intermediates too; the client authorities' file may hold several.

    `strict` turns TLS 1.2 off. With `client_crl`, every authority of the client's chain needs a current list there.
    """

    certificate: Path
    key: Path
    client_ca: Path
    key_passphrase: bytes | None = field(default=None, repr=False)
    client_crl: Path | None = None
    strict: bool = False
    session_seconds: int = 3600


@dataclass(frozen=True, kw_only=True)
class ListenerSettings:
    """Deadlines in seconds, budgets a process.

    `message_seconds` bounds both a request, from its first byte to its last, and the reading of an answer.
    `sweep_seconds` is how often deadlines and revocations are looked at, and so their resolution.
    `linger_seconds` is how long a closed connection waits for the peer's own close.
    """

    tls: TlsSettings
    limits: Limits = Limits()
    connections: int = 10_000
    connections_per_address: int = 1000
    buffered_bytes: int = 64 << 20
    handshake_seconds: float = 10
    message_seconds: float = 30
    idle_seconds: float = 3600
    sweep_seconds: float = 0.25
    linger_seconds: float = 0.5
    stop_seconds: float = 10
