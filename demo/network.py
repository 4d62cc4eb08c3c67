"""The nodes of a demonstration: processes on this machine, each with a folder of its own."""

from __future__ import annotations

import secrets
import signal
import socket
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from dscc.node.cli.main import main as dscc_node

_NODE = str(Path(sys.executable).with_name("dscc-node"))


class Node:
    """A node, and its process while it runs."""

    def __init__(self, folder: Path, name: str, port: int, region: str) -> None:
        self.folder, self.name, self.port = folder, name, port
        self._process: subprocess.Popen[str] | None = None
        self.does("init", "--name", name, "--port", port, "--region", region)

    def does(self, *words: object) -> str:
        """What a command about this node prints: its folder follows the command's name."""
        at = 2 if words[0] in ("device", "policy", "peer") else 1
        return command(*words[:at], self.folder, *words[at:])

    def start(self) -> None:
        """Run it, until it listens."""
        with (self.folder / "log").open("a") as log:
            self._process = subprocess.Popen(
                [_NODE, "serve", str(self.folder)], stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self._process.stdout is not None
        if not self._process.stdout.readline().startswith("dscc-node ready"):
            raise RuntimeError((self.folder / "log").read_text())

    @property
    def runs(self) -> bool:
        """Whether there is a process of it."""
        return self._process is not None

    def kill(self) -> None:
        """End it as a loss of power would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None


def command(*words: object) -> str:
    """What dscc-node prints. Raises RuntimeError if it refuses."""
    said = StringIO()
    with redirect_stdout(said):
        code = dscc_node([str(word) for word in words])
    if code:
        raise RuntimeError(f"dscc-node {' '.join(map(str, words))} ended with {code}")
    return said.getvalue().strip()


def nodes(folder: Path, policy: str, regions: tuple[str, ...]) -> dict[str, Node]:
    """Nodes that are linked to each other, and have the same policy. None runs yet."""
    made = {
        f"n{number}": Node(folder / f"n{number}", f"n{number}", port, region)
        for number, (port, region) in enumerate(zip(free_ports(len(regions)), regions, strict=True), 1)
    }
    file = folder / "policy.toml"
    file.write_text(policy)
    for one in made.values():
        one.does("policy", "import", file)
        for other in made.values():
            if one.name < other.name:
                code = folder / f"{one.name}-{other.name}.code"
                code.write_text(secrets.token_hex(32))
                one.does("peer", "add", other.name, f"127.0.0.1:{other.port}", "--code-file", code)
                other.does("peer", "add", one.name, f"127.0.0.1:{one.port}", "--code-file", code)
                code.unlink()
    return made


def free_ports(count: int) -> list[int]:
    """Ports that are free now."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()
