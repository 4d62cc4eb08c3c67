"""Rules about shared keys and about arrivals as they stand in a document: read, written, refused."""

from __future__ import annotations

from typing import Any

import pytest
import tomli_w

from policy.documents import read_document, write_document
from policy.model import Arrival, Match, Policy, PolicyError, Selector, Sharing, Use, Who

ANYONE = (Selector(Who.ANYONE),)
SHARING: dict[str, Any] = {"name": "tunnels", "subjects": ["anyone"], "peer": "site-b"}
ARRIVAL: dict[str, Any] = {"name": "from b", "peers": ["site-b"], "owner": "array7"}
ALL_OF_SHARING = SHARING | {
    "exempt": ["client:ben"],
    "resource": {"names": ["vpn-*"]},
    "use": "required",
    "purpose": "wrap",
    "policy": "gold",
    "paths": "2/3",
    "hybrid": "mlkem768",
    "pool": 64,
    "rotate": "12h",
    "overlap": "10m",
    "lifetime": "1d",
}
ALL_OF_ARRIVAL = ARRIVAL | {
    "purposes": ["tunnel", "wrap"],
    "groups": ["sites"],
    "resource": {"algorithms": {"AES": [256]}},
    "tell": ["ops"],
}


def document(**tables: Any) -> str:
    return tomli_w.dumps({"channels": {"ops": {"kind": "syslog", "url": "udp://127.0.0.1:9"}}, **tables})


def policy_of(**tables: Any) -> Policy:
    return read_document(document(**tables), "here")


def test_what_is_not_said() -> None:
    policy = policy_of(sharing=[SHARING], arrivals=[ARRIVAL])
    (sharing,), (arrival,) = policy.sharing, policy.arrivals
    assert sharing == Sharing(name="tunnels", subjects=ANYONE, peer="site-b")
    assert (sharing.use, sharing.purpose, sharing.rotate, sharing.overlap) == (Use.OFFERED, "tunnel", 3600, 300)
    assert (sharing.pool, sharing.lifetime, sharing.paths, sharing.hybrid) == (0, 0, "", "")
    assert arrival == Arrival(name="from b", peers=frozenset({"site-b"}), owner="array7")


def test_all_that_can_be_said() -> None:
    policy = policy_of(sharing=[ALL_OF_SHARING], arrivals=[ALL_OF_ARRIVAL])
    assert policy.sharing[0] == Sharing(
        name="tunnels",
        subjects=ANYONE,
        exempt=(Selector(Who.CLIENT, "ben"),),
        resource=Match(names=("vpn-*",)),
        peer="site-b",
        use=Use.REQUIRED,
        purpose="wrap",
        policy="gold",
        paths="2/3",
        hybrid="mlkem768",
        pool=64,
        rotate=43_200,
        overlap=600,
        lifetime=86_400,
    )
    assert policy.arrivals[0] == Arrival(
        name="from b",
        peers=frozenset({"site-b"}),
        owner="array7",
        purposes=frozenset({"tunnel", "wrap"}),
        groups=frozenset({"sites"}),
        resource=Match(algorithms=(("AES", frozenset({256})),)),
        tell=frozenset({"ops"}),
    )


@pytest.mark.parametrize(
    "tables",
    [
        {"sharing": [SHARING], "arrivals": [ARRIVAL]},
        {"sharing": [ALL_OF_SHARING], "arrivals": [ALL_OF_ARRIVAL]},
        {"sharing": [SHARING | {"rotate": 0, "overlap": 0, "lifetime": 0, "pool": 0}]},
        {"sharing": [{"name": "g", "subjects": ["role:operator"], "group": "sites", "pool": 4096}]},
        {"arrivals": [ARRIVAL | {"peers": "*"}]},
    ],
)
def test_a_written_document_is_read_as_the_same(tables: dict[str, Any]) -> None:
    policy = policy_of(**tables)
    written = write_document(policy)
    assert read_document(written, "there") == policy
    assert write_document(read_document(written, "there")) == written


