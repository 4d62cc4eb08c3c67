"""Keys by ETSI GS QKD 014 between two sites: what two SAEs get, who else gets nothing, and what is on record."""

from __future__ import annotations

from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from qkd014_gateway import Answer, Sae, refused
from qkd014_sites import TwoSites
from sharing_network import attributes_of, create_with, created_with, dscc, state_of, until
from support.numbers import Reason
from support.requests import DESTROYED, KEY_COMPROMISE, PRE_ACTIVE, destroy, get, object_group, revoke

from dscc.links.chain import Answering, Asking, begin_link, draw, hear
from dscc.links.source import SourceRequestError
from dscc.primitives import S384

pytestmark = pytest.mark.sqlite_file("gateways and nodes of DSCC have files of their own")

NOT_FOUND = "one or more keys specified are not found on KME"


def drawn(master: Sae, slave: Sae, number: int = 1) -> dict[str, bytes]:
    """Fresh keys by their key_IDs."""
    return {key.key_id: key.secret for key in master.ours().get_key(slave.name, 32, number)}


def by_id(slave: Sae, master: Sae, *key_ids: str) -> Answer:
    asked = {"key_IDs": [{"key_ID": key_id} for key_id in key_ids]}
    return slave.ask("POST", f"{master.name}/dec_keys", asked)


def keys_of(answer: Answer) -> dict[str, bytes]:
    status, document = answer
    assert status == 200, answer
    return {key["key_ID"]: b64decode(key["key"]) for key in document["keys"]}


# What two SAEs get. ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [{}, {"number": 3, "size": 128}, {"number": 2, "size": 4096}, {"size": 136}])
def test_independent_clients_get_the_same_keys_at_two_sites(master: Sae, slave: Sae, asked: dict[str, int]) -> None:
    code, container = master.independent().get_key(slave.name, **asked)
    assert code == 200, container
    keys = {key.key_id: b64decode(key.key) for key in container.keys}
    assert len(set(keys.values())) == asked.get("number", 1)
    assert {len(secret) for secret in keys.values()} == {asked.get("size", 256) // 8}
    code, container = slave.independent().get_key_with_key_IDs(master.name, list(keys))
    assert (code, {key.key_id: b64decode(key.key) for key in container.keys}) == (200, keys)


def test_our_own_client_gets_them_in_the_order_that_it_asks_and_the_other_site_may_begin(
    master: Sae, slave: Sae
) -> None:
    keys = slave.ours().get_key(master.name, 64, 4)
    assert master.ours().get_by_id(slave.name, tuple(key.key_id for key in keys[::-1])) == keys[::-1]


def test_a_hundred_keys_in_one_request(master: Sae, slave: Sae) -> None:
    keys = drawn(master, slave, 100)
    assert len(set(keys.values())) == 100
    assert keys_of(by_id(slave, master, *keys)) == keys


def test_the_status_counts_what_is_left_of_the_pool(master: Sae, slave: Sae) -> None:
    drawn(master, slave)
    status, before = master.ask("GET", f"{slave.name}/status")
    assert status == 200
    assert (before["source_KME_ID"], before["target_KME_ID"]) == ("site-a", "site-b")
    assert (before["master_SAE_ID"], before["slave_SAE_ID"]) == (master.name, slave.name)
    assert (before["min_key_size"], before["key_size"], before["max_key_size"]) == (128, 256, 4096)
    assert 0 < before["stored_key_count"] <= before["max_key_count"] == 64 + 32
    drawn(master, slave, 2)
    after = master.ask("GET", f"{slave.name}/status")[1]
    # The next seed may have come meanwhile.
    assert after["stored_key_count"] - before["stored_key_count"] in (-2, 62)


def test_a_pair_without_a_pool_has_nothing_stored(sites: TwoSites) -> None:
    status, document = sites.sae("other-a").ask("GET", "other-b/status")
    assert (status, document["stored_key_count"], document["max_key_count"]) == (200, 0, 0)


def test_a_link_between_nodes_takes_its_keys_from_two_gateways(master: Sae, slave: Sae) -> None:
    link = begin_link(S384, "n1", "n2", bytes(32))
    key = draw(master.ours(), slave.name)
    asking = Asking(link, key, bytes(32))
    hear(link, asking.l1)
    (fetched,) = slave.ours().get_by_id(master.name, (asking.l1.key_id,))
    answering = Answering(link, asking.l1, fetched, bytes(32))
    _, l3, one = asking.on_l2(asking.state, answering.l2)
    _, other = answering.on_l3(answering.state, l3)
    assert one == other
    assert one.key_id


# A key leaves once. ---------------------------------------------------------------------------------------------------


def test_a_key_leaves_once_at_each_site(sites: TwoSites, master: Sae, slave: Sae) -> None:
    (key_id,) = drawn(master, slave)
    with sites.network.session("site-a", master.name) as here, sites.network.session("site-b", slave.name) as there:
        assert here.do(get(key_id)).reason == Reason.OBJECT_DESTROYED
        assert state_of(there, key_id) == PRE_ACTIVE
        assert by_id(slave, master, key_id)[0] == 200
        assert there.do(get(key_id)).reason == Reason.OBJECT_DESTROYED
    assert refused(by_id(slave, master, key_id)) == NOT_FOUND
    with pytest.raises(SourceRequestError, match=NOT_FOUND):
        slave.ours().get_by_id(master.name, (key_id,))


def test_what_is_told_of_later_keys_does_not_end_an_earlier_one(sites: TwoSites, master: Sae, slave: Sae) -> None:
    (first,) = drawn(master, slave)
    # The other site hears of keys in their order: of the first one's end it would have heard by now.
    drawn(master, slave)
    with sites.network.session("site-b", slave.name) as there:
        assert state_of(there, first) == PRE_ACTIVE
    assert by_id(slave, master, first)[0] == 200


def test_of_requests_at_once_for_one_key_one_gets_it(master: Sae, slave: Sae) -> None:
    for _ in range(3):
        keys = drawn(master, slave, 2)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _, asked=tuple(keys): by_id(slave, master, *asked), range(8)))
        given = [answer for answer in answers if answer[0] == 200]
        assert [keys_of(answer) for answer in given] == [keys]
        assert {refused(answer) for answer in answers if answer[0] != 200} == {NOT_FOUND}


