"""Clients as `client list` shows them: every certificate that was entered, and who was seen with another one."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from kmip_server.storage.accounts import ClientRecord
from kmip_server.storage.standing import ClientStanding

COLUMNS: Final = ("Name", "State", "Valid until", "Last seen", "Groups", "Fingerprint")

Standings = Mapping[str, ClientStanding]


def described(records: Sequence[ClientRecord], standings: Standings) -> list[dict[str, object]]:
    """The clients for scripts."""
    entered = [_document(record, _of(record.name, standings)) for record in records]
    return entered + [_other_document(standings[name]) for name in _others(records, standings)]


def rows(records: Sequence[ClientRecord], standings: Standings) -> list[tuple[str, ...]]:
    """The clients for a table of these COLUMNS."""
    entered = [_row(record, _of(record.name, standings)) for record in records]
    return entered + [_other_row(standings[name]) for name in _others(records, standings)]


def _of(name: str, standings: Standings) -> ClientStanding:
    return standings.get(name, ClientStanding(name))


def _others(records: Sequence[ClientRecord], standings: Standings) -> list[str]:
    return sorted(standings.keys() - {record.name for record in records})


def _document(record: ClientRecord, standing: ClientStanding) -> dict[str, object]:
    return {
        "name": record.name,
        "state": _state(record, standing),
        "groups": sorted(record.groups),
        "fingerprint": record.fingerprint,
        "serial": record.serial,
        "valid_until": _moment(record.not_after),
        "created_at": _moment(record.created_at),
        "revoked_at": _moment(record.revoked_at),
        **_times(standing),
    }


def _other_document(standing: ClientStanding) -> dict[str, object]:
    """A client that was never entered here: another authority made its certificate."""
    return {"name": standing.name, "state": _other_state(standing), **_times(standing)}


def _times(standing: ClientStanding) -> dict[str, object]:
    return {"last_seen_at": _moment(standing.last_seen_at), "quarantined_at": _moment(standing.quarantined_at)}


def _row(record: ClientRecord, standing: ClientStanding) -> tuple[str, ...]:
    groups, seen = ", ".join(sorted(record.groups)), _day(standing.last_seen_at)
    return (record.name, _state(record, standing), _day(record.not_after), seen, groups, record.fingerprint[:16])


def _other_row(standing: ClientStanding) -> tuple[str, ...]:
    return (standing.name, _other_state(standing), "", _day(standing.last_seen_at), "", "")


def _state(record: ClientRecord, standing: ClientStanding) -> str:
    if record.revoked_at is not None:
        return "revoked"
    if standing.quarantined_at is not None:
        return "quarantined"
    return "expired" if record.not_after < time.time() else "active"


def _other_state(standing: ClientStanding) -> str:
    return "not entered" if standing.quarantined_at is None else "quarantined"


def _moment(at: int | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat()


def _day(moment: int | None) -> str:
    return "" if moment is None else f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d}"
