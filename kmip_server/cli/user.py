"""kmip-server users: people and appliances that give a user name and password beside their certificate."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from console.output import CommandError, Json, ask_secret, print_json, print_table
from kmip_server.cli.accounts import Directory, Groups, checked_groups, checked_name
from kmip_server.cli.acting import administering

user = typer.Typer(help="User names and passwords, as a second factor beside the certificate.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The user name.")]

_LEAST_PASSWORD: Final = 8


@user.command()
def add(directory: Directory, name: Name, group: Groups = None) -> None:
    """Enter a user. The password is asked for, or read from the first line of standard input.

    A user with the name of a client belongs to that client, which must send the password from then on. Any other user
    may be used over every client's certificate. The user's groups are added to the client's.

    Example: kmip-server users add /var/lib/kmip array7 --group arrays < password.txt
    """
    from kmip_server.storage.accounts import add_user

    checked_name(name)
    chosen = checked_groups(group)
    with administering(directory) as admin:
        add_user(admin.database, name, _hash_of_new_password(name), chosen, by=admin.by, now=admin.now)
    print(f"{name} may be used from now on")


@user.command()
def password(directory: Directory, name: Name) -> None:
    """Give a user another password, asked for as by `add`. The former one is not accepted any more, within a second."""
    from kmip_server.storage.accounts import set_password

    with administering(directory) as admin:
        set_password(admin.database, name, _hash_of_new_password(name), by=admin.by, now=admin.now)
    print(f"{name} has another password from now on")


def _hash_of_new_password(name: str) -> str:
    from kmip_server.identity.credentials import MAXIMUM_PASSWORD_BYTES, hash_password

    given = ask_secret(f"Password of {name}", twice=True)
    if len(given) < _LEAST_PASSWORD or len(given.encode()) > MAXIMUM_PASSWORD_BYTES:
        raise CommandError(
            f"a password has {_LEAST_PASSWORD} characters at least, {MAXIMUM_PASSWORD_BYTES} bytes at most"
        )
    return hash_password(given)


@user.command()
def remove(directory: Directory, name: Name) -> None:
    """Remove a user: the password is not accepted any more, within a second."""
    from kmip_server.storage.accounts import remove_user

    with administering(directory) as admin:
        remove_user(admin.database, name, by=admin.by, now=admin.now)
    print(f"{name} is removed")


@user.command(name="list")
def list_all(directory: Directory, as_json: Json = False) -> None:
    """List the users and their groups."""
    from kmip_server.storage.accounts import read_accounts

    with administering(directory) as admin:
        users = sorted(read_accounts(admin.database).users.values(), key=lambda found: found.name)
    if as_json:
        print_json([{"name": found.name, "groups": sorted(found.groups)} for found in users])
    else:
        print_table(("Name", "Groups"), ((found.name, ", ".join(sorted(found.groups))) for found in users))
