"""kmip-server use: have other software use a key that two sites share. For a client of the server, on its machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.output import Json
from console.running import LogFormat, LogLevel
from dscc import using

if TYPE_CHECKING:
    from kmip_server.client.keys import ServerKeys

use = typer.Typer(help="Have other software use a key that two sites share, as a client.", no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(metavar="CLIENT", help="The client's folder, as `client add` makes it.")]
Peer = Annotated[str | None, typer.Option(help="The other site: its keys for this purpose.", show_default=False)]
Key = Annotated[
    str | None, typer.Option(metavar="UNIQUE-IDENTIFIER", help="This key, instead of --peer.", show_default=False)
]


@use.command()
def tls13(
    folder: Folder,
    role: using.RoleOption,
    out: using.Out,
    peer: Peer = None,
    key: Key = None,
    replace: using.Replace = False,
    as_json: Json = False,
) -> None:
    """Write a session file for OpenSSL (-psk_session): TLS 1.3 with the key as its PSK, and no certificates.

    Example: kmip-server use tls13 /etc/kmip/web --peer site-b --role client --out site-b.pem
    """
    using.tls13(_source(folder, peer, key), role, out, replace=replace, as_json=as_json)


@use.command(name="ikev2-ppk")
def ikev2_ppk(
    folder: Folder,
    connection: using.Connection,
    out: using.Out,
    peer: Peer = None,
    key: Key = None,
    replace: using.Replace = False,
    as_json: Json = False,
) -> None:
    """Write what strongSwan needs of the key: a connection's PPK (RFC 8784), without which there is no IKE_SA.

    Example: kmip-server use ikev2-ppk /etc/kmip/vpn --peer site-b --connection site-b --out /etc/swanctl/conf.d/b.conf
    """
    using.ikev2_ppk(_source(folder, peer, key), connection, out, replace=replace, as_json=as_json)


@use.command()
def wireguard(
    folder: Folder,
    public_key: using.PublicKey,
    out: using.Out,
    peer: Peer = None,
    key: Key = None,
    interface: using.Interface = using.INTERFACE,
    section: using.Section = None,
    replace: using.Replace = False,
    as_json: Json = False,
) -> None:
    """Write the key as a preshared key of WireGuard.

    Example: kmip-server use wireguard /etc/kmip/vpn --peer site-b --public-key BASE64 --out /etc/wireguard/site-b.psk
    """
    source = _source(folder, peer, key)
    using.wireguard(source, public_key, out, interface=interface, section=section, replace=replace, as_json=as_json)


@use.command()
def tunnel(
    folder: Folder,
    role: using.RoleOption,
    to: using.To,
    peer: Peer = None,
    key: Key = None,
    host: using.Host = using.HOST,
    port: using.Port = using.PORT,
    every: using.Every = using.EVERY,
    log_format: LogFormat = "console",
    log_level: LogLevel = "info",
) -> None:
    """Forward TCP connections under the key until SIGTERM, and go on with the newest key while they are open.

    A line that begins with "dscc tunnel ready" says where it listens. With --peer it goes on after each Re-key.

    Example: kmip-server use tunnel /etc/kmip/db --peer site-b --role client --port 5432 --to 192.0.2.8:7500
    """
    source = _source(folder, peer, key)
    using.tunnel(source, role, to, host=host, port=port, every=every, log_format=log_format, log_level=log_level)


def _source(folder: Path, peer: str | None, key: str | None) -> ServerKeys:
    """The keys that the arguments name. Raises BadParameter if they name none, or two kinds."""
    from kmip_server.client.keys import ServerKeys

    if (peer is None) == (key is None):
        raise typer.BadParameter("give --peer with the other site's name, or --key with a Unique Identifier")
    return ServerKeys(folder, peer=peer, key=key)
