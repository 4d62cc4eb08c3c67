"""Worker processes under a supervisor, which accepts the connections and hands each to the worker with the fewest.

The workers are forked from the supervisor, which has no reactor and no threads. So they share the keys of the TLS
session tickets, which the TLS library makes with a context and lets nobody set: a session that one worker began resumes
on another (after a reload of the TLS files each worker has keys of its own, until the next start). And what is secret
reaches them in memory, not by a command line or an environment.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from time import monotonic, sleep
from typing import Final, NoReturn

import structlog
from twisted.internet.posixbase import PosixReactorBase

from console.output import CommandError
from kmip_server.listeners.budget import ConnectionBudget
from kmip_server.listeners.edge import Edge, Port
from kmip_server.listeners.handover import MESSAGE_BYTES, NUMBER, Receiver, Word, hand_over, pair, report_failure
from kmip_server.listeners.process import Serving, reload_tls, run
from kmip_server.listeners.transport import accept

_log: Final = structlog.stdlib.get_logger(__name__)

_ACCEPT_PAUSE_SECONDS: Final = 0.2
_LEAST_DELAY_SECONDS: Final = 0.1
_MOST_DELAY_SECONDS: Final = 30.0
_STEADY_SECONDS: Final = 30.0
_KILL_SECONDS: Final = 5.0
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


def serve_alone(serving: Serving, sockets: Mapping[Port, socket.socket], ready: Callable[[], None]) -> None:
    """Serve in this process; `ready` is called when connections are accepted. Raises what opening the server raises."""

    def attach(_: PosixReactorBase, edge: Edge, __: Callable[[], None]) -> None:
        for port, listening in sockets.items():
            edge.listen(port, listening)
        ready()

    run(serving, attach)


@dataclass(slots=True)
class _Worker:
    """A worker process: its end of the sockets, and the connections it has, by number, with their peers' hosts."""

    pid: int
    control: socket.socket
    started: float
    ready: bool = False
    open: dict[int, str] = field(default_factory=dict)
    last: int = 0


