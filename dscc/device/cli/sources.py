"""Where the commands of `dscc use` have their keys from: a device, or a file."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dscc.device.cli.asking import ask, ask_agent

if TYPE_CHECKING:
    from dscc.uses.derivation import Keys, SharedKey, Use
    from dscc.uses.sources import KeySource


class DeviceKeys:
    """The keys of a device with a peer: from its agent, if one runs, and otherwise from its folder."""

    def __init__(self, folder: Path, peer: str, *, agent_only: bool) -> None:
        self._folder, self._peer = folder, peer
        self._ask = ask_agent if agent_only else ask

    def keys(self, use: Use) -> Keys:
        """The keys that were negotiated for the use's purpose. Raises DsccError."""
        from dscc.uses.derivation import Keys

        found = self._ask(self._folder, do="key", peer=self._peer, purpose=use.purpose)
        protect, process = found["protect"], found["process"]
        return Keys(
            None if protect is None else _shared(found["device"], protect),
            tuple(_shared(found["device"], each) for each in process),
        )


def source_of(
    folder: Path | None,
    peer: str | None,
    key_file: Path | None,
    kid: str | None,
    names: tuple[str, str] | None,
    *,
    agent_only: bool = False,
) -> KeySource:
    """The source that the arguments of a command name. Raises BadParameter if they name none, or two.

    `agent_only` is for who asks again and again: then a device's folder is not opened for it.
    """
    from dscc.uses.sources import KeyFile

    if key_file is None:
        if folder is None or peer is None or kid is not None or names is not None:
            raise typer.BadParameter("give DIR and PEER; or --key-file, with --kid and --names")
        return DeviceKeys(folder, peer, agent_only=agent_only)
    if folder is not None or kid is None or names is None:
        raise typer.BadParameter("--key-file takes --kid and --names with it, and no DIR")
    return KeyFile(key_file, kid, *names)


def _shared(own: str, found: dict[str, Any]) -> SharedKey:
    from dscc.uses.derivation import shared_key

    return shared_key(found["kid"], b64decode(found["key"]), own, found["peer"])
