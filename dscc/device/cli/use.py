"""dscc use: have other software use a negotiated key. Keys go to files of mode 0600, and are never printed."""

from __future__ import annotations

import asyncio
import secrets
import shlex
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from console.output import CommandError, Json, print_json
from console.running import LogFormat, LogLevel
from dscc.device.cli.sources import source_of

use = typer.Typer(help="Have other software use a key.", no_args_is_help=True)
Folder = Annotated[Path | None, typer.Argument(metavar="[DIR]", help="The device's folder.", show_default=False)]
Peer = Annotated[str | None, typer.Argument(metavar="[PEER]", help="The other device.", show_default=False)]
KeyFileOption = Annotated[Path | None, typer.Option("--key-file", help="A file with the key, instead of DIR PEER.")]
Kid = Annotated[str | None, typer.Option(help="The identifier of the file's key.")]
Names = Annotated[tuple[str, str] | None, typer.Option(metavar="OWN PEER", help="The two devices of the file's key.")]
RoleOption = Annotated[
    Literal["client", "server"], typer.Option("--role", help="Which end this device is.", show_default=False)
]
Out = Annotated[Path, typer.Option(help="The file to write; it holds the key.", show_default=False)]
Replace = Annotated[bool, typer.Option("--replace", help="Write a file anew that is there.")]
_SUITE: Final = ("-tls1_3", "-ciphersuites")
_NO_CERTIFICATES: Final = ("-verify_return_error", "-no-CAfile", "-no-CApath", "-no-CAstore")
"""OpenSSL's client takes a certificate instead of the PSK, unless it trusts nobody's."""


@use.command()
def tls13(
    role: RoleOption,
    out: Out,
    folder: Folder = None,
    peer: Peer = None,
    key_file: KeyFileOption = None,
    kid: Kid = None,
    names: Names = None,
    replace: Replace = False,
    as_json: Json = False,
) -> None:
    """Write a session file for OpenSSL (-psk_session): TLS 1.3 with the key as its PSK, and no certificates.

    Example: dscc use tls13 /var/lib/dscc/meter-7 meter-8 --role client --out meter-8.pem
    """
    from dscc.uses import tls13 as made
    from dscc.uses.derivation import TLS13, Role

    shared = source_of(folder, peer, key_file, kid, names).keys(TLS13).to_protect()
    _write(out, made.session_file(made.openssl_psk(shared, Role(role))), replace)
    identity = made.identity_of(shared)
    psk = (*_SUITE, made.CIPHER, "-psk_identity", identity, "-psk_session", str(out))
    if role == "server":
        command = shlex.join(("openssl", "s_server", "-accept", "PORT", "-nocert", *psk))
    else:
        command = shlex.join(("openssl", "s_client", "-connect", "HOST:PORT", *psk, *_NO_CERTIFICATES))
    _print({"kid": shared.kid, "identity": identity, "file": str(out), "command": command}, as_json)


@use.command(name="ikev2-ppk")
def ikev2_ppk(
    connection: Annotated[str, typer.Option(help="The connection's name in swanctl.conf.", show_default=False)],
    out: Out,
    folder: Folder = None,
    peer: Peer = None,
    key_file: KeyFileOption = None,
    kid: Kid = None,
    names: Names = None,
    replace: Replace = False,
    as_json: Json = False,
) -> None:
    """Write what strongSwan needs of the key: a connection's PPK (RFC 8784), without which there is no IKE_SA.

    Example: dscc use ikev2-ppk /var/lib/dscc/meter-7 meter-8 --connection site-b --out /etc/swanctl/conf.d/dscc-b.conf
    """
    from dscc.uses.derivation import IKEV2_PPK
    from dscc.uses.ikev2 import ppk_id, swanctl

    shared = source_of(folder, peer, key_file, kid, names).keys(IKEV2_PPK).to_protect()
    _write(out, swanctl(shared, connection), replace)
    command = "swanctl --load-creds --clear && swanctl --load-conns"
    _print({"kid": shared.kid, "identity": ppk_id(shared), "file": str(out), "command": command}, as_json)


@use.command()
def wireguard(
    public_key: Annotated[str, typer.Option(help="The peer's public key.", show_default=False)],
    out: Out,
    folder: Folder = None,
    peer: Peer = None,
    key_file: KeyFileOption = None,
    kid: Kid = None,
    names: Names = None,
    interface: Annotated[str, typer.Option(help="The interface.")] = "wg0",
    section: Annotated[Path | None, typer.Option(help="Write the section of wg0.conf to this file, too.")] = None,
    replace: Replace = False,
    as_json: Json = False,
) -> None:
    """Write the key as a preshared key of WireGuard.

    Example: dscc use wireguard /var/lib/dscc/meter-7 meter-8 --public-key BASE64 --out /etc/wireguard/meter-8.psk
    """
    from dscc.uses.derivation import WIREGUARD
    from dscc.uses.wireguard import peer_section, preshared_key, set_command

    shared = source_of(folder, peer, key_file, kid, names).keys(WIREGUARD).to_protect()
    command = set_command(interface, public_key, str(out))
    _write(out, preshared_key(shared) + "\n", replace)
    if section is not None:
        _write(section, peer_section(shared, public_key), replace)
    _print({"kid": shared.kid, "file": str(out), "command": command}, as_json)


@use.command()
def tunnel(
    role: RoleOption,
    to: Annotated[str, typer.Option(metavar="HOST:PORT", help="The server end, or the server end's target.")],
    folder: Folder = None,
    peer: Peer = None,
    key_file: KeyFileOption = None,
    kid: Kid = None,
    names: Names = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 picks a free one.")] = 7500,
    every: Annotated[float, typer.Option(min=0.05, help="Seconds after which it looks for a newer key.")] = 5.0,
    log_format: LogFormat = "console",
    log_level: LogLevel = "info",
) -> None:
    """Forward TCP connections under the key until SIGTERM, and go on with the newest key while they are open.

    A line that begins with "dscc tunnel ready" says where it listens. With DIR and PEER it needs the device's agent.

    Example: dscc use tunnel /var/lib/dscc/meter-7 meter-8 --role client --port 5432 --to 192.0.2.8:7500
    """
    from console import logs
    from dscc.device.cli.running import until_stopped
    from dscc.enrolment import read_address
    from dscc.uses.derivation import TUNNEL, Role
    from dscc.uses.key_ring import KeyRing
    from dscc.uses.tunnel import TunnelEnd

    source, target = source_of(folder, peer, key_file, kid, names, agent_only=True), read_address(to)
    logs.configure(log_format, log_level)

    async def forwarding() -> None:
        ring = KeyRing(source, TUNNEL, every=every)
        end = TunnelEnd(ring, Role(role), target)
        await ring.start()
        try:
            address = await end.start(host, port)
            await until_stopped(f"dscc tunnel ready {address}")
            await end.stop()
        finally:
            await ring.stop()

    asyncio.run(forwarding())


def _write(path: Path, content: str, replace: bool) -> None:
    """A new file of mode 0600, in one piece. Raises CommandError if it is there and is not to be replaced."""
    from dscc.device.vault import make_names_durable, write_once

    if not replace:
        try:
            write_once(path, content.encode())
        except FileExistsError:
            raise CommandError(f"{path} is there already: --replace writes it anew") from None
        return
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    write_once(fresh, content.encode())
    fresh.replace(path)
    make_names_durable(path.parent)


def _print(found: dict[str, str], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    print(f"key {found['kid']} is in {found['file']}; it is used by")
    print(found["command"])
