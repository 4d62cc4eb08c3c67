"""What is not defended, shown: `docs/security-model.md` names each of these. If one of them fails, it is to say so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from parties import NODES, TUNNEL, ShareNode, chains, meet, negotiate, nonce
from world import GRANT

from dscc import group
from dscc.agreement import Limits
from dscc.direct_messages import Confirm
from dscc.errors import DsccError
from dscc.messages import ShareRequest, ShareResponse
from dscc.node.shares import Shares
from dscc.pairwise import Initiator, Responder
from dscc.primitives import S384

ROOT = Path(__file__).parents[2]


def test_who_took_a_devices_keys_can_be_anybody_to_that_device() -> None:
    """Key compromise impersonation. With Alice's sessions it asks for Alice's shares, which are Bob's, too."""
    services = {node: Shares() for node in NODES}
    alice = Initiator("alice", "bob", TUNNEL, NODES, nonce(), limits=Limits(), chains={})
    false_bob = Responder("bob", alice.d1, nonce(), limits=Limits(), chains={}, nodes=NODES)
    alice.on_d2(false_bob.d2)
    for node, shares in services.items():
        asked = alice.share_request()
        share, grant = shares.release("alice", asked, GRANT, 0.0, nonce() + bytes(16))
        again, _ = shares.release("alice", asked, GRANT, 0.0, nonce() + bytes(16))
        assert again == share
        for side in (alice, false_bob):
            side.on_share(node, ShareResponse(asked.sid, "alice", "bob", share, *grant))
    mine, d3 = alice.derive()
    given = false_bob.on_d3(d3)
    assert isinstance(given, tuple)
    alice.on_d4(given[1])  # type: ignore[arg-type]
    assert given[0].key == mine.key  # type: ignore[union-attr]
    # With the keys of neither, the same is refused.
    with pytest.raises(DsccError):
        services["n1"].release("eve", alice.share_request(), GRANT, 0.0, nonce() + bytes(16))


def test_a_registered_device_that_sees_session_identifiers_can_spoil_agreements() -> None:
    """It asks for something else under the same identifier: the node then gives the share to nobody any more."""
    shares, sid = Shares(), bytes(48)
    honest = ShareRequest(sid, "alice", "bob", "initiator", "tunnel", "AES", 256, 0)
    first, _ = shares.release("alice", honest, GRANT, 0.0, bytes(48))
    with pytest.raises(DsccError):
        shares.release("eve", honest._replace(initiator="eve"), GRANT, 0.0, nonce() + bytes(16))
    second, _ = shares.release("bob", honest._replace(role="responder"), GRANT, 0.0, nonce() + bytes(16))
    assert first != second


def test_a_node_that_only_says_that_it_knows_of_a_revocation_counts() -> None:
    """k is 2 of 3. One node obeys, one lies, one was not told: two give shares to who was revoked."""
    obeys = frozenset({"n1"})
    nodes = {node: ShareNode() for node in NODES}
    mine, _ = negotiate(nodes, limits=Limits(paths=2), missing=(obeys, obeys))
    assert mine.nodes == ("n2", "n3")
    # If devices insist on all nodes, the one that obeys is enough.
    with pytest.raises(DsccError):
        negotiate(nodes, limits=Limits(paths=3), missing=(obeys, obeys))


def test_a_clone_has_a_session_before_it_is_noticed() -> None:
    """A copied device forks the chain. Whoever comes second is noticed; what the first one did is done."""
    device, node = chains()
    clone = device
    _, first = meet(clone, node)
    assert not first.behind
    _, second = meet(device, first.chain)
    assert second.behind


def test_a_restored_device_and_a_cloned_one_look_the_same() -> None:
    device, node = chains()
    at_node = meet(device, node)[1].chain
    from_a_backup, from_a_copy = device, device._replace()
    assert meet(from_a_backup, at_node)[1].behind and meet(from_a_copy, at_node)[1].behind


def test_a_member_can_confirm_for_another_one() -> None:
    """Confirmations are made with the group's key: they say that members have it, to who trusts the members."""
    members = ("a", "b", "c")
    epoch = group.Epoch(S384, "plant", 1, members, bytes(48), bytes(range(48)))
    group.check_confirm(epoch, Confirm("plant", 1, "b", *epoch.confirmations(("b",))))


HOLDER = """
import sys
from parties import ShareNode, negotiate
from dscc.agreement import Wanted
agreements = [negotiate({f"n{n}": ShareNode() for n in (1, 2, 3)}, wanted=Wanted("tunnel", 2048)) for _ in range(20)]
print(" ".join(bytes(b ^ 0x5A for b in mine.key).hex() for mine, _ in agreements), flush=True)
agreements.clear()
mine = None
import gc
gc.collect()
print("gone", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="there is no /proc/PID/mem here to look into")
def test_python_does_not_erase_a_key_that_is_gone() -> None:
    """Nothing refers to the keys any more, and another process still reads some of them in this one's memory."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": f"{ROOT}:{ROOT}/tests/dscc"},
        text=True,
    )
    try:
        assert holder.stdout is not None
        keys = [bytes(b ^ 0x5A for b in bytes.fromhex(word)) for word in holder.stdout.readline().split()]
        assert holder.stdout.readline() == "gone\n"
        memory = _memory_of(holder.pid)
    except PermissionError:
        pytest.skip("this machine lets no process read another one's memory")
    finally:
        holder.communicate("")
    assert len(keys) == 20 and any(key[32:] in memory for key in keys)


def _memory_of(process: int) -> bytes:
    read = bytearray()
    with Path(f"/proc/{process}/maps").open() as maps, Path(f"/proc/{process}/mem").open("rb") as memory:
        for line in maps:
            span, mode, *_ = line.split()
            if not mode.startswith("rw") or "[v" in line:
                continue
            start, end = (int(each, 16) for each in span.split("-"))
            memory.seek(start)
            read += memory.read(end - start)
    return bytes(read)
