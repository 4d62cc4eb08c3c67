"""A network of two sites whose gateways reach each other through somebody who meddles with what they say.

A meddler stands before each gateway. It reads frames (dscc.wire), and at the first message of a type it does what a
test has asked for: cuts the connection, loses the message, says it twice or later, or ends a process by SIGKILL.
"""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from sharing_network import Sites, attributes_of, until
from support.numbers import Tag
from support.requests import Request, Session, get_attributes
from support.wire import Node, PeerClosedError, Result

from demo.network import Node as NodeProcess
from demo.network import command, nodes
from demo.sites import Site, make_sites, nodes_policy
from dscc.device.cli.main import main as dscc_main
from dscc.errors import DsccError
from dscc.wire import Frame, FrameReader, decode, write_frame

ANSWER_SECONDS = 2
LEASE_SECONDS = 6
SETTLED_WITHIN_S = 25
MALICIOUS = "site-m"
"""A device that the nodes let share keys with both, and that says what it likes."""
STEPS = ("D1", "D2", "D3", "D4", "Notice", "Noticed")
"""What gateways say to each other when one asks for a key, from the first word to the last."""


class Moment:
    """A message that a gateway has sent, and its way to the other one."""

    def __init__(self, meddler: Meddler, frame: Frame, pair: tuple[socket.socket, socket.socket], onward: bool) -> None:
        self._meddler, self._frame, self._pair, self._onward = meddler, frame, pair, onward

    def hand_on(self) -> None:
        """Say it to the other side."""
        with suppress(OSError):
            self._pair[1].sendall(write_frame(self._frame.kind, self._frame.body))

    def cut(self) -> None:
        """Cut this connection."""
        for end in self._pair:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def say_again(self) -> None:
        """Say a question once more, over a connection of its own, and wait for its answer."""
        if self._onward:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._meddler.target), 5) as connection:
                connection.sendall(write_frame(self._frame.kind, self._frame.body))
                connection.recv(65_536)

    def cut_off(self) -> None:
        """Let nothing more through until `heal`, beginning with what answers this."""
        self._meddler.is_cut = True


Act = Callable[[Moment], None]


class Meddler:
    """Stands before a gateway, and hands on what is said, unless it was asked to do something else."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.is_cut = False
        """Whether nobody is let through."""
        self.is_silent = False
        """Whether what is said is lost."""
        self.said: list[str] = []
        self._acts: dict[str, Act] = {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def at(self, step: str, act: Act) -> None:
        """Do something at the next message of this type, in place of handing it on."""
        self.said.clear()
        self._acts[step] = act

    def heal(self) -> None:
        """Let everything through."""
        self.is_cut = self.is_silent = False
        self._acts.clear()

    def close(self) -> None:
        """Listen no more."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                if self.is_cut:
                    raise ConnectionError
                far = socket.create_connection(("127.0.0.1", self.target), 5)
            except OSError:
                near.close()
                continue
            for pair, onward in (((near, far), True), ((far, near), False)):
                threading.Thread(target=self._pump, args=(pair, onward), daemon=True).start()

    def _pump(self, pair: tuple[socket.socket, socket.socket], onward: bool) -> None:
        reader = FrameReader()
        with suppress(OSError, DsccError), closing(pair[0]):
            while data := pair[0].recv(65_536):
                for frame in reader.feed(data):
                    self._meddle(Moment(self, frame, pair, onward), frame)
        with suppress(OSError):
            pair[1].shutdown(socket.SHUT_RDWR)

    def _meddle(self, moment: Moment, frame: Frame) -> None:
        if self.is_silent:
            return
        if self.is_cut:
            moment.cut()
            return
        name = type(decode(frame.body)).__name__
        self.said.append(name)
        act = self._acts.pop(name, Moment.hand_on)
        act(moment)


# What may happen to a message. ----------------------------------------------------------------------------------------


def cut_before(moment: Moment) -> None:
    moment.cut()


def cut_after(moment: Moment) -> None:
    moment.hand_on()
    moment.cut()


def lose(moment: Moment) -> None:
    """Say nothing: whoever waits for it waits."""


def twice(moment: Moment) -> None:
    moment.hand_on()
    moment.say_again()


def later(moment: Moment) -> None:
    """Hand it on when nobody waits for it any more, also if its connection is gone then."""
    threading.Timer(ANSWER_SECONDS + 1.5, lambda: (moment.hand_on(), moment.say_again())).start()


def cut_off_before(moment: Moment) -> None:
    moment.cut_off()
    moment.cut()


def cut_off_after(moment: Moment) -> None:
    moment.cut_off()
    moment.hand_on()


# Processes. -----------------------------------------------------------------------------------------------------------


