"""What a policy says about one question that somebody asks in words: a subject, an action, a resource."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from console.output import CommandError
from policy.parameters import FIELDS, Parameters

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
    kind, *parts = resource.split(",")
    said = _said(parts)
    ruling, named_object = _ruling_and_object(directory, kind, said["parameters"])
    who = _subject(ruling, subject)
    what = named_object or _described(ruling, who, kind, said)
    context = ruling.context(who, int(time.time()))
    arguments = (ruling.rules, who, name, what, context)
    return decide(*arguments), explain(*arguments)


def _ruling_and_object(directory: Path, named: str, parameters: Parameters) -> tuple[Ruling, Resource | None]:
    """What decides in this directory, and the object with this Unique Identifier, if there is one, used like this."""
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
            row = unit.get(named)
    finally:
        store.close()
    return ruling, None if row is None else ObjectResource(ruling, row, int(time.time()), lambda _: parameters)


def _subject(ruling: Ruling, text: str) -> Subject:
    from policy.model import Who

    kind, _, name = text.partition(":")
    if not name or kind not in ("client", "user", "device"):
        raise CommandError(f"{text!r} is no subject: say client:NAME, user:NAME or device:NAME")
    return ruling.subject(Who(kind), name)


def _said(parts: list[str]) -> dict[str, Any]:
    """What the words say of a resource, with the parameters that it is used with. Raises CommandError."""
    said: dict[str, Any] = {}
    parameters = dict(FIELDS.values())
    for part in parts:
        name, equals, value = part.partition("=")
        if not equals or name not in (*_WORDS, *parameters):
            words = ", ".join(f"{word}=…" for word in (*_WORDS, *parameters))
            raise CommandError(f"{part!r} says nothing of a resource: say {words}")
        if name in parameters and value not in parameters[name]:
            raise CommandError(f"{part!r}: KMIP has no {value!r} there; it has {', '.join(parameters[name])}")
        try:
            said[name] = _WORDS.get(name, str)(value)
        except ValueError:
            raise CommandError(f"{part!r}: {name} is a number") from None
    said["parameters"] = Parameters(**{name: said.pop(name) for name in parameters if name in said})
    return said


def _described(ruling: Ruling, who: Subject, kind: str, said: dict[str, Any]) -> Resource:
    from policy.decision import Thing
    from policy.model import Who
    from policy.operation_policies import DEFAULT

    if "pair" in said:
        one, _, other = said["pair"].partition("+")
        said["pair"] = (ruling.subject(Who.DEVICE, one), ruling.subject(Who.DEVICE, other))
        said.setdefault("tenants", frozenset(each.tenant for each in said["pair"]))
    said.setdefault("owner", who.name)
    said.setdefault("operation_policy", DEFAULT)
    said.setdefault("tenants", ruling.tenants(said["owner"]))
    return Thing(kind, **said)
