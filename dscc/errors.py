"""Why a negotiation, a session or a step ends: one exception, a reason from a closed list, a message safe to show."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """What a peer is told. It says what to do next, and nothing about the insides of who says it."""

    MALFORMED = "malformed"
    UNSUPPORTED = "unsupported"
    NOT_AUTHENTIC = "not-authentic"
    OUT_OF_ORDER = "out-of-order"
    CHAIN_BROKEN = "chain-broken"
    TOKEN_REFUSED = "token-refused"  # noqa: S105 - no password
    POLICY_DENIED = "policy-denied"
    WAITING = "waiting"
    INSUFFICIENT_PATHS = "insufficient-paths"
    SID_MISMATCH = "sid-mismatch"
    CONTEXT_MISMATCH = "context-mismatch"
    GLARE = "glare"
    EXPIRED = "expired"
    BUSY = "busy"
    REVOKED = "revoked"
    FAILED = "failed"


class DsccError(Exception):
    """Something was refused or went wrong: the reason for the peer, and words for whoever reads the log.

    `for_record` is what is put on record, where that is more than the peer is to be told.
    """

    def __init__(self, reason: Reason, message: str, for_record: str = "") -> None:
        super().__init__(f"{reason.value}: {message}")
        self.reason = reason
        self.message = message
        self.for_record = for_record or message
