"""Appliances at a site whose policy shares what they make: they send what they always send, and the other site has it.

Whole replays, as they are played to a server by itself. Each key that is answered to Create or Re-key has to be at the
other site by then, and what Get answers has to be the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest
import test_replay_appliances as appliances
import test_replay_databases as databases
import test_replay_services as services
import test_replay_virtualisation as virtualisation
from conftest import Connect
from replaying import OverHttps, OverTls, Replay, key_in
from sharing_network import Sites, network
from support.command_line import run_here
from support.numbers import Operation
from support.requests import Request, Session
from support.server import Client
from support.wire import Response, Result

from demo.sites import Site, site_policy

pytestmark = pytest.mark.sqlite_file("gateways and nodes of DSCC have files of their own")

RULE = """
[[sharing]]
name = "whatever an appliance makes"
subjects = ["client:demo"]
peer = "site-b"
use = "required"
rotate = 0
"""
PASSWORD = ("appliance", "a password of an appliance")
# Those that create keys. Percona Server for MySQL and Dell iDRAC are left out: their replays count on the order of what
# one second has made, which identifiers that two sites derive do not have.
REPLAYS: dict[str, tuple[Callable[..., None], dict[str, Any]]] = {
    "VMware vCenter": (
        virtualisation.test_vcenter_asks_for_versions_before_each_step_and_marks_a_key_as_its_own,
        {},
    ),
    "Nutanix AOS": (virtualisation.test_nutanix_reads_the_keys_of_its_cluster_at_boot, {}),
    "MongoDB, which delegates": (databases.test_mongodb_drivers_delegate_encryption_to_the_server, {}),
    "Percona Server for MongoDB": (
        databases.test_percona_server_for_mongodb_polls_the_state_of_its_master_key,
        {"registers": False},
    ),
    "MySQL": (databases.test_mysql_numbers_its_attributes_and_says_how_much_it_can_take, {}),
    "Oracle": (databases.test_oracle_keeps_its_master_keys_and_changes_their_attributes, {}),
    "InterSystems IRIS": (databases.test_intersystems_iris_manages_its_keys_in_2_0, {}),
    "VAST Data": (appliances.test_vast_makes_names_polls_and_rotates_keys_over_https, {}),
    "NetApp ONTAP": (
        appliances.test_netapp_describes_a_key_with_sixteen_custom_attributes_of_many_types,
        {"password": PASSWORD},
    ),
    "a SAN array": (appliances.test_a_san_array_finds_reads_and_describes_its_key_in_one_batch, {}),
    "IBM tape": (
        appliances.test_an_ibm_tape_library_creates_and_locates_by_alternative_name_and_custom_attributes,
        {},
    ),
    "Hitachi VSP": (appliances.test_hitachi_vsp_lives_with_any_1x_version, {"minor": 2}),
    "HPE Nimble": (appliances.test_hpe_nimble_keeps_one_master_key, {}),
    "HPE Ezmeral": (appliances.test_hpe_ezmeral_reads_what_its_version_has_of_a_key, {}),
    "FortiGate": (
        services.test_fortigate_finds_each_ipsec_key_by_its_name_inside_a_template,
        {"password": PASSWORD, "minor": 4},
    ),
    "Ceph RGW": (
        services.test_ceph_rgw_creates_locates_and_gets_on_pooled_connections,
        {"password": PASSWORD},
    ),
}


class SharedReplay(Replay):
    """A client of site-a whose keys are looked for at site-b; `shared` has those that were found."""

    there: Session
    shared: dict[str, bytes]

    def ask(self, *requests: Request) -> Response:
        response = super().ask(*requests)
        for result in response.results:
            if result.ok:
                self._look(result)
        return response

    def _look(self, result: Result) -> None:
        if result.operation in (Operation.CREATE, Operation.RE_KEY):
            self.shared[result.unique_identifier] = self.there.key_material(result.unique_identifier)
        elif result.operation == Operation.GET and result.unique_identifier in self.shared:
            assert key_in(result) == self.shared[result.unique_identifier]


def client_of(site: Site) -> Client:
    """The client `demo` of a site, for replays."""
    ports = {"kmip": ("127.0.0.1", site.kmip_port), "https": ("127.0.0.1", site.https_port)}
    return Client(SimpleNamespace(data=site.folder, **ports), "demo")


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    with network(tmp_path_factory.mktemp("appliances")) as made:
        site = made["site-a"]
        site.put_policy(RULE + site_policy(("site-b",), "demo"))
        user, secret = PASSWORD
        assert run_here("users", "add", str(site.folder), user, stdin=secret).code == 0
        yield made


@pytest.fixture
def shared() -> dict[str, bytes]:
    """What replays have shared, by its Unique Identifier."""
    return {}


@pytest.fixture
def connect_sharing(sites: Sites, shared: dict[str, bytes]) -> Iterator[Connect]:
    """As `connect`, but to site-a."""
    client = client_of(sites["site-a"])
    with ExitStack() as opened:
        there = opened.enter_context(sites.session("site-b"))

        def connect(version: Any, *, fields: Any = (), item_id: Any = None, https: bool = False) -> Replay:
            channel = OverHttps(client) if https else OverTls(client)
            opened.callback(channel.close)
            replay = SharedReplay(channel, version, fields, item_id)
            replay.there, replay.shared = there, shared
            return replay

        yield connect


@pytest.mark.parametrize("product", REPLAYS)
def test_its_keys_are_at_the_other_site(connect_sharing: Connect, shared: dict[str, bytes], product: str) -> None:
    replay, more = REPLAYS[product]
    replay(connect_sharing, **more)
    assert shared
