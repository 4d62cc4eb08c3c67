"""Load whose every answer is on record: what a server acknowledged must be true after it was killed.

Each writer has a connection and objects of its own, so that the history of an object is one sequence. Before a request
is sent its intent is on disk; before an answer counts it is on disk too. An operation is then acknowledged, refused,
or unknown (sent, and no answer came); only an unknown one may have happened or not, and wholly either way.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import IO

from support import requests as ask
from support.numbers import Tag
from support.requests import Request, Session
from support.server import Client
from support.wire import Connection, PeerClosedError, Result

VERSION = (2, 1)
STATE, CONTACT = ("State", Tag.STATE), ("Contact Information", Tag.CONTACT_INFORMATION)


@dataclass(frozen=True)
class Known:
    """What is known of an object: its state, its Contact Information, and its key bytes if they were known."""

    state: int
    contact: str | None = None
    material: bytes | None = None


@dataclass
class Key:
    """An object of a writer: what is acknowledged, and what an unanswered request may have made of it."""

    name: str
    identifier: str | None
    acknowledged: Known | None
    possible: Known | None = None
    """Set while a request is under way; None again when it was answered."""


@dataclass
class Journal:
    """The record, on disk line by line."""

    file: IO[str]
    counts: dict[str, int] = field(default_factory=lambda: {"acknowledged": 0, "refused": 0, "unknown": 0})
    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def at(cls, path: Path) -> Journal:
        return cls(path.open("a"))

    def write(self, event: str, **what: object) -> None:
        """Put a line on record; it is durable when this returns."""
        with self.lock:
            self.file.write(json.dumps({"event": event, **what}) + "\n")
            self.file.flush()
            os.fsync(self.file.fileno())
            if event in self.counts:
                self.counts[event] += 1

    def close(self) -> None:
        self.file.close()


class Writer:
    """One client's load: creates, registers, activates, changes, revokes and destroys keys, one after the other."""

    def __init__(self, client: Client, number: int, journal: Journal, random: Random) -> None:
        self.client = client
        self.number = number
        self.journal = journal
        self.random = random
        self.keys: list[Key] = []
        self.touched: dict[str, Key] = {}
        self.made = 0
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Send requests until the server is gone."""
        try:
            with self.client.connect() as connection:
                while True:
                    self.step(connection)
        except (OSError, PeerClosedError):
            return
        except BaseException as error:
            self.failure = error

    def step(self, connection: Connection) -> None:
        """One operation, on record before and after."""
        key, asked, after = self._choose()
        key.possible = after
        self.touched[key.name] = key
        self.journal.write("sent", key=key.name, operation=asked.operation, state=after.state, contact=after.contact)
        try:
            result = Session(connection, VERSION).do(asked)
        except (OSError, PeerClosedError):
            self.journal.write("unknown", key=key.name, operation=asked.operation)
            raise
        event = "acknowledged" if result.ok else "refused"
        self.journal.write(event, key=key.name, operation=asked.operation)
        if result.ok:
            self._accept(key, after, result)
        else:
            raise AssertionError(f"refused under load: {result}")
        key.possible = None

    def _accept(self, key: Key, after: Known, result: Result) -> None:
        key.acknowledged = after
        if key.identifier is None:
            key.identifier = result.unique_identifier

    def _choose(self) -> tuple[Key, Request, Known]:
        """The next operation: the key it is about, the request, and what will be known when it has succeeded."""
        live = [key for key in self.keys[-20:] if key.acknowledged and key.acknowledged.state != ask.DESTROYED]
        if len(live) < 3 or self.random.random() < 0.4:
            return self._make()
        key = self.random.choice(live)
        before = key.acknowledged
        assert before is not None
        steps = self._steps(key, before)
        return key, *self.random.choice(steps)()

    def _make(self) -> tuple[Key, Request, Known]:
        self.made += 1
        key = Key(f"writer {self.number} key {self.made}", None, None)
        self.keys.append(key)
        if self.random.random() < 0.5:
            return key, ask.create_aes(VERSION, ask.name(key.name)), Known(ask.PRE_ACTIVE)
        material = self.random.randbytes(32)
        return key, ask.register_key(VERSION, material, ask.name(key.name)), Known(ask.PRE_ACTIVE, None, material)

    def _steps(self, key: Key, before: Known) -> list[Callable[[], tuple[Request, Known]]]:
        contact = f"contact {self.random.getrandbits(32):08x}"
        identifier = key.identifier

        def changed() -> tuple[Request, Known]:
            change = ask.modify_attribute if before.contact is not None else ask.add_attribute
            asked = change(VERSION, identifier, ask.contact_information(contact))
            return asked, replace(before, contact=contact)

        def activated() -> tuple[Request, Known]:
            return ask.activate(identifier), replace(before, state=ask.ACTIVE)

        def revoked() -> tuple[Request, Known]:
            return ask.revoke(identifier), replace(before, state=ask.DEACTIVATED)

        def destroyed() -> tuple[Request, Known]:
            return ask.destroy(identifier), replace(before, state=ask.DESTROYED, material=None)

        by_state = {
            ask.PRE_ACTIVE: [changed, activated, activated, destroyed],
            ask.ACTIVE: [changed, revoked],
            ask.DEACTIVATED: [changed, destroyed],
        }
        return by_state[before.state]

    def verify_touched(self) -> list[str]:
        """Verify what was touched since this was last asked."""
        touched, self.touched = self.touched, {}
        return self.verify(list(touched.values()))

    def verify(self, keys: list[Key]) -> list[str]:
        """Compare the server with the record; answers what is wrong. What was unknown is known afterwards."""
        with self.client.session(VERSION) as session:
            return [wrong for key in keys if (wrong := self._verify(session, key)) is not None]

    def _verify(self, session: Session, key: Key) -> str | None:
        allowed = {known for known in (key.acknowledged, key.possible) if known is not None}
        if key.identifier is None:
            found = self._find(session, key)
            if isinstance(found, str):
                return found
            if found is None:
                return None
        seen: Known | str = observe(session, str(key.identifier), allowed)
        if seen not in allowed:
            return f"{key.name}: {seen} is none of {allowed}"
        key.acknowledged, key.possible = seen, None
        return None

    def _find(self, session: Session, key: Key) -> Key | str | None:
        """A key whose making was never answered: there is one by its name, or none."""
        found = session.located(ask.name(key.name))
        if len(found) > 1:
            return f"{key.name}: made {len(found)} times"
        if not found:
            self.keys.remove(key)
            return None
        key.identifier = found[0]
        return key


def observe(session: Session, identifier: str, allowed: set[Known]) -> Known | str:
    """What the server knows of an object; a sentence if it is broken or gone."""
    result = session.do(ask.get_attributes(VERSION, identifier, STATE, CONTACT))
    if not result.ok:
        return f"lost: {result}"
    state, contact = result.get(Tag.ATTRIBUTES, Tag.STATE), result.get(Tag.ATTRIBUTES, Tag.CONTACT_INFORMATION)
    got = session.do(ask.get(identifier))
    if got.ok == (state == ask.DESTROYED):
        return f"state {state}, but {got}"
    material = got.get(Tag.SYMMETRIC_KEY, Tag.KEY_BLOCK, Tag.KEY_VALUE, Tag.KEY_MATERIAL) if got.ok else None
    if got.ok and len(material or b"") != 32:
        return f"the key has {len(material or b'')} bytes"
    if not any(known.material for known in allowed):
        material = None
    return Known(state, contact, material)


def load(writers: list[Writer], until: Callable[[], None]) -> None:
    """Run the writers until `until` returns, which must have ended the server."""
    threads = [threading.Thread(target=writer.run) for writer in writers]
    for thread in threads:
        thread.start()
    until()
    for thread in threads:
        thread.join()
    for writer in writers:
        if writer.failure is not None:
            raise writer.failure
