"""`make run`: three nodes and two sites that share keys, on this machine, until Ctrl-C, SIGTERM or a closed terminal.

The network is made in a folder the first time, and goes on with what is there from then on. A process that ends is
named, and the rest goes on without it. Exit codes: 0 stopped; 1 it cannot begin, or nothing of it runs any more.
"""

from __future__ import annotations

import argparse
import errno
import fcntl
import os
import re
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Final

import structlog
from rich.console import Console

from demo.network import link, nodes_at
from demo.processes import Running, end_on_signals, start_all
from demo.sites import Site, nodes_policy, others_of, site_policy

NODES: Final = {"n1": 7701, "n2": 7702, "n3": 7703}
SITES: Final = {"site-a": (5696, 5698, 5690), "site-b": (5697, 5699, 5691)}
"""The ports for KMIP, for HTTPS, and for other gateways."""
FILE: Final = "network"
_LAST_PORT: Final = 65_535
_MAKING: Final = "being made"
_MADE: Final = re.compile(r"made shift=(-?[0-9]{1,5})")
_NAMED: Final = """
[[sharing]]
name = "keys that are named so, whoever asks"
subjects = ["anyone"]
resource = {{ names = ["shared-*"] }}
peer = "{peer}"
use = "required"
"""


class Refusal(Exception):  # noqa: N818
    """It cannot begin, for a reason that says what to do."""


class Network:
    """The nodes and the sites in a folder; each port is `shift` higher than usual."""

    def __init__(self, folder: Path, shift: int) -> None:
        self.folder, self.shift = folder, shift
        self.nodes = nodes_at(folder, {name: port + shift for name, port in NODES.items()})
        self.sites = {
            name: Site(folder / name, name, (kmip + shift, https + shift, gateway + shift))
            for name, (kmip, https, gateway) in SITES.items()
        }

    @property
    def all(self) -> list[Running]:
        """In the order in which they are started."""
        return [*self.nodes.values(), *self.sites.values()]

    def refuse_busy_ports(self) -> None:
        """Raise Refusal if a port that is needed is in use."""
        wanted = {node.port: f"node {node.name}" for node in self.nodes.values()}
        for site in self.sites.values():
            wanted[site.kmip_port] = f"KMIP at {site.name}"
            wanted[site.https_port] = f"HTTPS at {site.name}"
            wanted[site.gateway_port] = f"the gateway of {site.name}"
        if min(wanted) < 1 or max(wanted) > _LAST_PORT:
            raise Refusal(f"SHIFT={self.shift} asks for ports {min(wanted)} to {max(wanted)}; the last is {_LAST_PORT}")
        busy = [f"  {port}, for {what}" for port, what in sorted(wanted.items()) if _is_busy(port)]
        if busy:
            raise Refusal(
                "these ports on 127.0.0.1 are in use:\n"
                + "\n".join(busy)
                + "\nEnd what uses them (`ss -ltnp` names it), or have a network on others:"
                " make run DATA=another-folder SHIFT=1000"
            )

    def make(self, tell: Callable[[str], None]) -> None:
        """Make all of it, and leave it running."""
        for node in self.nodes.values():
            tell(f"Making node {node.name}")
            node.make("local")
        tell("Linking the nodes")
        link(self.folder, self.nodes.values(), nodes_policy(tuple(self.sites)))
        self.start_nodes(tell)
        for site in self.sites.values():
            others = others_of(site, self.sites)
            tell(f"Making {site.name}: certificates, master key, database")
            site.make_server(others)
            tell(f"Enrolling {site.name} at {len(self.nodes)} nodes, and ratcheting its keys from stage to stage")
            site.enrol(self.nodes)
            named = "".join(_NAMED.format(peer=other) for other in others)
            site.put_policy(site_policy(tuple(others), "demo", named))
        self.start(tell)

    def start(self, tell: Callable[[str], None]) -> None:
        """Start what does not run."""
        self.start_nodes(tell)
        tell("Starting the sites")
        start_all(self.sites.values())

    def start_nodes(self, tell: Callable[[str], None]) -> None:
        """Start the nodes that do not run."""
        tell("Starting the nodes")
        start_all(self.nodes.values())

    def stop(self) -> None:
        """End all of it: the sites first, which need the nodes."""
        for one in reversed(self.all):
            one.stop()


