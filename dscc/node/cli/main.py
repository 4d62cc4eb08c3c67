"""The command line `dscc-node`: make a node, run it, look after it.

Exit codes: 0 done; 1 refused, or a check found something wrong; 2 wrong usage.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from console.output import CommandError, Json, print_json, print_table, shown_time
from console.running import LogFormat, LogLevel, run
from dscc.node.cli.device import device
from dscc.node.cli.opened import DATABASE, KEY, Folder, looking, open_node
from dscc.node.cli.peer import peer
from dscc.node.cli.policy import policy

app = typer.Typer(
    name="dscc-node",
    help="A DSCC node. Begin with: dscc-node init DIR --name NAME",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(device, name="device")
app.add_typer(policy, name="policy")
app.add_typer(peer, name="peer")
code = typer.Typer(help="Codes for devices.", no_args_is_help=True)
app.add_typer(code, name="code")

_REFUSALS: Final = frozenset(
    {
        "console.output.CommandError",
        "dscc.errors.DsccError",
        "dscc.node.database.NodeError",
        "policy.model.PolicyError",
    }
)


@app.command()
def init(
    folder: Folder,
    name: Annotated[str, typer.Option(help="The node's name, which is different for each.")],
    host: Annotated[str, typer.Option(help="Where it listens, and devices reach it.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Its port.")] = 7700,
    region: Annotated[str, typer.Option(help="Where it stands, for devices that look for the nearest.")] = "",
    paths: Annotated[int, typer.Option(help="k: of how many nodes devices take shares at least.")] = 2,
) -> None:
    """Make a node: its settings, its store, its key.

    Example: dscc-node init /var/lib/dscc/n1 --name n1 --port 7701
    """
    from pydantic import ValidationError

    from dscc.node.database import NodeDatabase, NodeError
    from dscc.node.sealing import NodeKey
    from dscc.node.settings import FILE, Settings, write_settings

    try:
        settings = Settings(name=name, host=host, port=port, region=region, paths=paths)
    except ValidationError as error:
        wrong = error.errors()[0]
        raise CommandError(f"{wrong['loc'][0]}: {wrong['msg']}") from None
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (folder / FILE).exists():
        raise NodeError(f"there is a node in {folder} already")
    NodeKey.create(folder / KEY)
    NodeDatabase(folder / DATABASE).create()
    write_settings(folder, settings)
    print(f"node {name} is in {folder}; run it: dscc-node serve {folder}")


@app.command()
def serve(
    folder: Folder,
    port: Annotated[int | None, typer.Option(help="Another port than that of node.toml; 0 picks a free one.")] = None,
    log_format: LogFormat = "console",
    log_level: LogLevel = "info",
) -> None:
    """Run the node until SIGTERM. It prints one line that begins with "dscc-node ready" when it listens."""
    from console import logs
    from dscc.node.serving import run

    logs.configure(log_format, log_level)
    node = open_node(folder)
    settings = node.settings if port is None else node.settings.model_copy(update={"port": port})
    run(settings, node.database, node.key)


@app.command()
def status(folder: Folder, as_json: Json = False) -> None:
    """Show what a node knows: devices by stage, the policy, other nodes, receipts."""
    from sqlalchemy import func, select

    from dscc.node import registry, schema
    from policy import store

    with looking(folder) as (node, connection):
        stages: dict[str, int] = {}
        for one in registry.every(connection):
            stages[one.stage] = stages.get(one.stage, 0) + 1
        version = store.current(connection)
        receipts = connection.execute(select(func.count()).select_from(schema.receipts)).scalar_one()
        found = {
            "name": node.settings.name,
            "address": node.settings.nodes[node.settings.name],
            "policy": 0 if version is None else version.version,
            "nodes": sorted(node.settings.nodes),
            "quorum": node.settings.quorum,
            "devices": stages,
            "receipts": receipts,
        }
    if as_json:
        print_json(found)
    else:
        shown = {
            name: ", ".join(map(str, value)) if isinstance(value, list) else value for name, value in found.items()
        }
        shown["devices"] = ", ".join(f"{number} {stage}" for stage, number in sorted(stages.items())) or "none"
        print_table(("What", "Value"), [(name, str(value)) for name, value in shown.items()])


@app.command()
def check(folder: Folder) -> None:
    """Check what a node keeps: its records, and everything that is sealed. Exit code 1 if something is wrong."""
    from dscc.node.checking import problems

    with looking(folder) as (node, connection):
        wrong = list(problems(connection, node.key))
    for each in wrong:
        print(each)
    if wrong:
        raise CommandError(f"{len(wrong)} things are wrong")
    print("everything is in order")


@app.command()
def audit(folder: Folder, as_json: Json = False) -> None:
    """Print what is on record."""
    from sqlalchemy import select

    from dscc.node import schema

    with looking(folder) as (_, connection):
        rows = [
            dict(row._mapping) for row in connection.execute(select(schema.audit).order_by(schema.audit.c.sequence))
        ]
    if as_json:
        print_json([row | {"digest": row["digest"].hex()} for row in rows])
    else:
        names = ("actor", "action", "resource", "outcome", "detail")
        table = [(shown_time(row["at"]), *[row[name] for name in names]) for row in rows]
        print_table(("When", "Who", "What", "About", "", "Detail"), table, {"refused": "red"})


@app.command()
def usage(folder: Folder, as_json: Json = False) -> None:
    """Count the keys that devices have agreed on with this node's help, by device and month, from their receipts."""
    from datetime import UTC, datetime

    from sqlalchemy import select

    from dscc.node import schema

    counted: dict[tuple[str, str], int] = {}
    with looking(folder) as (_, connection):
        for row in connection.execute(select(schema.receipts).where(schema.receipts.c.agreed == 1)):
            month = datetime.fromtimestamp(row.at, UTC).strftime("%Y-%m")
            counted[month, row.device] = counted.get((month, row.device), 0) + 1
    if as_json:
        print_json([{"month": month, "device": name, "keys": keys} for (month, name), keys in sorted(counted.items())])
    else:
        rows = [(month, name, str(keys)) for (month, name), keys in sorted(counted.items())]
        print_table(("Month", "Device", "Keys"), rows)


@code.command()
def join(
    codes: Annotated[list[str], typer.Argument(metavar="CODE...", help="Codes of the same kind.", show_default=False)],
    qr: Annotated[bool, typer.Option("--qr", help="Draw it as a QR code, too.")] = False,
) -> None:
    """Put the codes of several nodes for one device together. A code given as @FILE is read from the file."""
    from dscc.enrolment import ENROL, StepCode, as_qr, read_enrolment, read_step

    texts = [Path(each[1:]).read_text(encoding="utf-8") if each.startswith("@") else each for each in codes]
    if all(text.startswith(ENROL) for text in texts):
        enrolments = [read_enrolment(text) for text in texts]
        if len({(one.device, one.mode) for one in enrolments}) != 1:
            raise CommandError("these codes are for different devices, or different modes")
        nodes = tuple(node for one in enrolments for node in one.nodes)
        joined = enrolments[0]._replace(nodes=nodes).text()
    else:
        steps = [read_step(text) for text in texts]
        if len({one.stage for one in steps}) != 1:
            raise CommandError("these codes are for different stages")
        joined = StepCode(steps[0].stage, {node: value for one in steps for node, value in one.codes.items()}).text()
    print(joined)
    if qr:
        print(as_qr(joined))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and answer its exit code."""
    return run(app, "dscc-node", arguments, _REFUSALS)
