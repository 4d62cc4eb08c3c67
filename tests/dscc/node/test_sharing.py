"""The share service of nodes that run: for the two whom the session names, by the policy, and once."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from network import POLICY, Network, PlainDevice, agree, network

from dscc.agreement import Limits, Wanted
from dscc.errors import DsccError, Reason
from dscc.messages import M1, Fetch, Keep, Kept, Receipt, Refused, ShareRequest, ShareResponse

LIMITED = """
[[rules]]
name = "keys are renewed"
effect = "require"
subjects = ["anyone"]
actions = ["DSCC_*"]
require = { cryptoperiod = "10m", usage_limit = 5 }

[[rules]]
name = "no short keys"
effect = "deny"
subjects = ["anyone"]
actions = ["DSCC_*"]
resource = { algorithms = { AES = [128] } }
"""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Network, dict[str, PlainDevice]]]:
    with network(Path(tmp_path_factory.mktemp("sharing")), policy=POLICY + LIMITED) as made:
        yield made, {name: made.produce(name) for name in ("alice", "bob", "eve")}


def request(one: str, other: str, role: str = "initiator", **change: object) -> ShareRequest:
    asked = ShareRequest(secrets.token_bytes(48), one, other, role, "tunnel", "AES", 256, 0)
    return asked._replace(**change)  # type: ignore[arg-type]


def asked(device: PlainDevice, said: ShareRequest) -> object:
    return device.session("n1").ask(said)


def refused(answer: object) -> str:
    assert isinstance(answer, Refused), answer
    return answer.reason


def test_both_get_one_share_and_others_another(fleet: tuple[Network, dict[str, PlainDevice]]) -> None:
    _, devices = fleet
    said = request("alice", "bob")
    first = asked(devices["alice"], said)
    second = asked(devices["bob"], said._replace(role="responder"))
    assert isinstance(first, ShareResponse) and first == second
    assert asked(devices["alice"], said) == first
    other = asked(devices["alice"], request("alice", "bob"))
    assert isinstance(other, ShareResponse) and other.share != first.share
    assert (first.lifetime, first.uses) == (600, 5)


def test_who_is_not_named_gets_nothing(fleet: tuple[Network, dict[str, PlainDevice]]) -> None:
    _, devices = fleet
    said = request("alice", "bob")
    asked(devices["alice"], said)
    for wrong in (said, said._replace(role="responder"), said._replace(role="both")):
        assert refused(asked(devices["eve"], wrong)) in (Reason.NOT_AUTHENTIC, Reason.MALFORMED)
    assert refused(asked(devices["alice"], said._replace(role="responder"))) == Reason.NOT_AUTHENTIC
    # An insider names itself with the session identifier of two others: another share, or none (the models' n1).
    stolen = asked(devices["eve"], said._replace(initiator="eve"))
    assert refused(stolen) in (Reason.POLICY_DENIED, Reason.SID_MISMATCH)


def test_two_who_want_different_things_get_nothing_from_then_on(
    fleet: tuple[Network, dict[str, PlainDevice]],
) -> None:
    _, devices = fleet
    said = request("alice", "bob")
    first = asked(devices["alice"], said)
    assert refused(asked(devices["bob"], said._replace(role="responder", purpose="wrap"))) == Reason.SID_MISMATCH
    again = asked(devices["bob"], said._replace(role="responder"))
    assert isinstance(first, ShareResponse) and isinstance(again, ShareResponse) and again.share != first.share


def test_the_policy_says_who_and_what(fleet: tuple[Network, dict[str, PlainDevice]]) -> None:
    made, devices = fleet
    assert refused(asked(devices["eve"], request("eve", "alice"))) == Reason.POLICY_DENIED
    assert refused(asked(devices["alice"], request("alice", "bob", bits=128))) == Reason.POLICY_DENIED
    assert refused(asked(devices["alice"], request("alice", "nobody"))) == Reason.POLICY_DENIED
    records = json.loads(made.nodes["n1"].run("audit", "--json"))
    why = [row["detail"] for row in records if row["outcome"] == "refused"]
    assert any("no rule allows" in words for words in why) and any("no short keys" in words for words in why)


def test_a_change_of_the_policy_holds_for_the_next_share(tmp_path_factory: pytest.TempPathFactory) -> None:
    with network(Path(tmp_path_factory.mktemp("changing")), count=2, linked=False) as made:
        alice, bob = made.produce("alice"), made.produce("bob")
        agree(alice, bob)
        made.adopt(POLICY.split("[[rules]]")[0])
        with pytest.raises(DsccError) as error:
            agree(alice, bob)
        assert error.value.reason is Reason.POLICY_DENIED
        made.adopt(POLICY)
        agree(alice, bob)
        made.close_devices()


def test_two_of_three_nodes_are_enough_and_one_is_not(tmp_path_factory: pytest.TempPathFactory) -> None:
    with network(Path(tmp_path_factory.mktemp("two")), linked=False) as made:
        alice, bob = made.produce("alice"), made.produce("bob")
        made.nodes["n2"].stop()
        mine, theirs = agree(alice, bob)
        assert mine.nodes == ("n1", "n3") and mine.key == theirs.key
        made.nodes["n3"].stop()
        with pytest.raises(DsccError) as error:
            agree(alice, bob)
        assert error.value.reason is Reason.INSUFFICIENT_PATHS
        assert agree(alice, bob, limits=Limits(paths=1))[0].nodes == ("n1",)
        made.close_devices()


def test_receipts_are_what_is_counted_and_end_the_session(fleet: tuple[Network, dict[str, PlainDevice]]) -> None:
    made, devices = fleet
    before = json.loads(made.nodes["n1"].run("usage", "--json"))
    mine, _ = agree(devices["alice"], devices["bob"], Wanted("tunnel"))
    devices["alice"].status("n1"), devices["bob"].status("n1")
    after = json.loads(made.nodes["n1"].run("usage", "--json"))
    counted = {row["device"]: row["keys"] for row in after}
    assert {name: counted[name] - {row["device"]: row["keys"] for row in before}.get(name, 0) for name in counted} == {
        "alice": 1,
        "bob": 1,
    }
    # A receipt twice, or for a session that is none, counts nothing.
    wire = devices["alice"].session("n1")
    wire.say(Receipt(mine.sid, mine.kid, 1))
    wire.say(Receipt(secrets.token_bytes(48), bytes(16), 1))
    devices["alice"].status("n1")
    assert json.loads(made.nodes["n1"].run("usage", "--json")) == after


def test_what_a_device_keeps_is_its_own_and_sealed(fleet: tuple[Network, dict[str, PlainDevice]]) -> None:
    made, devices = fleet
    body = b"a signature that nobody else shall see"
    wire = devices["alice"].session("n1")
    wire.ask(Keep("invoice", "signature", body))
    assert wire.ask(Fetch("invoice")) == Kept("signature", body)
    assert refused(devices["bob"].session("n1").ask(Fetch("invoice"))) == Reason.OUT_OF_ORDER
    wire.ask(Keep("invoice", "signature", b"another"))
    assert wire.ask(Fetch("invoice")) == Kept("signature", b"another")
    stored = b"".join(file.read_bytes() for file in made.nodes["n1"].folder.glob("node.db*"))
    assert body not in stored and b"another" not in stored


def test_many_requests_are_under_way_in_one_session(fleet: tuple[Network, dict[str, PlainDevice]]) -> None:
    _, devices = fleet
    wire = devices["alice"].session("n1")
    for _ in range(40):
        wire.say(request("alice", "bob"))
    answers = dict(wire.record() for _ in range(40))
    assert len(answers) == 40 and all(isinstance(answer, ShareResponse) for answer in answers.values())


def test_what_is_no_request_is_refused_and_the_session_goes_on(
    fleet: tuple[Network, dict[str, PlainDevice]],
) -> None:
    _, devices = fleet
    wire = devices["bob"].session("n1")
    assert refused(wire.ask(M1("bob", "n1", "s", 0, 0, bytes(32), b""))) == Reason.OUT_OF_ORDER
    assert devices["bob"].status("n1").stage == "production"
