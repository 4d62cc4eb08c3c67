"""The settings of a node: node.toml in its folder. Secrets are in files of their own."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dscc.node.database import NodeError
from dscc.primitives import SUITES

FILE: Final = "node.toml"


class Kme(BaseModel):
    """The key management entity of this node's end of a link: ETSI GS QKD 014 over HTTPS with mutual TLS."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str
    port: int = Field(ge=1, le=65535)
    sae: str
    """The other node, as the KME knows it (SAE ID)."""
    certificate: Path
    key: Path
    authority: Path


class Peer(BaseModel):
    """Another node: where devices and this node reach it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str
    port: int = Field(ge=1, le=65535)
    region: str = ""
    kme: Kme | None = None
    """Where the link's keys come from; without it, from a secret that both were given with the link's code."""

    @property
    def address(self) -> str:
        """As devices are told."""
        return f"{self.host}:{self.port}"


class Settings(BaseModel):
    """Everything that a node can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9._-]{1,48}$")
    host: str = "127.0.0.1"
    port: int = Field(default=7700, ge=0, le=65535)
    region: str = ""
    suites: tuple[str, ...] = tuple(SUITES)
    """Suites that this node accepts, the preferred one first."""
    paths: int = Field(default=2, ge=1, le=16)
    """k: of how many nodes devices take shares at least. A revocation holds once n - k + 1 nodes know of it."""
    key_lifetime: int = Field(default=86_400, ge=0)
    """The longest lifetime of a key, in seconds, where the policy does not say less; 0: no limit."""
    trust_on_first_use: bool = False
    """Register devices without a token (ota-tofu), for laboratories."""
    connections: int = Field(default=12_000, ge=1)
    """How many connections there may be at once."""
    peers: dict[str, Peer] = {}
    services: dict[str, str] = {}
    """Services to which devices may be passed on, as "host:port"."""

    @property
    def nodes(self) -> dict[str, str]:
        """All nodes by name, as "host:port", this one among them."""
        return {self.name: f"{self.host}:{self.port}", **{name: peer.address for name, peer in self.peers.items()}}

    @property
    def regions(self) -> dict[str, str]:
        """The regions of the nodes that have one."""
        found = {self.name: self.region, **{name: peer.region for name, peer in self.peers.items()}}
        return {name: region for name, region in found.items() if region}

    @property
    def quorum(self) -> int:
        """How many nodes have to know of a revocation: with them left out, there are fewer than k."""
        return max(len(self.nodes) - self.paths + 1, 1)


def read_settings(folder: Path) -> Settings:
    """The settings of a node's folder. Raises NodeError that names the file and the field."""
    path = folder / FILE
    try:
        return Settings.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise NodeError(f"there is no node in {folder}; make one: dscc-node init {folder} --name NAME") from None
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise NodeError(f"{path}: {error}") from None
    except ValidationError as error:
        wrong = error.errors()[0]
        raise NodeError(f"{path}: {'.'.join(map(str, wrong['loc']))}: {wrong['msg']}") from None


def write_settings(folder: Path, settings: Settings) -> None:
    """Write them, replacing the file in one step."""
    path = folder / FILE
    beside = path.with_suffix(".new")
    beside.write_bytes(tomli_w.dumps(settings.model_dump(mode="json", exclude_none=True)).encode())
    beside.replace(path)
