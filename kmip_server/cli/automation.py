"""kmip-server automation: what the automatic rules of the policy want, and doing it now."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer

from console.output import Json, moment, print_json, print_table
from kmip_server.cli.accounts import Directory
from kmip_server.cli.acting import administering

automation = typer.Typer(help="The automatic rules of the policy.", no_args_is_help=True)


@automation.callback()
def _group() -> None:
    """Keep `run` a command of its own."""


@automation.command()
def run(
    directory: Directory,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="As if it were then: 2026-11-01 or 2026-11-01T08:30 UTC.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    as_json: Json = False,
) -> None:
    """Do once what the automatic rules want now, all of it, and list it. A running server does so by itself.

    Exit code 1 if something was refused.

    Examples:

      kmip-server automation run /var/lib/kmip --dry-run

      kmip-server automation run /var/lib/kmip --dry-run --at 2027-03-01
    """
    from console import logs
    from kmip_server.automating.automation import DONE, WOULD_BE_DONE, Automation
    from kmip_server.cli.master_key import open_master_key
    from kmip_server.identity.directory import Directory as Known
    from kmip_server.opening import open_engine
    from kmip_server.storage.store import Store

    now = moment(at)
    with (
        administering(directory) as admin,
        closing(Store.open(admin.settings.storage.url, open_master_key(admin.settings))) as store,
    ):
        # What was done and refused is listed; the log is for faults.
        logs.configure(admin.settings.log.format, "error")
        engine, directories = open_engine(admin.settings, store)

        def newest() -> Known:
            directories.refresh()
            return directories.current

        looked = Automation(store, engine, newest).look(admin.now if now is None else now, dry_run=dry_run)
    if as_json:
        print_json([one._asdict() for one in looked])
    elif looked:
        columns = ("Rule", "Act", "About", "Why", "Outcome")
        print_table(columns, looked, {DONE: "green", WOULD_BE_DONE: "yellow"})
    else:
        print("Nothing is due")
    if any(one.outcome not in (DONE, WOULD_BE_DONE) for one in looked):
        raise typer.Exit(1)
