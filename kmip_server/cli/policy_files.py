"""Putting a policy in force from the command line, and taking operation policies out of files into it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from console.output import CommandError
from kmip_server.config import FILE_NAME, RETIRED

if TYPE_CHECKING:
    from kmip_server.storage.database import Database
    from policy.model import OperationPolicy, Policy
    from policy.store import Version

OperationPolicies = Mapping[str, "OperationPolicy"]

_SECTION, _KEY = RETIRED.split(".")
_LINE: Final = re.compile(rf"(?ms)^[ \t]*{_KEY}[ \t]*=[ \t]*\[[^\]]*\][^\n]*(\n|\Z)")


def put_in_force(
    database: Database, change: Callable[[Version | None], Policy | None], comment: str, *, by: str, now: int
) -> int | None:
    """Change the policy in force in one transaction, on record as done `by` a user; the number of the new version.

    `change` is given the version in force, and answers None where nothing is to be done. Raises PolicyError.
    """
    from kmip_server.storage.accounts import changing
    from kmip_server.storage.administration import done
    from policy import store
    from policy.compiling import Ruling

    with changing(database) as connection:
        wanted = change(store.current(connection))
        if wanted is None:
            return None
        # What cannot be compiled cannot decide: a server must never read it.
        Ruling(wanted)
        added = store.put_in_force(connection, wanted, author=by, comment=comment, now=now)
        detail = f"version {added.version}, SHA-256 {added.digest}"
        done(connection, "policy-changed", "Policy Change", by=by, about="", now=now, detail=detail)
        return added.version


def policy_of(version: Version | None) -> Policy:
    """The policy of a version; an empty one before there is any. Raises PolicyError."""
    from policy.model import Policy

    return Policy() if version is None else version.policy


def with_operation_policies(policy: Policy, more: OperationPolicies) -> Policy:
    """The policy with these operation policies, which replace those of the same names."""
    return replace(policy, operation_policies={**policy.operation_policies, **more})


OUT_OF_FILES: Final = "operation policies out of files"
"""The comment of a version with operation policies that an older server read from files."""


def add_operation_policies(
    database: Database, more: OperationPolicies, comment: str, *, by: str, now: int
) -> int | None:
    """Add operation policies to the policy in force, which keeps its own of the same names; None if it has them all."""

    def added(version: Version | None) -> Policy | None:
        policy = policy_of(version)
        missing = {name: table for name, table in more.items() if name not in policy.operation_policies}
        return with_operation_policies(policy, missing) if missing else None

    return put_in_force(database, added, comment, by=by, now=now) if more else None


@contextmanager
def without_retired_setting(directory: Path) -> Iterator[OperationPolicies]:
    """Remove the setting that named operation policy files, and give what they hold, to be put into the policy.

    The files stay. If what is done meanwhile fails, so does the setting. Raises PolicyError, CommandError.
    """
    from policy.operation_policies import read_policies

    file = directory / FILE_NAME
    try:
        text = file.read_text(encoding="utf-8")
        rest = tomllib.loads(text)
        named = rest[_SECTION].pop(_KEY)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        # Nothing to remove; what is wrong with the file is said when the settings are read.
        yield {}
        return
    without = _LINE.sub("", text, count=1)
    if not isinstance(named, list) or tomllib.loads(without) != rest:
        raise CommandError(
            f"{file}: remove {RETIRED} with an editor; what it names goes into the policy with"
            f" `kmip-server policy import {directory} FILE...`"
        )
    paths = [directory / str(path) for path in named]
    found = read_policies([path for path in paths if path.exists()])
    _write(file, without)
    try:
        yield found
    except BaseException:
        _write(file, text)
        raise


def _write(file: Path, text: str) -> None:
    """Replace a file as a whole, with the mode that it has."""
    from kmip_server.identity.pki import write_file

    written = file.with_name(f".{file.name}.new")
    written.unlink(missing_ok=True)
    write_file(written, text.encode(), file.stat().st_mode & 0o777)
    written.replace(file)
