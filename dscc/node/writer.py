"""Group commit on the reactor's thread: what comes in one turn of the loop is one transaction, and durable at once.

Each piece of work is all or nothing for itself (a savepoint); its answer leaves after the commit. What nobody waits for
may be patient: it goes with what comes next, in its turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from dscc.errors import DsccError, Reason
from dscc.node import audit
from dscc.node.database import NodeDatabase, writing
from policy.model import PolicyError

_Answer = TypeVar("_Answer")
Work = Callable[[Connection], _Answer]


class Writer:
    """The one who writes in a node's process, and whose connection all read with."""

    def __init__(self, reactor: IReactorTime, database: NodeDatabase, first: Callable[[Connection], None]) -> None:
        """`first` is called at the beginning of each transaction, of those that read, too."""
        self._reactor, self._first = reactor, first
        self._connection = database.open()
        self._waiting: list[tuple[Work[Any], Deferred[Any]]] = []
        self._next: IDelayedCall | None = None

    def submit(self, work: Work[_Answer], patience: float = 0.0) -> Deferred[_Answer]:
        """Do a piece of work in the next transaction, which begins in so many seconds at the latest.

        Fires with its answer after the commit. Fails with what the work raised, or with DsccError (FAILED) if it could
        not be made durable.
        """
        done: Deferred[_Answer] = Deferred()
        self._waiting.append((work, done))
        if self._next is None:
            self._next = self._reactor.callLater(patience, self._carry_out)
        elif self._next.getTime() > self._reactor.seconds() + patience:
            self._next.reset(patience)
        return done

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads, on the same connection: one snapshot."""
        with self._connection.begin():
            self._first(self._connection)
            yield self._connection

    def close(self) -> None:
        """Carry out what waits, and give the connection back."""
        self._carry_out()
        self._connection.close()

    def _carry_out(self) -> None:
        waiting, self._waiting = self._waiting, []
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._next = None
        if not waiting:
            return
        outcomes: list[Any] = []
        try:
            with writing(self._connection) as connection:
                self._first(connection)
                outcomes = [_alone(connection, work) for work, _ in waiting]
        except (SQLAlchemyError, PolicyError) as error:
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
    # By hand: SQLAlchemy's own savepoints cost as much as the work.
    connection.exec_driver_sql("SAVEPOINT work")
    try:
        answer = work(connection)
    except SQLAlchemyError:
        # The store's fault, and everybody's.
        raise
    except Exception as error:
        # Refused, or a fault of ours: nobody else's work is lost by it.
        connection.exec_driver_sql("ROLLBACK TO work")
        audit.forget(connection)
        answer = error
    connection.exec_driver_sql("RELEASE work")
    return answer
