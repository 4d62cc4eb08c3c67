"""kmip-server import-pykmip: take over a PyKMIP server, so that its clients go on as they are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from console.output import CommandError, Json, print_json, printable
from kmip_server.cli.accounts import Directory
from kmip_server.cli.acting import Administration, administering

if TYPE_CHECKING:
    from kmip_server.cli.policy_files import OperationPolicies
    from kmip_server.storage.database import Database
    from kmip_server.takeover.pykmip_configuration import PyKmipConfiguration

_CLIENT_CA: Final = "client-ca.pem"


def import_pykmip(
    directory: Directory,
    config: Annotated[Path, typer.Option("--config", help="PyKMIP's server.conf.", dir_okay=False)],
    database: Annotated[
        Path | None, typer.Option("--database", help="PyKMIP's database, if server.conf does not say where it is.")
    ] = None,
    skip_unsupported: Annotated[
        bool, typer.Option("--skip-unsupported", help="Leave out objects that cannot be managed here (split keys).")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be taken over, and change nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Take over a PyKMIP server (0.10 or 0.11): its settings, its operation policies, and every object.

    DIR is made if it is not there yet. Objects keep their Unique Identifiers, names, owners and states; all are taken
    over, or none. PyKMIP's files are only read. Its clients connect with the certificates that they have.

    Example: kmip-server import-pykmip /var/lib/kmip --config /etc/pykmip/server.conf
    """
    from kmip_server.takeover.pykmip_configuration import read_configuration
    from kmip_server.takeover.pykmip_database import PyKmipDatabase, UnsupportedObject

    configuration = read_configuration(config)
    tables = _operation_policies(configuration)
    source = PyKmipDatabase(database or configuration.database)
    try:
        unsupported = [str(found) for found in source.objects() if isinstance(found, UnsupportedObject)]
        if unsupported and not skip_unsupported and not dry_run:
            raise CommandError(
                "\n  ".join(
                    [
                        f"{len(unsupported)} objects cannot be taken over (leave them out: --skip-unsupported):",
                        *unsupported,
                    ]
                )
            )
        if dry_run:
            counts = Counter(
                found.object_type.title for found in source.objects() if not isinstance(found, UnsupportedObject)
            )
        else:
            _make(directory)
            with administering(directory) as admin:
                counts = _objects(admin, source, tables)
                _configure(directory, configuration)
    finally:
        source.close()
    _report(sorted(tables), counts, [*unsupported, *configuration.left_out], dry_run=dry_run, as_json=as_json)
    if unsupported:
        raise typer.Exit(1)


def _make(directory: Path) -> None:
    """Make the server directory if it is not there yet."""
    from kmip_server.cli.init import init
    from kmip_server.config import FILE_NAME

    if not (directory / FILE_NAME).exists():
        init(directory)


def _configure(directory: Path, configuration: PyKmipConfiguration) -> None:
    """Give the server directory PyKMIP's settings and certificates."""
    from kmip_server.config import FILE_NAME, Settings
    from kmip_server.identity.pki import write_file

    pki = directory / "pki"
    changes: dict[tuple[str, str], object] = {
        ("tls", "require_client_auth_usage"): configuration.require_client_auth_usage,
    }
    if configuration.host is not None:
        changes["server", "host"] = configuration.host
    if configuration.port is not None:
        changes["server", "kmip_port"] = configuration.port
    if configuration.log_level is not None:
        changes["log", "level"] = configuration.log_level
    for source, name, key, mode in (
        (configuration.certificate, "pykmip-server-cert.pem", "certificate", 0o644),
        (configuration.key, "pykmip-server-key.pem", "key", 0o600),
    ):
        if source is not None:
            _replace(pki / name, source.read_bytes(), mode)
            changes["tls", key] = f"pki/{name}"
    if configuration.client_ca is not None:
        authorities = configuration.client_ca.read_bytes().rstrip() + b"\n" + (pki / "ca-cert.pem").read_bytes()
        _replace(pki / _CLIENT_CA, authorities, 0o644)
        changes["tls", "client_ca"] = f"pki/{_CLIENT_CA}"
    file = directory / FILE_NAME
    edited = _edit(file.read_text(encoding="utf-8"), changes)
    before = file.read_bytes()
    file.unlink()
    write_file(file, edited.encode())
    try:
        Settings.load(directory)
    except Exception:
        file.unlink()
        write_file(file, before)
        raise


