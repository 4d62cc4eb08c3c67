"""What people are told of: events of the policy's list, into the outbox, in the transaction of what has happened."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred

from dscc.node.writer import Writer
from notifying.deliverer import Deliverer, DeliverySettings, Outbox
from policy import outbox
from policy.decision import Subject
from policy.model import Policy, Who
from policy.notifications import Event

SECRETS: Final = "notifications.toml"
"""Passwords and keys of channels, in the node's folder; mode 0600."""


def announce(
    connection: Connection,
    name: str,
    now: int,
    by: Subject,
    about: str,
    action: str,
    detail: str = "",
    channels: frozenset[str] = frozenset(),
) -> None:
    """Have an event told as the policy says, and over these channels in any case. Raises PolicyError."""
    outbox.announce(connection, Event(name, now, by, about, action, detail), _new_identifier, channels)


def device(name: str) -> Subject:
    """A device as the one who did something."""
    return Subject(name, kind=Who.DEVICE)


def user(name: str) -> Subject:
    """A user as the one who did something."""
    return Subject(name, kind=Who.USER)


def deliverer(
    reactor: ReactorBase, writer: Writer, policy: Callable[[], Policy], folder: Path, now: Callable[[], int]
) -> Deliverer:
    """Delivers what is in the outbox of a node."""

    def transaction(work: Callable[[Outbox], Any], *, writes: bool) -> Deferred[Any]:
        del writes  # a node has one writer, who reads, too
        return writer.submit(lambda connection: work(outbox.OutboxIn(connection)))

    return Deliverer(reactor, transaction, policy, DeliverySettings(folder / SECRETS), now)


def _new_identifier() -> str:
    return secrets.token_hex(16)
