"""Clients that go on through every fault, and note what they were told: made, not made, or nothing certain."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count

from support import requests as ask
from support.requests import Session
from support.server import Client
from support.wire import PeerClosedError

VERSION = (2, 1)
UNKNOWN = "the database was lost; whether this was done is not known"
_numbers = count()


@dataclass
class Witnesses:
    """They make named keys on connections that they open again when these are lost."""

    client: Client
    made: dict[str, str] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def at_work(self, number: int) -> Iterator[None]:
        threads = [threading.Thread(target=self._run) for _ in range(number)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.ended.set()
            for thread in threads:
                thread.join()

    def _run(self) -> None:
        while not self.ended.is_set():
            with suppress(OSError, PeerClosedError), self.client.connect() as connection:
                while not self.ended.is_set():
                    self._make(Session(connection, VERSION))

    def _make(self, session: Session) -> None:
        name = f"witness {next(_numbers)}"
        try:
            result = session.do(ask.create_aes(VERSION, ask.name(name)))
        except (OSError, PeerClosedError):
            self.unknown.append(name)
            raise
        if result.ok:
            self.made[name] = result.unique_identifier
        elif result.message.startswith(UNKNOWN):
            self.unknown.append(name)
        else:
            self.refused.append(name)

    def contradicted(self) -> list[str]:
        """What the server says now against what it said then."""
        wrong = []
        with self.client.session(VERSION) as session:
            for name, key in self.made.items():
                if session.located(ask.name(name)) != [key] or not session.do(ask.get(key)).ok:
                    wrong.append(f"{name} was made, and is not there")
            wrong += [f"{name} was refused, and is there" for name in self.refused if session.located(ask.name(name))]
            for name in self.unknown:
                if len(session.located(ask.name(name))) > 1:
                    wrong.append(f"{name} is there twice")
        return wrong

    def wait_for_more(self, number: int, within: float = 30) -> None:
        """Wait until so many more keys are made: the server has recovered by itself."""
        wanted, deadline = len(self.made) + number, time.monotonic() + within
        while len(self.made) < wanted:
            assert time.monotonic() < deadline, f"{len(self.made)} of {wanted} keys were made"
            time.sleep(0.02)
