"""dscc group: form a group, and what becomes of it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from console.output import Json, print_json, print_table, printable
from dscc.device.cli.asking import Folder, ask

group = typer.Typer(help="Groups, and their keys.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="GROUP", help="The group.", show_default=False)]
Members = Annotated[list[str], typer.Argument(metavar="MEMBER...", help="Members.", show_default=False)]


@group.command(name="list")
def list_all(folder: Folder, as_json: Json = False) -> None:
    """List the groups that the device is in."""
    found = ask(folder, do="groups")["groups"]
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each["group"],
            str(each["epoch"]),
            each["leader"],
            ", ".join(each["roster"]),
            "all have it" if each["confirmed"] else f"behind: {', '.join(each['behind']) or 'not known'}",
        )
        for each in found
    ]
    print_table(("Group", "Epoch", "Leader", "Members", ""), rows)


@group.command()
def form(
    folder: Folder,
    name: Name,
    members: Annotated[list[str], typer.Argument(metavar="MEMBER=HOST:PORT...", show_default=False)],
    as_json: Json = False,
) -> None:
    """Form a group. The member with the lowest name does, and leads it.

    Example: dscc group form /var/lib/dscc/meter-1 street-9 meter-2=192.0.2.2:7400 meter-3=192.0.2.3:7400
    """
    _print(ask(folder, do="group-form", group=name, members=dict(map(_member, members))), as_json)


@group.command()
def add(
    folder: Folder,
    name: Name,
    member: Annotated[str, typer.Argument(metavar="MEMBER=HOST:PORT", show_default=False)],
    as_json: Json = False,
) -> None:
    """Have one more member: it learns no earlier key."""
    who, address = _member(member)
    _print(ask(folder, do="group-add", group=name, member=who, address=address), as_json)


@group.command()
def remove(folder: Folder, name: Name, members: Members, as_json: Json = False) -> None:
    """Go on without some members: they learn no later key."""
    _print(ask(folder, do="group-remove", group=name, members=members), as_json)


@group.command(name="take-over")
def take_over(
    folder: Folder,
    name: Name,
    lost: Annotated[list[str] | None, typer.Option(help="A member that is lost, too. Repeatable.")] = None,
    as_json: Json = False,
) -> None:
    """Lead a group whose leader is lost. The lowest name that is left does."""
    _print(ask(folder, do="group-take-over", group=name, lost=lost or []), as_json)


@group.command()
def sync(folder: Folder, name: Name, as_json: Json = False) -> None:
    """Tell the members that are behind."""
    _print(ask(folder, do="group-sync", group=name), as_json)


@group.command()
def leave(
    folder: Folder,
    name: Name,
    leader: Annotated[str | None, typer.Argument(metavar="[HOST:PORT]", help="Where its leader listens.")] = None,
) -> None:
    """Leave a group."""
    ask(folder, do="group-leave", group=name, leader=leader)
    print(f"the device is not in {printable(name)} any more")


@group.command()
def key(folder: Folder, name: Name) -> None:
    """Print a group's key, as JSON with the key in base64."""
    print_json(ask(folder, do="group-key", group=name))


def _member(text: str) -> tuple[str, str]:
    name, equals, address = text.partition("=")
    if not name or not equals:
        raise typer.BadParameter(f"{text!r} is not MEMBER=HOST:PORT")
    return name, address


def _print(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    state = "all have it" if found["confirmed"] else "some are behind: dscc group list"
    print(f"{printable(found['group'])}: epoch {found['epoch']}, {len(found['roster'])} members, {state}")
