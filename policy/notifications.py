"""Who is told of what: the messages that an event makes, by the notifications of a policy. Pure, and without secrets.

An event says who did what to which resource; it never carries key material, and what a peer chose is made printable
and cut before it is put in a message, so that no receiver can be steered by it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

from policy.conditions import selects
from policy.model import NotificationRule, Policy
from policy.request import Subject

EVENTS: Final = {
    "approval-requested": "{subject} asks for approval of {action} on {resource}",
    "approval-granted": "{action} on {resource} is approved",
    "approval-refused": "{action} on {resource} is refused",
    "key-revoked": "{subject} revoked {resource}",
    "key-compromised": "{subject} says that {resource} is compromised",
    "key-destroyed": "{subject} destroyed {resource}",
    "key-replaced": "{subject} replaced {detail} by {resource}",
    "key-arrived": "{resource} has arrived from a peer site",
    "client-revoked": "{subject} revoked the client {resource}",
    "client-quarantined": "{subject} put the client {resource} into quarantine",
    "client-released": "{subject} released the client {resource} from quarantine",
    "policy-changed": "{subject} changed the policy",
    "device-stage-changed": "the device {resource} is in another stage",
    "rule-acted": "{subject} acted on {resource}: {detail}",
    "escalation": "{subject} calls for help: {detail}",
    "test": "a test message",
}
"""What an administrator may want to hear of, in words. `test` is made by the command line only."""

KEY_EVENTS: Final = frozenset({name for name in EVENTS if name.startswith("key-")})
"""Those whose resource is the Unique Identifier of an object. Of `key-replaced` it is the new one's."""

_MOST_CHARACTERS: Final = 256


class Event(NamedTuple):
    """Something on record, at POSIX seconds. `action` is an action's name, `detail` says more, for people."""

    name: str
    at: int
    subject: Subject
    resource: str = ""
    action: str = ""
    detail: str = ""


class Message(NamedTuple):
    """What one channel is sent: `body` is a JSON object, as `body_of` makes it."""

    channel: str
    event: str
    at: int
    body: str


class Waiting(NamedTuple):
    """A row of the outbox: a message, and what has become of it.

    A message that was not for its receiver is settled as if it were delivered, and says why in `last_error`.
    """

    message_id: str
    at: int
    event: str
    channel: str
    body: str
    attempts: int
    next_attempt_at: int | None = None
    delivered_at: int | None = None
    last_error: str = ""

    @property
    def standing(self) -> str:
        """Where it stands, in a word."""
        if self.delivered_at is not None:
            return "withheld" if self.last_error else "delivered"
        return "failed" if self.next_attempt_at is None else "waiting"


def new_row(message: Message, message_id: str) -> Waiting:
    """A message that is due at once."""
    return Waiting(message_id, message.at, message.event, message.channel, message.body, 0, message.at)


Notifications = Mapping[str, tuple[NotificationRule, ...]]
"""The notifications about each event that has any."""


def by_event(policy: Policy) -> Notifications:
    """The notifications of a policy, by the name of the event."""
    return {
        name: found for name in EVENTS if (found := tuple(rule for rule in policy.notifications if name in rule.events))
    }


def messages(notifications: Notifications, event: Event, always: frozenset[str] = frozenset()) -> tuple[Message, ...]:
    """What an event makes: one message for each channel that is `always` told, or that a fitting notification names."""
    channels = always.union(*[rule.channels for rule in notifications.get(event.name, ()) if _fits(rule, event)])
    body = body_of(event) if channels else ""
    return tuple([Message(channel, event.name, event.at, body) for channel in sorted(channels)])


def body_of(event: Event) -> str:
    """The JSON object that says an event: its fields, and a text for people."""
    said = {
        "event": event.name,
        "at": datetime.fromtimestamp(event.at, UTC).isoformat().replace("+00:00", "Z"),
        "tenant": _shown(event.subject.tenant),
        "subject": f"{event.subject.kind.value}:{_shown(event.subject.name)}",
        "action": _shown(event.action),
        "resource": _shown(event.resource),
        "detail": _shown(event.detail),
    }
    return json.dumps(said | {"text": EVENTS[event.name].format_map(said)}, sort_keys=True)


def _fits(rule: NotificationRule, event: Event) -> bool:
    return (
        (not rule.tenants or event.subject.tenant in rule.tenants)
        and (not rule.actions or event.action in rule.actions)
        and (not rule.subjects or selects(rule.subjects, event.subject))
    )


def _shown(text: str) -> str:
    """A text on one line, in characters that print, cut where it is long."""
    shown = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
    return shown if len(shown) <= _MOST_CHARACTERS else shown[:_MOST_CHARACTERS] + "..."
