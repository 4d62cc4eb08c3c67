"""kmip-server gateway: how the gateway to other sites stands."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from time import time
from typing import Any, Final

import typer

from console.output import CommandError, Json, print_json, print_table, printable, shown_time
from kmip_server.cli.accounts import Directory

gateway = typer.Typer(help="The gateway to other sites, with which keys are shared.", no_args_is_help=True)

_TIMEOUT_SECONDS: Final = 5.0


@gateway.command()
def status(directory: Directory, as_json: Json = False) -> None:
    """Show the nodes, the lease, the other sites and the groups, and how much others have still to hear of.

    Example: kmip-server gateway status /var/lib/kmip
    """
    found = _ask(directory, "status")["status"]
    if as_json:
        print_json(found)
        return
    print(f"{found['device']} listens on {found['address']}")
    why = found["why_not_reached"]
    rows = [(node, found["stages"][node], how, why.get(node, "")) for node, how in found["nodes"].items()]
    print_table(("Node", "Stage", "Session", ""), rows, {"open": "green", "not reached": "red"})
    print(_lease(found["leased_until"], time()))
    if found["peers"]:
        sites = [(name, address, found["troubles"].get(name, "")) for name, address in found["peers"].items()]
        print_table(("Site", "Address", ""), sites, {"revoked": "red"})
    if found["groups"]:
        groups = [
            (name, str(one["epoch"]), one["leader"], printable(", ".join(one["roster"])))
            for name, one in found["groups"].items()
        ]
        print_table(("Group", "Epoch", "Led by", "Members"), groups)
    print(f"Changes of which others have still to hear: {found['to_be_told']}")


def _lease(until: int, now: float) -> str:
    if until > now:
        return f"Shared keys may be used until {shown_time(until)}"
    since = f" since {shown_time(until)}" if until else ""
    return f"Shared keys may not be used{since}: too few nodes are reached"


def _ask(directory: Path, what: str) -> dict[str, Any]:
    """The gateway's answer. Raises CommandError if it does not run."""
    from kmip_server.gateway.desk import SOCKET

    path = directory.absolute() / SOCKET
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_TIMEOUT_SECONDS)
        try:
            connection.connect(str(path))
            connection.sendall(json.dumps({"number": 1, "do": what}).encode() + b"\n")
            line = connection.makefile("rb").readline()
        except OSError as error:
            raise CommandError(
                f"the gateway of {directory} does not answer ({error.strerror or error}): with enabled = true in its"
                f" [dscc], `kmip-server serve {directory}` runs it"
            ) from None
    answer: dict[str, Any] = json.loads(line or b"{}")
    if "failed" in answer or not answer:
        raise CommandError(answer["failed"][1] if answer else "the gateway has closed the connection")
    return answer
