"""PPKs for strongSwan: what is written, and two real daemons that have an IKE_SA with it, or none."""

from __future__ import annotations

import os
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from namespaces import ADDRESSES, inside, need, two_namespaces
from two_ends import OWN, PEER, dscc, key_file, key_number

from dscc.errors import DsccError
from dscc.uses.derivation import IKEV2_PPK, key_of_use
from dscc.uses.ikev2 import swanctl

TOOLS = ("ip", "swanctl", "charon-systemd")
PLUGINS = "random nonce aes sha1 sha2 hmac kdf gmp kernel-netlink socket-default vici"


def test_what_is_written_has_the_key_and_requires_it() -> None:
    shared = key_number(1)
    assert swanctl(shared, "site-b") == (
        f"connections {{\n  site-b {{\n    ppk_id = dscc-{shared.kid}\n    ppk_required = yes\n  }}\n}}\n"
        f"secrets {{\n  ppk-{shared.kid} {{\n    id = dscc-{shared.kid}\n"
        f"    secret = 0x{key_of_use(shared, IKEV2_PPK).hex()}\n  }}\n}}\n"
    )


@pytest.mark.parametrize("name", ["", "a b", "a}", "a\n", "a" * 65, "include x"])
def test_a_name_that_would_say_something_else_is_refused(name: str) -> None:
    with pytest.raises(DsccError, match="name of a connection"):
        swanctl(key_number(1), name)


def test_the_command_writes_a_private_file_and_prints_no_key(tmp_path: Path) -> None:
    out = tmp_path / "dscc.conf"
    said = dscc("use", "ikev2-ppk", *key_file(tmp_path, key_number(1)), "--connection", "site", "--out", out)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600 and "swanctl --load-creds" in said
    assert key_of_use(key_number(1), IKEV2_PPK).hex() in out.read_text()
    assert key_of_use(key_number(1), IKEV2_PPK).hex() not in said


class Charon:
    """A daemon of strongSwan in a namespace, with a connection `site` to the other one."""

    def __init__(self, namespace: str, folder: Path, own: int) -> None:
        self._namespace, self._folder = namespace, folder
        self._files = {"STRONGSWAN_CONF": str(folder / "strongswan.conf"), "SWANCTL_DIR": str(folder)}
        folder.mkdir()
        (folder / "strongswan.conf").write_text(
            f"charon-systemd {{\n  load = {PLUGINS}\n  plugins {{ vici {{ socket = {self._socket} }} }}\n}}\n"
            f"swanctl {{ load = random }}\n"
        )
        (folder / "swanctl.conf").write_text(
            "connections { site {\n"
            f"  version = 2\n  local_addrs = {ADDRESSES[own]}\n  remote_addrs = {ADDRESSES[1 - own]}\n"
            "  proposals = aes256-sha384-modp3072\n  childless = force\n"
            f"  local {{\n auth = psk\n id = end{own}\n }}\n  remote {{\n auth = psk\n id = end{1 - own}\n }}\n"
            "} }\nsecrets { ike-base {\n secret = base\n } }\ninclude dscc.conf\n"
        )

    @property
    def _socket(self) -> str:
        return f"unix://{self._folder}/vici"

    def start(self) -> None:
        log = (self._folder / "log").open("wb")
        with log:
            self._process = subprocess.Popen(
                inside(self._namespace, "charon-systemd"), env=os.environ | self._files, stdout=log, stderr=log
            )
        ends = time.monotonic() + 20
        while not (self._folder / "vici").exists() or self.swanctl("--stats")[0] != 0:
            if self._process.poll() is not None or time.monotonic() > ends:
                pytest.skip(f"charon does not start here: {(self._folder / 'log').read_text()[-500:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)

    def swanctl(self, *words: str) -> tuple[int, str]:
        """The exit code of a command, and what it prints."""
        done = subprocess.run(
            ["swanctl", *words, "--uri", self._socket], env=os.environ | self._files, capture_output=True, text=True
        )
        return done.returncode, done.stdout

    def load(self, written: str) -> str:
        """Have this instead of what was there."""
        file = self._folder / "dscc.conf"
        file.unlink(missing_ok=True)
        file.touch(0o600)
        file.write_text(written)
        self.swanctl("--terminate", "--ike", "site", "--force")
        said = ""
        for words in (("--load-creds", "--clear"), ("--load-conns",)):
            code, told = self.swanctl(*words)
            assert code == 0, told
            said += told
        return said

    def initiate(self) -> str:
        """The IKE_SAs after an attempt to have one."""
        self.swanctl("--initiate", "--ike", "site", "--timeout", "10")
        return self.swanctl("--list-sas")[1]


@pytest.fixture(scope="module")
def daemons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Charon, Charon]]:
    need(*TOOLS, packages="iproute2 strongswan-swanctl charon-systemd")
    folder = tmp_path_factory.mktemp("charon")
    with two_namespaces() as names:
        ends = tuple(Charon(name, folder / str(number), number) for number, name in enumerate(names))
        started: list[Any] = []
        try:
            for end in ends:
                end.start()
                started.append(end)
            yield ends[0], ends[1]
        finally:
            for end in started:
                end.stop()


