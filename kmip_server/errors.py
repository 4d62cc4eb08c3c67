"""The one error that reaches a peer: a Result Reason and a message that is safe to show (KMIP 2.1 s9.17, s9.18)."""

from __future__ import annotations

from kmip_server.ttlv.enumerations import ResultReason


class KmipError(Exception):
    """An operation failed for a reason the peer may know. The message names what was wrong, never a secret.

    `why` is for the audit record alone: which rule denied it is nothing that a peer is told.
    """

    def __init__(self, reason: ResultReason, message: str, why: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.why = why

    def __repr__(self) -> str:
        return f"KmipError({self.reason.name}, {self.message!r})"
