"""kmip-server restore: a server directory out of a backup."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from console.output import CommandError, Json, print_json, progress
from kmip_server.cli.accounts import open_database
from kmip_server.cli.acting import account
from kmip_server.cli.backup import File
from kmip_server.cli.staging import refuse_initialised, staged


def restore(
    file: File,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The server directory to make.")],
    as_json: Json = False,
) -> None:
    """Make a server directory out of a backup. The backup is verified first, and nothing that exists is overwritten.

    A PostgreSQL database must be empty; KMIP_STORAGE__URL restores into another one than the backup came from. A backup
    of an older version is brought up to date with its master key; KMIP_MASTER_KEY__FILE says where that is, if it is
    not in the backup.

    Example: kmip-server restore /backup/kmip-monday /var/lib/kmip
    """
    from kmip_server.cli.master_key import open_master_key
    from kmip_server.cli.policy_files import OUT_OF_FILES, add_operation_policies, without_retired_setting
    from kmip_server.config import Settings
    from kmip_server.storage.backup import open_backup

    directory = directory.absolute()
    refuse_initialised(directory)
    with progress("Verifying and restoring ..."), open_backup(file) as opened, staged(directory) as stage:
        opened.restore_files(stage)
        with without_retired_setting(stage) as tables:
            settings = Settings.load(stage)
            master_key = settings.master_key.file
            needs_master_key = not master_key.exists()
            if needs_master_key and not opened.current:
                raise CommandError(
                    "the backup is of an older version, so that its keys have to be wrapped anew, and has no master"
                    " key: say in KMIP_MASTER_KEY__FILE where it is"
                )
            by, opening = account(stage).name, None if opened.current else open_master_key(settings)
            opened.restore_store(settings.storage.url, opening, by=by)
            with open_database(settings.storage.url) as database:
                add_operation_policies(database, tables, OUT_OF_FILES, by=by, now=int(time.time()))
        (stage / "clients").mkdir(mode=0o700, exist_ok=True)
    facts = opened.facts
    if as_json:
        print_json({"directory": str(directory), "needs_master_key": needs_master_key, **asdict(facts)})
        return
    made = datetime.fromtimestamp(facts.created_at, UTC)
    print(f"{directory} is as it was on {made:%Y-%m-%d %H:%M:%S} UTC, up to audit record {facts.audit_sequence}:")
    print(f"  {facts.objects} objects. What happened later is not in it: keys destroyed since are back.")
    if needs_master_key:
        where = directory / master_key.relative_to(stage) if master_key.is_relative_to(stage) else master_key
        print(f"  The master key is not in the backup: put it at {where}, mode 0600")
