"""dscc-node peer: the links to other nodes."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import typer

from console.output import CommandError, ask_secret, print_table
from dscc.node.cli.opened import Folder, changing, looking, open_node

peer = typer.Typer(help="The other nodes.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The other node.", show_default=False)]


@peer.command()
def code() -> None:
    """Make a code for the link between two nodes; both are given it (`peer add`), and nobody else."""
    from dscc.node.peers import CODE_BYTES

    print(secrets.token_hex(CODE_BYTES))


@peer.command()
def add(
    folder: Folder,
    name: Name,
    address: Annotated[str, typer.Argument(metavar="HOST:PORT", help="Where it listens.", show_default=False)],
    region: Annotated[str, typer.Option(help="Where it stands, for devices that look for the nearest.")] = "",
    code_file: Annotated[Path | None, typer.Option(help="A file with the code; without it, it is asked for.")] = None,
) -> None:
    """Enter another node, with the code of the link that it is given, too. Restart the node to have it linked.

    Example: dscc-node peer add /var/lib/dscc/n1 n2 10.0.0.2:7700 --code-file n1-n2.code
    """
    from dscc.enrolment import read_address
    from dscc.node import link_keys, registry
    from dscc.node.audit import Entry, record
    from dscc.node.peers import CODE_BYTES, link_chain
    from dscc.node.settings import Peer, write_settings

    where = read_address(address)
    given = ask_secret("Code of the link", twice=False) if code_file is None else code_file.read_text(encoding="ascii")
    try:
        secret = bytes.fromhex(given.strip())
    except ValueError:
        secret = b""
    if len(secret) != CODE_BYTES:
        raise CommandError(f"a code has {CODE_BYTES} bytes in hexadecimal: dscc-node peer code")
    with changing(folder) as (node, connection):
        if name == node.settings.name:
            raise CommandError(f"{name} is this node")
        chain = link_chain(secret, node.settings.name, name)
        registry.save_chain(connection, node.key, registry.LINK + name, chain)
        link_keys.begin(connection, node.key, node.settings.name, name, secret)
        record(connection, Entry(node.now, node.by, "Peer", name, "done", str(where)))
    peers = {**node.settings.peers, name: Peer(host=where.host, port=where.port, region=region)}
    write_settings(folder, node.settings.model_copy(update={"peers": peers}))
    print(f"{name} is known at {where}")


@peer.command(name="list")
def list_all(folder: Folder) -> None:
    """List the other nodes."""
    node = open_node(folder)
    print_table(("Name", "Address", "Region"), [(n, p.address, p.region) for n, p in node.settings.peers.items()])


@peer.command()
def revocations(folder: Folder) -> None:
    """List the revocations, and which nodes know of them."""
    from console.output import shown_time
    from dscc.node.revocations import every

    with looking(folder) as (_, connection):
        found = every(connection)
    rows = [
        (shown_time(one.revocation.at), one.revocation.kind, one.revocation.subject, ", ".join(sorted(one.nodes)))
        for one in found
    ]
    print_table(("When", "Kind", "Subject", "Known to"), rows)
