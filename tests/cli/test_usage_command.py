"""usage report: what two tenants did over the wire is what the report says, and what the audit log holds."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

from support import requests as ask
from support.numbers import Operation, Tag
from support.requests import Session
from support.server import RunningServer
from support.wire import enumeration, octets

MOVES = """
tenants = {{ acme = "one", globex = "another" }}
[clients]
a = {{ tenant = "{}" }}
b = {{ tenant = "globex" }}
"""
PRICES = """
currency = "EUR"
[keys]
price = 0.25
free = 1
[devices]
price = 1.50
[[operations]]
actions = ["GET"]
price = 40
[[operations]]
actions = ["*"]
price = 0
"""
V = (2, 1)


def _report(server: RunningServer, *arguments: str) -> Any:
    return json.loads(server.command("usage", "report", str(server.data), "--json", *arguments).stdout)


def _put_in_force(server: RunningServer, tenant: str) -> None:
    # The tenant of a record is told to the second.
    time.sleep(1.1)
    document = server.folder / "policy.toml"
    document.write_text(MOVES.format(tenant))
    server.command("policy", "import", str(server.data), str(document))


def _work(session: Session, keys: int, gets: int) -> None:
    made = [session.create_aes() for _ in range(keys)]
    for _ in range(gets):
        session.do(ask.get(made[0])).expect_success()
    session.do(ask.get("no such key"))
    session.do(ask.get_attributes(V, made[0])).expect_success()


def test_what_tenants_do_is_what_is_reported(fresh_server: RunningServer) -> None:
    server = fresh_server
    a, b = server.add_client("a"), server.add_client("b")
    _put_in_force(server, "acme")
    server.command("devices", "add", str(server.data), "m")
    with a.session(V) as first, b.session(V) as second:
        _work(first, 3, 4)
        _work(second, 1, 2)
        first.do(ask.create_key_pair(V, [ask.algorithm(ask.RSA), ask.length(2048)], 1, 2)).expect_success()
        _put_in_force(server, "globex")
        _work(first, 2, 5)
    found = {one["tenant"]: one for one in _report(server)}
    assert found["acme"]["operations"] == {"CREATE": 3, "CREATE_KEY_PAIR": 2, "GET": 4}
    assert found["globex"]["operations"] == {"CREATE": 3, "GET": 7}
    assert [found[name]["keys_made"] for name in ("acme", "globex")] == [5, 3]
    assert {name: one["active_devices"] for name, one in found.items()} == {"acme": [], "globex": [], "default": ["m"]}

    records = json.loads(server.command("audit", "show", str(server.data), "--json").stdout)
    on_record = Counter(one["caller"] for one in records if one["outcome"] == "succeeded" and one["caller"] in "ab")
    assert sum(sum(one["operations"].values()) for one in found.values()) == on_record.total() == 19

    month, days = found["acme"]["period"], _report(server, "--by", "day")
    assert Counter(one["tenant"] for one in days).keys() == found.keys()
    assert sum(one["keys_made"] for one in days) == 8
    assert _report(server, "--month", month, "--tenant", "acme") == [found["acme"]]
    assert _report(server, "--month", "1999-12") == []

    prices = server.folder / "prices.toml"
    prices.write_text(PRICES)
    (priced,) = _report(server, "--tenant", "acme", "--prices", str(prices))
    assert [line["amount"] for line in priced["lines"]] == ["1.00", "0.16", "0.00", "0.00"]
    assert (priced["amount"], priced["currency"]) == ("1.16", "EUR")
    table = server.command("usage", "report", str(server.data), "--prices", str(prices)).stdout
    assert "1.16 EUR" in table


def test_what_is_undone_or_only_submitted_is_not_counted(fresh_server: RunningServer) -> None:
    undo, later = enumeration(Tag.BATCH_ERROR_CONTINUATION_OPTION, 3), enumeration(Tag.ASYNCHRONOUS_INDICATOR, 1)
    unknown = octets(Tag.ASYNCHRONOUS_CORRELATION_VALUE, b"none")
    with fresh_server.add_client("c").session(V) as session:
        session.create_aes()
        session.batch(ask.create_aes(V), ask.get("no such key"), fields=(undo,))
        # The second item fails at once, and the first was submitted only.
        session.batch(ask.create_aes(V), ask.Request(Operation.POLL, unknown), fields=(later, undo))
        session.batch(ask.create_aes(V), ask.get("no such key"), fields=(later, undo))
        _until(fresh_server, {"succeeded": 3, "undone": 2, "submitted": 2, "withdrawn": 1})
    (found,) = _report(fresh_server)
    assert (found["keys_made"], found["operations"]) == (1, {"CREATE": 1})


def _until(server: RunningServer, outcomes: dict[str, int]) -> None:
    """Wait until these are the outcomes of all that was asked to create a key."""
    for _ in range(30):
        ran = server.command("audit", "show", str(server.data), "--operation", "Create", "--json")
        found = Counter(one["outcome"] for one in json.loads(ran.stdout))
        if found == outcomes:
            return
        time.sleep(0.2)
    raise AssertionError(found)


def test_wrong_use_is_refused_and_says_what_to_do(run, directory: Path, tmp_path: Path) -> None:
    assert run("usage", "report", directory).out == "Nothing that is counted is on record\n"
    for words, said in (
        (["--month", "2026-13"], "give 2026-11"),
        (["--by", "day", "--prices", tmp_path / "prices.toml"], "prices are for months"),
    ):
        refused = run("usage", "report", directory, *words)
        assert (refused.code, said in refused.err) == (2, True), refused.err
    assert "there is no tenant 'acme': default" in run("usage", "report", directory, "--tenant", "acme").err
    (tmp_path / "prices.toml").write_text('currency = "EUR"\n[keys]\nprise = 1\n')
    refused = run("usage", "report", directory, "--prices", tmp_path / "prices.toml")
    assert (refused.code, "prices.toml: keys: prise" in refused.err, "price" in refused.err) == (1, True, True)
