"""kmip-server client: make certificates for clients, revoke them, list them."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kmip_server.cli.accounts import Directory, Groups, checked_groups, checked_name, open_database
from kmip_server.cli.output import CommandError, Json, ask_secret, print_json, print_table

if TYPE_CHECKING:
    from kmip_server.config import Settings
    from kmip_server.identity.pki import Credentials
    from kmip_server.storage.accounts import ClientRecord

client = typer.Typer(help="Make certificates for clients, revoke them, list them.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The client's name, and the owner of what it creates.")]

_BUNDLE: Final = "client.p12"
_PYKMIP_CONF: Final = """\
[client]
host={host}
port={port}
certfile={folder}/cert.pem
keyfile={folder}/key.pem
ca_certs={folder}/ca.pem
cert_reqs=CERT_REQUIRED
ssl_version=PROTOCOL_SSLv23
do_handshake_on_connect=True
suppress_ragged_eofs=True
"""
_REACHED_BY: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- replaced, not listened on


@client.command()
def add(
    directory: Directory,
    name: Name,
    group: Groups = None,
    days: Annotated[int, typer.Option(min=1, max=36500, help="How long the certificate is valid.")] = 825,
    rsa: Annotated[bool, typer.Option("--rsa", help="An RSA key, for appliances that take no EC key.")] = False,
    p12: Annotated[
        bool, typer.Option("--p12", help="Also a PKCS#12 bundle; its password is printed once and kept nowhere.")
    ] = False,
    ask_password: Annotated[
        bool, typer.Option("--ask-password", help="Ask for the bundle's password instead of making one.")
    ] = False,
    server: Annotated[str | None, typer.Option(help="The server's name or address in pykmip.conf.")] = None,
    as_json: Json = False,
) -> None:
    """Make a certificate and key for a client in DIR/clients/NAME, with the authority and a pykmip.conf.

    A running server knows the client within a second.

    Examples:

      kmip-server client add /var/lib/kmip backup

      kmip-server client add /var/lib/kmip array7 --group arrays --rsa --p12
    """
    from kmip_server.config import Settings
    from kmip_server.identity.pki import issue_client, load_credentials, write_file

    checked_name(name)
    groups = checked_groups(group)
    settings = Settings.load(directory)
    pki = settings.directory / "pki"
    authority = load_credentials(pki / "ca-cert.pem", pki / "ca-key.pem")
    issued = issue_client(authority, name, days, use_rsa=rsa, principal=settings.tls.principal)
    password = None
    if p12 or ask_password:
        password = ask_secret("Password of the bundle", twice=True) if ask_password else secrets.token_urlsafe(15)
    folder = settings.directory / "clients" / name
    with _staged(folder) as stage:
        _write_files(stage, name, issued, authority, password)
        _trust(stage / "ca.pem", settings, authority)
        write_file(stage / "pykmip.conf", _conf(settings, folder, server).encode(), 0o644)
        _record(settings, name, issued, groups)
    _report(name, folder, issued, password if p12 and not ask_password else None, as_json)


@client.command()
def revoke(directory: Directory, name: Name) -> None:
    """Revoke a client's certificate: its open connections end within a second, and it makes no new ones.

    What the client owns stays. A client that is added again under the same name owns it as before.
    """
    import getpass

    from kmip_server.config import Settings
    from kmip_server.storage.accounts import revoke_client

    settings = Settings.load(directory)
    with open_database(settings.storage.url) as database:
        fingerprints = revoke_client(database, name, int(time.time()), by=getpass.getuser())
    for fingerprint in fingerprints:
        print(f"Revoked {name}, certificate {fingerprint}")


@client.command(name="list")
def list_all(directory: Directory, as_json: Json = False) -> None:
    """List every certificate ever made for a client here, revoked ones included."""
    from kmip_server.config import Settings
    from kmip_server.storage.accounts import list_clients

    settings = Settings.load(directory)
    with open_database(settings.storage.url) as database:
        records = list_clients(database)
    if as_json:
        print_json([_document(record) for record in records])
        return
    rows = (
        (record.name, _state(record), _day(record.not_after), ", ".join(sorted(record.groups)), record.fingerprint[:16])
        for record in records
    )
    colours = {"active": "green", "expired": "yellow", "revoked": "red"}
    print_table(("Name", "State", "Valid until", "Groups", "Fingerprint"), rows, colours)


@client.command()
def groups(directory: Directory, name: Name, group: Groups = None) -> None:
    """Replace a client's groups; without --group it is in none.

    Example: kmip-server client groups /var/lib/kmip array7 --group arrays --group archive
    """
    from kmip_server.config import Settings
    from kmip_server.storage.accounts import set_client_groups

    settings = Settings.load(directory)
    chosen = checked_groups(group)
    with open_database(settings.storage.url) as database:
        set_client_groups(database, name, chosen)
    print(f"{name} is in {', '.join(sorted(chosen)) or 'no group'}")


def _conf(settings: Settings, folder: Path, server: str | None) -> str:
    """PyKMIP reads the file with interpolation, where % has to be doubled."""
    host = server or _REACHED_BY.get(settings.server.host, settings.server.host)
    escaped = str(folder).replace("%", "%%")
    return _PYKMIP_CONF.format(host=host, port=settings.server.kmip_port or 5696, folder=escaped)


@contextmanager
def _staged(folder: Path) -> Iterator[Path]:
    """A new folder that takes the place of `folder` at the end, or vanishes if anything fails."""
    if folder.is_symlink():
        raise CommandError(f"{folder} is a link: remove it first")
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield stage
        if folder.exists():
            shutil.rmtree(folder)
        stage.rename(folder)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _trust(file: Path, settings: Settings, authority: Credentials) -> None:
    """The authorities that the client trusts: this server's own, and one that a server it took over came with."""
    from kmip_server.identity.pki import write_file

    trusted = settings.tls.client_ca.read_bytes()
    own = authority.certificate_pem
    write_file(file, trusted if own.strip() in trusted else own + trusted, 0o644)


