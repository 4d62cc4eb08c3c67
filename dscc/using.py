"""What the commands of `dscc use`, and others like them, do with a key, wherever they have it from.

Each function is the body of a command; its arguments are the command's, but for the source. The options are here, too.
"""

from __future__ import annotations

import asyncio
import secrets
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from console.output import CommandError, print_json
from console.private_files import make_names_durable, write_once
from console.running import LogFormat, LogLevel

if TYPE_CHECKING:
    from dscc.enrolment import Address
    from dscc.uses.sources import KeySource
    from dscc.uses.tunnel import TunnelEnd

End = Literal["client", "server"]
RoleOption = Annotated[End, typer.Option("--role", help="Which end this is.", show_default=False)]
Out = Annotated[Path, typer.Option(help="The file to write; it holds the key.", dir_okay=False, show_default=False)]
Replace = Annotated[bool, typer.Option("--replace", help="Write a file anew that is there.")]
Connection = Annotated[str, typer.Option(help="The connection's name in swanctl.conf.", show_default=False)]
PublicKey = Annotated[str, typer.Option(help="The peer's public key.", show_default=False)]
Interface = Annotated[str, typer.Option(help="The interface.")]
Section = Annotated[Path | None, typer.Option(help="Write the section of wg0.conf to this file, too.", dir_okay=False)]
To = Annotated[str, typer.Option(metavar="HOST:PORT", help="The server end, or the server end's target.")]
Host = Annotated[str, typer.Option(help="The address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 picks a free one.")]
Every = Annotated[float, typer.Option(min=0.05, help="Seconds after which it looks for a newer key.")]
INTERFACE: Final = "wg0"
HOST: Final = "127.0.0.1"
PORT: Final = 7500
EVERY: Final = 5.0

_SUITE: Final = ("-tls1_3", "-ciphersuites")
_NO_CERTIFICATES: Final = ("-verify_return_error", "-no-CAfile", "-no-CApath", "-no-CAstore")
"""OpenSSL's client takes a certificate instead of the PSK, unless it trusts nobody's."""


def tls13(source: KeySource, role: End, out: Path, *, replace: bool, as_json: bool) -> None:
    """Write a session file for OpenSSL, and print the command that uses it."""
    from dscc.uses import tls13 as made
    from dscc.uses.derivation import TLS13, Role

    shared = source.keys(TLS13).to_protect()
    _write(out, made.session_file(made.openssl_psk(shared, Role(role))), replace)
    identity = made.identity_of(shared)
    psk = (*_SUITE, made.CIPHER, "-psk_identity", identity, "-psk_session", str(out))
    if role == "server":
        command = shlex.join(("openssl", "s_server", "-accept", "PORT", "-nocert", *psk))
    else:
        command = shlex.join(("openssl", "s_client", "-connect", "HOST:PORT", *psk, *_NO_CERTIFICATES))
    _print({"kid": shared.kid, "identity": identity, "file": str(out), "command": command}, as_json)


def ikev2_ppk(source: KeySource, connection: str, out: Path, *, replace: bool, as_json: bool) -> None:
    """Write what strongSwan needs of the key, and print the command that loads it."""
    from dscc.uses.derivation import IKEV2_PPK
    from dscc.uses.ikev2 import ppk_id, swanctl

    shared = source.keys(IKEV2_PPK).to_protect()
    _write(out, swanctl(shared, connection), replace)
    command = "swanctl --load-creds --clear && swanctl --load-conns"
    _print({"kid": shared.kid, "identity": ppk_id(shared), "file": str(out), "command": command}, as_json)


def wireguard(
    source: KeySource,
    public_key: str,
    out: Path,
    *,
    interface: str,
    section: Path | None,
    replace: bool,
    as_json: bool,
) -> None:
    """Write the preshared key, and print the command that sets it."""
    from dscc.uses.derivation import WIREGUARD
    from dscc.uses.wireguard import peer_section, preshared_key, set_command

    shared = source.keys(WIREGUARD).to_protect()
    command = set_command(interface, public_key, str(out))
    _write(out, preshared_key(shared) + "\n", replace)
    if section is not None:
        _write(section, peer_section(shared, public_key), replace)
    _print({"kid": shared.kid, "file": str(out), "command": command}, as_json)


def tunnel(
    source: KeySource,
    role: End,
    to: str,
    *,
    host: str,
    port: int,
    every: float,
    log_format: LogFormat,
    log_level: LogLevel,
) -> None:
    """Be an end of a tunnel until SIGTERM."""
    from console import logs
    from dscc.device.cli.running import until_stopped
    from dscc.enrolment import read_address
    from dscc.uses.derivation import TUNNEL, Role
    from dscc.uses.key_ring import KeyRing
    from dscc.uses.tunnel import TunnelEnd

    target = read_address(to)
    logs.configure(log_format, log_level)

    async def forwarding() -> None:
        ring = KeyRing(source, TUNNEL, every=every)
        end = TunnelEnd(ring, Role(role), target)
        await ring.start()
        try:
            address = await _listening(end, host, port)
            await until_stopped(f"dscc tunnel ready {address}")
            await end.stop()
        finally:
            await ring.stop()

    asyncio.run(forwarding())


async def _listening(end: TunnelEnd, host: str, port: int) -> Address:
    try:
        return await end.start(host, port)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "that is no name of a host"
        raise CommandError(f"cannot listen on {host}:{port}: {reason}; --host and --port say where else") from None


def _write(path: Path, content: str, replace: bool) -> None:
    """A new file of mode 0600, in one piece or not at all.

    Raises CommandError if it is there and is not to be replaced, or cannot be written.
    """
    try:
        (_replace if replace else write_once)(path, content.encode())
    except FileExistsError:
        raise CommandError(f"{path} is there already: --replace writes it anew") from None
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from None


def _replace(path: Path, content: bytes) -> None:
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    write_once(fresh, content)
    try:
        fresh.replace(path)
    except BaseException:
        fresh.unlink()
        raise
    make_names_durable(path.parent)


def _print(found: dict[str, str], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    print(f"key {found['kid']} is in {found['file']}; it is used by")
    print(found["command"])
