"""dscc-node device: enrolment codes, approvals, stages, revocation."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated, Final

import typer

from console.output import CommandError, Json, print_json, print_table, shown_time
from dscc.node.cli.opened import Folder, changing, looking, open_node
from dscc.registration import Mode

device = typer.Typer(help="The devices of a node.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The device.", show_default=False)]
Qr = Annotated[bool, typer.Option("--qr", help="Draw it as a QR code, too.")]
Comment = Annotated[str, typer.Option("--comment", "-m", help="Why, for the record.")]
AsUser = Annotated[str, typer.Option("--as", metavar="USER", help="The user of the policy who says so.")]
_QUORUM_WITHIN_S: Final = 5.0


@device.command()
def add(
    folder: Folder,
    name: Name,
    mode: Annotated[Mode, typer.Option(help="How the device comes by its first key.")] = Mode.OTA_KEM,
    hours: Annotated[int, typer.Option(min=1, max=720, help="How long the code is good.")] = 24,
    qr: Qr = False,
) -> None:
    """Make an enrolment code for a device: good once, at this node. `code join` puts those of several nodes together.

    Example: dscc-node device add /var/lib/dscc/n1 meter-7
    """
    from dscc.enrolment import EnrolmentCode, EnrolmentNode, read_address
    from dscc.node import registry
    from dscc.registration import NO_TOKEN

    with changing(folder) as (node, connection):
        if mode is Mode.OTA_TOFU:
            token = NO_TOKEN
        else:
            token = registry.mint_token(connection, node.key, name, mode, node.now, hours * 3600, node.by)
    address = read_address(node.settings.nodes[node.settings.name])
    _show(EnrolmentCode(name, mode, (EnrolmentNode(node.settings.name, address, token),)).text(), qr)


@device.command()
def code(
    folder: Folder,
    name: Name,
    stage: Annotated[str, typer.Argument(metavar="STAGE", help="The stage that it is for.", show_default=False)],
    qr: Qr = False,
) -> None:
    """Make the code that goes another way for one step of a device (oob, kem+oob)."""
    from dscc.enrolment import StepCode
    from dscc.node import registry

    with changing(folder) as (node, connection):
        made = registry.put_code(connection, node.key, name, stage, node.now, node.by)
    _show(StepCode(stage, {node.settings.name: made}).text(), qr)


@device.command(name="list")
def list_all(folder: Folder, as_json: Json = False) -> None:
    """List the devices and their stages."""
    from dscc.node import registry

    with looking(folder) as (_, connection):
        found = registry.every(connection)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    rows = [
        (
            one.name,
            one.stage,
            f"{one.workflow}/{one.workflow_version}",
            shown_time(one.since),
            _standing(one.accepted_at),
        )
        for one in found
    ]
    print_table(("Name", "Stage", "Workflow", "Since", ""), rows, {"revoked": "red", "quarantine": "yellow"})


@device.command()
def history(folder: Folder, name: Name, as_json: Json = False) -> None:
    """List the stages that a device has taken: when, by whom, and who approved."""
    import json

    from dscc.node import registry

    with looking(folder) as (_, connection):
        registry.find(connection, name)
        found = [dict(row._mapping) for row in registry.transitions_of(connection, name)]
    if as_json:
        print_json([row | {"approvals": json.loads(row["approvals"])} for row in found])
        return
    rows = [
        (shown_time(row["at"]), row["from_stage"], row["to_stage"], row["author"], row["approvals"], row["detail"])
        for row in found
    ]
    print_table(("When", "From", "To", "By", "Approved by", "Detail"), rows)


@device.command()
def approve(folder: Folder, name: Name, user: AsUser) -> None:
    """Approve the step that a device waits for. The policy says whose word counts."""
    _vote(folder, name, user, approves=True)


@device.command()
def refuse(folder: Folder, name: Name, user: AsUser) -> None:
    """Refuse the step that a device waits for."""
    _vote(folder, name, user, approves=False)


@device.command()
def accept(
    folder: Folder,
    name: Name,
    short_string: Annotated[str, typer.Argument(metavar="STRING", help="What the device shows.", show_default=False)],
) -> None:
    """Accept a device that registered without a token, if its short string is the node's (ota-tofu)."""
    import hmac

    from dscc.node import registry

    with changing(folder) as (node, connection):
        known = registry.find(connection, name)
        if known.accepted_at is not None:
            raise CommandError(f"{name} is accepted already")
        if not hmac.compare_digest(known.short_string.encode(), short_string.strip().encode()):
            raise CommandError(f"that is not the short string of {name} here: somebody may stand between them")
        registry.accept(connection, name, node.now, node.by)
    print(f"{name} is accepted")


@device.command()
def quarantine(folder: Folder, name: Name, comment: Comment = "") -> None:
    """Put a device into quarantine: it gets no shares until it has taken the next stage."""
    from dscc.node import registry
    from policy import workflows

    with changing(folder) as (node, connection):
        known = registry.find(connection, name)
        if known.stage in (workflows.QUARANTINE, workflows.REVOKED):
            raise CommandError(f"the stage of {name} is {known.stage!r} already")
        registry.move(connection, known, workflows.QUARANTINE, node.now, node.by, detail=comment)
    print(f"{name} is in quarantine")


@device.command()
def revoke(
    folder: Folder,
    name: Name,
    comment: Comment = "",
    wait: Annotated[bool, typer.Option(help="Wait until so many nodes know that it holds.")] = True,
) -> None:
    """Revoke a device, for good: no node that knows of it serves it, and its sessions are closed.

    Exit code 1 if fewer nodes than a quorum know of it after five seconds: it is passed on as soon as they are linked.
    """
    from dscc.node import registry, revocations

    with changing(folder) as (node, connection):
        if registry.find(connection, name).revoked_at is not None:
            raise CommandError(f"{name} is revoked already")
        said = revocations.revoke(
            connection, node.settings.name, revocations.DEVICE, name, comment or "revoked", node.now, node.by
        )
    deadline, nodes = time.monotonic() + _QUORUM_WITHIN_S, frozenset({node.settings.name})
    while wait and len(nodes) < node.settings.quorum and time.monotonic() < deadline:
        time.sleep(0.02)
        with open_node(folder).database.reading() as reading:
            nodes = revocations.acknowledged(reading, said)
    needed = node.settings.quorum
    print(f"{name} is revoked: {len(nodes)} of {len(node.settings.nodes)} nodes know of it; {needed} are needed")
    if wait and len(nodes) < needed:
        raise CommandError("it does not hold everywhere yet: are the nodes running, and linked?")


def _vote(folder: Folder, name: str, user: str, *, approves: bool) -> None:
    from dscc.node import approvals

    with changing(folder) as (node, connection):
        where = approvals.vote(connection, name, user, node.now, approves=approves)
    print(f"the step of {name} is {where.value}")


def _show(text: str, qr: bool) -> None:
    from dscc.enrolment import as_qr

    print(text)
    if qr:
        print(as_qr(text))


def _standing(accepted_at: int | None) -> str:
    return "" if accepted_at is not None else "short string to be compared"