def _write_files(stage: Path, name: str, issued: Credentials, authority: Credentials, password: str | None) -> None:
    from kmip_server.identity.pki import pkcs12_bundle, write_file

    write_file(stage / "cert.pem", issued.certificate_pem, 0o644)
    write_file(stage / "key.pem", issued.key_pem)
    if password is not None:
        write_file(stage / _BUNDLE, pkcs12_bundle(issued, authority.certificate, name, password.encode()))


def _record(settings: Settings, name: str, issued: Credentials, groups: frozenset[str]) -> None:
    from kmip_server.identity.certificate import fingerprint_of
    from kmip_server.storage.accounts import add_client

    certificate = issued.certificate
    with open_database(settings.storage.url) as database:
        add_client(
            database,
            name=name,
            fingerprint=fingerprint_of(issued.certificate_der),
            serial=f"{certificate.serial_number:x}",
            not_after=int(certificate.not_valid_after_utc.timestamp()),
            now=int(time.time()),
            groups=groups,
        )


def _report(name: str, folder: Path, issued: Credentials, password: str | None, as_json: bool) -> None:
    from kmip_server.identity.certificate import fingerprint_of

    if as_json:
        document = {
            "name": name,
            "folder": str(folder),
            "fingerprint": fingerprint_of(issued.certificate_der),
            "valid_until": issued.certificate.not_valid_after_utc.isoformat(),
        }
        print_json(document if password is None else {**document, "bundle_password": password})
        return
    print(f"{name} is ready, valid until {issued.certificate.not_valid_after_utc:%Y-%m-%d}.")
    print(f"  {folder}/cert.pem, key.pem, ca.pem   for any KMIP client")
    print(f"  {folder}/pykmip.conf   for PyKMIP")
    if (folder / _BUNDLE).exists():
        print(f"  {folder / _BUNDLE}   for appliances")
    if password is not None:
        print(f"  Password of the bundle, shown this once: {password}")


def _document(record: ClientRecord) -> dict[str, object]:
    return {
        "name": record.name,
        "state": _state(record),
        "groups": sorted(record.groups),
        "fingerprint": record.fingerprint,
        "serial": record.serial,
        "valid_until": datetime.fromtimestamp(record.not_after, UTC).isoformat(),
        "created_at": datetime.fromtimestamp(record.created_at, UTC).isoformat(),
        "revoked_at": datetime.fromtimestamp(record.revoked_at, UTC).isoformat() if record.revoked_at else None,
    }


def _state(record: ClientRecord) -> str:
    if record.revoked_at is not None:
        return "revoked"
    return "expired" if record.not_after < time.time() else "active"


def _day(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d}"