def files_of(tmp_path: Path, here: int, there: int) -> tuple[str, str]:
    """What the command writes on both sides, of keys by their numbers."""
    written = []
    for shared in (key_number(here, OWN, PEER), key_number(there, PEER, OWN)):
        out = tmp_path / f"{shared.own}.conf"
        dscc("use", "ikev2-ppk", *key_file(tmp_path, shared), "--connection", "site", "--out", out)
        written.append(out.read_text())
    return written[0], written[1]


@pytest.mark.parametrize("initiator", [0, 1])
def test_strongswan_takes_the_file_and_has_an_ike_sa_with_the_ppk(
    daemons: tuple[Charon, Charon], tmp_path: Path, initiator: int
) -> None:
    kid = key_number(1).kid
    for end, written in zip(daemons, files_of(tmp_path, 1, 1), strict=True):
        said = end.load(written)
        assert f"loaded ppk secret 'ppk-{kid}'" in said and "loaded connection 'site'" in said
        assert f"ppk: dscc-{kid}, required" in end.swanctl("--list-conns")[1]
    established = daemons[initiator].initiate()
    assert "ESTABLISHED" in established and "/PPK" in established


def test_another_ppk_under_the_same_identity_gives_no_ike_sa(daemons: tuple[Charon, Charon], tmp_path: Path) -> None:
    here, there = files_of(tmp_path, 1, 1)
    kid = key_number(1).kid
    wrong = key_of_use(key_number(2), IKEV2_PPK).hex()
    there = there.replace(key_of_use(key_number(1), IKEV2_PPK).hex(), wrong)
    assert kid in there and wrong in there
    daemons[0].load(here)
    daemons[1].load(there)
    assert "ESTABLISHED" not in daemons[0].initiate()


def test_another_key_or_none_gives_no_ike_sa(daemons: tuple[Charon, Charon], tmp_path: Path) -> None:
    here, there = files_of(tmp_path, 1, 2)
    daemons[0].load(here)
    daemons[1].load(there)
    assert "ESTABLISHED" not in daemons[0].initiate()
    daemons[1].load("")
    assert "ESTABLISHED" not in daemons[0].initiate()
    assert "ESTABLISHED" not in daemons[1].initiate()


def test_a_responder_takes_no_ppk_of_another_peer(daemons: tuple[Charon, Charon]) -> None:
    own, others = key_number(1), key_number(1, OWN, "meter-9")
    daemons[0].load(swanctl(others._replace(kid="0" * 32), "site"))
    daemons[1].load(swanctl(own, "site") + swanctl(others._replace(kid="0" * 32), "elsewhere"))
    assert "ESTABLISHED" not in daemons[0].initiate()
    daemons[0].load(swanctl(own, "site"))
    assert "/PPK" in daemons[0].initiate()