def children_of(site: Site) -> dict[str, int]:
    """The processes of a site by what they are: its gateway, which listens at its port, and its worker."""
    assert site.process is not None
    found = {}
    for pid in map(int, Path(f"/proc/{site.process.pid}/task/{site.process.pid}/children").read_text().split()):
        with suppress(OSError):
            is_gateway = _listening(site.gateway_port) in [
                str(one.readlink()) for one in Path(f"/proc/{pid}/fd").iterdir()
            ]
            found["gateway" if is_gateway else "worker"] = pid
    return found


def _runs_gateway(site: Site) -> bool:
    with suppress(OSError, AssertionError):
        return "gateway" in children_of(site)
    return False


def _listening(port: int) -> str:
    """The socket that listens at a port, as /proc names it."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(f":{port:04X}") and fields[3] == "0A":
            return f"socket:[{fields[9]}]"
    return ""


def end(site: Site, which: str) -> None:
    """End a process of a site by SIGKILL, or all of them ("site"); the site's server starts one of its own again."""
    if which == "site":
        site.kill()
    else:
        pid = children_of(site)[which]
        os.kill(pid, signal.SIGKILL)
        until(lambda: not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes())


# What there is. -------------------------------------------------------------------------------------------------------


class Meddled(NamedTuple):
    """Two sites, and who stands before the gateway of each."""

    network: Sites
    before: dict[str, Meddler]

    def heal(self) -> None:
        """Have everything run, and everybody be reached."""
        for meddler in self.before.values():
            meddler.heal()
        for site in self.network.sites.values():
            if site.process is not None and not self._has_gateway(site):
                # The server waits longer and longer before it starts a gateway again that has ended again and again.
                site.kill()
            if site.process is None:
                site.start()
        until(lambda: all(self._goes(name) for name in self.network.sites), SETTLED_WITHIN_S)

    @staticmethod
    def _has_gateway(site: Site) -> bool:
        """Whether a site's gateway listens, or does soon; a site that is just being ended has none."""
        with suppress(AssertionError):
            until(lambda: site.process is None or _runs_gateway(site), 3)
        return site.process is not None and _runs_gateway(site)

    def _goes(self, name: str) -> bool:
        """Whether a site's gateway listens, and has heard enough nodes."""
        site = self.network[name]
        if site.process is None:
            # It was ended while the others were looked at.
            site.start()
        return _runs_gateway(site) and leased_until(site) > time.time() + 1

    def untold(self, name: str) -> list[str]:
        """What a site has still to tell other sites."""
        return [
            key
            for (key,) in rows(
                self.network[name], "SELECT unique_identifier FROM shared_changes WHERE audience = 'peers'"
            )
        ]

    def settle(self) -> None:
        """Wait until each site has told the other what there is to tell."""
        until(lambda: not self.untold("site-a") and not self.untold("site-b"), SETTLED_WITHIN_S)


def leased_until(site: Site) -> int:
    """Until when its workers use shared keys, in POSIX seconds; 0: not at all."""
    lease = rows(site, "SELECT value FROM server_state WHERE key = 'dscc_lease'")
    return int(str(lease[0][0])) if lease else 0


def rows(site: Site, query: str) -> list[tuple[object, ...]]:
    """What is in a site's store."""
    with closing(sqlite3.connect(f"file:{site.folder / 'kmip.db'}?mode=ro", uri=True, timeout=10)) as store:
        return store.execute(query).fetchall()


@contextmanager
def meddled(folder: Path) -> Iterator[Meddled]:
    """Three nodes and two sites that run, with somebody before each gateway. Answers and leases are short."""
    names = ("site-a", "site-b")
    made = nodes(folder, nodes_policy((*names, MALICIOUS)), ("eu", "eu", "eu"))
    sites: dict[str, Site] = {}
    before: dict[str, Meddler] = {}
    try:
        for node in made.values():
            node.start()
        sites = make_sites(folder, names, made)
        before = {name: Meddler(site.gateway_port) for name, site in sites.items()}
        for name, site in sites.items():
            site.set({other: meddler.address for other, meddler in before.items() if other != name})
            _shorten(site)
            site.start()
        _enrol(folder / MALICIOUS, made)
        yield Meddled(Sites(folder, made, sites), before)
    finally:
        for meddler in before.values():
            meddler.close()
        for site in sites.values():
            with suppress(ProcessLookupError):
                site.kill()
        for node in made.values():
            node.kill()


def _enrol(folder: Path, made: dict[str, NodeProcess]) -> None:
    """Make the device of a third party, which the nodes let share keys with everybody."""
    codes = [node.does("device", "add", MALICIOUS, "--mode", "ota-kem") for node in made.values()]
    code = folder.with_suffix(".code")
    code.write_text(command("code", "join", *codes))
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        assert dscc("enrol", str(folder), "--code-file", str(code)) == 0
        for _ in range(2):
            assert dscc("advance", str(folder)) == 0


