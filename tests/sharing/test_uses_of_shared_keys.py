"""From two sites that share a key by KMIP to programs that use it: every use, by the commands of `kmip-server`."""

from __future__ import annotations

import json
import os
import shlex
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import NamedTuple

import pytest
from openssl_ends import needs_openssl, s_client, s_server
from sharing_network import Sites, attributes_of, created_with, dscc, state_of, until
from support.command_line import run_here
from support.keys import sensitive
from support.requests import ACTIVE, KEY_COMPROMISE, Session, activate, create_aes, rekey, revoke
from support.wire import Version
from two_ends import Running, process, through

from demo.sites import does, site_policy
from dscc.errors import DsccError, Reason
from dscc.uses.derivation import TLS13, TUNNEL
from kmip_server.client.keys import ServerKeys
from kmip_server.ttlv.versions import ProtocolVersion

A, B = "site-a", "site-b"
PEERS = {A: B, B: A}
PUBLIC = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


def folder_of(sites: Sites, site: str, client: str = "demo") -> Path:
    """The folder of a client of a site."""
    return sites[site].folder / "clients" / client


def used(sites: Sites, site: str, use: str, *words: object, expect: int = 0, client: str = "demo") -> str:
    """What `kmip-server use` prints at a site; if it is to be refused, what it says then."""
    ran = run_here("use", use, str(folder_of(sites, site, client)), *map(str, words))
    assert ran.code == expect, ran.err
    return ran.err if expect else ran.out


_activated = [0]
"""When keys were activated."""


def shared_for(sites: Sites, purpose: str, site: str = A) -> str:
    """A new key for a purpose, Active at both sites."""
    with sites.session(A) as here, sites.session(B) as there:
        asking = here if site == A else there
        key = created_with(asking, PEERS[site], dscc("Purpose", purpose))
        # Of two that are activated in one second the one with the larger identifier is used.
        until(lambda: int(time.time()) > _activated[-1])
        asking.do(activate(key)).expect_success()
        _activated.append(int(time.time()))
        until(lambda: state_of(here, key) == state_of(there, key) == ACTIVE)
    return key


def kid_of(sites: Sites, key: str, site: str = A) -> str:
    with sites.session(site) as session:
        return attributes_of(session, key)["KeyId"]


@pytest.mark.parametrize(
    ("use", "more"), [("ikev2-ppk", ("--connection", "site")), ("wireguard", ("--public-key", PUBLIC))]
)
@pytest.mark.parametrize("asking", [A, B])
def test_both_sites_make_the_same_file(
    sites: Sites, tmp_path: Path, use: str, more: tuple[str, ...], asking: str
) -> None:
    key = shared_for(sites, use, asking)
    written = []
    for number, (site, which) in enumerate(((A, ("--peer", B)), (B, ("--peer", A)), (A, ("--key", key)))):
        out = tmp_path / str(number)
        said = json.loads(used(sites, site, use, *which, *more, "--out", out, "--json"))
        assert said["kid"] == kid_of(sites, key)
        written.append(out.read_text())
    assert written[0] == written[1] == written[2]
    with sites.session(A) as session:
        assert session.key_material(key).hex() not in written[0]


@needs_openssl
def test_openssl_of_one_site_talks_to_that_of_the_other(sites: Sites, tmp_path: Path) -> None:
    shared_for(sites, "tls13")
    printed = {}
    for site, role in ((A, "client"), (B, "server"), (A, "server")):
        out = tmp_path / f"{site}-{role}.pem"
        said = used(sites, site, "tls13", "--peer", PEERS[site], "--role", role, "--out", out)
        printed[site, role] = shlex.split(said.splitlines()[-1])
    server = ["127.0.0.1:0" if word == "PORT" else word for word in printed[B, "server"]]
    with s_server(server) as port:
        said = s_client(printed[A, "client"], port)
    assert "detaitogen" in said and "TLS_AES_256_GCM_SHA384" in said and "No peer certificate" in said
    # Site A is the client here: with the file of its server there is no handshake.
    file = printed[A, "client"].index("-psk_session") + 1
    printed[A, "client"][file] = str(tmp_path / f"{A}-server.pem")
    with s_server(server) as port:
        assert s_client(printed[A, "client"], port) == ""


