"""The load generator: one process, non-blocking TLS sockets under one epoll, requests encoded beforehand.

Closed loop: each connection has one request under way. Every answer is checked for its Result Status, so that a failed
request is never counted; a run in which one fails is an error.
"""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Callable, Generator
from dataclasses import dataclass
from time import perf_counter

SUCCEEDED = bytes.fromhex("42007f050000000400000000")
FAILED = bytes.fromhex("42007f050000000400000001")

Script = Callable[[bytes | None], bytes]
"""Takes the last answer, None at first; gives the next request."""


class RequestFailedError(Exception):
    """The server answered something other than Success."""


@dataclass(frozen=True)
class Measurement:
    """One run: operations done, in how many seconds, and each one's latency in seconds, sorted.

    `begun` are all that were begun, also in the warm-up, and also those that were not answered at the end.
    """

    operations: int
    seconds: float
    latencies: list[float]
    begun: int

    @property
    def rate(self) -> float:
        return self.operations / self.seconds

    def percentile(self, share: float) -> float:
        """A latency in milliseconds; not a number if nothing was measured."""
        if not self.latencies:
            return float("nan")
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * share))] * 1e3


class _Client:
    """One connection and its place in its script. `turns` messages make one operation."""

    def __init__(self, stream: ssl.SSLSocket, script: Script, turns: int) -> None:
        self.stream = stream
        self.script = script
        self.turns = turns
        self.turn = 0
        self.buffer = b""
        self.sent_at = 0.0

    def send(self, answer: bytes | None) -> None:
        self.stream.send(self.script(answer))


def connect(address: tuple[str, int], context: ssl.SSLContext) -> ssl.SSLSocket:
    """A connected, authenticated, non-blocking TLS socket."""
    plain = socket.create_connection(address, 30)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream = context.wrap_socket(plain, server_hostname=address[0])
    stream.setblocking(False)
    return stream


def measure(
    address: tuple[str, int],
    context: ssl.SSLContext,
    scripts: list[Script],
    *,
    turns: int = 1,
    seconds: float,
    warm_up: float,
) -> Measurement:
    """Run one script a connection for a time.

    What completes after `warm_up` counts. The run ends at its time whether or not the last answers have come.
    """
    clients = {}
    poll = select.epoll()
    try:
        for script in scripts:
            client = _Client(connect(address, context), script, turns)
            clients[client.stream.fileno()] = client
            poll.register(client.stream.fileno(), select.EPOLLIN)
        return _drive(clients, poll, seconds, warm_up)
    finally:
        poll.close()
        for client in clients.values():
            client.stream.close()


def _drive(clients: dict[int, _Client], poll: select.epoll, seconds: float, warm_up: float) -> Measurement:
    latencies: list[float] = []
    begun = len(clients)
    began = perf_counter()
    counted_from = began + warm_up
    deadline = counted_from + seconds
    for client in clients.values():
        client.sent_at = perf_counter()
        client.send(None)
    now = began
    while now < deadline:
        for descriptor, _ in poll.poll(deadline - now):
            client = clients[descriptor]
            try:
                part = client.stream.recv(65536)
            except ssl.SSLWantReadError:
                continue
            if not part:
                raise RequestFailedError("the server closed the connection")
            data = client.buffer + part if client.buffer else part
            if len(data) < 8 or len(data) < 8 + int.from_bytes(data[4:8], "big"):
                client.buffer = data
                continue
            client.buffer = b""
            if SUCCEEDED not in data or FAILED in data:
                raise RequestFailedError(data.hex())
            client.turn += 1
            if client.turn == client.turns:
                client.turn = 0
                begun += 1
                now = perf_counter()
                if now >= counted_from:
                    latencies.append(now - client.sent_at)
                client.sent_at = now
            client.send(data)
        now = perf_counter()
    latencies.sort()
    return Measurement(len(latencies), now - counted_from, latencies, begun)


def measure_handshakes(
    address: tuple[str, int], context: ssl.SSLContext, request: bytes, clients: int, *, seconds: float, warm_up: float
) -> Measurement:
    """New connections: connect, full mutual TLS handshake, one request, its answer, close; `clients` at a time."""
    latencies: list[float] = []
    begun = 0
    poll = select.epoll()
    under_way: dict[int, tuple[Generator[int, None, None], float]] = {}
    began = perf_counter()
    counted_from = began + warm_up
    deadline = counted_from + seconds

    def start() -> None:
        nonlocal begun
        begun += 1
        plain = socket.socket()
        plain.setblocking(False)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.connect_ex(address)
        visit = _visit(plain, context, address[0], request)
        under_way[plain.fileno()] = (visit, perf_counter())
        poll.register(plain.fileno(), next(visit))

    try:
        for _ in range(clients):
            start()
        now = began
        while now < deadline:
            for descriptor, _ in poll.poll(deadline - now):
                visit, started_at = under_way[descriptor]
                try:
                    poll.modify(descriptor, next(visit))
                except StopIteration:
                    del under_way[descriptor]
                    now = perf_counter()
                    if now >= counted_from:
                        latencies.append(now - started_at)
                    start()
            now = perf_counter()
    finally:
        for visit, _ in under_way.values():
            visit.close()
        poll.close()
    latencies.sort()
    return Measurement(len(latencies), now - counted_from, latencies, begun)


def _visit(plain: socket.socket, context: ssl.SSLContext, host: str, request: bytes) -> Generator[int, None, None]:
    """One connection's life; yields what it waits for, and closes the socket however it ends."""
    with plain:
        yield select.EPOLLOUT
        stream = context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
    with stream:
        while True:
            try:
                stream.do_handshake()
                break
            except ssl.SSLWantReadError:
                yield select.EPOLLIN
            except ssl.SSLWantWriteError:
                yield select.EPOLLOUT
        stream.send(request)
        data = b""
        while len(data) < 8 or len(data) < 8 + int.from_bytes(data[4:8], "big"):
            yield select.EPOLLIN
            try:
                part = stream.recv(65536)
            except ssl.SSLWantReadError:
                continue
            if not part:
                raise RequestFailedError("the server closed the connection")
            data += part
        if SUCCEEDED not in data or FAILED in data:
            raise RequestFailedError(data.hex())
