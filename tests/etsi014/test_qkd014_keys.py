"""Keys by ETSI GS QKD 014: an independent client and our own against the HTTPS port of a gateway."""

from __future__ import annotations

import json
import shutil
import subprocess
from base64 import b64decode
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from qkd014_delivery import InMemoryDelivery
from qkd014_gateway import MakeGateway, Sae, refused

from dscc.links.source import SourceEmptyError, SourceRefusedError, SourceRequestError

NOT_FOUND = "one or more keys specified are not found on KME"


def in_bytes(container: Any) -> dict[str, bytes]:
    """The keys of the independent client's answer."""
    return {key.key_id: b64decode(key.key, validate=True) for key in container.keys}


def drawn(master: Sae, slave: Sae, number: int = 1) -> list[str]:
    """The key_IDs of fresh keys."""
    return [key.key_id for key in master.ours().get_key(slave.name, 32, number)]


def by_id(slave: Sae, master: Sae, *key_ids: str) -> tuple[int, Any]:
    asked = {"key_IDs": [{"key_ID": key_id} for key_id in key_ids]}
    return slave.ask("POST", f"{master.name}/dec_keys", asked)


# What two SAEs get. ---------------------------------------------------------------------------------------------------


def test_the_status_has_every_field_of_the_standard(alice: Sae, bob: Sae) -> None:
    status, document = alice.ask("GET", "bob/status")
    assert status == 200
    assert document.pop("stored_key_count") <= document.pop("max_key_count")
    assert document.pop("source_KME_ID") != document.pop("target_KME_ID")
    assert document == {
        "master_SAE_ID": "alice",
        "slave_SAE_ID": "bob",
        "key_size": 256,
        "max_key_per_request": 128,
        "max_key_size": 4096,
        "min_key_size": 128,
        "max_SAE_ID_count": 0,
    }