def dscc(*words: str) -> int:
    """What the command ends with."""
    return dscc_main(list(words))


def _shorten(site: Site) -> None:
    file = site.folder / "server.toml"
    file.write_text(file.read_text().replace("answer_seconds = 10", f"answer_seconds = {ANSWER_SECONDS}"))
    file = site.folder / "gateway" / "device.toml"
    file.write_text(file.read_text().replace("[keys]\n", f"[keys]\nlease_seconds = {LEASE_SECONDS}\n"))


def attempt(network: Sites, name: str, *asked: Request) -> Result | None:
    """The answer to a request, to its last batch item; None if its connection is lost before."""
    try:
        with network.session(name) as session:
            return session.do(*asked) if len(asked) == 1 else session.batch(*asked).results[-1]
    except (OSError, PeerClosedError):
        return None


class Key(NamedTuple):
    """A key as one site has it: what both have alike, and the digest of its value."""

    state: int
    names: tuple[str, ...]
    replaced: tuple[str, ...]
    replacement: tuple[str, ...]
    held: bool
    digest: bytes


_GONE = (5, 6)
_REPLACEMENT, _REPLACED = 0x106, 0x107


def keys_at(network: Sites, name: str, before: set[str]) -> dict[str, Key]:
    """The shared keys of a site that were not there before, as its client sees them."""
    found = rows(network[name], "SELECT unique_identifier FROM objects")
    with network.session(name) as session:
        return {key: _key(session, key) for (key,) in found if key not in before}


def _key(session: Session, unique_identifier: str) -> Key:
    answer = session.do(get_attributes(session.version, unique_identifier)).expect_success()
    node = answer.payload.find(Tag.ATTRIBUTES) if answer.payload is not None else None
    assert node is not None
    return Key(
        node.get(Tag.STATE),
        tuple(each.get(Tag.NAME_VALUE) for each in node.all(Tag.NAME)),
        _links(node, _REPLACED),
        _links(node, _REPLACEMENT),
        "ConfirmedAt" not in attributes_of(session, unique_identifier),
        node.get(Tag.DIGEST, Tag.DIGEST_VALUE),
    )


def _links(node: Node, kind: int) -> tuple[str, ...]:
    return tuple(
        each.get(Tag.LINKED_OBJECT_IDENTIFIER) for each in node.all(Tag.LINK) if each.get(Tag.LINK_TYPE) == kind
    )


def known(network: Sites) -> set[str]:
    """The Unique Identifiers that either site has."""
    return {
        str(key) for name in network.sites for (key,) in rows(network[name], "SELECT unique_identifier FROM objects")
    }


def check(made: Meddled, before: set[str], *, old: str = "") -> tuple[dict[str, Key], dict[str, Key]]:
    """Both sites have the same, and nothing of it is half done; answers the new keys of each that can be used.

    `old` is a key from before that may have been replaced.
    """
    made.settle()
    here, there = (keys_at(made.network, name, before - {old}) for name in ("site-a", "site-b"))
    for one, other in ((here, there), (there, here)):
        for identifier, key in one.items():
            match = other.get(identifier)
            alive = key.state not in _GONE
            assert not (alive and key.held), f"{identifier} is held, and nobody asks for it any more"
            assert match is not None or not alive, f"{identifier} is usable at one site, and unknown at the other"
            if match is not None:
                assert match.state == key.state, (identifier, key, match)
                assert match.digest == key.digest, f"two different keys under {identifier}"
        _check_links(one)
        names = [name for key in one.values() if key.state not in _GONE for name in key.names]
        assert len(names) == len(set(names)), f"names belong to two keys: {names}"
    usable = tuple({name: key for name, key in site.items() if key.state not in _GONE} for site in (here, there))
    for name in usable[0]:
        assert usable[0][name][:4] == usable[1][name][:4], (name, usable[0][name], usable[1][name])
    return usable[0], usable[1]


def _check_links(keys: dict[str, Key]) -> None:
    for identifier, key in keys.items():
        assert len(key.replacement) <= 1, f"{identifier} has two replacements"
        for other in key.replacement:
            assert identifier in keys[other].replaced, f"{identifier} is replaced by {other}, which does not say so"
            assert keys[other].state not in _GONE, f"{identifier} is replaced by a key that was given up"
    alive = {name: key for name, key in keys.items() if key.state not in _GONE}
    replaced = [other for key in alive.values() for other in key.replaced]
    assert len(replaced) == len(set(replaced)), f"two replacements of one key: {replaced}"
