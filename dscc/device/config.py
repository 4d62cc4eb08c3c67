"""What a device insists on by itself, whatever nodes and peers say: DIR/device.toml.

The file is optional; `DEFAULT` is what enrolling writes. Times are in seconds.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from dscc.agreement import Limits
from dscc.device.keys import is_gateways
from dscc.device.vault import FolderError
from dscc.enrolment import Address, read_address
from dscc.group import purpose_of
from dscc.keyfill import KeyfillMode

FILE_NAME: Final = "device.toml"
_GROUPS: Final = purpose_of("")
Positive = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(min_length=1, max_length=64)]

DEFAULT: Final = """\
# What this device insists on, whatever nodes and peers say. docs/dscc-devices.md explains each.

# region = "eu-north"         # nodes of the same region are asked first

[keys]
# paths = 2                   # k: how many nodes' shares a key rests on at least
# offer = 5                   # n: how many nodes are offered to a peer, the nearest first
# least_bits = 128
# purposes = ["tunnel"]       # empty: any
# groups = true               # whether it takes part in groups
# located = ["n1+n2"]         # pairs of linked nodes: this device asks the first one, a peer the second one
# kem = false                 # add ML-KEM to the keys that it asks for
# require_kem = false         # and take no key without
# lease_seconds = 30          # how long keys may be used without hearing from k nodes
# require_chain = false       # once two keys were agreed on, take none that does not rest on the pair chain

[stages]
# mode = "kem"                # plain, oob, kem, kem+oob, multipath
# modes = { production = "kem+oob" }

# [listen]
# host = "127.0.0.1"
# port = 7400

# [[keep]]                    # dscc-agent keeps a key with this peer, and renews it
# peer = "meter-8"
# address = "192.0.2.8:7400"
# purpose = "tunnel"
# bits = 256
# every = 3600
# overlap = 300               # how long the key before still decrypts
# lead = 60                   # how long before its Activation Date the next key is agreed
"""


class _Section(BaseModel):
    """A table of the file: immutable, and without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Keys(_Section):
    """Limits of the keys that it agrees on."""

    paths: Annotated[int, Field(ge=1, le=16)] = 2
    offer: Annotated[int, Field(ge=1, le=16)] = 5
    located: tuple[Annotated[str, Field(pattern=r"^[^+]+\+[^+]+$", max_length=64)], ...] = ()
    least_bits: Annotated[int, Field(ge=128, le=4096)] = 128
    purposes: frozenset[Name] = frozenset()
    groups: bool = True
    kem: bool = False
    require_kem: bool = False
    require_chain: bool = False
    lease_seconds: Annotated[int, Field(ge=1, le=86_400)] = 30

    def limits(self, purpose: str) -> Limits:
        """The limits for a key of this purpose."""
        allowed = self.purposes
        if allowed and self.groups and purpose.startswith(_GROUPS):
            allowed |= {purpose}
        return Limits(self.paths, self.least_bits, allowed, self.require_chain, self.require_kem)


class Stages(_Section):
    """The modes of keyfill that it insists on, by stage."""

    mode: KeyfillMode = KeyfillMode.KEM
    modes: dict[str, KeyfillMode] = {}

    def mode_of(self, stage: str) -> KeyfillMode:
        """The mode by which it takes a stage."""
        return self.modes.get(stage, self.mode)


class Listen(_Section):
    """Where the agent listens for peers. Port 0 picks a free one."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 7400


class Keep(_Section):
    """A key that the agent keeps, and renews; without an address the peer asks for it, and this side follows."""

    peer: Name
    address: str = ""
    purpose: Name = "tunnel"
    bits: Annotated[int, Field(ge=128, le=4096)] = 256
    every: Positive = 3600
    overlap: Annotated[int, Field(ge=0)] = 300
    lead: Annotated[int, Field(ge=0)] = 60

    @field_validator("purpose")
    @classmethod
    def _is_kept_here(cls, purpose: str) -> str:
        if is_gateways(purpose):
            raise ValueError(f"keys for {purpose} are renewed by the gateway itself; leave them out")
        return purpose

    @property
    def place(self) -> Address:
        """Where the peer listens."""
        return read_address(self.address)


class Config(_Section):
    """The whole file."""

    region: str = ""
    keys: Keys = Keys()
    stages: Stages = Stages()
    listen: Listen | None = None
    keep: tuple[Keep, ...] = ()


def read_config(folder: Path) -> Config:
    """The configuration of a folder; the default without a file. Raises FolderError that names the keys."""
    path = folder / FILE_NAME
    try:
        config = Config.model_validate(tomllib.loads(path.read_text()) if path.exists() else {})
        for keep in config.keep:
            _ = keep.address and keep.place
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise FolderError(f"{path}: {wrong}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FolderError(f"{path} is not TOML: {error}") from None
    return config
