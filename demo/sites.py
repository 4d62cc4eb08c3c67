"""The sites of a demonstration: each a KMIP server with its gateway, on this machine, in a folder of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Final

from demo.network import Node, command, free_ports
from dscc.device.cli.main import main as dscc
from dscc.uses.derivation import TUNNEL, USES
from kmip_server.cli.main import main as kmip_server

_SERVER: Final = str(Path(sys.executable).with_name("kmip-server"))

NODES_POLICY: Final = """
[workflows.default]
version = 2
stages = [{ name = "bootstrap" }, { name = "quarantine" }, { name = "production" }]

[[rules]]
name = "sites share keys"
effect = "allow"
subjects = ["group:sites"]
actions = ["DSCC_NEGOTIATE", "DSCC_TUNNEL", "DSCC_GROUP_JOIN"]
resource = { object_types = ["PAIR"], pair = ["group:sites", "group:sites"] }
"""
"""What the nodes allow: devices of the group `sites` share keys with each other."""


def nodes_policy(sites: tuple[str, ...]) -> str:
    """The nodes' policy with these sites in it."""
    devices = "\n".join(f'{site} = {{ groups = ["sites"] }}' for site in sites)
    return f"[devices]\n{devices}\n{NODES_POLICY}"


def site_policy(others: tuple[str, ...], owner: str, more: str = "") -> str:
    """A site's own policy: its clients may ask for keys shared with the others, and `owner` has those that arrive."""
    offers = "\n".join(
        f"""
[[sharing]]
name = "keys with {other}, {use.purpose}"
subjects = ["anyone"]
peer = "{other}"
purpose = "{use.purpose}"
"""
        for other in others
        for use in sorted(USES, key=lambda use: use is not TUNNEL)
    )
    return f"""{offers}{more}
[[arrivals]]
name = "from other sites"
peers = ["*"]
owner = "{owner}"
"""


class Site:
    """A site: its server's folder, and its process while it runs."""

    def __init__(self, folder: Path, name: str, ports: tuple[int, int, int]) -> None:
        self.folder, self.name = folder, name
        self.kmip_port, self.https_port, self.gateway_port = ports
        self.process: subprocess.Popen[str] | None = None

    @property
    def address(self) -> str:
        """Where its gateway listens."""
        return f"127.0.0.1:{self.gateway_port}"

    def make(self, nodes: dict[str, Node], others: dict[str, str], groups: str = "{}", settings: str = "") -> None:
        """Make the server, a client `demo`, and the device, and bring that to its last stage at every node."""
        does("init", self.folder)
        self.set(others, groups, settings)
        # After the ports are known: its pykmip.conf says where the server is.
        does("client", "add", self.folder, "demo")
        codes = [node.does("device", "add", self.name, "--mode", "ota-kem") for node in nodes.values()]
        code = self.folder / "enrolment-code"
        code.write_text(command("code", "join", *codes))
        device = self.folder / "gateway"
        _says(dscc, "enrol", device, "--code-file", code)
        code.unlink()
        for _ in range(2):
            _says(dscc, "advance", device)

    def set(self, others: dict[str, str], groups: str = "{}", settings: str = "") -> None:
        """Write what server.toml says of ports and of other sites."""
        file = self.folder / "server.toml"
        peers = ", ".join(f'{name} = "{place}"' for name, place in others.items())
        changes = {
            "kmip_port": str(self.kmip_port),
            "https_port": str(self.https_port),
            "enabled": "true",
            "port": str(self.gateway_port),
            "peers": f"{{ {peers} }}",
            "groups": groups,
        }
        lines = []
        for line in file.read_text().splitlines():
            key = line.split("=")[0].strip()
            lines.append(f"{key} = {changes[key]}" if key in changes and "=" in line and line[0] != "#" else line)
        file.write_text("\n".join(lines) + "\n" + settings)

    def put_policy(self, text: str) -> None:
        """Have this policy."""
        file = self.folder / "policy.toml"
        file.write_text(text)
        does("policy", "import", self.folder, file)

    def start(self, environment: dict[str, str] | None = None) -> None:
        """Run it, until server and gateway are ready. Raises RuntimeError with its log."""
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                [_SERVER, "serve", str(self.folder)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
                env={**os.environ, **(environment or {})},
            )
        assert self.process.stdout is not None
        awaited = {"kmip-server ready", "kmip-server gateway ready"}
        while awaited:
            line = self.process.stdout.readline()
            if not line:
                raise RuntimeError((self.folder / "log").read_text())
            awaited -= {words for words in awaited if line.startswith(words)}

    def stop(self) -> None:
        """End it gracefully."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it, with all its processes, as a loss of power would."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self.process is None:
            return
        target = os.killpg if number is signal.SIGKILL else os.kill
        target(self.process.pid, number)
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.process = None


def make_sites(folder: Path, names: tuple[str, ...], nodes: dict[str, Node]) -> dict[str, Site]:
    """Sites that know each other, on free ports, with a policy by which all may share keys. None runs yet."""
    made = {}
    for name in names:
        first, second, third = free_ports(3)
        made[name] = Site(folder / name, name, (first, second, third))
    for site in made.values():
        others = {name: other.address for name, other in made.items() if name != site.name}
        site.make(nodes, others)
        site.put_policy(site_policy(tuple(others), "demo"))
    return made


def does(*words: object) -> str:
    """What kmip-server prints. Raises RuntimeError if it refuses."""
    return _says(kmip_server, *words)


def _says(program: object, *words: object) -> str:
    said = StringIO()
    with redirect_stdout(said):
        code = program([str(word) for word in words])  # type: ignore[operator]
    if code:
        raise RuntimeError(f"{' '.join(map(str, words))} ended with {code}: {said.getvalue()}")
    return said.getvalue().strip()
