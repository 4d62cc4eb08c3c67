"""What `kmip-server doctor` looks at: each check answers with findings, and changes nothing."""

from __future__ import annotations

import ipaddress
import resource
import socket
import ssl
import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from console.output import CommandError
from kmip_server.cli.gateway_settings import wrong_with_etsi014, wrong_with_gateway
from kmip_server.cli.master_key import PASSPHRASE_MODE, open_master_key
from kmip_server.config import Settings
from kmip_server.identity.pki import PkiError, load_certificates
from kmip_server.storage import schema
from kmip_server.storage.accounts import ClientRecord, list_clients, read_policy
from kmip_server.storage.database import Database, UnsafeDatabaseError
from kmip_server.storage.master_key import MasterKeyError
from kmip_server.storage.port import StorageUnavailable
from kmip_server.storage.schema import REVISION
from kmip_server.storage.store import Store
from policy.compiling import Ruling
from policy.model import PolicyError

SOON: Final = timedelta(days=30)
_CONNECT_SECONDS: Final = 3.0
_CLOCK_SKEW_SECONDS: Final = 60
_OWN_FILES: Final = 100
"""Files a process opens beside its connections."""

_WILDCARDS: Final = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 -- compared with, not listened on


class Outcome(Enum):
    """How a check ended. Only FAIL keeps a server from working as promised."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's table: what was looked at, how it is, and what to do about it."""

    subject: str
    outcome: Outcome
    detail: str


def _ok(subject: str, detail: str) -> Finding:
    return Finding(subject, Outcome.OK, detail)


def _warn(subject: str, detail: str) -> Finding:
    return Finding(subject, Outcome.WARN, detail)


def _fail(subject: str, detail: str) -> Finding:
    return Finding(subject, Outcome.FAIL, detail)


