"""A simulated quantum satellite network as a source of keys. Nothing here is quantum, and all that shows says so.

A satellite goes round. In every orbit it has passes, each over two stations, in which these two come to a key
(exchange.py). The key fills their buffer, which they drain. A pass with an eavesdropper gives nothing.

All of it runs in one process: the two ends of a pair are two objects on the same network. Time is a clock that is
given; passes that ended since somebody asked are simulated when somebody asks.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Final, NamedTuple

import numpy as np

from dscc.links.exchange import Ended, Report, exchange
from dscc.links.photons import NOBODY, Downlink, Eavesdropper, Optics, Random
from dscc.links.source import (
    LEAST_BYTES,
    MOST_BYTES,
    MOST_KEYS,
    Key,
    KeyGoneError,
    KeySource,
    SourceEmptyError,
    SourceRefusedError,
    SourceStatus,
    check_ids,
    check_request,
    simulated_key_id,
)

KEY_BYTES: Final = 32
MOST_WAITING: Final = 1024
"""Keys that one end has drawn and the other has not fetched; after that the oldest is dropped."""
MOST_CLICKS: Final = 5_000_000
"""Of one pass over one station: some 200 MB, and a few seconds."""
MOST_BACKLOG: Final = 16
"""If nobody asked for longer, only so many of the last orbits are simulated."""

_log = logging.getLogger(__name__)
Pair = frozenset[str]


class Pass(NamedTuple):
    """The satellite over two stations, one after the other, in every orbit."""

    first: str
    second: str
    start: float
    """Seconds after the orbit's begin."""
    seconds: float
    """Over each of the two."""
    loss_db: tuple[float, float] = (30.0, 30.0)

    @property
    def end(self) -> float:
        """When the second station has received all of its pulses."""
        return self.start + 2 * self.seconds


class Orbit(NamedTuple):
    """What the satellite does, over and over."""

    period: float
    """Seconds; about 5,600 in low orbit."""
    passes: tuple[Pass, ...]
    pulse_rate: float = 1e8
    """Pulses a second."""


def _check(one: Pass, orbit: Orbit, optics: Optics) -> None:
    if one.first == one.second or one.start < 0 or one.seconds <= 0 or one.end > orbit.period:
        raise ValueError("a pass is over two stations, and within an orbit")
    pulses = one.seconds * orbit.pulse_rate
    most = max(pulses * (optics.signal * 10 ** (-loss / 10) + optics.dark) for loss in one.loss_db)
    if most > MOST_CLICKS:
        raise ValueError(f"a pass of {most:.0f} clicks is too much to simulate: the most are {MOST_CLICKS}")


class _Buffer:
    """What two stations have in common: bits not yet drawn, keys not yet fetched, what the last passes came to."""

    def __init__(self) -> None:
        self.stored = bytearray()
        self.waiting: dict[tuple[str, str], bytes] = {}
        """By who is to fetch it, and the key's id."""
        self.reports: deque[Report] = deque(maxlen=MOST_BACKLOG)


