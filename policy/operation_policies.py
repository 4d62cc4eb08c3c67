"""Operation policies: the built-in ones, and those in files of PyKMIP's policy format (KMIP 1.4 s3.18).

A policy is a table (object type, operation) -> permission. What no row mentions is denied, so an operation that the
standard adds later is denied until somebody writes its row.

Operations without an object (Create, Query, Locate as such, Hash, ...) are decided on the pseudo object type SERVER of
the policy `default`, owned by whoever asks: see `server_resource`.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from policy.decision import OperationPolicy, Permission, Resource, Rows

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

OBJECT_OPERATIONS: Final = (
    "RE_KEY",
    "RE_KEY_KEY_PAIR",
    "DERIVE_KEY",
    "CERTIFY",
    "RE_CERTIFY",
    "LOCATE",
    "CHECK",
    "GET",
    "GET_ATTRIBUTES",
    "GET_ATTRIBUTE_LIST",
    "ADD_ATTRIBUTE",
    "MODIFY_ATTRIBUTE",
    "DELETE_ATTRIBUTE",
    "SET_ATTRIBUTE",
    "ADJUST_ATTRIBUTE",
    "OBTAIN_LEASE",
    "GET_USAGE_ALLOCATION",
    "ACTIVATE",
    "REVOKE",
    "DESTROY",
    "ARCHIVE",
    "RECOVER",
    "VALIDATE",
    "ENCRYPT",
    "DECRYPT",
    "SIGN",
    "SIGNATURE_VERIFY",
    "MAC",
    "MAC_VERIFY",
    "CREATE_SPLIT_KEY",
    "JOIN_SPLIT_KEY",
    "IMPORT",
    "EXPORT",
)
"""What is done to an object that exists. Import is here for Replace Existing, Locate for each object it would name."""

CLIENT_OPERATIONS: Final = (
    "CREATE",
    "CREATE_KEY_PAIR",
    "REGISTER",
    "IMPORT",
    "CREATE_SPLIT_KEY",
    "LOCATE",
    "QUERY",
    "DISCOVER_VERSIONS",
    "POLL",
    "CANCEL",
    "HASH",
    "RNG_RETRIEVE",
    "RNG_SEED",
    "PING",
)
"""What every client may ask the server, about no object or about one that it is about to own (KMIP 1.4 s3.18.1)."""

RESERVED_OPERATIONS: Final = (
    "NOTIFY",
    "PUT",
    "LOG",
    "LOGIN",
    "LOGOUT",
    "DELEGATED_LOGIN",
    "SET_ENDPOINT_ROLE",
    "PKCS11",
    "INTEROP",
    "RE_PROVISION",
    "SET_DEFAULTS",
    "SET_CONSTRAINTS",
    "GET_CONSTRAINTS",
    "QUERY_ASYNCHRONOUS_REQUESTS",
    "PROCESS",
)
"""What the server sends itself, or what changes more than the caller's own objects: allowed to nobody."""

OPERATIONS: Final = frozenset(OBJECT_OPERATIONS + CLIENT_OPERATIONS + RESERVED_OPERATIONS)

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


class PolicyError(Exception):
    """A policy file cannot be used; the message names the file, the policy and the row."""


def server_resource(caller: str) -> Resource:
    """What is asked for by an operation that names no existing object."""
    return Resource(object_type=SERVER, owner=caller, policy=DEFAULT)


def read_policies(paths: Iterable[Path]) -> Mapping[str, OperationPolicy]:
    """The built-in policies and those in `paths`: files, or folders of *.json files. Raises PolicyError."""
    policies = dict(BUILT_IN)
    sources = dict.fromkeys(BUILT_IN, "the server, built in")
    for file in policy_files(paths):
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise PolicyError(f"{file}: cannot be read: {error}") from None
        for name, policy in parse_policies(text, str(file)).items():
            if name in policies:
                raise PolicyError(f"{file}: policy {name!r} is already defined by {sources[name]}; rename one of them")
            policies[name], sources[name] = policy, str(file)
    return policies


def policy_files(paths: Iterable[Path]) -> list[Path]:
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
    return {
        name: _policy(name, sections, f"{source}: policy {name!r}")
        for name, sections in _table(document, f"{source}: the document").items()
    }


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