def _is_busy(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return True
            raise Refusal(f"127.0.0.1:{port} cannot be listened on: {error.strerror}") from None
    return False


def opened(folder: Path, shift: int | None) -> tuple[Network, bool]:
    """The network of a folder, and whether it is there already. What was begun and not finished is removed.

    Raises Refusal.
    """
    if (folder / "server.toml").exists():
        raise Refusal(
            f"{folder} is the folder of a single server, as `make run` made it once. It is left as it is: go on with it"
            f" by `.venv/bin/kmip-server serve {folder}`, or have a network beside it: make run DATA=another-folder"
        )
    file = folder / FILE
    if not file.exists():
        if any(folder.iterdir()):
            raise Refusal(f"{folder} is not empty, and no network of `make run`: make run DATA=another-folder")
        return Network(folder, shift or 0), False
    if is_unfinished(file):
        network = Network(folder, shift or 0)
        for one in network.all:
            shutil.rmtree(one.folder, ignore_errors=True)
        return network, False
    made = _MADE.fullmatch(file.read_text())
    if made is None:
        raise Refusal(f"{file} is not as `make run` writes it: make run DATA=another-folder")
    stored = int(made[1])
    if shift is not None and shift != stored:
        raise Refusal(f"the ports of {folder} are shifted by {stored}, which is fixed: leave SHIFT out")
    return Network(folder, stored), True


def is_unfinished(file: Path) -> bool:
    """Whether a network was begun and not finished. The file is empty if the disk was full when it was begun."""
    return file.exists() and file.read_text() in ("", _MAKING)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One `make run` at a time has a folder. Raises Refusal."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refusal(f"`make run` runs in {folder} already") from None
        yield
    finally:
        os.close(descriptor)


def begin(network: Network, is_there: bool) -> None:
    """Make a network that is not there, and start it. Raises Refusal, RuntimeError."""
    network.refuse_busy_ports()
    file, act = network.folder / FILE, network.start if is_there else network.make
    if not is_there:
        file.write_text(_MAKING)
    # Commands that make it in this process write to a standard error of theirs meanwhile.
    with Console(file=sys.stderr).status("") as status:
        act(lambda what: status.update(f"{what} ..."))
    if not is_there:
        file.write_text(f"made shift={network.shift}")


def what_to_try(network: Network) -> str:
    """What is shown when everything runs."""
    folder, programs = _short(network.folder), _short(Path(sys.executable).parent)
    sites = "\n".join(
        f"  {site.name}  KMIP 127.0.0.1:{site.kmip_port}, HTTPS {site.https_port},"
        f" client demo: {folder}/{site.name}/clients/demo/pykmip.conf"
        for site in network.sites.values()
    )
    nodes = ", ".join(f"{node.name} 127.0.0.1:{node.port}" for node in network.nodes.values())
    return f"""Two sites share keys, with the help of three nodes that never know one:
{sites}
  nodes   {nodes}

Try it in another terminal, with PyKMIP, a client that others wrote:
  {programs}/pip install pykmip
  {programs}/python demo/walk.py {folder}
  {programs}/kmip-server gateway status {folder}/site-a

Ctrl-C ends everything, and the next `make run` goes on with it. Logs: {folder}/*/log"""


def _short(path: Path) -> str:
    path = path.absolute()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def watch(network: Network) -> None:
    """Say which process ends, until none is left. Raises Refusal then."""
    ended: SimpleQueue[Running] = SimpleQueue()
    running = {one.name for one in network.all}
    for one in network.all:
        Thread(target=_wait, args=(one, ended), daemon=True).start()
    while running:
        one = ended.get()
        running.discard(one.name)
        print(f"{one.name} has ended ({_how(one)}); the end of {_short(one.log)}:", file=sys.stderr)
        print("\n".join(f"  {line}" for line in one.end_of_log().splitlines()), file=sys.stderr)
        # Its children are ended now: later its number may be another process's.
        one.kill()
        if running:
            command = " ".join([_short(Path(one.command[0])), *one.command[1:-1], _short(one.folder)])
            print(f"{', '.join(sorted(running))} go on. To have it back: {command}", file=sys.stderr, flush=True)
    raise Refusal("nothing of the network runs any more")


def _wait(one: Running, ended: SimpleQueue[Running]) -> None:
    if one.process is not None:
        one.process.wait()
        ended.put(one)


def _how(one: Running) -> str:
    code = one.process.returncode if one.process is not None else 0
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def run(folder: Path, shift: int | None) -> None:
    """Run the network of a folder until a signal comes (SystemExit). Raises Refusal, RuntimeError."""
    with locked(folder):
        network, is_there = opened(folder, shift)
        try:
            begin(network, is_there)
            print(what_to_try(network), flush=True)
            watch(network)
        except SystemExit:
            # What ends us may have come where sys.stderr is that of a command (`says`), and is not put back any more.
            print("\nStopping ...", file=sys.__stderr__)
            if is_unfinished(folder / FILE):
                print("It was not finished yet: the next `make run` begins anew.", file=sys.__stderr__)
            raise
        finally:
            network.stop()


def main() -> int:
    parser = argparse.ArgumentParser(prog="make run", description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shift", type=int, help="how much higher than usual each port is")
    wanted = parser.parse_args()
    end_on_signals()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    try:
        run(wanted.folder.absolute(), wanted.shift)
    except (Refusal, RuntimeError) as error:
        print(f"make run: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"make run: {error.filename or wanted.folder}: {error.strerror}", file=sys.stderr)
        return 1
    except SystemExit:
        print("Everything has ended.", file=sys.__stderr__)
    return 0


if __name__ == "__main__":
    sys.exit(main())