@pytest.mark.parametrize("version", [(1, 4), (2, 1)])
def test_a_program_has_the_same_keys_at_both_sites_whoever_asked_for_them(sites: Sites, version: Version) -> None:
    for site in (A, B):
        key = shared_for(sites, "tls13", site)
        spoken = ProtocolVersion(*version)
        sources = [ServerKeys(folder_of(sites, each), key=key, version=spoken) for each in (A, B)]
        here, there = (source.keys(TLS13).to_protect() for source in sources)
        assert (here.own, here.peer) == (there.peer, there.own) == (A, B)
        assert here.kid == there.kid == kid_of(sites, key) and here.key == there.key
        with sites.session(A) as session:
            assert session.key_material(key) == here.key
        assert repr(here.key) not in repr(here) + repr(sources)


# What is refused. -----------------------------------------------------------------------------------------------------


def test_a_key_that_is_not_shared_is_refused(sites: Sites) -> None:
    with sites.session(A) as session:
        key = session.do(create_aes(session.version)).unique_identifier
        session.do(activate(key)).expect_success()
    words = ("--key", key, "--role", "client", "--out", "none")
    assert f"key {key} is none that two sites share" in used(sites, A, "tls13", *words, expect=1)


def test_a_key_for_something_else_is_refused(sites: Sites) -> None:
    key = shared_for(sites, "wireguard")
    said = used(sites, A, "tls13", "--key", key, "--role", "client", "--out", "none", expect=1)
    assert "was negotiated for wireguard, and is not used for tls13" in said


def test_a_key_is_used_in_its_time_only(sites: Sites) -> None:
    words = ("tls13", "--role", "client", "--out", "none", "--key")
    with sites.session(A) as session:
        key = created_with(session, B, dscc("Purpose", "tls13"))
    said = used(sites, A, *words, key, expect=1)
    assert "there is no key to use: none was negotiated for this purpose and activated" in said
    key = shared_for(sites, "tls13")
    with sites.session(B) as session:
        session.do(revoke(key)).expect_success()
    until(lambda: "there is no key to use" in run_here("use", words[0], str(folder_of(sites, A)), *words[1:], key).err)


def test_a_key_that_does_not_leave_the_server_in_clear_is_refused_in_words(sites: Sites) -> None:
    with sites.session(A) as session:
        key = created_with(session, B, dscc("Purpose", "tls13"), sensitive(True))
        session.do(activate(key)).expect_success()
        _activated.append(int(time.time()))
    said = used(sites, A, "tls13", "--key", key, "--role", "client", "--out", "none", expect=1)
    assert f"the KMIP server refuses the value of key {key}: the object is Sensitive" in said


LOOKER = """
[[rules]]
name = "who looks after keys sees them"
effect = "allow"
subjects = ["client:looker"]
actions = ["LOCATE", "GET_ATTRIBUTES"]
resource = { object_types = ["SYMMETRIC_KEY"], owners = ["demo"] }
"""


@pytest.fixture
def looker(sites: Sites) -> Iterator[str]:
    """A client of site A that may see the keys there, and has none of them."""
    site = sites[A]
    does("client", "add", site.folder, "looker")
    site.put_policy(site_policy((B,), "demo", LOOKER))
    yield "looker"
    site.put_policy(site_policy((B,), "demo"))
    does("client", "revoke", site.folder, "looker")


def test_a_client_that_may_not_get_the_key_is_refused_in_words(sites: Sites, looker: str) -> None:
    key = shared_for(sites, "tls13")
    refusal = f"the KMIP server refuses the value of key {key}: "
    for which in (("--peer", B), ("--key", key)):
        words = ("tls13", *which, "--role", "client", "--out", "none")
        # A new client is known within a second.
        until(lambda words=words: refusal in used(sites, A, *words, expect=1, client=looker))


NO_MORE = """
[[rules]]
name = "no more"
effect = "deny"
subjects = ["client:demo"]
actions = ["GET"]
resource = { object_types = ["SYMMETRIC_KEY"] }
"""