class SimSatellite:
    """The network: `end` gives a station's end of it."""

    def __init__(
        self,
        orbit: Orbit,
        clock: Callable[[], float],
        random: Random,
        optics: Optics = Optics(),  # noqa: B008 - immutable
        capacity: int = 1 << 16,
    ) -> None:
        """The first orbit begins now. `capacity` is that of each pair's buffer, in bytes.

        Raises ValueError for a pass that is none, or is too much to simulate.
        """
        for one in orbit.passes:
            _check(one, orbit, optics)
        self._orbit, self._clock, self._random, self._optics, self._capacity = orbit, clock, random, optics, capacity
        self._began = self._seen = clock()
        self._buffers: dict[Pair, _Buffer] = {frozenset((one.first, one.second)): _Buffer() for one in orbit.passes}
        self._lock = Lock()
        self.eavesdroppers: dict[str, Eavesdropper] = {}
        """Who listens to the downlink of which station, from now on."""

    def __repr__(self) -> str:
        return f"SimSatellite(simulated, {len(self._orbit.passes)} passes an orbit)"

    def end(self, station: str) -> SatelliteEnd:
        """The source of keys of one station."""
        return SatelliteEnd(self, station)

    def reports(self, first: str, second: str) -> tuple[Report, ...]:
        """What the last passes of a pair came to."""
        with self._lock:
            return tuple(self._buffer(first, second).reports)

    def status(self, station: str, peer: str) -> SourceStatus:
        """What a station can draw for a peer."""
        with self._lock:
            buffer = self._buffer(station, peer)
            return SourceStatus(
                source="satellite",
                peer=peer,
                stored_keys=len(buffer.stored) // KEY_BYTES,
                key_bytes=KEY_BYTES,
                most_keys=MOST_KEYS,
                least_bytes=LEAST_BYTES,
                most_bytes=MOST_BYTES,
                simulated=True,
                detail=_words(buffer.reports[-1]) if buffer.reports else "simulated: no pass yet",
            )

    def draw(self, station: str, peer: str, size: int, number: int) -> list[Key]:
        """Take keys out of the buffer, and keep them for the peer."""
        check_request(size, number)
        with self._lock:
            buffer = self._buffer(station, peer)
            if len(buffer.stored) < size * number:
                raise SourceEmptyError(
                    f"the simulated satellite has {len(buffer.stored)} bytes for {station} and {peer}, "
                    f"not {size * number}"
                )
            keys = []
            for _ in range(number):
                keys.append(Key(simulated_key_id(self._random(12)), bytes(buffer.stored[:size])))
                del buffer.stored[:size]
                buffer.waiting[peer, keys[-1].key_id] = keys[-1].secret
            while len(buffer.waiting) > MOST_WAITING:
                del buffer.waiting[next(iter(buffer.waiting))]
            return keys

    def fetch(self, station: str, peer: str, key_ids: tuple[str, ...]) -> list[Key]:
        """The keys that the peer drew. All or none."""
        check_ids(key_ids)
        with self._lock:
            waiting = self._buffer(station, peer).waiting
            if not all((station, key_id) in waiting for key_id in key_ids):
                raise KeyGoneError(f"{peer} has drawn no such simulated key for {station}, or it was fetched")
            return [Key(key_id, waiting.pop((station, key_id))) for key_id in key_ids]

    def _buffer(self, first: str, second: str) -> _Buffer:
        """The buffer of a pair, with all passes in it that have ended."""
        buffer = self._buffers.get(frozenset((first, second)))
        if buffer is None:
            raise SourceRefusedError(f"the simulated satellite has no pass over {first} and {second}")
        self._catch_up()
        return buffer

    def _catch_up(self) -> None:
        orbit, since, now = self._orbit, self._seen, self._clock()
        self._seen = max(since, now)
        last = int((now - self._began) // orbit.period)
        earliest = max(int((since - self._began) // orbit.period) - 1, last - MOST_BACKLOG, 0)
        ends = [
            (self._began + turn * orbit.period + one.end, one)
            for turn in range(earliest, last + 1)
            for one in orbit.passes
        ]
        for end, one in sorted(ends):
            if since < end <= now:
                self._receive(one)

    def _receive(self, one: Pass) -> None:
        pulses = int(one.seconds * self._orbit.pulse_rate)
        outcome = exchange(
            self._optics,
            (Downlink(pulses, one.loss_db[0]), Downlink(pulses, one.loss_db[1])),
            self._random,
            (self.eavesdroppers.get(one.first, NOBODY), self.eavesdroppers.get(one.second, NOBODY)),
        )
        buffer = self._buffers[frozenset((one.first, one.second))]
        buffer.reports.append(outcome.report)
        level = logging.WARNING if outcome.report.ended is Ended.EAVESDROPPING else logging.INFO
        _log.log(level, "pass over %s and %s, %s", one.first, one.second, _words(outcome.report))
        buffer.stored += np.packbits(outcome.first[: len(outcome.first) // 8 * 8]).tobytes()
        del buffer.stored[self._capacity :]


def _words(report: Report) -> str:
    rates = " and ".join(f"{100 * rate:.1f} %" for rate in report.error_rates)
    return f"simulated: {report.ended.value}, {report.key_bits} bits; QBER {rates}"


class SatelliteEnd(KeySource):
    """One station's end of the simulated network: a KeySource."""

    def __init__(self, network: SimSatellite, station: str) -> None:
        self._network, self._station = network, station

    def __repr__(self) -> str:
        return f"SatelliteEnd({self._station!r}, simulated)"

    def status(self, peer: str) -> SourceStatus:
        """How much there is for a link with this peer."""
        return self._network.status(self._station, peer)

    def get_key(self, peer: str, size: int, number: int = 1) -> list[Key]:
        """Draw fresh keys. Raises SourceEmptyError."""
        return self._network.draw(self._station, peer, size, number)

    def get_by_id(self, peer: str, key_ids: tuple[str, ...]) -> list[Key]:
        """The keys that the peer drew. Raises KeyGoneError."""
        return self._network.fetch(self._station, peer, key_ids)
