"""dscc-node policy: the policy by which a node decides."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.output import Json, print_json, print_table, shown_time
from dscc.node.cli.opened import Folder, changing, looking

policy = typer.Typer(help="The policy of a node: give all nodes the same.", no_args_is_help=True)


@policy.command(name="import")
def import_policy(
    folder: Folder,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A policy in TOML.", exists=True, dir_okay=False)],
    comment: Annotated[str, typer.Option("--comment", "-m", help="Why, for the record.")] = "",
) -> None:
    """Make a policy the one in force, from the very next decision on.

    Example: dscc-node policy import /var/lib/dscc/n1 fleet.toml
    """
    from dscc.node.audit import Entry, record
    from policy import store
    from policy.documents import read_document

    read = read_document(file.read_text(encoding="utf-8"), str(file))
    with changing(folder) as (node, connection):
        version = store.put_in_force(connection, read, author=node.by, comment=comment, now=node.now)
        record(connection, Entry(node.now, node.by, "Policy", f"version {version.version}", "done", comment))
    print(f"version {version.version} of the policy is in force")


@policy.command()
def export(folder: Folder) -> None:
    """Print the policy in force, in TOML."""
    from policy import store

    with looking(folder) as (_, connection):
        found = store.current(connection)
    print("" if found is None else found.document, end="")


@policy.command()
def history(folder: Folder, as_json: Json = False) -> None:
    """List the versions of the policy."""
    from policy import store

    with looking(folder) as (_, connection):
        found = store.history(connection)
    if as_json:
        print_json(
            [{"version": one.version, "at": one.at, "author": one.author, "digest": one.digest} for one in found]
        )
    else:
        rows = [(str(one.version), shown_time(one.at), one.author, one.comment) for one in found]
        print_table(("Version", "Since", "By", "Comment"), rows)
