"""Operation policies: the built-in ones, and those in files of PyKMIP's policy format (KMIP 1.4 s3.18).

A policy is a table (object type, operation) -> permission. What no row mentions is denied, so an operation that the
standard adds later is denied until somebody writes its row.

Operations without an object (Create, Query, Locate as such, Hash, ...) are decided on the pseudo object type SERVER of
the policy `default`, owned by whoever asks. In the end each policy is some rules among others: see `rules_of`.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from policy.actions import CLIENT_OPERATIONS, OBJECT_OPERATIONS, OPERATIONS, RESERVED_OPERATIONS
from policy.model import Effect, Match, OperationPolicy, Permission, PolicyError, Rows, Rule, Selector, Who

OBJECT_TYPES: Final = (
    "CERTIFICATE",
    "SYMMETRIC_KEY",
    "PUBLIC_KEY",
    "PRIVATE_KEY",
    "SPLIT_KEY",
    "TEMPLATE",
    "SECRET_DATA",
    "OPAQUE_OBJECT",
    "PGP_KEY",
    "CERTIFICATE_REQUEST",
)

_PYKMIP_OBJECT_TYPES: Final = {"OPAQUE_DATA": "OPAQUE_OBJECT"}
_PYKMIP_OPERATIONS: Final = {
    "REKEY": "RE_KEY",
    "REKEY_KEY_PAIR": "RE_KEY_KEY_PAIR",
    "RECERTIFY": "RE_CERTIFY",
    "PKCS_11": "PKCS11",
    "REPROVISION": "RE_PROVISION",
}
_SECTIONS: Final = frozenset({"preset", "groups"})

SERVER: Final = "SERVER"
DEFAULT: Final = "default"
PUBLIC: Final = "public"

_OWNED: Final = {(kind, operation): Permission.ALLOW_OWNER for kind in OBJECT_TYPES for operation in OBJECT_OPERATIONS}
_SERVED: Final = {(SERVER, operation): Permission.ALLOW_OWNER for operation in CLIENT_OPERATIONS} | {
    (SERVER, operation): Permission.DISALLOW_ALL for operation in RESERVED_OPERATIONS
}
_PUBLIC_TEMPLATE: Final = {
    ("TEMPLATE", operation): (
        Permission.ALLOW_ALL
        if operation in {"LOCATE", "GET", "GET_ATTRIBUTES", "GET_ATTRIBUTE_LIST"}
        else Permission.DISALLOW_ALL
    )
    for operation in OBJECT_OPERATIONS
}

BUILT_IN: Final[Mapping[str, OperationPolicy]] = {
    DEFAULT: OperationPolicy(DEFAULT, preset=_OWNED | _SERVED, groups={}),
    PUBLIC: OperationPolicy(PUBLIC, preset=_OWNED | _PUBLIC_TEMPLATE, groups={}),
}
"""`default`: the owner may do everything with an object, nobody else anything, whatever its type.
`public`: the same, but templates are read by all and changed by none (KMIP 1.4 s3.18.2.3)."""


_ANYONE: Final = (Selector(Who.ANYONE),)


def rules_of(policy: OperationPolicy) -> tuple[Rule, ...]:
    """The rules that an operation policy stands for. With groups, one group's ALLOW is enough, as in PyKMIP's server.

    A policy with group rows answers a subject that is in one of those groups from them alone; everyone else is answered
    from its preset rows. DISALLOW_ALL is no denial, which would win over other groups: it is no rule.
    """
    groups = tuple(Selector(Who.GROUP, name) for name in policy.groups)
    tables = [(f"group {group.name}", (group,), (), policy.groups[group.name]) for group in groups]
    return tuple(
        _rule(policy.name, f"{title}, {kind}", subjects, exempt, (permission, kind, actions))
        for title, subjects, exempt, rows in [*tables, ("preset", _ANYONE, groups, policy.preset or {})]
        for (permission, kind), actions in sorted(_gathered(rows).items(), key=lambda cell: cell[0][1])
    )


def _gathered(rows: Rows) -> dict[tuple[Permission, str], frozenset[str]]:
    """What is allowed, by how and by object type."""
    found: dict[tuple[Permission, str], frozenset[str]] = {}
    for (kind, action), permission in rows.items():
        if permission is not Permission.DISALLOW_ALL:
            found[permission, kind] = found.get((permission, kind), frozenset()) | {action}
    return found


def _rule(
    policy: str,
    title: str,
    subjects: tuple[Selector, ...],
    exempt: tuple[Selector, ...],
    cell: tuple[Permission, str, frozenset[str]],
) -> Rule:
    permission, kind, actions = cell
    return Rule(
        name=f"operation policy {policy}: {title}, {permission.value}",
        effect=Effect.ALLOW,
        subjects=subjects,
        exempt=exempt,
        actions=actions,
        resource=Match(
            object_types=frozenset({kind}),
            operation_policies=frozenset({policy}),
            own=permission is Permission.ALLOW_OWNER,
        ),
    )


def read_policies(paths: Iterable[Path], *, ignored: frozenset[str] = frozenset()) -> dict[str, OperationPolicy]:
    """The policies in `paths`: files, or folders of *.json files. Those that are `ignored` are left out.

    Raises PolicyError, also for a name that is built in or given twice.
    """
    policies: dict[str, OperationPolicy] = {}
    sources = dict.fromkeys(BUILT_IN.keys() - ignored, "the server, built in")
    for file in _files(paths):
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise PolicyError(f"{file}: cannot be read: {error}") from None
        for name, policy in parse_policies(text, str(file)).items():
            if name in ignored:
                continue
            if name in sources:
                raise PolicyError(f"{file}: policy {name!r} is already defined by {sources[name]}; rename one of them")
            policies[name], sources[name] = policy, str(file)
    return policies


def _files(paths: Iterable[Path]) -> list[Path]:
    """The files that `paths` stand for, in a stable order. Raises PolicyError for a path that does not exist."""
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += sorted(path.glob("*.json"))
        elif path.is_file():
            files.append(path)
        else:
            raise PolicyError(f"{path}: no such file or folder")
    return files


def parse_policies(text: str, source: str) -> dict[str, OperationPolicy]:
    """Read one policy document in either of PyKMIP's forms; `source` names it in errors. Raises PolicyError."""
    try:
        document = json.loads(text, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise PolicyError(f"{source}: is not JSON: {error}") from None
    return policies_in(_table(document, f"{source}: the document"), source)


def policies_in(document: Mapping[str, object], source: str) -> dict[str, OperationPolicy]:
    """The policies of a document that was read already. Raises PolicyError."""
    return {name: _policy(name, sections, f"{source}: policy {name!r}") for name, sections in document.items()}


def _policy(name: str, value: object, where: str) -> OperationPolicy:
    sections = _table(value, where)
    if not name:
        raise PolicyError(f"{where}: needs a name")
    if not sections.keys() & _SECTIONS:
        return OperationPolicy(name, preset=_rows(sections, where), groups={})
    for section in sections:
        if section not in _SECTIONS:
            raise PolicyError(f"{where}: {section!r} stands beside 'preset' or 'groups'; put it into one of them")
    groups = _table(sections.get("groups", {}), f"{where}: groups")
    return OperationPolicy(
        name,
        preset=_rows(sections["preset"], f"{where}: preset") if "preset" in sections else None,
        groups={group: _rows(rows, f"{where}: group {group!r}") for group, rows in groups.items()},
    )


def _rows(value: object, where: str) -> Rows:
    rows: dict[tuple[str, str], Permission] = {}
    for kind, operations in _table(value, where).items():
        object_type = _known(kind, OBJECT_TYPES, _PYKMIP_OBJECT_TYPES, f"{where}: {kind!r} is not an object type")
        for operation, permission in _table(operations, f"{where}: {kind}").items():
            place = f"{where}: {kind}: {operation!r}"
            key = (object_type, _known(operation, OPERATIONS, _PYKMIP_OPERATIONS, f"{place} is not an operation"))
            if key in rows:
                raise PolicyError(f"{place} is given twice, under two names")
            if not isinstance(permission, str) or permission not in Permission.__members__:
                words = ", ".join(Permission.__members__)
                raise PolicyError(f"{place}: the permission is one of {words}, not {json.dumps(permission)}")
            rows[key] = Permission[permission]
    return rows


def _known(name: str, names: Iterable[str], aliases: Mapping[str, str], complaint: str) -> str:
    canonical = aliases.get(name, name)
    if canonical in names:
        return canonical
    near = difflib.get_close_matches(name.upper().replace(" ", "_").replace("-", "_"), names, n=1)
    raise PolicyError(f"{complaint} of KMIP" + (f"; did you mean {near[0]}?" if near else ""))


def _table(value: object, where: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise PolicyError(f"{where} is not a JSON object")
    return value


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    if len(table) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} is given twice")
    return table
