"""From two agents on a real network to programs that use their keys: every use, by the commands of `dscc`."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from fleet import Fleet
from two_ends import DSCC, dscc, process, through

from dscc.uses.derivation import USES

AGENT = (sys.executable, "-m", "dscc.device.cli.agent")
PUBLIC = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


class Two(NamedTuple):
    """Two devices whose agents run: folders, names, and where the second one listens."""

    folders: tuple[Path, Path]
    names: tuple[str, str]
    address: str

    def negotiate(self, purpose: str) -> str:
        """A new key for a purpose; its identifier."""
        words = ("negotiate", self.folders[0], self.names[1], self.address, "--purpose", purpose, "--json")
        return str(json.loads(dscc(*words))["kid"])

    def use(self, end: int, use: str, *words: object) -> dict[str, str]:
        """What a command of one of the two says."""
        said = dscc("use", use, self.folders[end], self.names[1 - end], *words, "--json")
        found: dict[str, str] = json.loads(said)
        return found


@pytest.fixture(scope="module")
def two(fleet: Fleet) -> Iterator[Two]:
    names = fleet.name(), fleet.name()
    folders = fleet.folder / names[0], fleet.folder / names[1]
    for folder, name in zip(folders, names, strict=True):
        code = fleet.folder / f"{name}.code"
        code.write_text(fleet.nodes.code(name))
        dscc("enrol", folder, "--code-file", code)
    (folders[1] / "device.toml").write_text("[listen]\nport = 0\n")
    with process(*AGENT, str(folders[0])), process(*AGENT, str(folders[1])) as agent:
        yield Two(folders, names, agent.address)


def secrets_of(two: Two) -> list[str]:
    """The negotiated keys, as they must not be printed."""
    found = []
    for use in USES:
        keys = json.loads(dscc("key", two.folders[0], two.names[1], "--purpose", use.purpose))
        found += [each["key"] for each in keys["process"]]
    return found


def test_every_use_takes_a_key_that_was_negotiated_for_it(two: Two, tmp_path: Path) -> None:
    words: dict[str, tuple[str, ...]] = {
        "ikev2-ppk": ("--connection", "site"),
        "wireguard": ("--public-key", PUBLIC),
    }
    for use, more in words.items():
        assert "no key to use" in dscc("use", use, *two.folders[:1], two.names[1], *more, "--out", "none", expect=1)
        kid = two.negotiate(use)
        written = []
        for end in (0, 1):
            out = tmp_path / f"{use}{end}"
            assert two.use(end, use, *more, "--out", out)["kid"] == kid
            written.append(out.read_text())
        assert written[0] == written[1]
        assert not any(secret in text for text in written for secret in secrets_of(two))
    kid = two.negotiate("tls13")
    sessions = []
    for end, role in ((0, "client"), (1, "server"), (1, "client")):
        out = tmp_path / f"tls{end}{role}"
        assert two.use(end, "tls13", "--role", role, "--out", out)["identity"] == f"dscc:{kid}"
        sessions.append(out.read_text())
    # Who is the client is part of the key: the second device as a client has another one.
    assert sessions[0] == sessions[1] != sessions[2]


def test_a_tunnel_without_an_agent_is_refused(fleet: Fleet, tmp_path: Path) -> None:
    words = ("--role", "client", "--port", "0", "--to", "127.0.0.1:1")
    assert "start dscc-agent" in dscc("use", "tunnel", tmp_path, "somebody", *words, expect=1)


def test_a_tunnel_follows_the_agents_keys_and_ends_with_them(two: Two) -> None:
    first = two.negotiate("tunnel")
    common = ("--port", "0", "--every", "0.1")
    with socket.create_server(("127.0.0.1", 0)) as target:
        to = f"127.0.0.1:{target.getsockname()[1]}"
        server = (str(two.folders[1]), two.names[0], "--role", "server", "--to", to, *common)
        with process(*DSCC, "use", "tunnel", *server) as there:
            client = (str(two.folders[0]), two.names[1], "--role", "client", "--to", there.address, *common)
            with process(*DSCC, "use", "tunnel", *client) as here:
                host, port = here.address.rsplit(":", 1)
                with socket.create_connection((host, int(port))) as program:
                    reached, _ = target.accept()
                    with reached:
                        through(program, reached, b"under the first key")
                        second = two.negotiate("tunnel")
                        assert second != first
                        through(program, reached, b"while the keys change")
                        # Once both go on with the second key, what they say next comes after that.
                        here.wait_for(second)
                        there.wait_for(second)
                        through(program, reached, b"under the second key")
                        dscc("revoke", two.folders[1], first)
                        through(program, reached, b"the first key is gone, and nobody needs it")
                        dscc("revoke", two.folders[0], second)
                        for end in (program, reached):
                            end.settimeout(20)
                            with pytest.raises(ConnectionResetError):
                                end.recv(1)
