"""Poll and Cancel (KMIP 2.1 s6.1.4, s6.1.41; KMIP 1.4 s4.28, s4.29)."""

from __future__ import annotations

from support.numbers import Operation, Reason, Tag
from support.requests import Request, Session
from support.wire import octets


def test_poll_refuses_a_correlation_value_of_nothing(both: Session) -> None:
    result = both.do(Request(Operation.POLL, octets(Tag.ASYNCHRONOUS_CORRELATION_VALUE, bytes(8))))
    expected = Reason.INVALID_ASYNCHRONOUS_CORRELATION_VALUE
    assert result.reason == (Reason.ITEM_NOT_FOUND if both.version < (2, 0) else expected)


def test_cancel_refuses_a_correlation_value_of_nothing(newest: Session) -> None:
    result = newest.do(Request(Operation.CANCEL, octets(Tag.ASYNCHRONOUS_CORRELATION_VALUE, bytes(8))))
    assert result.reason == Reason.INVALID_ASYNCHRONOUS_CORRELATION_VALUE