def examine(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Everything the doctor looks at, in the order of its table."""
    yield from check_file_modes(settings)
    yield from check_server_certificate(settings, now)
    yield from check_store(settings, now)
    yield from check_open_files(settings)
    yield from check_listeners(settings)
    yield from check_gateway(settings)


def check_file_modes(settings: Settings) -> Iterator[Finding]:
    """Nobody but the server's user may read keys or the database, or write the configuration."""
    directory = settings.directory
    secret = [settings.tls.key, settings.master_key.file, directory / "pki" / "ca-key.pem"]
    secret += sorted(directory.glob("clients/*/key.pem"))
    if settings.storage.url.startswith("sqlite:///"):
        database = Path(settings.storage.url.removeprefix("sqlite:///"))
        secret += [database.with_name(database.name + suffix) for suffix in ("", "-wal", "-shm")]
    open_to_others = [path for path in secret if _allows(path, 0o077)]
    passphrases = (settings.tls.key_passphrase_file, settings.master_key.passphrase_file)
    open_to_others += [path for path in passphrases if path is not None and _allows(path, PASSPHRASE_MODE)]
    for path in open_to_others:
        mode = stat.S_IMODE(path.stat().st_mode)
        yield _fail("file modes", f"{path} has mode {mode:04o}, others can read it: chmod 600 it")
    for path in (directory, directory / "server.toml"):
        if _allows(path, 0o022):
            yield _fail("file modes", f"{path} can be written by others: chmod go-w it")
    if not open_to_others:
        yield _ok("file modes", "keys and database are for the server's user only")


def _allows(path: Path, mode: int) -> bool:
    return path.exists() and bool(stat.S_IMODE(path.stat().st_mode) & mode)


def check_server_certificate(settings: Settings, now: datetime) -> Iterator[Finding]:
    """The server's certificate: readable, valid, for a server, for this host, with its key, from its issuer."""
    subject = "server certificate"
    try:
        certificate, *intermediates = load_certificates(settings.tls.certificate)
    except PkiError as error:
        yield _fail(subject, str(error))
        return
    yield _validity(subject, certificate, now)
    yield _usage(subject, certificate)
    yield _host(subject, certificate, settings.server.host)
    yield _key(settings, certificate)
    try:
        authorities = load_certificates(settings.tls.client_ca)
    except PkiError as error:
        yield _fail("client authority", str(error))
        return
    yield _issuer(subject, certificate, [*intermediates, *authorities])
    for authority in authorities:
        yield _validity("client authority", authority, now)
        if not _is_authority(authority):
            yield _fail("client authority", "the certificate is not an authority's: it can issue no client")


def check_store(settings: Settings, now: datetime) -> Iterator[Finding]:
    """The database can be used as promised, the master key opens it, and its policy and its records can be used."""
    subject = "database"
    try:
        database = Database(settings.storage.url)
        database.check_file()
        database.check_schema()
        records = list_clients(database)
        latest = _latest_record(database)
    except (UnsafeDatabaseError, StorageUnavailable, SQLAlchemyError) as error:
        yield _fail(subject, str(error).partition("\n")[0])
        return
    kind = f"SQLite, {database.path}" if database.sqlite else "PostgreSQL"
    yield _ok(subject, f"{kind}: durable settings, schema {REVISION}")
    yield _master_key(settings, database)
    yield _policy(database)
    yield _clock(latest, now)
    yield _clients(records, now)
    database.close()


def check_open_files(settings: Settings) -> Iterator[Finding]:
    """The system lets a process hold as many connections as the configuration allows."""
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    needed = settings.limits.connections + _OWN_FILES
    if allowed in (resource.RLIM_INFINITY, -1) or allowed >= needed:
        yield _ok("open files", f"{needed} needed at most")
    else:
        yield _warn("open files", f"{needed} needed at most, {allowed} allowed: raise the hard limit (ulimit -Hn)")


def check_listeners(settings: Settings) -> Iterator[Finding]:
    """Each port is free, or this server answers on it with the configured certificate."""
    ports = {"KMIP port": settings.server.kmip_port}
    if settings.server.https:
        ports["HTTPS port"] = settings.server.https_port
    for subject, port in ports.items():
        yield _ok(subject, "0 picks a free one") if port == 0 else _listener(settings, subject, port)


def check_gateway(settings: Settings) -> Iterator[Finding]:
    """What the gateway to other sites needs to run, if there is to be one."""
    if not settings.dscc.enabled:
        return
    wrong = wrong_with_gateway(settings) + wrong_with_etsi014(settings)
    yield from (_fail("gateway", each) for each in wrong)
    if not wrong:
        others = ", ".join(settings.dscc.peers) or "no other site yet"
        yield _ok("gateway", f"has a device, and knows {others}; `kmip-server gateway status` asks it")


def _latest_record(database: Database) -> int | None:
    table = schema.audit.c
    with database.reading() as connection:
        latest: int | None = connection.execute(select(table.at).order_by(table.sequence.desc()).limit(1)).scalar()
        return latest


def _master_key(settings: Settings, database: Database) -> Finding:
    subject = "master key"
    if settings.master_key.provider == "passphrase" and settings.master_key.passphrase_file is None:
        return _warn(subject, "its passphrase is asked for at every start, and was not asked for now")
    try:
        Store.open(settings.storage.url, open_master_key(settings)).close()
    except (CommandError, MasterKeyError, StorageUnavailable) as error:
        return _fail(subject, str(error))
    except OSError as error:
        return _fail(subject, f"{error.filename}: {error.strerror}")
    return _ok(subject, "opens this database")


def _policy(database: Database) -> Finding:
    try:
        policy = read_policy(database)
        rules = len(Ruling(policy).rules.rules)
    except PolicyError as error:
        return _fail("policy", f"{error}; every request is refused until another is put in force")
    return _ok("policy", f"{rules} rules, with those that are built in")


def _clock(latest: int | None, now: datetime) -> Finding:
    """The system's clock against what this server has seen; the certificates say the rest."""
    if latest is not None and latest > now.timestamp() + _CLOCK_SKEW_SECONDS:
        seen = datetime.fromtimestamp(latest, UTC)
        return _fail("clock", f"it is {now:%Y-%m-%d %H:%M} UTC, but the audit log ends at {seen:%Y-%m-%d %H:%M} UTC")
    return _ok("clock", f"{now:%Y-%m-%d %H:%M} UTC, later than anything on record")


def _clients(records: list[ClientRecord], now: datetime) -> Finding:
    active = [record for record in records if record.revoked_at is None]
    ending = [record for record in active if record.not_after < (now + SOON).timestamp()]
    if not ending:
        return _ok("client certificates", f"{len(active)} in force")
    names = ", ".join(f"{record.name} ({datetime.fromtimestamp(record.not_after, UTC):%Y-%m-%d})" for record in ending)
    return _warn("client certificates", f"expired or about to: {names}")


def _listener(settings: Settings, subject: str, port: int) -> Finding:
    host = settings.server.host
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 -- compared with, not listened on
    try:
        connection = socket.create_connection((reachable, port), timeout=_CONNECT_SECONDS)
    except OSError:
        return _bindable(subject, host, port)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The certificate is compared with the file below, and a diagnosis has to see a bad one, too.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        with closing(connection), context.wrap_socket(connection) as tls:
            shown, version, suite = tls.getpeercert(binary_form=True), tls.version(), tls.cipher()
    except (OSError, ssl.SSLError):
        return _fail(subject, f"port {port} is taken by something that does not speak TLS 1.3")
    try:
        configured = load_certificates(settings.tls.certificate)[0].public_bytes(Encoding.DER)
    except PkiError:
        configured = None
    if shown != configured:
        return _warn(subject, f"port {port} answers with another certificate: another server, or one to be restarted")
    return _ok(subject, f"this server answers on port {port}: {version}, {suite[0] if suite else 'no suite'}")


def _bindable(subject: str, host: str, port: int) -> Finding:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((host, port))
    except OSError as error:
        return _fail(subject, f"{host}:{port} cannot be listened on: {error.strerror or error}")
    return _ok(subject, f"port {port} is free, no server is running")


def _validity(subject: str, certificate: x509.Certificate, now: datetime) -> Finding:
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < start:
        return _fail(subject, f"is valid from {start:%Y-%m-%d} only: is the clock right?")
    if now > end:
        return _fail(subject, f"expired on {end:%Y-%m-%d}")
    left = f"until {end:%Y-%m-%d} ({(end - now).days} days)"
    return _warn(subject, f"expires soon: valid {left}") if end - now < SOON else _ok(subject, f"valid {left}")


def _usage(subject: str, certificate: x509.Certificate) -> Finding:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return _warn(subject, "has no extended key usage; some clients want serverAuth")
    if ExtendedKeyUsageOID.SERVER_AUTH not in usage:
        return _fail(subject, "has an extended key usage without serverAuth: clients will refuse it")
    return _ok(subject, "is for a server (serverAuth)")


def _host(subject: str, certificate: x509.Certificate, host: str) -> Finding:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return _fail(subject, "has no subject alternative name: clients that check the host name will refuse it")
    addresses = names.get_values_for_type(x509.IPAddress)
    dns_names = names.get_values_for_type(x509.DNSName)
    shown = ", ".join([*dns_names, *map(str, addresses)])
    if host in _WILDCARDS:
        local_only = all(address.is_loopback for address in addresses if not isinstance(address, _NETWORKS))
        if local_only and set(dns_names) <= {"localhost"}:
            return _warn(subject, f"names this machine only ({shown}), but the server listens on every interface")
        return _ok(subject, f"names {shown}")
    if host in dns_names or host in map(str, addresses):
        return _ok(subject, f"names {shown}")
    return _warn(subject, f"names {shown}, but not {host}: clients that check the host name will refuse it")


def _key(settings: Settings, certificate: x509.Certificate) -> Finding:
    subject, file = "server key", settings.tls.key_passphrase_file
    try:
        passphrase = file.read_bytes().rstrip(b"\r\n") if file else None
        key = load_pem_private_key(settings.tls.key.read_bytes(), passphrase)
    except OSError as error:
        return _fail(subject, f"{error.filename}: {error.strerror}")
    except (ValueError, TypeError):
        return _fail(subject, f"{settings.tls.key}: is no PEM key, or its passphrase is wrong or missing")
    if key.public_key() != certificate.public_key():
        return _fail(subject, f"{settings.tls.key} does not belong to {settings.tls.certificate}")
    return _ok(subject, "belongs to the certificate")


def _issuer(subject: str, certificate: x509.Certificate, candidates: list[x509.Certificate]) -> Finding:
    for issuer in candidates:
        try:
            certificate.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            continue
        return _ok(subject, f"was issued by {issuer.subject.rfc4514_string()}")
    return _warn(subject, "was issued by another authority than the clients': clients need that one")


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


_NETWORKS: Final = (ipaddress.IPv4Network, ipaddress.IPv6Network)
