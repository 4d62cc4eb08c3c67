"""Audit records as other systems read them: JSON, and ArcSight's Common Event Format (version 25)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kmip_server.storage.audit_log import Record

_HEADER: Final = str.maketrans({"\\": "\\\\", "|": "\\|", "\n": " ", "\r": " "})
_VALUE: Final = str.maketrans({"\\": "\\\\", "=": "\\=", "\n": "\\n", "\r": "\\r"})
_SEVERITY: Final = {"succeeded": 3, "failed": 6}


def described(record: Record) -> dict[str, object]:
    """A record for JSON."""
    return record._asdict() | {"digest": record.digest.hex()}


def cef(record: Record) -> str:
    """A record as one line of CEF: pipes and backslashes are escaped in the header, equals signs in the extension."""
    from kmip_server import __version__

    operation = record.operation
    header = ("CEF:0", "kmip-server", "kmip-server", __version__, operation, f"{operation} {record.outcome}")
    fields = {
        "rt": str(record.at * 1000),
        "externalId": str(record.sequence),
        "suser": record.caller,
        "act": operation,
        "outcome": record.outcome,
        "msg": record.detail,
        "cs1": record.unique_identifier or "",
        "cs1Label": "Unique Identifier",
        "cs2": record.correlation,
        "cs2Label": "Server Correlation Value",
        "cs3": record.digest.hex(),
        "cs3Label": "Digest",
    }
    extension = " ".join(f"{name}={value.translate(_VALUE)}" for name, value in fields.items() if value)
    words = [word.translate(_HEADER) for word in header]
    return "|".join([*words, str(_SEVERITY.get(record.outcome, 3)), extension])
