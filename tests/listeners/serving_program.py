"""A program that serves with workers, as `kmip-server serve` does, with a small server behind the edge.

Arguments: a folder with the TLS files, and how many workers. Requests whose body begins with a known word do things.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from edge_support import RESPONSE_TAG, ToyServer, message
from twisted.internet.defer import Deferred
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.task import deferLater

from console import logs
from kmip_server.cli.workers import Supervisor, serve_alone
from kmip_server.listeners.edge import Port
from kmip_server.listeners.handler import Reply
from kmip_server.listeners.process import Serving
from kmip_server.listeners.settings import ListenerSettings, TlsSettings
from kmip_server.listeners.tls import ServerTls
from kmip_server.listeners.transport import address, bind


def main(folder: Path, workers: int) -> None:
    assert "twisted.internet.reactor" not in sys.modules, "a process that forks must have no reactor"
    logs.configure("json", "info")
    tls = TlsSettings(certificate=folder / "server.crt", key=folder / "server.key", client_ca=folder / "authority.crt")
    settings = ListenerSettings(tls=tls, sweep_seconds=0.1, linger_seconds=0.2, stop_seconds=3, connections=40)

    def open_server(reactor: PosixReactorBase) -> ToyServer:
        if (folder / "refuse").exists():
            raise RuntimeError("the database is on fire")
        toy = ToyServer()

        def answer(data: bytes) -> Reply | Deferred[Reply]:
            word = data[8:16]
            if word == b"crash...":
                os._exit(3)
            reply = Reply(message(os.getpid().to_bytes(8, "big"), RESPONSE_TAG))
            return deferLater(reactor, 0.5, lambda: reply) if word == b"slow...." else reply

        toy.answer = answer
        return toy

    serving = Serving(settings, ServerTls(tls), open_server)
    sockets = {port: bind("127.0.0.1", 0) for port in Port}

    def ready() -> None:
        print("ready", *(address(listening) for listening in sockets.values()), flush=True)

    if workers == 1:
        serve_alone(serving, sockets, ready)
    else:
        Supervisor(serving, sockets, workers, ready).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
