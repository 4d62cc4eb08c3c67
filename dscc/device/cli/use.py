"""dscc use: have other software use a negotiated key. Keys go to files of mode 0600, and are never printed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.output import Json
from console.running import LogFormat, LogLevel
from dscc import using
from dscc.device.cli.sources import source_of

use = typer.Typer(help="Have other software use a key.", no_args_is_help=True)
Folder = Annotated[Path | None, typer.Argument(metavar="[DIR]", help="The device's folder.", show_default=False)]
Peer = Annotated[str | None, typer.Argument(metavar="[PEER]", help="The other device.", show_default=False)]
KeyFileOption = Annotated[Path | None, typer.Option("--key-file", help="A file with the key, instead of DIR PEER.")]
Kid = Annotated[str | None, typer.Option(help="The identifier of the file's key.")]
Names = Annotated[tuple[str, str] | None, typer.Option(metavar="OWN PEER", help="The two devices of the file's key.")]


@use.command()
def tls13(
    role: using.RoleOption,
    out: using.Out,
    folder: Folder = None,
    peer: Peer = None,
    key_file: KeyFileOption = None,
    kid: Kid = None,
    names: Names = None,
    replace: using.Replace = False,
    as_json: Json = False,
) -> None:
    """Write a session file for OpenSSL (-psk_session): TLS 1.3 with the key as its PSK, and no certificates.

    Example: dscc use tls13 /var/lib/dscc/meter-7 meter-8 --role client --out meter-8.pem
    """
    using.tls13(source_of(folder, peer, key_file, kid, names), role, out, replace=replace, as_json=as_json)


@use.command(name="ikev2-ppk")
def ikev2_ppk(
    connection: using.Connection,
    out: using.Out,
    folder: Folder = None,
    peer: Peer = None,
    key_file: KeyFileOption = None,
    kid: Kid = None,
    names: Names = None,
    replace: using.Replace = False,
    as_json: Json = False,
) -> None:
    """Write what strongSwan needs of the key: a connection's PPK (RFC 8784), without which there is no IKE_SA.

    Example: dscc use ikev2-ppk /var/lib/dscc/meter-7 meter-8 --connection site-b --out /etc/swanctl/conf.d/dscc-b.conf
    """
    source = source_of(folder, peer, key_file, kid, names)
    using.ikev2_ppk(source, connection, out, replace=replace, as_json=as_json)


@use.command()
def wireguard(
    public_key: using.PublicKey,
    out: using.Out,
    folder: Folder = None,
    peer: Peer = None,
    key_file: KeyFileOption = None,
    kid: Kid = None,
    names: Names = None,
    interface: using.Interface = using.INTERFACE,
    section: using.Section = None,
    replace: using.Replace = False,
    as_json: Json = False,
) -> None:
    """Write the key as a preshared key of WireGuard.

    Example: dscc use wireguard /var/lib/dscc/meter-7 meter-8 --public-key BASE64 --out /etc/wireguard/meter-8.psk
    """
    source = source_of(folder, peer, key_file, kid, names)
    using.wireguard(source, public_key, out, interface=interface, section=section, replace=replace, as_json=as_json)


@use.command()
def tunnel(
    role: using.RoleOption,
    to: using.To,
    folder: Folder = None,
    peer: Peer = None,
    key_file: KeyFileOption = None,
    kid: Kid = None,
    names: Names = None,
    host: using.Host = using.HOST,
    port: using.Port = using.PORT,
    every: using.Every = using.EVERY,
    log_format: LogFormat = "console",
    log_level: LogLevel = "info",
) -> None:
    """Forward TCP connections under the key until SIGTERM, and go on with the newest key while they are open.

    A line that begins with "dscc tunnel ready" says where it listens. With DIR and PEER it needs the device's agent.

    Example: dscc use tunnel /var/lib/dscc/meter-7 meter-8 --role client --port 5432 --to 192.0.2.8:7500
    """
    source = source_of(folder, peer, key_file, kid, names, agent_only=True)
    using.tunnel(source, role, to, host=host, port=port, every=every, log_format=log_format, log_level=log_level)
