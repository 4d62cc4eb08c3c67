"""kmip-server usage: what tenants used, counted from the audit log, and what it costs."""

from __future__ import annotations

import re
from calendar import timegm
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.output import CommandError, Json, print_json, print_table, progress
from kmip_server.cli.accounts import Directory
from kmip_server.cli.acting import administering

if TYPE_CHECKING:
    from policy.prices import Line, PriceList
    from policy.usage import Usage

    Found = dict[tuple[str, str], Usage]

usage = typer.Typer(help="What tenants used, counted from the audit log.", no_args_is_help=True)


class Period(Enum):
    """What is counted together."""

    DAY = "day"
    MONTH = "month"


@usage.callback()
def _group() -> None:
    """What tenants used, counted from the audit log."""


@usage.command()
def report(
    directory: Directory,
    tenant: Annotated[str | None, typer.Option(help="Of this tenant only.")] = None,
    month: Annotated[str | None, typer.Option(metavar="YYYY-MM", help="Of this month only, in UTC.")] = None,
    by: Annotated[Period, typer.Option(help="Count each day, or each month, in UTC.")] = Period.MONTH,
    prices: Annotated[Path | None, typer.Option(help="A price list (TOML): also say what each month costs.")] = None,
    as_json: Json = False,
) -> None:
    """Report keys made, operations and active devices of each tenant, by month or day.

    All of it is counted from the audit log: what is on no record, as Locate, is not counted. Who is of which tenant is
    what the policy said when it was done.

    Examples:

      kmip-server usage report /var/lib/kmip --month 2026-11

      kmip-server usage report /var/lib/kmip --tenant acme --prices prices.toml --json
    """
    if prices is not None and by is Period.DAY:
        raise typer.BadParameter("prices are for months: leave --by day out")
    since, until = (None, None) if month is None else _bounds(month)
    wanted = None if prices is None else _price_list(prices)
    found = _counted(directory, since, until, by, tenant)
    if as_json:
        print_json([_described(key, one, wanted) for key, one in found.items()])
    elif not found:
        print("Nothing that is counted is on record")
    elif wanted is None:
        rows = [
            (*key, str(one.keys_made), str(one.operations.total()), str(len(one.devices))) for key, one in found.items()
        ]
        print_table((by.value.capitalize(), "Tenant", "Keys made", "Operations", "Active devices"), rows)
    else:
        _print_bills(found, wanted)


def _counted(directory: Path, since: int | None, until: int | None, by: Period, tenant: str | None) -> Found:
    from kmip_server.storage.usage import usage_between
    from policy import store
    from policy.model import DEFAULT_TENANT
    from policy.usage import day, month

    with (
        administering(directory) as admin,
        progress("Counting audit records ..."),
        admin.database.reading() as connection,
    ):
        if tenant not in (None, DEFAULT_TENANT):
            known = {name for version in store.history(connection) for name in version.policy.tenants}
            if tenant not in known:
                raise CommandError(f"there is no tenant {tenant!r}: {', '.join(sorted({DEFAULT_TENANT, *known}))}")
        found = usage_between(connection, since, until, day if by is Period.DAY else month)
    return {key: one for key, one in found.items() if tenant in (None, key[1])}


def _bounds(month: str) -> tuple[int, int]:
    """The first second of a month, and that of the next one."""
    if not re.fullmatch(r"(19[7-9]\d|[2-9]\d{3})-(0[1-9]|1[0-2])", month):
        raise typer.BadParameter(f"{month!r} is no month: give 2026-11")
    year, number = map(int, month.split("-"))
    following = (year + number // 12, number % 12 + 1)
    return timegm((year, number, 1, 0, 0, 0)), timegm((*following, 1, 0, 0, 0))


def _price_list(file: Path) -> PriceList:
    from policy.prices import read_prices

    try:
        return read_prices(file.read_text(encoding="utf-8"), str(file))
    except UnicodeDecodeError:
        raise CommandError(f"{file} is no text in UTF-8") from None


def _print_bills(found: Found, prices: PriceList) -> None:
    from policy.prices import bill, total

    rows: list[tuple[str, ...]] = []
    for key, one in found.items():
        lines = bill(prices, one)
        rows += [(*key, *_row(line, prices)) for line in lines]
        rows.append((*key, "total", "", "", "", f"{total(lines):f} {prices.currency}"))
    print_table(("Month", "Tenant", "What", "Count", "Free", "Price", "Amount"), rows, {"total": "bold"})


def _row(line: Line, prices: PriceList) -> tuple[str, ...]:
    price = line.price
    of = f"{price.price:f}" if price.per == 1 else f"{price.price:f} for {price.per:,}"
    return (price.what, str(line.number), str(min(price.free, line.number)), of, f"{line.amount:f} {prices.currency}")


def _described(key: tuple[str, str], one: Usage, prices: PriceList | None) -> dict[str, object]:
    from policy.prices import bill, total

    document: dict[str, object] = {
        "period": key[0],
        "tenant": key[1],
        "keys_made": one.keys_made,
        "operations": dict(one.operations),
        "active_devices": sorted(one.devices),
    }
    if prices is not None:
        lines = bill(prices, one)
        document["currency"] = prices.currency
        document["amount"] = f"{total(lines):f}"
        document["lines"] = [
            {"what": line.price.what, "count": line.number, "free": line.price.free, "amount": f"{line.amount:f}"}
            for line in lines
        ]
    return document
