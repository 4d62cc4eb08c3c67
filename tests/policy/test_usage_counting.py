"""Usage and its price: counted and computed a second time, in another way."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.actions import OPERATIONS
from policy.model import Member, Policy, Who
from policy.prices import Price, PriceList, PriceListError, bill, read_prices, total
from policy.usage import Usage, count, day, month, tenants

MAKING = {"Create", "Create Key Pair", "Derive Key", "Re-key", "Re-key Key Pair"}
TITLES = [*sorted(MAKING), "Register", "Get", "Encrypt", "MAC Verify", "DSCC Negotiate", "Device Stage", "Approval"]
COUNTED = set(TITLES) - {"Device Stage", "Approval"}
times = st.integers(0, 2**33)
records = st.builds(
    SimpleNamespace,
    at=times,
    caller=st.sampled_from("abc"),
    operation=st.sampled_from(TITLES),
    unique_identifier=st.sampled_from("xyz"),
    outcome=st.sampled_from(["succeeded", "succeeded", "failed", "submitted", "undone", "withdrawn"]),
)
policies = st.lists(
    st.tuples(
        times,
        st.fixed_dictionaries({"clients": st.dictionaries(st.sampled_from("abc"), st.sampled_from("TU"))}),
    ),
    max_size=5,
)


@given(st.lists(records, max_size=60), policies)
def test_every_success_is_counted_once_for_the_tenant_that_its_caller_had(made: list[Any], given_: list[Any]) -> None:
    known = [(at, {who: Member(tenant=of) for who, of in one["clients"].items()}) for at, one in given_]
    found = count(made, tenants([(at, Policy(clients=who, devices=who)) for at, who in known]), month)

    def tenant(name: str, at: int) -> str:
        then = [who for since, who in known if since <= at]
        return then[-1].get(name, Member()).tenant if then else "default"

    operations, keys, active = Counter[Any](), Counter[Any](), set()
    for one in made:
        sign = {"succeeded": 1, "undone": -1}.get(one.outcome, 0)
        when = datetime.fromtimestamp(one.at, UTC).strftime("%Y-%m")
        if sign and one.operation in ("Device Stage", "DSCC Negotiate"):
            device = one.caller if one.operation == "DSCC Negotiate" else one.unique_identifier
            active.add((when, tenant(device, one.at), device))
        if sign and one.operation in COUNTED:
            operations[when, tenant(one.caller, one.at)] += sign
            keys[when, tenant(one.caller, one.at)] += sign if one.operation in MAKING else 0
    assert {key: one.operations.total() for key, one in found.items() if one.operations.total()} == {
        key: number for key, number in operations.items() if number
    }
    assert {key: one.keys_made for key, one in found.items() if one.keys_made} == {
        key: number for key, number in keys.items() if number
    }
    assert {(*key, device) for key, one in found.items() for device in one.devices} == active


@given(times)
def test_days_and_months_are_those_of_the_calendar_in_utc(at: int) -> None:
    moment = datetime.fromtimestamp(at, UTC)
    assert (day(at), month(at)) == (f"{moment:%Y-%m-%d}", f"{moment:%Y-%m}")


prices = st.decimals(0, 10**9 - 1, places=9, allow_nan=False, allow_infinity=False)
some = st.integers(0, 10**15)
actions = st.sampled_from(sorted(OPERATIONS))


@given(
    st.builds(
        PriceList,
        st.just("EUR"),
        st.integers(0, 6),
        st.none() | st.builds(Price, st.just("keys made"), prices, st.just(1), some),
        st.none() | st.builds(Price, st.just("active devices"), prices, st.just(1), some),
        st.lists(
            st.builds(Price, st.just("x"), prices, st.just(1000), some, st.frozensets(actions, min_size=1)), max_size=4
        ).map(tuple),
    ),
    st.builds(Usage, some, st.dictionaries(actions, some).map(Counter), st.sets(st.sampled_from("abcdef"))),
)
def test_a_bill_is_what_exact_arithmetic_gives(listed: PriceList, used: Usage) -> None:
    lines = bill(listed, used)
    unit = Fraction(1, 10**listed.decimals)
    for line in lines:
        exact = Fraction(line.price.price) * max(line.number - line.price.free, 0) / line.price.per
        assert abs(Fraction(line.amount) - exact) <= unit / 2
        assert (Fraction(line.amount) / unit).denominator == 1
    assert Fraction(total(lines)) == sum((Fraction(line.amount) for line in lines), Fraction(0))
    paid = {action for price in listed.operations for action in price.actions}
    of_operations = [line.number for line in lines if line.price.per == 1000]
    assert sum(of_operations) == sum(number for action, number in used.operations.items() if action in paid)


def test_half_a_cent_is_rounded_up_and_the_first_price_that_names_an_operation_is_its_price() -> None:
    listed = read_prices(
        'currency = "EUR"\n[keys]\nprice = 0.005\nfree = 1\n[devices]\nprice = 2\n'
        '[[operations]]\nactions = ["MAC*", "ENCRYPT"]\nprice = 0.10\n[[operations]]\nactions = ["*"]\nprice = 1\n',
        "prices.toml",
    )
    used = Usage(2, Counter({"ENCRYPT": 500, "MAC_VERIFY": 500, "GET": 2000}), {"m"})
    assert [(line.number, line.amount) for line in bill(listed, used)] == [
        (2, Decimal("0.01")),
        (1000, Decimal("0.10")),
        (2000, Decimal("2.00")),
        (1, Decimal("2.00")),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("currency = EUR", ["prices.toml", "TOML"]),
        ("[keys]\nprice = 1", ["prices.toml", "currency is missing", "add it"]),
        ('currency = "euro"', ["currency", '"EUR"']),
        ('currency = "EUR"\ncurency = 1', ["curency", "did you mean currency"]),
        ('currency = "EUR"\n[keys]\nprice = "0.1"', ["keys", "price", "without quotes"]),
        ('currency = "EUR"\n[keys]\nprice = -1', ["keys", "price", "from 0"]),
        ('currency = "EUR"\n[keys]\nprice = nan', ["keys", "price", "from 0"]),
        ('currency = "EUR"\n[keys]\nprice = 0.0000000001', ["keys", "price", "9 decimals"]),
        ('currency = "EUR"\n[keys]\nprice = true', ["keys", "price", "number"]),
        ('currency = "EUR"\n[keys]\nfree = 3', ["keys", "price is missing"]),
        ('currency = "EUR"\n[devices]\nprice = 1\nfree = 1.5', ["devices", "free", "whole number"]),
        ('currency = "EUR"\ndecimals = 7', ["decimals", "0 to 6"]),
        ('currency = "EUR"\nkeys = 3', ["keys", "table"]),
        ('currency = "EUR"\n[operations]\nprice = 1', ["operations", "[[operations]]"]),
        ('currency = "EUR"\n[[operations]]\nprice = 1', ["operations", "entry 1", "actions is missing"]),
        ('currency = "EUR"\n[[operations]]\nprice = 1\nactions = ["ENCRIPT"]', ["entry 1", "actions", "ENCRYPT"]),
        ('currency = "EUR"\n[[operations]]\nprice = 1\nactions = []', ["entry 1", "actions", "list"]),
    ],
)
def test_what_is_wrong_with_a_price_list_is_named(text: str, words: list[str]) -> None:
    with pytest.raises(PriceListError) as caught:
        read_prices(text, "prices.toml")
    assert all(word in str(caught.value) for word in ["prices.toml", *words])


def test_a_policy_that_came_later_holds_although_the_clock_was_set_back() -> None:
    at = tenants([(10, Policy(clients={"a": Member("T")})), (5, Policy(clients={"a": Member("U")}))])
    assert [at(Who.CLIENT, "a", when) for when in (4, 5, 10)] == ["default", "U", "U"]