class Companion:
    """A process beside the workers, which is started again when it ends: the gateway to other sites."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act
        self._pid: int | None = None
        self._started = 0.0
        self._delay = _LEAST_DELAY_SECONDS
        self.again_at: float | None = None
        """When it is started again."""

    def start(self, become: Callable[[Callable[[], None]], NoReturn]) -> None:
        """Fork it; `become` is what the new process does."""
        sys.stdout.flush()
        sys.stderr.flush()
        self.again_at, self._started = None, monotonic()
        pid = os.fork()
        if pid == 0:
            become(self._act)
        self._pid = pid

    def reap(self) -> None:
        """See whether it has ended."""
        if self._pid is None or not os.waitpid(self._pid, os.WNOHANG)[0]:
            return
        if monotonic() - self._started >= _STEADY_SECONDS:
            self._delay = _LEAST_DELAY_SECONDS
        _log.error("the gateway ended and is replaced", pid=self._pid, after_seconds=self._delay)
        self._pid, self.again_at = None, monotonic() + self._delay
        self._delay = min(2 * self._delay, _MOST_DELAY_SECONDS)

    def stop(self) -> None:
        """End it, and wait for it."""
        if self._pid is None:
            return
        os.kill(self._pid, signal.SIGTERM)
        deadline = monotonic() + _KILL_SECONDS
        while not os.waitpid(self._pid, os.WNOHANG)[0]:
            if monotonic() >= deadline:
                os.kill(self._pid, signal.SIGKILL)
                os.waitpid(self._pid, 0)
                return
            sleep(0.02)


class Supervisor:
    """Keeps `count` workers serving until told to stop. SIGTERM and SIGINT stop it, SIGHUP reloads the TLS files."""

    def __init__(
        self,
        serving: Serving,
        sockets: Mapping[Port, socket.socket],
        count: int,
        ready: Callable[[], None],
        companion: Callable[[], None] | None = None,
    ) -> None:
        self._companion = None if companion is None else Companion(companion)
        self._serving = serving
        self._sockets = sockets
        self._count = count
        self._ready = ready
        limits = serving.settings
        self._budget = ConnectionBudget(limits.connections, limits.connections_per_address)
        self._selector = selectors.DefaultSelector()
        self._workers: dict[int, _Worker] = {}
        self._announced = False
        self._stopping = False
        self._failure: str | None = None
        self._number = 0
        self._delay = _LEAST_DELAY_SECONDS
        self._restart_at: list[float] = []
        self._accept_at: float | None = None
        self._signals: set[int] = set()

    def run(self) -> None:
        """Serve until stopped. Raises CommandError if a worker could not start in the first place."""
        wake, woken = socket.socketpair()
        for end in (wake, woken):
            end.setblocking(False)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        for number in _SIGNALS:
            signal.signal(number, lambda number, _: self._signals.add(number))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        self._selector.register(woken, selectors.EVENT_READ, (0, lambda: self._woken(woken)))
        for _ in range(self._count):
            self._fork()
        if self._companion is not None:
            self._companion.start(self._become_companion)
        while not self._stopping:
            self._turn()
        self._stop()
        if self._failure is not None:
            raise CommandError(f"a worker could not start: {self._failure}")

    def _turn(self, until: float | None = None) -> None:
        """Wait for the next thing to happen, and do it."""
        again = None if self._companion is None else self._companion.again_at
        times = [*self._restart_at, *(when for when in (self._accept_at, until, again) if when is not None)]
        timeout = max(0.0, min(times) - monotonic()) if times else None
        # Words of the workers come before new connections, so that none is given to a worker that is known to be gone.
        for _, act in sorted((key.data for key, _ in self._selector.select(timeout)), key=itemgetter(0)):
            act()
        now = monotonic()
        if self._accept_at is not None and now >= self._accept_at:
            self._accept_at = None
            self._listen()
        while self._restart_at and self._restart_at[0] <= now and not self._stopping:
            self._restart_at.pop(0)
            self._fork()
        if self._companion is not None and again is not None and again <= now and not self._stopping:
            self._companion.start(self._become_companion)

    # Signals. ---------------------------------------------------------------------------------------------------------

    def _woken(self, woken: socket.socket) -> None:
        with suppress(BlockingIOError):
            woken.recv(4096)
        arrived, self._signals = self._signals, set()
        if signal.SIGHUP in arrived:
            reload_tls(self._serving.tls)
            for worker in self._workers.values():
                with suppress(OSError):
                    worker.control.send(bytes([Word.RELOAD]))
        if signal.SIGTERM in arrived or signal.SIGINT in arrived:
            self._stopping = True
        self._reap()

    def _reap(self) -> None:
        for pid in tuple(self._workers):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self._ended(self._workers.pop(pid), os.waitstatus_to_exitcode(status))
        if self._companion is not None:
            self._companion.reap()

    def _ended(self, worker: _Worker, code: int) -> None:
        if worker.control.fileno() >= 0:
            self._hear(worker)
            self._cut_off(worker)
        for host in worker.open.values():
            self._budget.release(host)
        if self._stopping:
            return
        if not self._announced:
            self._failure = self._failure or f"it ended with code {code}"
            self._stopping = True
            return
        if monotonic() - worker.started >= _STEADY_SECONDS:
            self._delay = _LEAST_DELAY_SECONDS
        _log.error("a worker ended and is replaced", pid=worker.pid, code=code, after_seconds=self._delay)
        self._restart_at.append(monotonic() + self._delay)
        self._restart_at.sort()
        self._delay = min(2 * self._delay, _MOST_DELAY_SECONDS)

    # Workers. ---------------------------------------------------------------------------------------------------------

    def _fork(self) -> None:
        ours, theirs = pair()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            self._become_worker(ours, theirs)
        theirs.close()
        worker = _Worker(pid, ours, monotonic())
        self._workers[pid] = worker
        self._selector.register(ours, selectors.EVENT_READ, (0, lambda: self._hear(worker)))

    def _become_worker(self, ours: socket.socket, theirs: socket.socket) -> NoReturn:
        code = 1
        try:
            self._leave()
            ours.close()
            _work(self._serving, theirs)
            code = 0
        except Exception as error:
            _log.exception("the worker cannot serve")
            report_failure(theirs, str(error))
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _become_companion(self, act: Callable[[], None]) -> NoReturn:
        code = 1
        try:
            self._leave()
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            act()
            code = 0
        except Exception as error:
            _log.error("the gateway cannot run", reason=str(error))
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _leave(self) -> None:
        """Let go of what is the supervisor's, in a process that was forked from it."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._selector.close()
        for worker in self._workers.values():
            worker.control.close()
        for listening in self._sockets.values():
            listening.close()

    def _hear(self, worker: _Worker) -> None:
        """Take what a worker says."""
        try:
            while message := worker.control.recv(MESSAGE_BYTES):
                if message[0] == Word.READY:
                    worker.ready = True
                    self._listen()
                    self._announce()
                elif message[0] == Word.FAILED and not self._announced:
                    self._failure = message[1:].decode(errors="replace")
                elif message[0] == Word.CLOSED:
                    for (number,) in NUMBER.iter_unpack(message[1:]):
                        self._budget.release(worker.open.pop(number))
        except BlockingIOError:
            return
        except OSError as error:
            _log.warning("a worker is out of reach", pid=worker.pid, reason=error.strerror)
        self._cut_off(worker)

    def _cut_off(self, worker: _Worker) -> None:
        """No more words with a worker; its own end of the stream tells it to stop."""
        worker.ready = False
        with suppress(KeyError, ValueError):
            self._selector.unregister(worker.control)
        worker.control.close()

    def _announce(self) -> None:
        if not self._announced and sum(worker.ready for worker in self._workers.values()) == self._count:
            self._announced = True
            self._ready()

    # Connections. -----------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Accept connections from now on."""
        listened = self._selector.get_map()
        for port, listening in self._sockets.items():
            if listening.fileno() not in listened:
                self._selector.register(listening, selectors.EVENT_READ, (1, partial(self._accept, port, listening)))

    def _deafen(self, seconds: float | None) -> None:
        """Leave connections waiting, until the time has passed or a worker is ready."""
        for listening in self._sockets.values():
            with suppress(KeyError):
                self._selector.unregister(listening)
        self._accept_at = None if seconds is None else monotonic() + seconds

    def _accept(self, port: Port, listening: socket.socket) -> None:
        if not any(worker.ready for worker in self._workers.values()):
            self._deafen(None)
            return
        try:
            for connection, peer in accept(listening):
                with connection:
                    self._hand_out(port, connection, peer[0])
        except OSError as error:
            _log.warning("connections cannot be accepted", reason=error.strerror)
            self._deafen(_ACCEPT_PAUSE_SECONDS)

    def _hand_out(self, port: Port, connection: socket.socket, host: str) -> None:
        """Give a connection to the worker with the fewest, and among equals to the one that has waited longest."""
        if not self._budget.take(host):
            _log.info("connection refused", peer=host, reason="too many connections")
            return
        self._number += 1
        ready = (worker for worker in self._workers.values() if worker.ready)
        for worker in sorted(ready, key=lambda worker: (len(worker.open), worker.last)):
            try:
                hand_over(worker.control, port, self._number, connection)
            except OSError:
                continue
            worker.open[self._number] = host
            worker.last = self._number
            return
        self._budget.release(host)
        _log.warning("connection refused", peer=host, reason="no worker takes it")

    # The end. ---------------------------------------------------------------------------------------------------------

    def _stop(self) -> None:
        """Accept no more, have the workers stop gracefully, and kill what does not."""
        self._deafen(None)
        for listening in self._sockets.values():
            listening.close()
        for worker in self._workers.values():
            self._cut_off(worker)
        deadline = monotonic() + self._serving.settings.stop_seconds + _KILL_SECONDS
        self._restart_at.clear()
        while self._workers and monotonic() < deadline:
            self._turn(deadline)
        for pid in self._workers:
            _log.error("a worker does not stop and is killed", pid=pid)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        if self._companion is not None:
            self._companion.stop()


def _work(serving: Serving, control: socket.socket) -> None:
    """Serve the connections that the supervisor hands over."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def attach(reactor: PosixReactorBase, edge: Edge, stop: Callable[[], None]) -> None:
        Receiver(reactor, control, edge, stop, lambda: reload_tls(serving.tls))

    run(serving, attach)
