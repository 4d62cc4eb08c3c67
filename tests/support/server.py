"""Servers that run for real: made by the command line, started as a process, killed, and started again."""

from __future__ import annotations

import json
import os
import re
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from kmip_server.config import Settings
from support.command_line import run_here
from support.databases import Databases, keep_place
from support.requests import Session
from support.wire import Connection, Credentials, Version

if TYPE_CHECKING:
    from kmip.pie.client import ProxyKmipClient

COMMAND = str(Path(sys.executable).with_name("kmip-server"))
STARTS_WITHIN_S = 60
STOPS_WITHIN_S = 30

Address = tuple[str, int]


class Client:
    """A client that `client add` made: its files, and ways to talk to its server."""

    def __init__(self, server: RunningServer, name: str) -> None:
        self.server = server
        self.name = name
        self.folder = server.data / "clients" / name
        self.credentials = Credentials.of(self.folder)

    def connect(self, tls: ssl.TLSVersion | None = None, timeout: float = 30) -> Connection:
        """A mutual TLS connection; one TLS version only, if one is given."""
        return Connection(self.server.kmip, self.credentials.context(tls), timeout=timeout)

    @contextmanager
    def session(self, version: Version = (2, 1)) -> Iterator[Session]:
        """A connection that speaks one version of KMIP."""
        with self.connect() as connection:
            yield Session(connection, version)

    def pykmip(self, version: Version = (1, 2)) -> ProxyKmipClient:
        """PyKMIP's client on the configuration that `client add` wrote; use it in a `with` statement."""
        from kmip.core.enums import KMIPVersion
        from kmip.pie.client import ProxyKmipClient

        return ProxyKmipClient(
            hostname=self.server.kmip[0],
            port=self.server.kmip[1],
            config_file=str(self.folder / "pykmip.conf"),
            kmip_version=KMIPVersion[f"KMIP_{version[0]}_{version[1]}"],
        )


class RunningServer:
    """A server in `folder`: its data, its standard output and error. `arguments` go to `serve`."""

    def __init__(
        self, databases: Databases, folder: Path, *arguments: str, environment: dict[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.arguments = arguments
        self.environment = environment or {}
        self.stdout = folder / "stdout"
        self.stderr = folder / "stderr"
        self.process: subprocess.Popen[bytes] | None = None
        self.kmip: Address = ("127.0.0.1", 0)
        self.https: Address = ("127.0.0.1", 0)
        self._databases = databases
        self._place = databases.place()
        self.command("init", str(self.data), **self._place)
        keep_place(self.data, self._place)

    def command(
        self, *arguments: str, check: bool = True, stdin: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a subcommand of the command line to its end, in this process, which is much faster than in its own."""
        ran = run_here(*arguments, stdin=stdin, **{**self.environment, **environment})
        return _checked(subprocess.CompletedProcess(arguments, ran.code, ran.out, ran.err), check)

    def in_own_process(
        self, *arguments: str, check: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """The same in a process of its own, as whoever runs the server does it."""
        variables = {**os.environ, **self.environment, **environment}
        done = subprocess.run([COMMAND, *arguments], input="", capture_output=True, text=True, env=variables)
        return _checked(done, check)

    def add_client(self, name: str, *groups: str) -> Client:
        """Make a client, a member of these groups."""
        options = [word for group in groups for word in ("--group", group)]
        self.command("client", "add", str(self.data), name, *options)
        return Client(self, name)

    def put_operation_policies(self, policies: dict[str, object]) -> None:
        """Put operation policies, in PyKMIP's form, into the policy in force."""
        file = self.folder / f"{'-'.join(policies)}.json"
        file.write_text(json.dumps(policies))
        self.command("policy", "import", str(self.data), str(file))

    def add_user(self, name: str, password: str, *groups: str) -> None:
        """Enter a user with a password, a member of these groups."""
        options = [word for group in groups for word in ("--group", group)]
        self.command("user", "add", str(self.data), name, *options, stdin=password)

    def revoke_client(self, name: str) -> None:
        self.command("client", "revoke", str(self.data), name)

    @property
    def url(self) -> str:
        """The URL of its database."""
        return Settings.load(self.data).storage.url

    @property
    def database_files(self) -> list[Path]:
        """The files in which what its database holds is on the disk."""
        return self._databases.files(self.url)

    def start(self, *, prefix: tuple[str, ...] = ()) -> None:
        """Start the server and wait until it is ready. `prefix` runs it under another command (prlimit, strace)."""
        assert self.process is None
        self.stdout.write_bytes(b"")
        with self.stdout.open("ab") as out, self.stderr.open("ab") as err:
            self.process = subprocess.Popen(
                [*prefix, COMMAND, "serve", str(self.data), "--kmip-port", "0", "--https-port", "0", *self.arguments],
                stdout=out,
                stderr=err,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env={**os.environ, **self.environment},
            )
        line = self._ready_line()
        self.kmip = _address(line, "kmip")
        self.https = _address(line, "https")

    def _ready_line(self) -> str:
        assert self.process is not None
        deadline = time.monotonic() + STARTS_WITHIN_S
        while time.monotonic() < deadline and self.process.poll() is None:
            for line in self.stdout.read_text().splitlines(keepends=True):
                if line.startswith("kmip-server ready") and line.endswith("\n"):
                    return line
            time.sleep(0.02)
        self.kill()
        raise AssertionError(f"the server did not get ready:\n{self.stdout.read_text()}{self.stderr.read_text()}")

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def processes(self) -> list[int]:
        """The server's process and its descendants."""
        pids = [self.pid]
        for pid in pids:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                with suppress(OSError):  # a thread that has just ended
                    pids.extend(int(child) for child in children.read_text().split())
        return pids

    def resident_mib(self) -> float:
        """The memory that its processes have in use together."""
        sizes = (Path(f"/proc/{pid}/statm").read_text().split()[1] for pid in self.processes())
        return sum(int(size) for size in sizes) * os.sysconf("SC_PAGESIZE") / 2**20

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def send_signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self) -> int:
        """Wait for the process to end; answers its exit status."""
        assert self.process is not None
        status = self.process.wait(STOPS_WITHIN_S)
        self.process = None
        return status

    def stop(self) -> int:
        """SIGTERM; answers the exit status."""
        self.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """SIGKILL to every process of the server at once."""
        if self.process is not None:
            with suppress(ProcessLookupError):  # it has ended by itself, and nothing is left of it
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def discard(self) -> None:
        """Kill the server, if it still runs, and give its database back."""
        self.kill()
        for url in self._place.values():
            self._databases.take_back(url)

    def restart(self) -> None:
        """Stop in good order and start on the same data."""
        self.stop()
        self.start()


MakeServer = Callable[..., RunningServer]
"""What the fixture `make_server` is: it takes arguments of `serve`, and an environment."""


def _checked(done: subprocess.CompletedProcess[str], check: bool) -> subprocess.CompletedProcess[str]:
    assert not check or done.returncode == 0, done
    return done


def _address(line: str, name: str) -> Address:
    found = re.search(rf"\b{name}=(\S+):(\d+)", line)
    assert found, line
    return found[1], int(found[2])