def test_an_independent_client_reads_the_status_and_so_does_ours(alice: Sae) -> None:
    code, status = alice.independent().get_status("bob")
    assert (code, status.master_sae_id, status.slave_sae_id) == (200, "alice", "bob")
    ours = alice.ours().status("bob")
    assert (ours.key_bytes, ours.stored_keys) == (status.key_size // 8, status.stored_key_count)


@pytest.mark.parametrize("asked", [{}, {"number": 3}, {"size": 128}, {"number": 2, "size": 4096}, {"number": 128}])
def test_independent_clients_get_the_same_keys_at_both_ends(alice: Sae, bob: Sae, asked: dict[str, int]) -> None:
    code, container = alice.independent().get_key("bob", **asked)
    assert code == 200
    keys = in_bytes(container)
    assert len(set(keys.values())) == asked.get("number", 1)
    assert {len(secret) for secret in keys.values()} == {asked.get("size", 256) // 8}
    code, container = bob.independent().get_key_with_key_IDs("alice", list(keys))
    assert (code, in_bytes(container)) == (200, keys)


def test_our_own_client_gets_the_same_keys_at_both_ends_in_the_order_it_asked(alice: Sae, bob: Sae) -> None:
    keys = alice.ours().get_key("bob", 64, 5)
    assert bob.ours().get_by_id("alice", tuple(key.key_id for key in keys[::-1])) == keys[::-1]


def test_the_clients_understand_each_other_through_the_gateway(alice: Sae, bob: Sae) -> None:
    (ours,) = alice.ours().get_key("bob", 32)
    _, container = bob.independent().get_key_with_key_IDs("alice", [ours.key_id])
    assert in_bytes(container) == {ours.key_id: ours.secret}
    _, container = alice.independent().get_key("bob", size=256)
    theirs = in_bytes(container)
    assert {key.key_id: key.secret for key in bob.ours().get_by_id("alice", tuple(theirs))} == theirs


def test_the_simple_requests_are_gets(alice: Sae, bob: Sae) -> None:
    status, container = alice.ask("GET", "bob/enc_keys?number=2&size=128")
    assert status == 200
    assert {len(b64decode(key["key"])) for key in container["keys"]} == {16}
    for key in container["keys"]:
        assert bob.ask("GET", f"alice/dec_keys?key_ID={key['key_ID']}") == (200, {"keys": [key]})


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_gets_keys_as_the_document_says(alice: Sae, bob: Sae) -> None:
    def curl(sae: Sae, path: str, body: object) -> Any:
        files = sae.credentials
        trust = ["--cacert", files.authority, "--cert", files.certificate, "--key", files.key]
        sent = ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        url = f"https://127.0.0.1:{sae.port}/api/v1/keys/{path}"
        done = subprocess.run(["curl", "-sS", *trust, *sent, url], capture_output=True, check=True)
        return json.loads(done.stdout)

    drawn = curl(alice, "bob/enc_keys", {"number": 1, "size": 256})
    (key,) = drawn["keys"]
    assert curl(bob, "alice/dec_keys", {"key_IDs": [{"key_ID": key["key_ID"]}]}) == drawn


def test_a_key_id_may_be_in_capitals(alice: Sae, bob: Sae) -> None:
    (key_id,) = drawn(alice, bob)
    status, container = by_id(bob, alice, key_id.upper())
    assert (status, container["keys"][0]["key_ID"]) == (200, key_id)


def test_optional_extensions_and_what_is_reserved_are_ignored(alice: Sae, bob: Sae) -> None:
    asked = {
        "extension_optional": [{"abc_route": {"through": ["x"]}}],
        "extension_mandatory": [],
        "additional_slave_SAE_IDs": [],
    }
    status, container = alice.ask("POST", "bob/enc_keys", asked)
    assert status == 200
    ids = [{"key_ID": container["keys"][0]["key_ID"], "key_ID_extension": {"x": 1}}]
    assert bob.ask("POST", "alice/dec_keys", {"key_IDs": ids, "key_IDs_extension": [2]})[0] == 200


def test_the_id_of_an_sae_may_have_any_character_that_a_name_has(make_gateway: MakeGateway, sae: Any) -> None:
    name = "Röntgen/1 +&?#%2F"
    master = sae(make_gateway(InMemoryDelivery(("alice", name))), "alice")
    assert len(master.ours().get_key(name, 32)) == 1
    assert master.ask("GET", f"{quote(name, safe='')}/status")[1]["slave_SAE_ID"] == name


# What nobody gets. ----------------------------------------------------------------------------------------------------


def test_a_key_leaves_once(alice: Sae, bob: Sae) -> None:
    (key_id,) = drawn(alice, bob)
    assert by_id(bob, alice, key_id)[0] == 200
    assert refused(by_id(bob, alice, key_id)) == NOT_FOUND
    assert bob.independent().get_key_with_key_IDs("alice", [key_id])[0] == 400
    with pytest.raises(SourceRequestError, match=NOT_FOUND):
        bob.ours().get_by_id("alice", (key_id,))


def test_the_master_gets_its_keys_no_second_time_either(alice: Sae, bob: Sae) -> None:
    (key_id,) = drawn(alice, bob)
    assert refused(by_id(alice, bob, key_id)) == NOT_FOUND
    assert by_id(bob, alice, key_id)[0] == 200


def test_keys_are_delivered_all_or_none(alice: Sae, bob: Sae) -> None:
    key_ids = drawn(alice, bob, 2)
    assert refused(by_id(bob, alice, *key_ids, str(uuid4()))) == NOT_FOUND
    assert by_id(bob, alice, *key_ids)[0] == 200


def test_the_key_of_others_looks_like_one_that_never_was(alice: Sae, bob: Sae, carol: Sae) -> None:
    (theirs,) = drawn(alice, bob)
    assert by_id(carol, bob, theirs) == by_id(carol, bob, str(uuid4()))
    assert by_id(bob, carol, theirs) == by_id(bob, carol, str(uuid4()))
    assert by_id(bob, alice, theirs)[0] == 200


def test_an_sae_with_whom_nothing_is_shared_looks_like_one_that_is_not(alice: Sae) -> None:
    nobody = alice.ask("POST", "nobody/enc_keys", {})
    assert refused(nobody)
    assert alice.ask("POST", "carol/enc_keys", {}) == nobody
    assert alice.ask("GET", "carol/status") == alice.ask("GET", "nobody/status") == nobody
    assert alice.independent().get_status("nobody")[0] == 400


def test_an_sae_shares_nothing_with_itself(alice: Sae) -> None:
    assert "your own" in refused(alice.ask("POST", "alice/enc_keys", {}))


def test_who_gets_no_keys_is_not_authorised(stranger: Sae) -> None:
    assert stranger.ask("GET", "bob/enc_keys") == (401, {"message": "you get no keys here", "details": []})
    assert stranger.independent().get_key("bob")[0] == 401
    with pytest.raises(SourceRefusedError):
        stranger.ours().get_key("bob", 32)


def test_a_lack_of_keys_is_an_error_of_the_server(make_gateway: MakeGateway, sae: Any) -> None:
    dry = sae(make_gateway(InMemoryDelivery(("alice", "bob"), stock=1)), "alice")
    status, document = dry.ask("POST", "bob/enc_keys", {"number": 2})
    assert (status, set(document)) == (503, {"message", "details"})
    assert dry.independent().get_key("bob", number=2)[0] == 503
    with pytest.raises(SourceEmptyError):
        dry.ours().get_key("bob", 32, 2)
    assert dry.ask("POST", "bob/enc_keys", {"number": 1})[0] == 200
