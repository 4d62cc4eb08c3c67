"""Two sites with their gateways and nodes, all processes of their own, set up as docs/etsi014.md says.

`firewall-a` and `firewall-b` are the pair of the document. Beside them there are, at site-a, `other-a`, which may ask
for keys, too, of three seconds' lifetime and without a pool, and `stranger`, which may not; at site-b `other-b`, for
which keys may arrive.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qkd014_gateway import Sae
from sharing_network import Sites, network

from demo.sites import does, site_policy

DOCUMENT = Path(__file__).parents[2] / "docs" / "etsi014.md"
CLIENTS = {"site-a": ("firewall-a", "other-a", "stranger"), "site-b": ("firewall-b", "other-b")}
ANSWER_SECONDS = 2
LIFETIME = 3

_MORE = {
    "site-a": f"""
[[sharing]]
name = "keys that other-a asks for"
subjects = ["client:other-a"]
peer = "site-b"
purpose = "etsi014"
rotate = 0
lifetime = "{LIFETIME}s"
""",
    "site-b": """
[[arrivals]]
name = "keys for other-b"
peers = ["site-a"]
purposes = ["etsi014"]
resource = { groups = ["etsi014:other-b"] }
owner = "other-b"
""",
}


def example(of: str) -> str:
    """What the document has in server.toml, or in the policy, of site-a."""
    found = re.search(rf"```toml\n# {of} of site-a\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def turned(text: str) -> str:
    """The same for site-b, with `a` and `b` the other way round."""
    return re.sub(r"\b(site|firewall)-([ab])\b", lambda found: f"{found[1]}-{'ba'['ab'.index(found[2])]}", text)


@dataclass(frozen=True)
class TwoSites:
    """What tests ask of the two sites."""

    network: Sites

    def sae(self, name: str) -> Sae:
        """An SAE at its own gateway."""
        site = self.network[next(site for site, clients in CLIENTS.items() if name in clients)]
        return Sae(name, site.https_port, site.folder / "clients" / name)

    def audited(self, site: str, key_id: str) -> list[tuple[str, str, str]]:
        """Who did what to a key there, and how it ended."""
        found: list[dict[str, Any]] = json.loads(does("audit", "show", self.network[site].folder, "--json"))
        return [
            (one["caller"], one["operation"], one["outcome"]) for one in found if one["unique_identifier"] == key_id
        ]


def _prepared(made: Sites) -> None:
    for name, other in (("site-a", "b"), ("site-b", "a")):
        site = made[name]
        for client in CLIENTS[name]:
            does("client", "add", site.folder, client)
        settings, policy = example("server.toml"), example("policy")
        if name == "site-b":
            settings, policy = turned(settings), turned(policy)
        settings = settings.strip().replace(" }", f', other-{other} = "site-{other}" }}')
        file = site.folder / "server.toml"
        text = re.sub(r"\[etsi014\]\n.*?(?=\nlifetime_seconds)", settings, file.read_text(), flags=re.DOTALL)
        file.write_text(text.replace("answer_seconds = 10", f"answer_seconds = {ANSWER_SECONDS}"))
        site.put_policy(policy + _MORE[name] + site_policy((f"site-{other}",), "demo"))


@contextmanager
def two_sites(folder: Path) -> Iterator[TwoSites]:
    """The two sites, running."""
    with network(folder, prepare=_prepared) as made:
        yield TwoSites(made)
