"""kmip-server init: make a server directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from console.output import CommandError, ask_secret, progress
from kmip_server.cli.staging import refuse_initialised, staged

if TYPE_CHECKING:
    from kmip_server.config import Settings

_LEAST_PASSPHRASE: Final = 12


def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The server directory to make.")],
    host: Annotated[
        list[str] | None,
        typer.Option("--host", help="A name or address clients will use, for the server's certificate. Repeatable."),
    ] = None,
    crl_url: Annotated[
        str | None, typer.Option(metavar="URL", help="A CRL distribution point, for the server's certificate.")
    ] = None,
    ocsp_url: Annotated[
        str | None, typer.Option(metavar="URL", help="The URL of an OCSP responder, for the server's certificate.")
    ] = None,
    passphrase: Annotated[
        bool, typer.Option("--passphrase", help="Derive the master key from a passphrase instead of making a key file.")
    ] = False,
) -> None:
    """Make a server directory: configuration, certificate authority, server certificate, master key, database.

    The passphrase is asked for, or read from the first line of standard input. With KMIP_STORAGE__URL set, the
    database is made there.

    Examples:

      kmip-server init /var/lib/kmip

      kmip-server init /var/lib/kmip --host kms.example.org --host 192.0.2.7

      kmip-server init /var/lib/kmip --passphrase < passphrase.txt
    """
    directory = directory.absolute()
    refuse_initialised(directory)
    secret = ask_secret("Passphrase of the master key", twice=True) if passphrase else None
    if secret is not None and len(secret) < _LEAST_PASSPHRASE:
        raise CommandError(f"the passphrase needs {_LEAST_PASSPHRASE} characters at least")
    with progress("Making certificates, master key and database ..."), staged(directory) as stage:
        _fill(stage, host or [], crl_url, ocsp_url, secret)
    print(f"{directory} is ready.")
    print(f"  Configuration  {directory / 'server.toml'}")
    print(f"  Authority      {directory / 'pki' / 'ca-cert.pem'}")
    print(f"  Master key     {directory / 'master.key'}: keep a copy elsewhere, without it no key can be read")
    print(f"Add a client:      kmip-server client add {directory} NAME")
    print(f"Start the server:  kmip-server serve {directory}")


def _fill(stage: Path, hosts: list[str], crl_url: str | None, ocsp_url: str | None, passphrase: str | None) -> None:
    from kmip_server.cli.audit_heads import make_key
    from kmip_server.config import FILE_NAME, Settings, default_text
    from kmip_server.identity.pki import issue_server, make_authority, write_file

    text = default_text()
    if passphrase is not None:
        text = text.replace('provider = "file"      ', 'provider = "passphrase"')
    write_file(stage / FILE_NAME, text.encode())
    settings = Settings.load(stage)
    for folder in ("pki", "clients"):
        (stage / folder).mkdir(mode=0o700)
    authority = make_authority()
    server = issue_server(authority, hosts, crl_url=crl_url, ocsp_url=ocsp_url)
    for name, content in {
        "ca-cert.pem": authority.certificate_pem,
        "ca-key.pem": authority.key_pem,
        "server-cert.pem": server.certificate_pem,
        "server-key.pem": server.key_pem,
    }.items():
        write_file(stage / "pki" / name, content, 0o600 if "key" in name else 0o644)
    make_key(stage)
    _make_store(settings, passphrase)


def _make_store(settings: Settings, passphrase: str | None) -> None:
    from kmip_server.storage.master_key import create_key_file, create_passphrase
    from kmip_server.storage.store import Store

    file = settings.master_key.file
    key = create_key_file(file) if passphrase is None else create_passphrase(file, passphrase.encode())
    Store.create(settings.storage.url, key).close()