def test_a_key_that_is_never_rotated_stays_so() -> None:
    assert policy_of(sharing=[SHARING | {"rotate": 0}]).sharing[0].rotate == 0


def test_every_peer_is_a_star() -> None:
    assert policy_of(arrivals=[ARRIVAL | {"peers": "*"}]).arrivals[0].peers == {"*"}


WRONG_SHARING: tuple[tuple[dict[str, Any], str], ...] = (
    ({"peer": ""}, "peer"),
    ({"group": "sites"}, "one of them"),
    ({"peer": "x" * 65}, "64 characters"),
    ({"use": "always"}, "is one of offered, chosen, required"),
    ({"purpose": "fun"}, "is one of tunnel"),
    ({"paths": "3/2"}, "k <= n <= 16"),
    ({"hybrid": "rsa"}, "is one of none, mlkem768, mlkem1024"),
    ({"pool": 4097}, "0 to 4096"),
    ({"pool": -1}, "0 to 4096"),
    ({"pool": True}, "0 to 4096"),
    ({"rotate": 3600}, 'such as "12h"'),
    ({"rotate": False}, 'such as "12h"'),
    ({"rotate": "5m"}, "overlap is shorter"),
    ({"lifetime": "1h"}, "lifetime is not shorter"),
    ({"subjects": []}, "names nobody"),
    ({"subjects": ["role:nobody"]}, "there is no role 'nobody'"),
    ({"resource": {"tenants": ["nowhere"]}}, "there is no tenant 'nowhere'"),
    ({"peers": ["site-b"]}, "did you mean peer?"),
)


@pytest.mark.parametrize(("change", "words"), WRONG_SHARING, ids=[str(change) for change, _ in WRONG_SHARING])
def test_a_wrong_rule_is_refused_in_words(change: dict[str, Any], words: str) -> None:
    with pytest.raises(PolicyError, match="tunnels") as refused:
        policy_of(sharing=[SHARING | change])
    assert words in str(refused.value)


WRONG_ARRIVALS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"peers": []}, "names nobody"),
    ({"peers": ["x" * 65]}, "64 characters"),
    ({"purposes": ["fun"]}, "is one of tunnel"),
    ({"owner": ""}, "owner"),
    ({"tell": ["nobody"]}, "there is no channel 'nobody'"),
    ({"resource": {"tenants": ["nowhere"]}}, "there is no tenant 'nowhere'"),
)


@pytest.mark.parametrize(("change", "words"), WRONG_ARRIVALS, ids=[str(change) for change, _ in WRONG_ARRIVALS])
def test_a_wrong_arrival_is_refused_in_words(change: dict[str, Any], words: str) -> None:
    with pytest.raises(PolicyError, match="from b") as refused:
        policy_of(arrivals=[ARRIVAL | change])
    assert words in str(refused.value)


@pytest.mark.parametrize("missing", ["name", "subjects", "peer"])
def test_a_rule_says_whose_keys_and_with_whom(missing: str) -> None:
    with pytest.raises(PolicyError, match=missing):
        policy_of(sharing=[{name: value for name, value in SHARING.items() if name != missing}])


@pytest.mark.parametrize("missing", ["name", "peers", "owner"])
def test_an_arrival_says_from_whom_and_for_whom(missing: str) -> None:
    with pytest.raises(PolicyError, match=missing):
        policy_of(arrivals=[{name: value for name, value in ARRIVAL.items() if name != missing}])


def test_no_name_is_given_twice() -> None:
    for tables in ({"sharing": [SHARING, SHARING]}, {"arrivals": [ARRIVAL, ARRIVAL]}):
        with pytest.raises(PolicyError, match="rename one"):
            policy_of(**tables)


def test_who_edits_a_written_document_adds_tables_at_its_end() -> None:
    table = {"name": "from anywhere", "peers": "*", "owner": "array7"}
    written = write_document(policy_of(arrivals=[table]))
    added = '[[arrivals]]\nname = "from b"\npeers = ["site-b"]\nowner = "array7"\n'
    assert [rule.name for rule in read_document(written + added, "here").arrivals] == ["from anywhere", "from b"]
