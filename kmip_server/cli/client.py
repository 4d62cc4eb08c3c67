"""kmip-server client: make certificates for clients, revoke them, put them into quarantine, list them."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from console.output import CommandError, Json, ask_secret, print_json, print_table
from kmip_server.cli.accounts import Directory, Groups, checked_groups, checked_name
from kmip_server.cli.acting import Administration, administering

if TYPE_CHECKING:
    from kmip_server.config import Settings
    from kmip_server.identity.pki import Credentials

client = typer.Typer(help="Make certificates for clients, revoke, quarantine and list them.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The client's name, and the owner of what it creates.")]
Comment = Annotated[str, typer.Option("--comment", "-m", help="Why, for the record.")]

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
    from kmip_server.identity.pki import issue_client, load_credentials, write_file

    checked_name(name)
    groups = checked_groups(group)
    with administering(directory) as admin:
        settings = admin.settings
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
            _enter(admin, name, issued, groups)
    _report(name, folder, issued, password if p12 and not ask_password else None, as_json)


@client.command()
def revoke(directory: Directory, name: Name) -> None:
    """Revoke a client's certificate: its open connections end within a second, and it makes no new ones.

    What the client owns stays. A client that is added again under the same name owns it as before.
    """
    from kmip_server.storage.accounts import revoke_client

    with administering(directory) as admin:
        fingerprints = revoke_client(admin.database, name, admin.now, by=admin.by)
    for fingerprint in fingerprints:
        print(f"Revoked {name}, certificate {fingerprint}")


@client.command()
def quarantine(directory: Directory, name: Name, comment: Comment = "") -> None:
    """Refuse a client everything, from its very next request on, until it is released. What it owns stays.

    Example: kmip-server client quarantine /var/lib/kmip array7 -m "stolen from the rack?"
    """
    from kmip_server.storage.standing import quarantine_client

    with administering(directory) as admin:
        quarantine_client(admin.database, name, by=admin.by, now=admin.now, detail=comment)
    print(f"{name} is in quarantine")


@client.command()
def release(directory: Directory, name: Name, comment: Comment = "") -> None:
    """Let a client out of quarantine. What an automatic rule had against it counts no more."""
    from kmip_server.storage.standing import release_client

    with administering(directory) as admin:
        release_client(admin.database, name, by=admin.by, now=admin.now, detail=comment)
    print(f"{name} is released")


@client.command(name="list")
def list_all(directory: Directory, as_json: Json = False) -> None:
    """List every certificate ever made for a client here, revoked ones included, and who was seen with another one."""
    from kmip_server.cli.client_listing import COLUMNS, described, rows
    from kmip_server.storage.accounts import list_clients
    from kmip_server.storage.standing import list_standings

    with administering(directory) as admin:
        records, standings = list_clients(admin.database), list_standings(admin.database)
    if as_json:
        print_json(described(records, standings))
    else:
        colours = {"active": "green", "expired": "yellow", "revoked": "red", "quarantined": "yellow"}
        print_table(COLUMNS, rows(records, standings), colours)


@client.command()
def groups(directory: Directory, name: Name, group: Groups = None) -> None:
    """Replace a client's groups; without --group it is in none.

    Example: kmip-server client groups /var/lib/kmip array7 --group arrays --group archive
    """
    from kmip_server.storage.accounts import set_client_groups

    chosen = checked_groups(group)
    with administering(directory) as admin:
        set_client_groups(admin.database, name, chosen, by=admin.by, now=admin.now)
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


def _enter(admin: Administration, name: str, issued: Credentials, groups: frozenset[str]) -> None:
    from kmip_server.identity.certificate import fingerprint_of
    from kmip_server.storage.accounts import add_client

    certificate = issued.certificate
    add_client(
        admin.database,
        name=name,
        fingerprint=fingerprint_of(issued.certificate_der),
        serial=f"{certificate.serial_number:x}",
        not_after=int(certificate.not_valid_after_utc.timestamp()),
        now=admin.now,
        by=admin.by,
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
