"""The nodes of a demonstration: processes on this machine, each with a folder of its own."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

from demo.processes import Running, says
from dscc.node.cli.main import main as dscc_node


class Node(Running):
    """A node."""

    program = "dscc-node"
    ready_lines = frozenset({"dscc-node ready"})

    def __init__(self, folder: Path, name: str, port: int) -> None:
        super().__init__(folder, name)
        self.port = port

    def make(self, region: str) -> None:
        """Make its folder."""
        self.does("init", "--name", self.name, "--port", self.port, "--region", region)

    def does(self, *words: object) -> str:
        """What a command about this node prints: its folder follows the command's name."""
        at = 2 if words[0] in ("device", "policy", "peer") else 1
        return command(*words[:at], self.folder, *words[at:])


def command(*words: object) -> str:
    """What dscc-node prints. Raises RuntimeError if it refuses."""
    return says(dscc_node, *words)


def nodes(folder: Path, policy: str, regions: tuple[str, ...]) -> dict[str, Node]:
    """Nodes on free ports that are linked to each other, and have the same policy. None runs yet."""
    made = nodes_at(folder, {f"n{number}": port for number, port in enumerate(free_ports(len(regions)), 1)})
    for node, region in zip(made.values(), regions, strict=True):
        node.make(region)
    link(folder, made.values(), policy)
    return made


def nodes_at(folder: Path, ports: Mapping[str, int]) -> dict[str, Node]:
    """Nodes by their names, in folders of that name."""
    return {name: Node(folder / name, name, port) for name, port in ports.items()}


def link(folder: Path, made: Iterable[Node], policy: str) -> None:
    """Give nodes a policy, and link each with all others."""
    file = folder / "nodes-policy.toml"
    file.write_text(policy)
    made = list(made)
    for one in made:
        one.does("policy", "import", file)
        for other in made:
            if one.name < other.name:
                code = folder / f"{one.name}-{other.name}.code"
                code.write_text(secrets.token_hex(32))
                one.does("peer", "add", other.name, f"127.0.0.1:{other.port}", "--code-file", code)
                other.does("peer", "add", one.name, f"127.0.0.1:{one.port}", "--code-file", code)
                code.unlink()


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