def test_all_or_none(master: Sae, slave: Sae) -> None:
    keys = drawn(master, slave, 2)
    assert refused(by_id(slave, master, *keys, str(uuid4()))) == NOT_FOUND
    assert keys_of(by_id(slave, master, *keys)) == keys


def test_a_key_that_was_got_by_kmip_is_not_delivered_again(sites: TwoSites, master: Sae, slave: Sae) -> None:
    ((key_id, secret),) = drawn(master, slave).items()
    with sites.network.session("site-b", slave.name) as there:
        assert there.key_material(key_id) == secret
    assert refused(by_id(slave, master, key_id)) == NOT_FOUND


# What nobody gets. ----------------------------------------------------------------------------------------------------


def test_the_key_of_a_pair_is_nobody_elses(sites: TwoSites, master: Sae, slave: Sae) -> None:
    keys = drawn(master, slave)
    (key_id,) = keys
    assert refused(by_id(sites.sae("other-b"), master, key_id)) == NOT_FOUND
    assert refused(by_id(slave, sites.sae("other-a"), key_id)) == NOT_FOUND
    assert refused(by_id(master, slave, key_id)) == NOT_FOUND
    assert refused(by_id(sites.sae("other-a"), slave, key_id)) == NOT_FOUND
    assert keys_of(by_id(slave, master, key_id)) == keys


