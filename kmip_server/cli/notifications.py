"""kmip-server notifications: what waits to be told, what could not be, and whether a channel works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from console.output import CommandError, Json, print_json, print_table, progress, shown_time
from kmip_server.cli.accounts import Directory
from kmip_server.cli.acting import administering

if TYPE_CHECKING:
    from kmip_server.announcing.receivers import Receivers
    from kmip_server.cli.acting import Administration
    from policy.notifications import Waiting

notifications = typer.Typer(help="What is told over the channels of the policy.", no_args_is_help=True)


@notifications.command(name="list")
def list_all(
    directory: Directory,
    failed: Annotated[bool, typer.Option("--failed", help="Only what was given up.")] = False,
    as_json: Json = False,
) -> None:
    """List the messages that wait, were were delivered or withheld, or were given up, the newest first."""
    from policy import outbox

    with administering(directory) as admin, admin.database.reading() as connection:
        found = [one for one in outbox.rows(connection) if not failed or one.standing == "failed"]
    if as_json:
        print_json([one._asdict() | {"standing": one.standing} for one in found])
    elif found:
        columns = ("ID", "Of", "Event", "Channel", "Standing", "Attempts", "Last error")
        print_table(columns, map(_row, found), {"failed": "red", "delivered": "green"})
    else:
        print("There are no such messages" if failed else "There are no messages")


@notifications.command()
def retry(
    directory: Directory,
    identifier: Annotated[str, typer.Argument(metavar="ID", help="A message, as `notifications list` has it.")],
) -> None:
    """Try a message again that is not delivered, as if it were new. The running server sends it.

    Example: kmip-server notifications retry /var/lib/kmip 0199a2c4-...
    """
    from kmip_server.storage.administration import record
    from policy import outbox

    with administering(directory) as admin, admin.database.writing() as connection:
        if not outbox.retry(connection, identifier, admin.now):
            raise CommandError(f"there is no undelivered message {identifier!r}; `notifications list` has them")
        record(connection, "Notification Retry", by=admin.by, about=identifier, now=admin.now)
    print(f"{identifier} is due now")


@notifications.command()
def test(
    directory: Directory,
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="A channel of the policy in force.")],
) -> None:
    """Send a test message over a channel now, from this process, and say what came back.

    Example: kmip-server notifications test /var/lib/kmip ops-mail
    """
    from kmip_server.opening import delivery_settings
    from kmip_server.storage.identifiers import new_identifier
    from notifying.sending import send
    from notifying.transport import Delivery, NotDeliveredError, read_secrets
    from policy import store
    from policy.decision import Subject
    from policy.model import ChannelKind, Who
    from policy.notifications import Event, Message, body_of, new_row

    with administering(directory) as admin, admin.database.reading() as connection:
        version = store.current(connection)
    channels = {} if version is None else version.policy.channels
    if channel not in channels:
        raise CommandError(f"the policy has no channel {channel!r}; it has: {', '.join(sorted(channels)) or 'none'}")
    now, wanted = admin.now, delivery_settings(admin.settings)
    event = Event("test", now, Subject(admin.by, kind=Who.USER))
    message = new_row(Message(channel, event.name, now, body_of(event)), new_identifier())
    try:
        with progress(f"Sending to {channel}"):
            secret = read_secrets(wanted.secrets).get(channel, "")
            delivery = Delivery(message, channels[channel], secret, wanted.authorities, wanted.timeout, now)
            said = send(delivery, {ChannelKind.KMIP: lambda one: _receivers(admin).greet(one)})
    except NotDeliveredError as error:
        raise CommandError(f"{channel}: {error}") from None
    print(f"{channel}: {said}")


def _receivers(admin: Administration) -> Receivers:
    from kmip_server.cli.serve import tls_settings
    from kmip_server.opening import directories_in, open_receivers

    return open_receivers(admin.settings, tls_settings(admin.settings), directories_in(admin.database))


def _row(message: Waiting) -> tuple[str, ...]:
    at, number = shown_time(message.at), str(message.attempts)
    return (message.message_id, at, message.event, message.channel, message.standing, number, message.last_error)
