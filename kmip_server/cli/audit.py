"""kmip-server audit: read the audit log, sign what it is now, verify it, prove what is in it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from console.output import Json, moment, print_json, print_table, printable, progress, shown_time
from kmip_server.cli.accounts import Directory
from kmip_server.cli.acting import administering

if TYPE_CHECKING:
    from sqlalchemy import Connection


audit = typer.Typer(help="Read, sign, verify and export the audit log.", no_args_is_help=True)

Since = Annotated[str | None, typer.Option("--since", metavar="TIME", help="From 2026-11-01 or 2026-11-01T08:30 UTC.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write to this new file.")]
Heads = Annotated[list[Path] | None, typer.Option("--head", help="A signed head that you kept. Repeatable.")]
Key = Annotated[Path | None, typer.Option("--key", help="The public key; DIR/pki/audit-public.pem if not given.")]


class Format(Enum):
    """How records are exported."""

    JSON = "json"
    CEF = "cef"


@audit.command()
def show(
    directory: Directory,
    since: Since = None,
    caller: Annotated[str | None, typer.Option(help="Who asked.")] = None,
    operation: Annotated[str | None, typer.Option(help='What was asked for: "Get", "Policy Change".')] = None,
    outcome: Annotated[str | None, typer.Option(help='How it ended: "succeeded", "failed".')] = None,
    last: Annotated[int | None, typer.Option(min=1, help="The newest N of them.")] = None,
    as_json: Json = False,
) -> None:
    """List audit records, the oldest first.

    Example: kmip-server audit show /var/lib/kmip --caller array7 --outcome failed --last 20
    """
    from kmip_server.cli.audit_formats import described
    from kmip_server.storage.audit_log import Wanted, records

    wanted = Wanted(moment(since), None, caller, operation, outcome, last)
    with _reading(directory) as connection:
        found = list(records(connection, wanted))
    if as_json:
        print_json([described(one) for one in found])
        return
    rows = [(str(one.sequence), shown_time(one.at), *(text or "" for text in one.texts[:5])) for one in found]
    print_table(("Record", "At", "Caller", "Operation", "Object", "Outcome", "Detail"), rows, {"failed": "red"})


@audit.command()
def export(
    directory: Directory,
    form: Annotated[
        Format, typer.Option("--format", help="JSON lines, or ArcSight's Common Event Format.")
    ] = Format.JSON,
    since: Since = None,
    output: Output = None,
) -> None:
    """Write audit records, a line each, for another system.

    Example: kmip-server audit export /var/lib/kmip --format cef --since 2026-11-01 -o november.cef
    """
    from kmip_server.cli.audit_formats import cef, described
    from kmip_server.storage.audit_log import Wanted, records

    wanted = Wanted(moment(since))
    with _reading(directory) as connection, _opened(output) as out:
        for one in records(connection, wanted):
            out.write((cef(one) if form is Format.CEF else json.dumps(described(one), sort_keys=True)) + "\n")


@audit.command()
def head(directory: Directory, output: Output = None) -> None:
    """Sign what the log is now. Keep it away from this machine: `audit verify` holds the log against it later.

    Example: kmip-server audit head /var/lib/kmip -o head-monday.json
    """
    from kmip_server.cli.audit_heads import sign_head

    signed = sign_head(directory)
    with _opened(output) as out:
        out.write(json.dumps(signed.document()) + "\n")


@audit.command()
def verify(directory: Directory, head: Heads = None, key: Key = None, as_json: Json = False) -> None:
    """Verify the whole log: its chain and its tree, and that it goes on from every head that you kept.

    Without a head of yours, a log that was cut off or rewritten as a whole cannot be told from a true one. What is
    wrong is listed on standard output, and the exit code is 1 then.

    Example: kmip-server audit verify /var/lib/kmip --head head-monday.json --key audit-public.pem
    """
    from kmip_server.cli.audit_heads import heads_from, public_key_of
    from kmip_server.storage.audit_verify import verify as verify_log

    heads = heads_from(head or [])
    findings = []
    if heads:
        signer = public_key_of(directory, key)
        findings = [
            f"{file}: the signature is not that of the key"
            for file, one in heads.items()
            if not one.is_signed_by(signer)
        ]
    with progress("Verifying the audit log ..."), _reading(directory) as connection:
        findings += verify_log(connection, list(heads.values()))
    if as_json:
        print_json({"findings": findings})
    else:
        for finding in findings:
            print(printable(finding))
        print(f"{len(findings)} faults found" if findings else _in_order(len(heads)))
    if findings:
        raise typer.Exit(1)


@audit.command()
def prove(
    directory: Directory,
    sequence: Annotated[int | None, typer.Argument(metavar="[RECORD]", min=1, help="The number of a record.")] = None,
    older: Annotated[Path | None, typer.Option("--from", help="Prove that the log goes on from this head.")] = None,
    output: Output = None,
) -> None:
    """Prove to others that a record is in the log, or that the log goes on from an older head, without the log itself.

    Example: kmip-server audit prove /var/lib/kmip 4711 -o proof.json
    """
    from kmip_server.cli.audit_heads import heads_from, prove_consistency, prove_inclusion

    if (sequence is None) == (older is None):
        raise typer.BadParameter("give the number of a record, or an older head with --from")
    if older is not None:
        proof = prove_consistency(directory, heads_from([older])[older])
    else:
        assert sequence is not None
        proof = prove_inclusion(directory, sequence)
    with _opened(output) as out:
        out.write(json.dumps(proof, indent=1) + "\n")


@audit.command(name="check-proof")
def check_proof(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A proof that `audit prove` made.")],
    key: Annotated[Path, typer.Option("--key", help="The public key of the server's audit log.")],
    head: Annotated[Path | None, typer.Option("--head", help="The head that the proof has to lead to.")] = None,
) -> None:
    """Check a proof without the log: only the public key is needed, and the head if you have it. Exit code 1 if wrong.

    Example: kmip-server audit check-proof proof.json --key audit-public.pem
    """
    from kmip_server.cli.audit_heads import checked_proof, heads_from, load_public_key, read_json

    wanted = None if head is None else heads_from([head])[head]
    proves, words = checked_proof(read_json(file), load_public_key(key), wanted)
    print(printable(words))
    if not proves:
        raise typer.Exit(1)


def _in_order(heads: int) -> str:
    if heads:
        return f"Everything is in order, and goes on from {heads} signed head{'s' if heads > 1 else ''}"
    return "Everything is in order, as far as can be told without a head that was signed earlier"


@contextmanager
def _reading(directory: Path) -> Iterator[Connection]:
    with administering(directory) as admin, admin.database.reading() as connection:
        yield connection


@contextmanager
def _opened(output: Path | None) -> Iterator[TextIO]:
    if output is None:
        yield sys.stdout
        return
    with output.open("x", encoding="utf-8") as file:
        yield file
    print(f"Written to {output}")
