"""What a policy says about one question that somebody asks in words: a subject, an action, a resource."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kmip_server.cli.output import CommandError
from policy.parameters import Parameters

if TYPE_CHECKING:
    from policy.compiling import Ruling
    from policy.decision import Decision, Resource, Step, Subject

_WORDS: Final[dict[str, Callable[[str], Any]]] = {
    "owner": str,
    "operation_policy": str,
    "state": str,
    "algorithm": str,
    "length": int,
    "groups": lambda value: frozenset(value.split("+")),
    "names": lambda value: frozenset(value.split("+")),
    "uses": lambda value: frozenset(value.split("+")),
    "tenants": lambda value: frozenset(value.split("+")),
    "pair": str,
    **dict.fromkeys(Parameters._fields, str),
}
"""What may be said of a resource, and how it is read: several of a kind are joined by "+"."""


def explained(directory: Path, subject: str, action: str, resource: str) -> tuple[Decision, list[Step]]:
    """The decision of the policy in force, and the rules that it looked at. Raises CommandError."""
    from policy.actions import matching
    from policy.decision import decide, explain

    try:
        (name,) = matching(action)
    except ValueError as error:
        raise CommandError(str(error)) from None
    ruling, named_object = _ruling_and_object(directory, resource)
    who = _subject(ruling, subject)
    what = named_object or _described(ruling, who, resource)
    context = ruling.context(who, int(time.time()))
    arguments = (ruling.rules, who, name, what, context)
    return decide(*arguments), explain(*arguments)


def _ruling_and_object(directory: Path, resource: str) -> tuple[Ruling, Resource | None]:
    """What decides in this directory, and the object with this Unique Identifier, if there is one."""
    from kmip_server.cli.master_key import open_master_key
    from kmip_server.config import Settings
    from kmip_server.opening import directory_source
    from kmip_server.operations.resource import ObjectResource
    from kmip_server.storage.store import Store

    settings = Settings.load(directory)
    store = Store.open(settings.storage.url, open_master_key(settings))
    try:
        ruling = directory_source(store).current.ruling
        with store.unit(writes=False) as unit:
            row = unit.get(resource)
    finally:
        store.close()
    return ruling, None if row is None else ObjectResource(ruling, row, int(time.time()))


def _subject(ruling: Ruling, text: str) -> Subject:
    from policy.model import Who

    kind, _, name = text.partition(":")
    if not name or kind not in ("client", "user", "device"):
        raise CommandError(f"{text!r} is no subject: say client:NAME, user:NAME or device:NAME")
    return ruling.subject(Who(kind), name)


def _described(ruling: Ruling, who: Subject, text: str) -> Resource:
    from policy.decision import Thing
    from policy.model import Who
    from policy.operation_policies import DEFAULT

    kind, *rest = text.split(",")
    said: dict[str, Any] = {}
    for part in rest:
        name, equals, value = part.partition("=")
        if not equals or name not in _WORDS:
            raise CommandError(f"{part!r} says nothing of a resource: say {', '.join(f'{word}=…' for word in _WORDS)}")
        try:
            said[name] = _WORDS[name](value)
        except ValueError:
            raise CommandError(f"{part!r}: {name} is a number") from None
    if "pair" in said:
        one, _, other = said["pair"].partition("+")
        said["pair"] = (ruling.subject(Who.DEVICE, one), ruling.subject(Who.DEVICE, other))
        said.setdefault("tenants", frozenset(each.tenant for each in said["pair"]))
    said["parameters"] = Parameters(**{name: said.pop(name) for name in Parameters._fields if name in said})
    said.setdefault("owner", who.name)
    said.setdefault("operation_policy", DEFAULT)
    said.setdefault("tenants", ruling.tenants(said["owner"]))
    return Thing(kind, **said)