def test_a_program_that_has_a_key_hears_that_it_may_not_get_it_any_more(
    sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kmip_server.client.keys._KEPT_SECONDS", 0)
    source = ServerKeys(folder_of(sites, A), key=shared_for(sites, "tls13"))
    assert source.keys(TLS13).protect is not None
    sites[A].put_policy(site_policy((B,), "demo", NO_MORE))
    try:
        with pytest.raises(DsccError) as refused:
            source.keys(TLS13)
    finally:
        sites[A].put_policy(site_policy((B,), "demo"))
    assert refused.value.reason is Reason.POLICY_DENIED


@pytest.mark.parametrize("words", [(), ("--peer", B, "--key", "x")])
def test_a_command_names_one_kind_of_keys(sites: Sites, words: tuple[str, ...]) -> None:
    said = used(sites, A, "tls13", *words, "--role", "client", "--out", "none", expect=2)
    assert "--peer" in said and "--key" in said


# The tunnel. ----------------------------------------------------------------------------------------------------------


@contextmanager
def end(sites: Sites, site: str, role: str, to: str) -> Iterator[Running]:
    """An end of a tunnel with the other site."""
    words = ("use", "tunnel", str(folder_of(sites, site)), "--peer", PEERS[site], "--role", role, "--to", to)
    with process(sys.executable, "-m", "kmip_server", *words, "--port", "0", "--every", "0.1") as running:
        yield running


class Tunnel(NamedTuple):
    """A tunnel from site A to a program at site B."""

    target: socket.socket
    ends: tuple[Running, Running]

    @contextmanager
    def joined(self) -> Iterator[tuple[socket.socket, socket.socket]]:
        """A program at site A and the one at site B, connected."""
        host, port = self.ends[0].address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=20) as program:
            reached, _ = self.target.accept()
            with reached:
                reached.settimeout(20)
                yield program, reached


@pytest.fixture
def tunnel(sites: Sites) -> Iterator[tuple[Tunnel, str]]:
    """A tunnel that runs, and its key."""
    # Keys that other tests have left were activated before.
    began = int(time.time())
    until(lambda: int(time.time()) > began)
    key = shared_for(sites, TUNNEL.purpose)
    with socket.create_server(("127.0.0.1", 0)) as target:
        target.settimeout(20)
        to = f"127.0.0.1:{target.getsockname()[1]}"
        with end(sites, B, "server", to) as there, end(sites, A, "client", there.address) as here:
            yield Tunnel(target, (here, there)), key


def test_every_byte_arrives_once_while_either_site_re_keys(sites: Sites, tunnel: tuple[Tunnel, str]) -> None:
    through_it, key = tunnel
    enough = Event()
    with through_it.joined() as (program, reached), ThreadPoolExecutor(4) as threads:
        ways = ((program, reached), (reached, program))
        said = [threads.submit(_say, sender, enough) for sender, _ in ways]
        heard = [threads.submit(_hear, receiver) for _, receiver in ways]
        try:
            for site in (A, A, B, A, B):
                with sites.session(site) as session:
                    key = until(lambda session=session, key=key: _re_keyed(session, key))
                for each in through_it.ends:
                    each.wait_for(kid_of(sites, key))
        finally:
            enough.set()
        for mine, theirs in zip(said, heard, strict=True):
            assert mine.result() == theirs.result() and len(mine.result()) > 1_000_000


def test_a_revocation_at_one_site_ends_the_tunnel_at_both(sites: Sites, tunnel: tuple[Tunnel, str]) -> None:
    through_it, key = tunnel
    with through_it.joined() as (program, reached):
        through(program, reached, b"before")
        with sites.session(B) as session:
            session.do(revoke(key, KEY_COMPROMISE)).expect_success()
        for each in (program, reached):
            with pytest.raises(ConnectionResetError):
                each.recv(1)


def _re_keyed(session: Session, key: str) -> str | None:
    """The key that replaces it. A site that has just heard of the key may have to hear of its activation first."""
    answer = session.do(rekey(key))
    return answer.unique_identifier if answer.ok else None


def _say(sender: socket.socket, enough: Event) -> bytes:
    """What it said until then, and not the same twice."""
    said = bytearray()
    while not enough.is_set():
        part = os.urandom(10_007)
        sender.sendall(part)
        said += part
    sender.shutdown(socket.SHUT_WR)
    return bytes(said)


def _hear(receiver: socket.socket) -> bytes:
    """All that arrives until its end."""
    heard = bytearray()
    while part := receiver.recv(1 << 16):
        heard += part
    return bytes(heard)
