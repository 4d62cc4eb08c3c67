"""A full TLS 1.3 handshake with mutual P-256 certificates, in memory: what a device would spend on it instead."""

from __future__ import annotations

import ssl
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from bench.pki import write_certificates


class TlsCost(NamedTuple):
    """Microseconds of processor time for one handshake."""

    client: float
    server: float


def tls_cost(times: int) -> TlsCost:
    """So many handshakes between the same two contexts, without resumption."""
    with TemporaryDirectory() as folder:
        write_certificates(Path(folder))
        client_side, server_side = _contexts(Path(folder))
    spent = [0.0, 0.0]
    for number in range(-5, times):
        if number == 0:
            spent = [0.0, 0.0]
        _handshake(client_side, server_side, spent)
    return TlsCost(spent[0] / times * 1e6, spent[1] / times * 1e6)


def _contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_cert_chain(folder / "client" / "cert.pem", folder / "client" / "key.pem")
    client.load_verify_locations(folder / "client" / "ca.pem")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "server.pem", folder / "server.key")
    server.load_verify_locations(folder / "ca.pem")
    server.verify_mode = ssl.CERT_REQUIRED
    for context in (client, server):
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    return client, server


def _handshake(client_side: ssl.SSLContext, server_side: ssl.SSLContext, spent: list[float]) -> None:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    began = time.thread_time()
    client = client_side.wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
    between = time.thread_time()
    server = server_side.wrap_bio(to_server, to_client, server_side=True)
    spent[0] += between - began
    spent[1] += time.thread_time() - between
    waiting = {0: client, 1: server}
    while waiting:
        for place, side in list(waiting.items()):
            began = time.thread_time()
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
            else:
                del waiting[place]
            spent[place] += time.thread_time() - began
