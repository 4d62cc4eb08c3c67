"""kmip-server devices: which devices there are, the stages that they take, and what is on record about that."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from console.output import CommandError, Json, print_json, print_table, shown_time
from kmip_server.cli.accounts import Directory, checked_name
from kmip_server.cli.acting import administering

devices = typer.Typer(help="Devices, and the stages of their workflows.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The device.")]
Attributes = Annotated[list[str] | None, typer.Option("--attribute", help="NAME=VALUE, for checks. Repeatable.")]
Comment = Annotated[str, typer.Option("--comment", "-m", help="Why, for the record.")]


@devices.command()
def add(directory: Directory, name: Name, attribute: Attributes = None) -> None:
    """Enrol a device at the first stage of the workflow that the policy assigns to it.

    Example: kmip-server devices add /var/lib/kmip meter-7 --attribute firmware=2.1
    """
    from kmip_server.storage.devices import add_device

    checked_name(name)
    given = dict(map(_attribute, attribute or ()))
    with administering(directory) as admin:
        device = add_device(admin.database, name, given, author=admin.by, now=admin.now)
    print(f"{name} is at the stage {device.stage} of the workflow {device.workflow}, version {device.workflow_version}")


@devices.command(name="list")
def list_all(directory: Directory, as_json: Json = False) -> None:
    """List the devices and their stages."""
    from kmip_server.storage.devices import list_devices

    with administering(directory) as admin:
        found = list_devices(admin.database)
    if as_json:
        print_json([asdict(device) for device in found])
    else:
        rows = [(one.name, one.stage, one.workflow, str(one.workflow_version), shown_time(one.since)) for one in found]
        print_table(("Name", "Stage", "Workflow", "Version", "Since"), rows, {"revoked": "red", "quarantine": "yellow"})


@devices.command()
def show(directory: Directory, name: Name, as_json: Json = False) -> None:
    """Show all that is known of a device."""
    from kmip_server.storage.devices import find

    with administering(directory) as admin:
        device = asdict(find(admin.database, name))
    if as_json:
        print_json(device)
    else:
        device["attributes"] = ", ".join(f"{key}={value}" for key, value in sorted(device["attributes"].items()))
        print_table(("What", "Value"), [(key, "" if value is None else str(value)) for key, value in device.items()])


@devices.command()
def advance(
    directory: Directory,
    name: Name,
    to: Annotated[str | None, typer.Option("--to", help="The stage that is meant: refused if another is next.")] = None,
) -> None:
    """Have a device take the next stage of its workflow, if its checks are met and others have approved.

    Example: kmip-server devices advance /var/lib/kmip meter-7 --to production
    """
    from kmip_server.storage import devices as store

    with administering(directory) as admin:
        known = store.find(admin.database, name)
        device = store.advance(admin.database, known, author=admin.by, now=admin.now, to=to)
    print(f"{name} is at the stage {device.stage}")


@devices.command()
def quarantine(directory: Directory, name: Name, comment: Comment = "") -> None:
    """Put a device into quarantine: only what a rule allows at this stage is allowed, from the next request on."""
    from kmip_server.storage import devices as store

    with administering(directory) as admin:
        store.quarantine(admin.database, name, author=admin.by, now=admin.now, detail=comment)
    print(f"{name} is in quarantine")


@devices.command()
def revoke(directory: Directory, name: Name, comment: Comment = "") -> None:
    """Revoke a device: it takes no stage any more."""
    from kmip_server.storage import devices as store

    with administering(directory) as admin:
        store.revoke(admin.database, name, author=admin.by, now=admin.now, detail=comment)
    print(f"{name} is revoked")


@devices.command()
def history(directory: Directory, name: Name, as_json: Json = False) -> None:
    """List the stages that a device has taken: when, by whom, and who approved."""
    from kmip_server.storage import devices as store

    with administering(directory) as admin:
        found = store.history(admin.database, name)
    if as_json:
        lists = ("approvals", "notify")
        print_json([dict(row._mapping) | {each: json.loads(row._mapping[each]) for each in lists} for row in found])
    else:
        rows = [
            (
                shown_time(row.at),
                row.from_stage,
                row.to_stage,
                row.author,
                ", ".join(json.loads(row.approvals)),
                row.detail,
            )
            for row in found
        ]
        print_table(("At", "From", "To", "By", "Approved by", "Why"), rows)


def _attribute(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value and text.isprintable()):
        raise CommandError(f"{text!r} is no attribute: say NAME=VALUE")
    return name, value