def test_no_client_passes_its_key_off_as_another_masters(sites: TwoSites, master: Sae, slave: Sae) -> None:
    with sites.network.session("site-a", "other-a") as here:
        how = (dscc("Purpose", "etsi014"), object_group(f"etsi014:{slave.name}"))
        claimed = create_with(here, "site-b", dscc("Requester", master.name), *how)
        assert claimed.reason == Reason.ATTRIBUTE_READ_ONLY
        key_id = created_with(here, "site-b", *how)
        assert attributes_of(here, key_id)["Requester"] == "other-a"
    assert refused(by_id(slave, master, key_id)) == NOT_FOUND
    assert by_id(slave, sites.sae("other-a"), key_id)[0] == 200


def test_who_gets_no_keys_and_whom_there_is_nothing_with(sites: TwoSites, master: Sae) -> None:
    stranger = sites.sae("stranger")
    assert stranger.ask("GET", "firewall-b/status") == (401, {"message": "you get no keys here", "details": []})
    assert stranger.independent().get_key("firewall-b")[0] == 401
    nobody = master.ask("POST", "nobody/enc_keys", {})
    assert "at two gateways" in refused(nobody)
    assert master.ask("GET", "nobody/status") == nobody
    # Another client of the same gateway.
    assert master.ask("POST", "other-a/enc_keys", {}) == nobody


def test_shorter_keys_than_are_negotiated_are_refused(master: Sae, slave: Sae) -> None:
    assert "size" in refused(master.ask("POST", f"{slave.name}/enc_keys", {"size": 120}))


# What is on record, and what ends a key. ------------------------------------------------------------------------------


def test_who_has_had_a_key_is_on_record_at_both_sites(sites: TwoSites, master: Sae, slave: Sae) -> None:
    (key_id,) = drawn(master, slave)
    by_id(slave, master, key_id)
    done = [("Create", "succeeded"), ("Get", "succeeded"), ("Destroy", "succeeded")]
    mine, theirs = sites.audited("site-a", key_id), sites.audited("site-b", key_id)
    assert [one for one in mine if one[0] == master.name] == [(master.name, *each) for each in done]
    assert ("site site-a", "Arrival", "succeeded") in theirs
    assert [one for one in theirs if one[0] == slave.name] == [(slave.name, *each) for each in done[1:]]


def test_a_compromise_at_the_masters_site_stops_the_slaves_copy(sites: TwoSites, master: Sae, slave: Sae) -> None:
    (key_id,) = drawn(master, slave)
    with sites.network.session("site-a", master.name) as here, sites.network.session("site-b", slave.name) as there:
        here.do(revoke(key_id, KEY_COMPROMISE)).expect_success()
        until(lambda: state_of(there, key_id) != PRE_ACTIVE)
    assert refused(by_id(slave, master, key_id)) == NOT_FOUND


def test_a_key_that_is_destroyed_before_it_has_left_is_taken_back_at_both(sites: TwoSites, slave: Sae) -> None:
    with sites.network.session("site-a", "other-a") as here, sites.network.session("site-b", slave.name) as there:
        key_id = created_with(here, "site-b", dscc("Purpose", "etsi014"), object_group(f"etsi014:{slave.name}"))
        assert state_of(there, key_id) == PRE_ACTIVE
        here.do(destroy(key_id)).expect_success()
        until(lambda: state_of(there, key_id) == DESTROYED)


def test_a_key_that_nobody_fetches_in_its_lifetime_is_erased_at_each_site(sites: TwoSites) -> None:
    master, slave = sites.sae("other-a"), sites.sae("other-b")
    (key_id,) = drawn(master, slave)
    with sites.network.session("site-a", master.name) as here, sites.network.session("site-b", slave.name) as there:
        unfetched = created_with(here, "site-b", dscc("Purpose", "etsi014"), object_group(f"etsi014:{slave.name}"))
        for session, key in ((there, key_id), (here, unfetched), (there, unfetched)):
            until(lambda session=session, key=key: state_of(session, key) == DESTROYED)
    assert refused(by_id(slave, master, key_id)) == NOT_FOUND
    assert ("gateway", "Destroy", "succeeded") in sites.audited("site-b", key_id)
    assert ("gateway", "Destroy", "succeeded") not in sites.audited("site-a", key_id)
