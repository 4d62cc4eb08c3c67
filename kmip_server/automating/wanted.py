"""What all acts of automatic rules share: who acts, what is told, and how an act ends that is not done."""

from __future__ import annotations

from policy.automation import Due
from policy.decision import Subject
from policy.model import AutomaticRule, Who
from policy.notifications import Event


class NotWantedError(Exception):
    """Another worker does it, or it is not wanted any more. Ends a transaction without effect."""


class RefusedError(Exception):
    """It was refused, for the reason that the text says."""


def author(rule: AutomaticRule) -> str:
    """Who acts, on record."""
    return f"automatic rule {rule.name}"


def event(name: str, one: Due, now: int) -> Event:
    """An act as it is told."""
    return Event(name, now, Subject(author(one.rule), kind=Who.USER), one.about, one.rule.act.value, one.why)
