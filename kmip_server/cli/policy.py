"""kmip-server policy: who may do what, as a document in versions; every change holds for the next request."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from console.output import CommandError, Json, print_json, print_table, shown_time
from kmip_server.cli.accounts import Directory
from kmip_server.cli.acting import administering

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from policy.decision import Step
    from policy.model import Policy
    from policy.store import Version

_T = TypeVar("_T")

policy = typer.Typer(help="Who may do what: rules in versions, in force at once.", no_args_is_help=True)

Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="TOML documents, or PyKMIP's JSON files.")]
Comment = Annotated[str, typer.Option("--comment", "-m", help="Why, for the history.")]
Number = Annotated[int | None, typer.Option("--version", help="A version of the history, not the one in force.")]


@policy.command()
def export(
    directory: Directory,
    version: Number = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file.")] = None,
) -> None:
    """Write the policy as a TOML document, to be edited and imported again.

    Example: kmip-server policy export /var/lib/kmip -o policy.toml
    """
    document = _document(directory, version)
    if output is None:
        sys.stdout.write(document)
    else:
        output.write_text(document, encoding="utf-8")
        print(f"Written to {output}")


@policy.command(name="import")
def import_(directory: Directory, files: Files, comment: Comment = "") -> None:
    """Put a policy in force: the very next request is decided by it, on every worker.

    A TOML document replaces the whole policy. PyKMIP's JSON files add operation policies to it, in the place of those
    of the same names.

    Examples:

      kmip-server policy import /var/lib/kmip policy.toml -m "arrays share their keys"

      kmip-server policy import /var/lib/kmip team.json
    """
    from kmip_server.cli.policy_files import policy_of, with_operation_policies
    from policy.documents import read_document
    from policy.operation_policies import read_policies

    documents = [file for file in files if file.suffix == ".toml"]
    if len(documents) > 1:
        raise CommandError("one TOML document is the whole policy: give one")
    tables = read_policies([file for file in files if file.suffix != ".toml"])
    whole = read_document(_text(documents[0]), str(documents[0])) if documents else None
    _put_in_force(directory, comment, lambda now: with_operation_policies(whole or policy_of(now), tables))


@policy.command()
def diff(
    directory: Directory,
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="A TOML document.")] = None,
    old: Annotated[int | None, typer.Option("--from", help="A version of the history.")] = None,
    new: Annotated[int | None, typer.Option("--to", help="Another; the one in force if not given.")] = None,
) -> None:
    """Show what changes: from the policy in force to a file, or between two versions. Exit code 1 if anything does.

    Example: kmip-server policy diff /var/lib/kmip policy.toml
    """
    from policy.documents import read_document, write_document
    from policy.store import difference

    if (file is None) == (old is None):
        raise CommandError("give a FILE, or a version with --from")
    before = _document(directory, old)
    after = _document(directory, new) if file is None else write_document(read_document(_text(file), str(file)))
    titles = (_title(old), _title(new) if file is None else str(file))
    lines = difference(before, after, titles)
    for line in lines:
        print(line)
    if lines:
        raise typer.Exit(1)
    print("Nothing changes")


@policy.command()
def history(directory: Directory, as_json: Json = False) -> None:
    """List the versions that were ever in force, the newest first."""
    from policy import store

    versions = _read(directory, store.history)
    rows = [(str(one.version), shown_time(one.at), one.author, one.comment, one.digest[:12]) for one in versions]
    if as_json:
        names = ("version", "at", "author", "comment", "digest")
        print_json([{name: getattr(one, name) for name in names} for one in versions])
    elif not rows:
        print("No policy was put in force yet: what is built in decides. Begin with: kmip-server policy export")
    else:
        print_table(("Version", "In force since", "By", "Why", "SHA-256"), rows)


@policy.command()
def rollback(
    directory: Directory,
    version: Annotated[int, typer.Argument(metavar="VERSION", help="A version of the history.")],
    comment: Comment = "",
) -> None:
    """Put an older version in force again, as a new version.

    Example: kmip-server policy rollback /var/lib/kmip 3 -m "version 4 locked the arrays out"
    """
    from policy import store

    found = _read(directory, lambda connection: store.numbered(connection, version))
    _put_in_force(directory, comment or f"back to version {version}", lambda _: found.policy)


@policy.command()
def check(file: Annotated[Path, typer.Argument(metavar="FILE", help="A TOML document.")]) -> None:
    """Read a document and its templates, and say what is wrong with it; change nothing."""
    from policy.compiling import Ruling
    from policy.documents import read_document

    rules = Ruling(read_document(_text(file), str(file))).rules.rules
    print(f"{file} can be used: {len(rules)} rules, with those that are built in")


@policy.command()
def templates(as_json: Json = False) -> None:
    """List the templates that a policy may include, and what each achieves."""
    from policy.compiling import templates as all_templates

    found = all_templates()
    if as_json:
        print_json(found)
    else:
        print_table(("Template", "What it achieves"), found.items())


@policy.command()
def explain(
    directory: Directory,
    subject: Annotated[str, typer.Argument(metavar="SUBJECT", help='"client:array7", "user:ann", "device:meter-7".')],
    action: Annotated[str, typer.Argument(metavar="ACTION", help='"GET", "DSCC_NEGOTIATE", "ADMIN_POLICY_CHANGE".')],
    resource: Annotated[
        str,
        typer.Argument(
            metavar="RESOURCE",
            help='A Unique Identifier, or what it is like: "SYMMETRIC_KEY,owner=ann,algorithm=AES,length=256".',
        ),
    ],
    as_json: Json = False,
) -> None:
    """Say whether the policy in force allows something, which rule decides, and what each other rule has to say.

    Exit code 1 if it is denied.

    Example: kmip-server policy explain /var/lib/kmip client:array7 GET SYMMETRIC_KEY,owner=array6
    """
    from kmip_server.cli.explaining import explained

    with administering(directory):
        decision, steps = explained(directory, subject, action, resource)
    if as_json:
        print_json(
            {"allowed": decision.allowed, "rule": decision.rule, "reason": decision.reason, "rules": _steps(steps)}
        )
    else:
        print(f"{'allowed' if decision.allowed else 'denied'}: {decision.reason}")
        rows = [(step.rule.name, step.rule.effect.value, "yes" if step.applies else "no") for step in steps]
        if rows:
            print_table(("Rule", "Effect", "Applies"), rows)
    if not decision.allowed:
        raise typer.Exit(1)


@policy.command()
def simulate(
    directory: Directory,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A TOML document: the policy to be tried.")],
    as_json: Json = False,
) -> None:
    """Replay the audit log against another policy, and list what would have been answered otherwise. Changes nothing.

    Exit code 1 if anything would.

    Example: kmip-server policy simulate /var/lib/kmip policy.toml
    """
    from kmip_server.cli.simulating import simulated
    from policy.documents import read_document

    candidate = read_document(_text(file), str(file))
    with administering(directory):
        judged, changed = simulated(directory, candidate)
    if as_json:
        print_json({"records": judged, "changed": [one._asdict() for one in changed]})
    elif changed:
        columns = ("Caller", "Operation", "Now", "Then", "Times", "Last record")
        print_table(columns, [(*one[:4], str(one.times), str(one.last)) for one in changed])
        print(f"{sum(one.times for one in changed)} of {judged} recorded requests would be answered otherwise")
    else:
        print(f"All {judged} recorded requests would be answered as they are now")
    if changed:
        raise typer.Exit(1)


def _steps(steps: list[Step]) -> list[dict[str, str | bool]]:
    return [{"rule": step.rule.name, "effect": step.rule.effect.value, "applies": step.applies} for step in steps]


# The policy in the database. ------------------------------------------------------------------------------------------


def _read(directory: Path, read: Callable[[Connection], _T]) -> _T:
    with administering(directory) as admin, admin.database.reading() as connection:
        return read(connection)


def _document(directory: Path, version: int | None) -> str:
    """A version's document; an empty policy's before there is any."""
    from policy import store
    from policy.documents import write_document
    from policy.model import Policy

    if version is not None:
        return _read(directory, lambda connection: store.numbered(connection, version)).document
    found = _read(directory, store.current)
    return write_document(Policy()) if found is None else found.document


def _put_in_force(directory: Path, comment: str, change: Callable[[Version | None], Policy]) -> None:
    from kmip_server.cli.policy_files import put_in_force

    with administering(directory) as admin:
        version = put_in_force(admin.database, change, comment, by=admin.by, now=admin.now)
    print(f"Version {version} of the policy is in force")


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{file} cannot be read: {error}") from None


def _title(version: int | None) -> str:
    return "in force" if version is None else f"version {version}"
