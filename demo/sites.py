"""The sites of a demonstration: each a KMIP server with its gateway, on this machine, in a folder of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from demo.network import Node, command, free_ports
from demo.processes import Running, says
from dscc.device.cli.main import main as dscc
from dscc.uses.derivation import TUNNEL, USES
from kmip_server.cli.main import main as kmip_server

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


def site_policy(others: tuple[str, ...], owner: str, more: str = "", groups: tuple[str, ...] = ()) -> str:
    """A site's own policy: its clients may ask for keys shared with the others, and `owner` has those that arrive."""
    offers = "\n".join(
        f"""
[[sharing]]
name = "keys with {other}, {use.purpose}"
subjects = ["anyone"]
{kind} = "{other}"
purpose = "{use.purpose}"
"""
        for kind, named in (("peer", others), ("group", groups))
        for other in named
        for use in sorted(USES, key=lambda use: use is not TUNNEL)
    )
    return f"""{offers}{more}
[[arrivals]]
name = "from other sites"
peers = ["*"]
owner = "{owner}"
"""


class Site(Running):
    """A site: its server's folder, and its process while it runs."""

    program = "kmip-server"
    ready_lines = frozenset({"kmip-server ready", "kmip-server gateway ready"})

    def __init__(self, folder: Path, name: str, ports: tuple[int, int, int]) -> None:
        super().__init__(folder, name)
        self.kmip_port, self.https_port, self.gateway_port = ports

    @property
    def address(self) -> str:
        """Where its gateway listens."""
        return f"127.0.0.1:{self.gateway_port}"

    def make(self, nodes: dict[str, Node], others: dict[str, str], groups: str = "{}", settings: str = "") -> None:
        """Make the server, a client `demo`, and the device, and bring that to its last stage at every node."""
        self.make_server(others, groups, settings)
        self.enrol(nodes)

    def make_server(self, others: dict[str, str], groups: str = "{}", settings: str = "") -> None:
        """Make the server and its client `demo`."""
        does("init", self.folder)
        self.set(others, groups, settings)
        does("client", "add", self.folder, "demo")

    def enrol(self, nodes: Mapping[str, Node]) -> None:
        """Make the device, and bring it to its last stage at every node."""
        codes = [node.does("device", "add", self.name, "--mode", "ota-kem") for node in nodes.values()]
        code = self.folder / "enrolment-code"
        code.write_text(command("code", "join", *codes))
        device = self.folder / "gateway"
        says(dscc, "enrol", device, "--code-file", code)
        code.unlink()
        for _ in range(2):
            says(dscc, "advance", device)

    def set(self, others: dict[str, str], groups: str = "{}", settings: str = "", saes: str = "{}") -> None:
        """Write what server.toml says of ports, of other sites, and of SAEs there."""
        file = self.folder / "server.toml"
        peers = ", ".join(f'{name} = "{place}"' for name, place in others.items())
        changes = {
            ("server", "kmip_port"): str(self.kmip_port),
            ("server", "https_port"): str(self.https_port),
            ("dscc", "enabled"): "true",
            ("dscc", "port"): str(self.gateway_port),
            ("dscc", "peers"): f"{{ {peers} }}",
            ("dscc", "groups"): groups,
            ("etsi014", "saes"): saes,
        }
        section, lines = "", []
        for line in file.read_text().splitlines():
            section = line[1:-1] if line.startswith("[") else section
            key = line.split("=")[0].strip()
            lines.append(f"{key} = {changes[section, key]}" if (section, key) in changes else line)
        file.write_text("\n".join(lines) + "\n" + settings)

    def put_policy(self, text: str) -> None:
        """Have this policy."""
        file = self.folder / "policy.toml"
        file.write_text(text)
        does("policy", "import", self.folder, file)


def make_sites(
    folder: Path, names: tuple[str, ...], nodes: dict[str, Node], groups: Mapping[str, tuple[str, ...]] | None = None
) -> dict[str, Site]:
    """Sites that know each other, on free ports, with a policy by which all may share keys. None runs yet.

    `groups` are those that they form.
    """
    made = {}
    for name in names:
        first, second, third = free_ports(3)
        made[name] = Site(folder / name, name, (first, second, third))
    for site in made.values():
        others = others_of(site, made)
        site.make(nodes, others, as_toml(groups or {}))
        site.put_policy(site_policy(tuple(others), "demo", groups=tuple(groups or {})))
    return made


def as_toml(groups: Mapping[str, tuple[str, ...]]) -> str:
    """Groups as server.toml has them."""
    return f"{{ {', '.join(f'{name} = {json.dumps(members)}' for name, members in groups.items())} }}"


def others_of(site: Site, sites: Mapping[str, Site]) -> dict[str, str]:
    """Where the gateways of the other sites listen."""
    return {name: other.address for name, other in sites.items() if name != site.name}


def does(*words: object) -> str:
    """What kmip-server prints. Raises RuntimeError if it refuses."""
    return says(kmip_server, *words)
