"""Group commit on the reactor's thread: what comes in one turn of the loop is one transaction, and durable at once.

Each piece of work is all or nothing for itself (a savepoint); its answer leaves after the commit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from dscc.errors import DsccError, Reason
from dscc.node.database import NodeDatabase, NodeError, writing

_Answer = TypeVar("_Answer")
Work = Callable[[Connection], _Answer]


class Writer:
    """The one who writes in a node's process. It holds a connection."""

    def __init__(self, reactor: IReactorTime, database: NodeDatabase) -> None:
        self._reactor = reactor
        self._connection = database.open()
        self._waiting: list[tuple[Work[Any], Deferred[Any]]] = []

    def submit(self, work: Work[_Answer]) -> Deferred[_Answer]:
        """Do a piece of work in the next transaction. Fires with its answer after the commit.

        Fails with what the work raised, or with DsccError (FAILED) if it could not be made durable.
        """
        done: Deferred[_Answer] = Deferred()
        self._waiting.append((work, done))
        if len(self._waiting) == 1:
            self._reactor.callLater(0, self._carry_out)
        return done

    def close(self) -> None:
        """Carry out what waits, and give the connection back."""
        self._carry_out()
        self._connection.close()

    def _carry_out(self) -> None:
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        outcomes: list[Any] = []
        try:
            with writing(self._connection) as connection:
                outcomes = [_alone(connection, work) for work, _ in waiting]
        except SQLAlchemyError as error:
            outcomes = [DsccError(Reason.FAILED, f"the node's store did not take it: {type(error).__name__}")] * len(
                waiting
            )
        for (_, done), outcome in zip(waiting, outcomes, strict=True):
            if isinstance(outcome, Exception):
                done.errback(outcome)
            else:
                done.callback(outcome)


def _alone(connection: Connection, work: Work[Any]) -> Any:
    """A piece of work in a savepoint of its own: its answer, or what it raised."""
    try:
        with connection.begin_nested():
            return work(connection)
    except (DsccError, NodeError) as error:
        return error
