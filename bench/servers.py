"""The servers that are measured, each a process of its own with a data folder of its own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from support import requests
from support.wire import Connection, Credentials, read_response

from bench import machine
from bench.pki import write_certificates
from bench.workloads import VERSION, Stock, fill_requests

STARTS_WITHIN_S = 30
A_BATCH = 50


def server_processors() -> set[int]:
    """Every processor but the generator's; the same for every server."""
    everything = os.sched_getaffinity(0)
    return everything - {max(everything)} or everything


class Server:
    """A running server: where it is, who may talk to it, and what it costs."""

    title = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = ("127.0.0.1", 0)
        self.credentials: Credentials
        self.process: subprocess.Popen[str]
        self.stock: Stock

    def context(self) -> ssl.SSLContext:
        context = self.credentials.context()
        context.check_hostname = False
        return context

    def connect(self) -> Connection:
        return Connection(self.address, self.context(), check_name=False)

    def _spawn(self, command: list[str], **environment: str) -> IO[str]:
        with (self.folder / "stderr.log").open("a") as log:
            self.process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
                env={**os.environ, **environment},
                preexec_fn=lambda: os.sched_setaffinity(0, _SERVER_PROCESSORS),
            )
        assert self.process.stdout is not None
        return self.process.stdout

    def processes(self) -> list[int]:
        return machine.tree(self.process.pid)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def fill(self, count: int) -> str:
        """Bring the server to `count` named objects and one Active key; answers how that was done."""
        names = [f"bench-{number:06d}" for number in range(count)]
        identifiers: list[str] = []
        with self.connect() as connection:
            session = requests.Session(connection, VERSION)
            for message in fill_requests(names, A_BATCH):
                connection.send(message)
                response = read_response(connection.receive())
                identifiers.extend(result.unique_identifier for result in response.results)
            active = session.create_aes(active=True)
        self.stock = Stock(names, identifiers, active)
        return f"Create requests over the wire, {A_BATCH} in a batch"


_SERVER_PROCESSORS = server_processors()


class Ours(Server):
    """This project's server."""

    title = "kmip-server"

    def __init__(self, folder: Path, workers: int) -> None:
        super().__init__(folder)
        command = str(Path(sys.executable).with_name("kmip-server"))
        data = folder / "data"
        for step in (["init", str(data)], ["client", "add", str(data), "bench"]):
            subprocess.run([command, *step], check=True, stdout=subprocess.DEVNULL)
        self.credentials = Credentials.of(data / "clients" / "bench")
        output = self._spawn(
            [command, "serve", str(data), "--kmip-port", "0", "--https-port", "0", "--workers", str(workers)]
        )
        line = output.readline()
        ready = re.search(r"kmip=(\S+):(\d+)", line)
        if not ready:
            raise RuntimeError(f"kmip-server did not start: {line!r} {(folder / 'stderr.log').read_text()}")
        self.address = (ready[1], int(ready[2]))


class PyKmip(Server):
    """PyKMIP's own server, with its defaults, TLS 1.2 (its only modern choice) and an SQLite file on the same disk."""

    title = "PyKMIP"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        write_certificates(folder)
        (folder / "policy").mkdir()
        self.credentials = Credentials.of(folder / "client")
        self.start()

    def start(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = probe.getsockname()
        settings = {
            "hostname": self.address[0],
            "port": self.address[1],
            "certificate_path": self.folder / "server.pem",
            "key_path": self.folder / "server.key",
            "ca_path": self.folder / "ca.pem",
            "auth_suite": "TLS1.2",
            "policy_path": self.folder / "policy",
            "enable_tls_client_auth": True,
            "logging_level": "INFO",
            "database_path": self.folder / "pykmip.database",
        }
        configuration = self.folder / "server.conf"
        configuration.write_text("[server]\n" + "".join(f"{key}={value}\n" for key, value in settings.items()))
        self._spawn(
            [
                str(Path(sys.executable).with_name("pykmip-server")),
                *("-f", str(configuration), "-l", str(self.folder / "server.log")),
            ],
            PYTHONWARNINGS="ignore",
        )
        deadline = time.monotonic() + STARTS_WITHIN_S
        while True:
            try:
                self.connect().close()
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise RuntimeError(f"PyKMIP did not start: {(self.folder / 'stderr.log').read_text()}") from None
                time.sleep(0.1)
            else:
                return

    def fill(self, count: int) -> str:
        first = min(count, 1000)
        with self.connect() as connection:
            session = requests.Session(connection, VERSION)
            names = [f"bench-{number:06d}" for number in range(first)]
            identifiers = [session.create_aes(requests.name(name)) for name in names]
            active = session.create_aes(active=True)
        if count > first:
            self.stop()
            names, identifiers = self._multiply(identifiers, count // first)
            self.start()
        self.stock = Stock(names, identifiers, active)
        return "Create requests over the wire" + (
            "; beyond 1,000 by copying their rows in its database while it is stopped" if count > first else ""
        )

    def _multiply(self, identifiers: list[str], times: int) -> tuple[list[str], list[str]]:
        """Copy the rows of these objects until there are `times` as many, names and identifiers counted on."""
        low, high = int(identifiers[0]), int(identifiers[-1])
        step = high - low + 2
        tables = {
            "managed_objects": "uid",
            "crypto_objects": "uid",
            "keys": "uid",
            "symmetric_keys": "uid",
        }
        with sqlite3.connect(self.folder / "pykmip.database") as database:
            for turn in range(1, times):
                for table, key in tables.items():
                    columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
                    chosen = ", ".join(f"{c} + {turn * step}" if c == key else f'"{c}"' for c in columns)
                    database.execute(
                        f"INSERT INTO {table} SELECT {chosen} FROM {table} WHERE {key} BETWEEN ? AND ?", (low, high)
                    )
                database.execute(
                    "INSERT INTO managed_object_names (mo_uid, name, name_index, name_type)"
                    " SELECT mo_uid + ?, 'bench-' || printf('%06d', substr(name, 7) + ?), name_index, name_type"
                    " FROM managed_object_names WHERE mo_uid BETWEEN ? AND ?",
                    (turn * step, turn * len(identifiers), low, high),
                )
        database.close()
        names = [f"bench-{number:06d}" for number in range(times * len(identifiers))]
        return names, [str(int(uid) + turn * step) for turn in range(times) for uid in identifiers]


class Ceiling(Server):
    """A Twisted TLS server that answers with responses recorded from `model`."""

    title = "Twisted, canned answers"

    def __init__(self, folder: Path, answers: Path, stock: Stock) -> None:
        super().__init__(folder)
        write_certificates(folder)
        self.credentials = Credentials.of(folder / "client")
        self.stock = stock
        output = self._spawn([sys.executable, "-m", "bench.canned", str(folder), str(answers)])
        self.address = ("127.0.0.1", int(output.readline()))


@contextmanager
def stopped_at_the_end(root: Path) -> Iterator[list[Server]]:
    """A list whose servers are stopped, and whose folder is removed, when the block ends."""
    servers: list[Server] = []
    try:
        yield servers
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(root, ignore_errors=True)
