"""What usage costs: a price list as a TOML document, and its arithmetic, exact up to the rounding of each line."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from typing import Any, Final, NamedTuple, TypeVar

from policy.actions import matching
from policy.usage import Usage

OPERATIONS_PER_PRICE: Final = 1000
_EXACT: Final = Context(prec=64)
_MOST_PRICE: Final = Decimal(10**9)
_MOST_PLACES: Final = 9
_T = TypeVar("_T")


class PriceListError(Exception):
    """A price list cannot be used; the message names the file, the key and what to do."""


class Price(NamedTuple):
    """What `per` of something cost; the first `free` of a tenant and month cost nothing. `actions` are for operations.

    An operation is paid by the first price that names its action.
    """

    what: str
    price: Decimal
    per: int
    free: int = 0
    actions: frozenset[str] = frozenset()


class PriceList(NamedTuple):
    """Prices in a currency, whose amounts have so many `decimals`."""

    currency: str
    decimals: int
    keys: Price | None
    devices: Price | None
    operations: tuple[Price, ...]


class Line(NamedTuple):
    """A line of a bill: how many there were, and what they cost after those that are free."""

    price: Price
    number: int
    amount: Decimal


def bill(prices: PriceList, usage: Usage) -> list[Line]:
    """The lines for what one tenant used in one month. Each is rounded by itself, so that they add up as they stand."""
    counted: list[tuple[Price, int]] = []
    if prices.keys is not None:
        counted.append((prices.keys, usage.keys_made))
    left = dict(usage.operations)
    counted += [(price, sum(left.pop(action, 0) for action in price.actions)) for price in prices.operations]
    if prices.devices is not None:
        counted.append((prices.devices, len(usage.devices)))
    return [Line(price, number, _amount(price, number, prices.decimals)) for price, number in counted]


def total(lines: list[Line]) -> Decimal:
    """What all lines cost together."""
    with localcontext(_EXACT):
        return sum((line.amount for line in lines), Decimal(0))


def _amount(price: Price, number: int, decimals: int) -> Decimal:
    with localcontext(_EXACT):
        # `per` is a power of ten: nothing is rounded before the end.
        exact = max(0, number - price.free) * price.price / price.per
        return exact.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)


# The document. --------------------------------------------------------------------------------------------------------


class _WrongError(ValueError):
    """What is wrong with one value, without where it stands."""


def read_prices(text: str, source: str) -> PriceList:
    """The price list of a TOML document. Raises PriceListError, naming `source`."""
    try:
        return _list(tomllib.loads(text, parse_float=Decimal))
    except tomllib.TOMLDecodeError as error:
        raise PriceListError(f"{source} is no TOML document: {error}") from None
    except _WrongError as error:
        raise PriceListError(f"{source}: {error}") from None


def _list(document: dict[str, Any]) -> PriceList:
    found = _read(document, _LIST, ("currency",))
    return PriceList(
        found["currency"],
        found.get("decimals", 2),
        found.get("keys"),
        found.get("devices"),
        found.get("operations", ()),
    )


def _read(table: Any, known: Mapping[str, Callable[[Any], Any]], required: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise _WrongError(f"this is to be a table with {', '.join(known)}")
    for name in table:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            advice = f"did you mean {near[0]}?" if near else f"use {', '.join(known)}"
            raise _WrongError(f"{name}: there is no such key; {advice}")
    for name in required:
        if name not in table:
            raise _WrongError(f"{name} is missing: add it")
    return {name: _within(name, known[name], value) for name, value in table.items()}


def _within(name: str, read: Callable[[Any], _T], value: Any) -> _T:
    try:
        return read(value)
    except _WrongError as error:
        raise _WrongError(f"{name}: {error}") from None


def _currency(value: Any) -> str:
    if not (isinstance(value, str) and len(value) == 3 and value.isascii() and value.isalpha() and value.isupper()):
        raise _WrongError('give the three letters of ISO 4217, as "EUR"')
    return value


def _number(most: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise _WrongError(f"give a whole number from 0 to {most}")
        return value

    return read


def _price(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise _WrongError("give a number without quotes, as 0.02")
    price = Decimal(value)
    if not (price.is_finite() and 0 <= price < _MOST_PRICE and price == price.quantize(Decimal(10) ** -_MOST_PLACES)):
        raise _WrongError(f"give a number from 0 to below {_MOST_PRICE}, with {_MOST_PLACES} decimals at most")
    return abs(price)


def _actions(value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
        raise _WrongError('give a list of operations, as ["ENCRYPT", "MAC*"]')
    try:
        return frozenset().union(*map(matching, value))
    except ValueError as error:
        raise _WrongError(str(error)) from None


_ENTRY: Final[dict[str, Callable[[Any], Any]]] = {"price": _price, "free": _number(10**15)}


def _entry(what: str) -> Callable[[Any], Price]:
    return lambda value: Price(what, per=1, **_read(value, _ENTRY, ("price",)))


def _operations(value: Any) -> tuple[Price, ...]:
    if not isinstance(value, list):
        raise _WrongError("begin each with [[operations]], in two pairs of brackets")
    return tuple([_within(f"entry {number}", _operation, one) for number, one in enumerate(value, 1)])


def _operation(value: Any) -> Price:
    found = _read(value, {**_ENTRY, "actions": _actions}, ("price", "actions"))
    return Price(", ".join(value["actions"]), per=OPERATIONS_PER_PRICE, **found)


_LIST: Final[dict[str, Callable[[Any], Any]]] = {
    "currency": _currency,
    "decimals": _number(6),
    "keys": _entry("keys made"),
    "devices": _entry("active devices"),
    "operations": _operations,
}