def _operation_policies(configuration: PyKmipConfiguration) -> OperationPolicies:
    """PyKMIP's operation policies, without the names that it ignores in files, as they are built in."""
    from policy.operation_policies import BUILT_IN, read_policies

    return read_policies(configuration.policies, ignored=frozenset(BUILT_IN))


def _refuse_others(database: Database, tables: OperationPolicies) -> None:
    """Raise CommandError if the policy in force has an operation policy of the same name that says something else."""
    from kmip_server.storage.accounts import read_policy

    known = read_policy(database).operation_policies
    other = sorted(name for name, table in tables.items() if known.get(name, table) != table)
    if other:
        raise CommandError(
            f"the policy in force has other operation policies of the same names: {', '.join(other)}; rename those in"
            " PyKMIP's files; nothing was taken over"
        )


def _replace(file: Path, content: bytes, mode: int) -> None:
    from kmip_server.identity.pki import write_file

    file.unlink(missing_ok=True)
    write_file(file, content, mode)


def _edit(text: str, changes: dict[tuple[str, str], object]) -> str:
    """The text of server.toml with other values; its comments stay. A key that is not there is added to its table."""
    for (table, key), value in changes.items():
        literal = (
            str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, int) else f'"{value}"'
        )
        head, mark, rest = text.partition(f"[{table}]\n")
        if not mark:
            text = f"{text.rstrip()}\n\n[{table}]\n{key} = {literal}\n"
            continue
        body, bracket, tail = re.match(r"(?s)(.*?)(\n\[|\Z)(.*)", rest).groups()  # type: ignore[union-attr]
        line = re.compile(rf"(?m)^#?\s*{key}\s*=\s*(\"[^\"]*\"|[^\s#]+)")
        body = line.sub(f"{key} = {literal}", body, count=1) if line.search(body) else f"{key} = {literal}\n{body}"
        text = head + mark + body + bracket + tail
    return text


def _objects(admin: Administration, source: Any, tables: OperationPolicies) -> Counter[str]:
    """Store all objects in one transaction, then put their operation policies into the policy in force."""
    from kmip_server.cli.master_key import open_master_key
    from kmip_server.cli.policy_files import add_operation_policies
    from kmip_server.operations.services import Services
    from kmip_server.storage.port import AuditEntry
    from kmip_server.storage.store import Store
    from kmip_server.takeover.objects import AlreadyTaken, take_over
    from policy.compiling import Ruling
    from policy.model import Policy

    settings = admin.settings
    _refuse_others(admin.database, tables)
    services = Services(
        ruling=Ruling(Policy(operation_policies=tables)), legacy_algorithms=settings.policy.legacy_algorithms
    )
    store = Store.open(settings.storage.url, open_master_key(settings))
    counts: Counter[str] = Counter()
    try:
        with store.unit(writes=True) as unit:
            for found in _with_progress(source):
                take_over(unit, services, found, admin.now)
                counts[found.object_type.title] += 1
            detail = f"{counts.total()} objects of a PyKMIP server"
            unit.audit(AuditEntry(admin.now, admin.by, "Take Over", None, "succeeded", detail))
    except AlreadyTaken as taken:
        raise CommandError(f"{taken}; nothing was taken over") from None
    finally:
        store.close()
    add_operation_policies(admin.database, tables, "taken over from PyKMIP", by=admin.by, now=admin.now)
    return counts


def _with_progress(source: Any) -> Iterator[Any]:
    """The objects that can be managed here, with a bar on standard error."""
    from rich.console import Console
    from rich.progress import track

    from kmip_server.takeover.pykmip_database import UnsupportedObject

    console = Console(stderr=True)
    for found in track(
        source.objects(), "Taking over objects", total=source.count(), console=console, disable=not console.is_terminal
    ):
        if not isinstance(found, UnsupportedObject):
            yield found


def _report(policies: list[str], counts: Counter[str], left_out: list[str], *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "dry_run": dry_run,
                "objects": dict(counts),
                "policies": policies,
                "not_taken_over": left_out,
            }
        )
        return
    print("Would take over:" if dry_run else "Taken over:")
    for title, count in sorted(counts.items()):
        print(f"  {count:6} {title}")
    print(f"  {len(policies):6} operation policies{': ' + ', '.join(map(printable, policies)) if policies else ''}")
    for reason in left_out:
        print(f"Not taken over: {printable(reason)}")
