"""The command line `kmip-server`: which commands there are, and how a refusal ends.

Exit codes: 0 done; 1 refused, or a check found something wrong; 2 wrong usage. Each command loads what it needs when it
runs, so that the command line itself starts at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

import typer

from console.running import run
from kmip_server.cli.approvals import approvals
from kmip_server.cli.audit import audit
from kmip_server.cli.automation import automation
from kmip_server.cli.backup import backup
from kmip_server.cli.check import check
from kmip_server.cli.client import client
from kmip_server.cli.decode import decode
from kmip_server.cli.devices import devices
from kmip_server.cli.doctor import doctor
from kmip_server.cli.gateway import gateway
from kmip_server.cli.import_pykmip import import_pykmip
from kmip_server.cli.init import init
from kmip_server.cli.notifications import notifications
from kmip_server.cli.policy import policy
from kmip_server.cli.restore import restore
from kmip_server.cli.serve import serve
from kmip_server.cli.upgrade import upgrade
from kmip_server.cli.usage import usage
from kmip_server.cli.use import use
from kmip_server.cli.user import user

_ASK_NOBODY: Final = frozenset({"init", "serve", "restore", "doctor", "decode", "use", "gateway"})

app = typer.Typer(
    name="kmip-server",
    no_args_is_help=True,
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
    _as_user: Annotated[
        str | None, typer.Option("--as", metavar="USER", help="Administer as this user, whose password is asked for.")
    ] = None,
) -> None:
    """A KMIP key management server. Begin with: kmip-server init DIR

    Exit codes: 0 done; 1 refused, or something is wrong; 2 wrong usage.
    """
    if version:
        from kmip_server import __version__

        print(f"kmip-server {__version__}")
        raise typer.Exit
    if _as_user is not None and context.invoked_subcommand in _ASK_NOBODY:
        raise typer.BadParameter(f"{context.invoked_subcommand} asks no policy: leave --as out")


app.command()(init)
app.add_typer(client, name="client")
app.add_typer(user, name="users")
app.add_typer(user, name="user", hidden=True)
app.add_typer(devices, name="devices")
app.add_typer(policy, name="policy")
app.add_typer(approvals, name="approvals")
app.add_typer(notifications, name="notifications")
app.add_typer(automation, name="automation")
app.add_typer(audit, name="audit")
app.add_typer(usage, name="usage")
app.add_typer(gateway, name="gateway")
app.add_typer(use, name="use")
app.command()(serve)
app.command()(check)
app.command()(backup)
app.command()(restore)
app.command()(upgrade)
app.command()(doctor)
app.command(name="import-pykmip")(import_pykmip)
app.command()(decode)

_REFUSALS: Final = frozenset(
    {
        "console.output.CommandError",
        "dscc.errors.DsccError",
        "kmip_server.config.ConfigurationError",
        "kmip_server.identity.pki.PkiError",
        "kmip_server.storage.accounts.AccountError",
        "kmip_server.storage.backup.BackupError",
        "kmip_server.storage.database.UnsafeDatabaseError",
        "kmip_server.storage.master_key.MasterKeyError",
        "kmip_server.storage.port.StorageUnavailable",
        "kmip_server.takeover.pykmip_configuration.PyKmipConfigurationError",
        "kmip_server.takeover.pykmip_database.PyKmipDatabaseError",
        "policy.model.PolicyError",
        "policy.prices.PriceListError",
    }
)
"""The exceptions whose message says everything, by name, so that nothing is loaded for them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and answer its exit code."""
    return run(app, "kmip-server", arguments, _REFUSALS)
