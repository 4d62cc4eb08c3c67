"""Preshared keys of WireGuard: what is written, that `wg` reads it, and two real interfaces that agree with it only."""

from __future__ import annotations

import os
import stat
import subprocess
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
from namespaces import ADDRESSES, inside, need, two_namespaces
from two_ends import OWN, PEER, dscc, key_file, key_number

from dscc.errors import DsccError
from dscc.uses.derivation import WIREGUARD, key_of_use
from dscc.uses.wireguard import peer_section, preshared_key, set_command

PUBLIC = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
PORT = 51820


def test_what_is_written_is_the_key_of_the_use() -> None:
    shared = key_number(1)
    assert b64decode(preshared_key(shared)) == key_of_use(shared, WIREGUARD)
    assert preshared_key(shared) == preshared_key(key_number(1, PEER, OWN))
    section = peer_section(shared, PUBLIC)
    assert section == f"[Peer]\nPublicKey = {PUBLIC}\nPresharedKey = {preshared_key(shared)}\n"


@pytest.mark.parametrize("public", ["", "AAEC", PUBLIC[:-1], PUBLIC + "\n", f"{PUBLIC} ; reboot", "ä" * 44])
def test_what_is_no_public_key_is_refused(public: str) -> None:
    with pytest.raises(DsccError, match="wg pubkey"):
        set_command("wg0", public, "file")
    with pytest.raises(DsccError, match="wg pubkey"):
        peer_section(key_number(1), public)


@pytest.mark.parametrize("interface", ["", "wg0; reboot", "a" * 16, "wg0\n"])
def test_what_is_no_interface_is_refused(interface: str) -> None:
    with pytest.raises(DsccError, match="name of an interface"):
        set_command(interface, PUBLIC, "file")


def test_the_command_writes_private_files_and_prints_no_key(tmp_path: Path) -> None:
    out, section = tmp_path / "meter 8.psk", tmp_path / "peer.conf"
    words = ("--public-key", PUBLIC, "--out", out, "--section", section)
    said = dscc("use", "wireguard", *key_file(tmp_path, key_number(1)), *words)
    assert said.splitlines()[-1] == f"wg set wg0 peer {PUBLIC} preshared-key '{out}'"
    key = preshared_key(key_number(1))
    assert out.read_text() == key + "\n" and key in section.read_text() and key not in said
    assert {stat.S_IMODE(each.stat().st_mode) for each in (out, section)} == {0o600}


def test_wg_and_wg_quick_read_the_section(tmp_path: Path) -> None:
    need("wg", "wg-quick", packages="wireguard-tools")
    private = subprocess.run(["wg", "genkey"], check=True, capture_output=True, text=True).stdout
    file = tmp_path / "dscc0.conf"
    file.touch(0o600)
    file.write_text(f"[Interface]\nPrivateKey = {private}{peer_section(key_number(1), PUBLIC)}")
    stripped = subprocess.run(["wg-quick", "strip", str(file)], check=True, capture_output=True, text=True).stdout
    assert f"PresharedKey = {preshared_key(key_number(1))}" in stripped
    # There is no such interface: what is read well is refused for that only.
    assert "parsing error" not in _setconf(file)
    file.write_text(file.read_text().replace("PresharedKey = ", "PresharedKey = x"))
    assert "parsing error" in _setconf(file)


def _setconf(file: Path) -> str:
    said = subprocess.run(["wg", "setconf", "dscc-none", str(file)], capture_output=True, text=True, check=False)
    assert said.returncode != 0
    return said.stderr


class Interface:
    """An interface of WireGuard in a namespace, by the implementation that runs as a program."""

    def __init__(self, namespace: str, name: str, folder: Path) -> None:
        self._namespace, self.name, self._folder = namespace, name, folder
        folder.mkdir()
        self.private = subprocess.run(["wg", "genkey"], check=True, capture_output=True, text=True).stdout
        self.public = subprocess.run(
            ["wg", "pubkey"], check=True, capture_output=True, text=True, input=self.private
        ).stdout.strip()

    def start(self) -> None:
        self._process = subprocess.Popen(
            inside(self._namespace, "wireguard-go", "--foreground", self.name),
            env=os.environ | {"LOG_LEVEL": "verbose"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._process.stdout is not None
        self._log: IO[str] = self._process.stdout
        if not self.said("UAPI listener started"):
            pytest.skip("wireguard-go makes no interface here (is there a /dev/net/tun?)")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)
        self._log.close()

    def said(self, *words: str) -> str:
        """The first of these words that its log says next; nothing if it ends before."""
        for line in self._log:
            for each in words:
                if each in line:
                    return each
        return ""

    def run(self, *words: str) -> str:
        command = inside(self._namespace, *words)
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def configure(self, peer: Interface, end: int) -> None:
        """Its own key, and its peer without a preshared key."""
        key = self._folder / "private"
        key.touch(0o600)
        key.write_text(self.private)
        self.run("wg", "set", self.name, "private-key", str(key), "listen-port", str(PORT))
        place = f"{ADDRESSES[1 - end]}:{PORT}"
        self.run("wg", "set", self.name, "peer", peer.public, "endpoint", place, "allowed-ips", "10.78.0.0/24")
        self.run("ip", "link", "set", self.name, "up")

    def latest_handshake(self) -> int:
        return int(self.run("wg", "show", self.name, "latest-handshakes").split()[1])


@contextmanager
def interfaces(folder: Path) -> Iterator[tuple[Interface, Interface]]:
    need("ip", "wg", "wireguard-go", packages="iproute2 wireguard-tools wireguard-go")
    with two_namespaces() as names:
        mark = f"{os.getpid():x}"
        ends = Interface(names[0], f"wg{mark}a", folder / "a"), Interface(names[1], f"wg{mark}b", folder / "b")
        started: list[Interface] = []
        try:
            for end in ends:
                end.start()
                started.append(end)
            for number, end in enumerate(ends):
                end.configure(ends[1 - number], number)
            yield ends
        finally:
            for end in started:
                end.stop()


def use_keys(folder: Path, ends: tuple[Interface, Interface], here: int, there: int) -> None:
    """Do on both sides what the command prints."""
    for end, peer, shared in (
        (ends[0], ends[1], key_number(here, OWN, PEER)),
        (ends[1], ends[0], key_number(there, PEER, OWN)),
    ):
        out = folder / f"{shared.own}.psk"
        words = ("--public-key", peer.public, "--interface", end.name, "--out", out, "--replace")
        said = dscc("use", "wireguard", *key_file(folder, shared), *words)
        end.run(*said.splitlines()[-1].split())


def test_two_interfaces_agree_with_the_same_key_and_with_no_other(tmp_path: Path) -> None:
    with interfaces(tmp_path) as ends:
        use_keys(tmp_path, ends, 1, 2)
        # From now on it begins by itself.
        ends[0].run("wg", "set", ends[0].name, "peer", ends[1].public, "persistent-keepalive", "1")
        refused = "Received invalid response message"
        assert ends[0].said(refused, "Received handshake response") == refused
        assert ends[0].latest_handshake() == 0
        use_keys(tmp_path, ends, 1, 1)
        assert ends[0].said("Received handshake response")
        until = time.monotonic() + 20
        while not ends[0].latest_handshake():
            assert time.monotonic() < until
            time.sleep(0.05)
