"""The command line `dscc`: enrol a device, take it through its stages, agree on keys and groups.

Exit codes: 0 done; 1 refused; 2 wrong usage. Results go to standard output, with `--json` for scripts; what takes long
is told on standard error.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from console.output import CommandError, Json, ask_secret, print_json, print_table, printable, shown_time
from console.running import run
from dscc.device.cli.asking import Folder, ask, passphrase_of, read_secret
from dscc.device.cli.group import group
from dscc.device.cli.use import use
from dscc.keyfill import KeyfillMode

app = typer.Typer(
    name="dscc",
    help="A DSCC device. Begin with: dscc enrol DIR --code-file FILE",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(group, name="group")
app.add_typer(use, name="use")
Peer = Annotated[str, typer.Argument(metavar="PEER", help="The other device.", show_default=False)]
_STATES = {"active": "green", "pre-active": "yellow", "compromised": "red"}


@app.command()
def enrol(
    folder: Folder,
    code_file: Annotated[str | None, typer.Option(help="The file with the enrolment code; it is asked for.")] = None,
    attribute: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, told to the nodes. Repeatable.")] = None,
    passphrase: Annotated[bool, typer.Option(help="Have a passphrase protect what is kept in DIR.")] = False,
    as_json: Json = False,
) -> None:
    """Make a device in DIR, and register it at the nodes that its code names. The same again goes on where it was.

    Example: dscc enrol /var/lib/dscc/meter-7 --code-file meter-7.code
    """
    from dscc.device.device import Device
    from dscc.device.vault import KEY_FILE

    code = read_secret(code_file, "Enrolment code")
    attributes = tuple(sorted(map(_pair, attribute or ())))
    if (folder / KEY_FILE).exists():
        secret = passphrase_of(folder)
    else:
        secret = ask_secret("New passphrase", twice=True).encode() if passphrase else None

    async def enrolling() -> tuple[str, dict[str, str], dict[str, str]]:
        async with await Device.enrol(folder, code, attributes=attributes, passphrase=secret) as device:
            return device.name, device.stages, dict(device.short_strings)

    name, stages, short = asyncio.run(enrolling())
    if as_json:
        print_json({"device": name, "stages": stages, "short_strings": short})
        return
    print(f"{name} is registered at {len(stages)} nodes")
    print_table(("Node", "Stage"), list(stages.items()))
    if short:
        print("administrators compare these with the nodes' (dscc-node device accept):")
        print_table(("Node", "Short string"), list(short.items()))


@app.command()
def status(folder: Folder, as_json: Json = False) -> None:
    """Show how the device stands with its nodes, and how many keys it has."""
    found = ask(folder, do="status")
    if as_json:
        print_json(found)
        return
    rows = [
        (node, each["stage"], each.get("next_stage", ""), "yes" if each["connected"] else each["error"])
        for node, each in found["nodes"].items()
    ]
    print_table(("Node", "Stage", "Next stage", "Reached"), rows, {"yes": "green"})
    print(f"keys: {', '.join(f'{number} {state}' for state, number in found['keys'].items()) or 'none'}")
    print(f"groups: {printable(', '.join(found['groups'])) or 'none'}")
    if found["revoked"]:
        print(f"revoked: {printable(', '.join(found['revoked']))}")


@app.command()
def advance(
    folder: Folder,
    mode: Annotated[KeyfillMode | None, typer.Option(help="What has to be mixed in, instead of device.toml's.")] = None,
    code_file: Annotated[str | None, typer.Option(help="The file with the step's code (oob, kem+oob).")] = None,
    again: Annotated[bool, typer.Option("--again", help="Make the keys of the present stage anew.")] = False,
    evidence: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, for the step's checks. Repeatable.")] = None,
    as_json: Json = False,
) -> None:
    """Take the next stage at every node, and wait for those who have to approve it.

    Example: dscc advance /var/lib/dscc/meter-7
    """
    found = ask(
        folder,
        do="advance",
        mode=None if mode is None else mode.value,
        code=None if code_file is None else read_secret(code_file, "Code of the step"),
        again=again,
        evidence=dict(map(_pair, evidence or ())),
    )
    if as_json:
        print_json(found)
    else:
        print(f"the device is at the stage {found['stage']}" if found["stage"] else "there is no next stage")


@app.command()
def negotiate(
    folder: Folder,
    peer: Peer,
    address: Annotated[str | None, typer.Argument(metavar="[HOST:PORT]", help="Where it listens.")] = None,
    purpose: Annotated[str, typer.Option(help="What the key is for.")] = "tunnel",
    bits: Annotated[int, typer.Option(help="Its length.")] = 256,
    lifetime: Annotated[int, typer.Option(help="Seconds it is wanted for; 0: the longest that is granted.")] = 0,
    kem: Annotated[bool, typer.Option("--kem", help="Add ML-KEM.")] = False,
    as_json: Json = False,
) -> None:
    """Agree on a key with a peer, over so many nodes that none of them knows it.

    Example: dscc negotiate /var/lib/dscc/meter-7 meter-8 192.0.2.8:7400
    """
    found = ask(
        folder, do="negotiate", peer=peer, address=address, purpose=purpose, bits=bits, lifetime=lifetime, kem=kem
    )
    if as_json:
        print_json(found)
    else:
        print(f"key {found['kid']} with {printable(peer)}: {found['bits']} bits for {purpose}, {found['trust']}")


@app.command()
def keys(
    folder: Folder,
    peer: Annotated[str | None, typer.Argument(metavar="[PEER]", help="With this device only.")] = None,
    purpose: Annotated[str | None, typer.Option(help="For this purpose only.")] = None,
    as_json: Json = False,
) -> None:
    """List the keys, without the keys themselves."""
    found = ask(folder, do="keys", peer=peer, purpose=purpose)["keys"]
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each["kid"],
            each["peer"],
            each["purpose"],
            str(each["bits"]),
            each["state"],
            shown_time(each["activates_at"]),
            shown_time(each["expires_at"]) if each["expires_at"] else "never",
            each["trust"],
        )
        for each in found
    ]
    print_table(("Key", "Peer", "Purpose", "Bits", "State", "From", "Until", "Rests on"), rows, _STATES)


@app.command()
def key(folder: Folder, peer: Peer, purpose: Annotated[str, typer.Option(help="For what.")] = "tunnel") -> None:
    """Print the key to encrypt with, and those to decrypt with, as JSON with the keys in base64."""
    print_json(ask(folder, do="key", peer=peer, purpose=purpose))


@app.command()
def revoke(
    folder: Folder,
    kid: Annotated[str, typer.Argument(metavar="KEY", help="The key's identifier.", show_default=False)],
    reason: Annotated[str, typer.Option(help="Why.")] = "key compromise",
    as_json: Json = False,
) -> None:
    """Use a key no more, here and at the peer. Exit code 1 if too few nodes know of it yet."""
    found = ask(folder, do="revoke", kid=kid, reason=reason)
    if as_json:
        print_json(found)
    else:
        print(f"{found['nodes']} nodes know of it; {found['needed']} are needed")
    if not found["holds"]:
        raise CommandError("too few nodes know of the revocation yet; they pass it on as soon as they are linked")


@app.command(name="forget-pair")
def forget_pair(folder: Folder, peer: Peer) -> None:
    """Begin a new pair chain with a peer: after either of the two lost or restored its state."""
    ask(folder, do="forget-pair", peer=peer)
    print(f"the next key with {printable(peer)} begins a new pair chain")


@app.command()
def listen(
    folder: Folder,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 picks a free one.")] = 7400,
) -> None:
    """Answer peers until SIGTERM, without an agent: a line that begins with "dscc ready" says where."""
    from dscc.device.cli.running import until_stopped
    from dscc.device.device import Device

    secret = passphrase_of(folder)

    async def listening() -> None:
        async with Device.open(folder, passphrase=secret) as device:
            address = await device.listen(host, port)
            await device.connect()
            await until_stopped(f"dscc ready {device.name} {address}")

    asyncio.run(listening())


REFUSALS: Final = frozenset({"console.output.CommandError", "dscc.errors.DsccError"})
"""The exceptions whose message says everything."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and answer its exit code."""
    return run(app, "dscc", arguments, REFUSALS)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE")
    return name, value


if __name__ == "__main__":
    sys.exit(main())
