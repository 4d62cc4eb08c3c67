"""kmip-server backup: a server directory and its store in one file, while the server runs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.output import Json, print_json, progress
from kmip_server.cli.accounts import Directory
from kmip_server.cli.acting import administering

if TYPE_CHECKING:
    from kmip_server.config import Settings

File = Annotated[Path, typer.Argument(metavar="FILE", help="The backup file.")]


def backup(
    directory: Directory,
    file: File,
    without_master_key: Annotated[
        bool,
        typer.Option("--without-master-key", help="Leave out the master key and its passphrase; keep them elsewhere."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Write a consistent backup of the store and of everything else in DIR to a new file. The server may run.

    The keys in it are sealed, as they are in the store. Unless it is left out, the master key is beside them: keep the
    file as safe as that key. Files outside DIR are not in it.

    Examples:

      kmip-server backup /var/lib/kmip /backup/kmip-monday

      kmip-server backup /var/lib/kmip /backup/kmip-monday --without-master-key
    """
    from kmip_server.storage.backup import backup as back_up

    target = file.absolute()
    with administering(directory) as admin, progress("Copying the store ..."):
        settings = admin.settings
        files = _files(settings, target, with_master_key=not without_master_key)
        facts = back_up(settings.storage.url, target, files, by=admin.by)
    if as_json:
        print_json({"file": str(target), **asdict(facts)})
        return
    print(f"{target}: {facts.objects} objects, {facts.audit_sequence} audit records, {len(facts.files)} other files")
    if without_master_key:
        print("It is of no use without the master key, which is not in it.")
    elif settings.master_key.provider == "file":
        print("It holds the master key: whoever has the file can read every key.")


def _files(settings: Settings, target: Path, *, with_master_key: bool) -> dict[str, Path]:
    """Every regular file of the server directory by its name in the backup, the database and hidden files excepted."""
    left_out = {target}
    if settings.storage.url.startswith("sqlite:///"):
        database = settings.storage.url.removeprefix("sqlite:///")
        left_out |= {Path(database + suffix) for suffix in ("", "-wal", "-shm")}
    if not with_master_key:
        left_out |= {path for path in (settings.master_key.file, settings.master_key.passphrase_file) if path}
    names = {path: path.relative_to(settings.directory) for path in sorted(settings.directory.rglob("*"))}
    return {
        str(name): path
        for path, name in names.items()
        if path not in left_out
        and not any(part.startswith(".") for part in name.parts)
        and path.is_file()
        and not path.is_symlink()
    }
