"""kmip-server serve: answer requests until told to stop."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from console.output import CommandError, say_line

if TYPE_CHECKING:
    import socket

    from kmip_server.config import Settings
    from kmip_server.listeners.settings import ListenerSettings, TlsSettings
    from kmip_server.listeners.tls import ServerTls

_OTHER_FILES: Final = 256
"""Descriptors a process needs beside those of its connections."""


def serve(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The server directory that `init` made.")],
    host: Annotated[str | None, typer.Option(help="The address to listen on, instead of server.toml's.")] = None,
    kmip_port: Annotated[int | None, typer.Option(help="The port for KMIP over TLS; 0 picks a free one.")] = None,
    https_port: Annotated[int | None, typer.Option(help="The port for KMIP over HTTPS; 0 picks a free one.")] = None,
    workers: Annotated[int | None, typer.Option(help="How many processes share the ports and the database.")] = None,
    trace: Annotated[bool, typer.Option("--trace", help="Log each exchange, with secrets masked.")] = False,
) -> None:
    """Serve KMIP over TLS and over HTTPS until SIGTERM, which answers what was taken and ends with exit code 0.

    One line on standard output, beginning with `kmip-server ready`, says when and where connections are accepted; with
    a gateway, another one, `kmip-server gateway ready`, that keys can be shared. The log goes to standard error. SIGHUP
    reads the certificates again; one that comes earlier waits for the first line.

    Examples:

      kmip-server serve /var/lib/kmip

      kmip-server serve /var/lib/kmip --host 0.0.0.0 --workers 4
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    # Keys are in the memory of this process, and of the workers that it forks.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    import structlog

    from console import logs
    from kmip_server.cli.gateway_settings import wrong_with_etsi014, wrong_with_gateway
    from kmip_server.cli.master_key import open_master_key
    from kmip_server.cli.workers import Supervisor, serve_alone
    from kmip_server.config import Settings
    from kmip_server.listeners.edge import Port
    from kmip_server.listeners.process import Serving
    from kmip_server.listeners.transport import address
    from kmip_server.opening import open_service, run_gateway

    given = {"host": host, "kmip_port": kmip_port, "https_port": https_port, "workers": workers}
    settings = Settings.load(directory, {"server": {key: value for key, value in given.items() if value is not None}})
    wrong = wrong_with_etsi014(settings) + wrong_with_gateway(settings)
    if wrong:
        raise CommandError("\n".join(wrong))
    logs.configure(settings.log.format, settings.log.level)
    _allow_descriptors(settings.limits.connections)
    master_key = open_master_key(settings)
    listener_settings = _listener_settings(settings)
    tls = _server_tls(listener_settings.tls)
    serving = Serving(
        listener_settings,
        tls,
        lambda reactor: open_service(reactor, settings, master_key, listener_settings.tls, trace=trace),
    )
    server = settings.server
    sockets = {Port.KMIP: _bind(server.host, server.kmip_port)}
    if server.https:
        sockets[Port.HTTPS] = _bind(server.host, server.https_port)
    places = " ".join(f"{port.name.lower()}={address(listening)}" for port, listening in sockets.items())

    structlog.stdlib.get_logger(__name__).info(
        "serving", directory=str(settings.directory), workers=server.workers, best_key_exchange=tls.group()
    )

    def ready() -> None:
        say_line(f"kmip-server ready {places} workers={server.workers} pid={os.getpid()}")

    if settings.dscc.enabled:
        Supervisor(serving, sockets, server.workers, ready, lambda: run_gateway(settings, master_key)).run()
    elif server.workers == 1:
        serve_alone(serving, sockets, ready)
    else:
        Supervisor(serving, sockets, server.workers, ready).run()


def _listener_settings(settings: Settings) -> ListenerSettings:
    from kmip_server.listeners.settings import ListenerSettings
    from kmip_server.ttlv.item import Limits

    limits = settings.limits
    return ListenerSettings(
        tls=tls_settings(settings),
        limits=Limits(message_bytes=limits.message_bytes, depth=limits.depth, nodes=limits.nodes),
        connections=limits.connections,
        connections_per_address=limits.connections_per_address,
        buffered_bytes=limits.buffered_bytes,
        handshake_seconds=limits.handshake_seconds,
        message_seconds=limits.message_seconds,
        idle_seconds=limits.idle_seconds,
        stop_seconds=limits.stop_seconds,
    )


def tls_settings(settings: Settings) -> TlsSettings:
    """The TLS files of a server directory. Raises CommandError, OSError for a passphrase that cannot be read."""
    from kmip_server.cli.master_key import read_passphrase_file
    from kmip_server.listeners.settings import TlsSettings

    tls = settings.tls
    passphrase_file = tls.key_passphrase_file
    return TlsSettings(
        certificate=tls.certificate,
        key=tls.key,
        client_ca=tls.client_ca,
        key_passphrase=read_passphrase_file(passphrase_file) if passphrase_file is not None else None,
        client_crl=tls.client_crl,
        strict=tls.strict,
    )


def _server_tls(settings: TlsSettings) -> ServerTls:
    from kmip_server.listeners.tls import ServerTls, TlsError

    try:
        return ServerTls(settings)
    except TlsError as error:
        raise CommandError(str(error)) from None


def _bind(host: str, port: int) -> socket.socket:
    from kmip_server.listeners.transport import bind

    try:
        return bind(host, port)
    except OSError as error:
        raise CommandError(f"{host} port {port} cannot be listened on: {error.strerror}") from None


def _allow_descriptors(connections: int) -> None:
    """Let this process have as many open files as its connections need, if the system allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _OTHER_FILES
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and allowed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
