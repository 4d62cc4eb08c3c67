"""Two devices, each registered at a node of its own: the nodes give one share together, made of their link's key."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from network import Network, PlainDevice, RunningNode, command, network
from support.kme import Authority, Kme

from dscc.device import Device
from dscc.errors import DsccError, Reason
from dscc.links.chain import MAX_CHAIN_ONLY
from dscc.links.etsi_client import Credentials
from dscc.links.satellite import Orbit, Pass, SimSatellite
from dscc.messages import LocatedRequest, Refused, ShareRequest, ShareResponse
from dscc.node.database import NodeDatabase
from dscc.wire import encode


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Network, PlainDevice, PlainDevice]]:
    with network(Path(tmp_path_factory.mktemp("bilocation")), count=2) as made:
        made.wait_linked()
        alice, bob = at_one_node(made, "alice", "n1"), at_one_node(made, "bob", "n2")
        yield made, alice, bob
        alice.close(), bob.close()


def at_one_node(made: Network, name: str, node: str) -> PlainDevice:
    device = PlainDevice(name)
    device.enrol(made.nodes[node].run("device", "add", name, "--mode", "qkey").strip())
    for stage in ("quarantine", "production"):
        device.advance(node, stage)
    return device


def request(role: str = "initiator", **change: object) -> ShareRequest:
    asked = ShareRequest(secrets.token_bytes(48), "alice", "bob", role, "tunnel", "AES", 256, 0)
    return asked._replace(**change)  # type: ignore[arg-type]


def ask(device: PlainDevice, node: str, other: str, asked: ShareRequest) -> object:
    return device.session(node).ask(LocatedRequest(other, encode(asked)))


def refused(answer: object) -> str:
    assert isinstance(answer, Refused), answer
    return answer.reason


@pytest.mark.parametrize("initiator", ["alice", "bob"])
def test_both_nodes_give_the_same_share_whichever_of_them_begins(
    pair: tuple[Network, PlainDevice, PlainDevice], initiator: str
) -> None:
    _, alice, bob = pair
    first, second = (alice, bob) if initiator == "alice" else (bob, alice)
    nodes = {"alice": ("n1", "n2"), "bob": ("n2", "n1")}
    seen = set()
    for _ in range(12):
        said = request(initiator=first.name, responder=second.name)
        theirs = said._replace(role="responder")
        assert refused(ask(second, *nodes[second.name], theirs)) == Reason.WAITING
        one = ask(first, *nodes[first.name], said)
        assert isinstance(one, ShareResponse), one
        assert ask(second, *nodes[second.name], theirs) == one == ask(first, *nodes[first.name], said)
        seen.add(one.share)
    assert len(seen) == 12


def test_nobody_else_gets_it_and_the_policy_of_both_nodes_counts(
    pair: tuple[Network, PlainDevice, PlainDevice],
) -> None:
    made, alice, bob = pair
    said = request()
    assert isinstance(ask(alice, "n1", "n2", said), ShareResponse)
    for wrong in (said, said._replace(role="responder", initiator="carol")):
        assert refused(ask(bob, "n2", "n1", wrong)) in (Reason.NOT_AUTHENTIC, Reason.WAITING)
    assert refused(ask(alice, "n1", "n9", request())) == Reason.UNSUPPORTED
    assert refused(ask(alice, "n1", "n2", request(responder="eve"))) == Reason.POLICY_DENIED
    # Bob's own node puts him into quarantine; the other one does not know him.
    made.nodes["n2"].run("device", "quarantine", "bob")
    assert refused(ask(alice, "n1", "n2", request())) == Reason.FAILED
    bob.advance("n2", "production")
    assert isinstance(ask(alice, "n1", "n2", request()), ShareResponse)


def test_the_link_is_stepped_for_each_share_and_its_state_is_sealed(
    pair: tuple[Network, PlainDevice, PlainDevice],
) -> None:
    made, alice, bob = pair
    said = request()
    one = ask(alice, "n1", "n2", said)
    assert isinstance(one, ShareResponse)
    assert isinstance(ask(bob, "n2", "n1", said._replace(role="responder")), ShareResponse)
    files = b"".join(file.read_bytes() for node in made.nodes.values() for file in node.folder.glob("node.db*"))
    assert one.share not in files
    for node in made.nodes.values():
        assert "in order" in node.run("check")
        with NodeDatabase(node.folder / "node.db").reading() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM links").scalar() == 1


def test_keys_of_a_link_come_from_a_satellite_through_key_management_entities(tmp_path: Path) -> None:
    """ETSI GS QKD 014 over HTTPS with mutual TLS, a simulated satellite behind it; then the chain alone."""
    now = [0.0]
    orbit = Orbit(period=10, passes=(Pass("n1", "n2", 0, 0.5, (20.0, 20.0)),), pulse_rate=4e8)
    satellite = SimSatellite(orbit, lambda: now[0], np.random.default_rng(7).bytes, capacity=64)
    authority = Authority(tmp_path)
    kme = Kme(authority, {name: satellite.end(name) for name in ("n1", "n2")})
    try:
        with network(tmp_path / "nodes", count=2) as made:
            for name, other in (("n1", "n2"), ("n2", "n1")):
                draw_from(made.nodes[name], other, kme.port, authority.issue(name))
            alice, bob = at_one_node(made, "alice", "n1"), at_one_node(made, "bob", "n2")
            now[0] = 5
            # Two keys fit into the buffer; then the chain goes on without the source, so often and no more.
            for number in range(2 + MAX_CHAIN_ONLY):
                said = request()
                one = ask(alice, "n1", "n2", said)
                assert isinstance(one, ShareResponse), (number, one)
                assert ask(bob, "n2", "n1", said._replace(role="responder")) == one
            assert refused(ask(alice, "n1", "n2", request())) == Reason.INSUFFICIENT_PATHS
            now[0] = 15
            assert isinstance(ask(alice, "n1", "n2", request()), ShareResponse)
            drawn = [path for sae, _, path in kme.requests if sae == "n1" and path.endswith("/enc_keys")]
            fetched = [path for sae, _, path in kme.requests if sae == "n2" and path.endswith("/dec_keys")]
            assert len(drawn) == 2 + MAX_CHAIN_ONLY + 2 and len(fetched) == 3
            alice.close(), bob.close()
    finally:
        kme.stop()


def draw_from(node: RunningNode, other: str, port: int, credentials: Credentials) -> None:
    """Have a node take the keys of a link from a key management entity."""
    before = node.links
    node.stop()
    settings = node.folder / "node.toml"
    lines = [f"[peers.{other}.kme]", 'host = "127.0.0.1"', f"port = {port}", f'sae = "{other}"']
    lines += [f'{name} = "{path}"' for name, path in credentials._asdict().items()]
    settings.write_text(settings.read_text() + "\n" + "\n".join(lines) + "\n")
    node.start()
    node.wait_linked(before + 1)


def test_devices_agree_over_a_path_of_two_nodes(tmp_path: Path) -> None:
    """alice is registered at n1 and n3, bob at n2 and n3: one path is a node, the other one a pair of linked nodes."""

    async def story(made: Network) -> None:
        devices = []
        for name, nodes in (("alice", ("n1", "n3")), ("bob", ("n2", "n3"))):
            codes = [made.nodes[node].run("device", "add", name, "--mode", "qkey").strip() for node in nodes]
            device = await Device.enrol(tmp_path / name, command("code", "join", *codes).strip())
            for _ in range(2):
                await device.advance()
            await device.close()
            (tmp_path / name / "device.toml").write_text('[keys]\nlocated = ["n1+n2"]\n')
            devices.append(Device.open(tmp_path / name))
        alice, bob = devices
        try:
            place = await bob.listen()
            for _ in range(3):
                key = await alice.negotiate("bob", place)
                assert key.nodes == ("n1+n2", "n3")
                assert key.key in {each.key for each in bob.all_keys("alice")}
            # Backwards there is no pair of nodes that both can ask: too few paths.
            back = await alice.listen()
            with pytest.raises(DsccError) as error:
                await bob.negotiate("alice", back)
            assert error.value.reason is Reason.INSUFFICIENT_PATHS
            known = await alice.revoke_key(key.kid)
            assert known.nodes >= known.needed
        finally:
            await alice.close()
            await bob.close()

    with network(tmp_path / "nodes") as made:
        made.wait_linked()
        asyncio.run(story(made))
        usage = made.nodes["n2"].run("usage", "--json")
        assert '"device": "bob"' in usage and '"keys": 3' in usage
