"""Remembering what pure functions answered, within bounds: so many answers, and only for what is small.

functools.lru_cache bounds the number alone: a client that sends the largest values it may would fill it with megabytes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from kmip_server.ttlv.item import Item

_Function = TypeVar("_Function", bound=Callable[..., Any])


def remembered(most: int, small: Callable[[tuple[Any, ...], Any], bool]) -> Callable[[_Function], _Function]:
    """Remember at most so many answers of a pure function with positional arguments, none of them None.

    `small` is asked about each new answer: its arguments and itself. When there are too many, all are forgotten: most
    of what is asked again comes soon.
    """

    def decorate(function: _Function) -> _Function:
        known: dict[tuple[Any, ...], Any] = {}

        @wraps(function)
        def remembering(*arguments: Any) -> Any:
            answer = known.get(arguments)
            if answer is None:
                answer = function(*arguments)
                if small(arguments, answer):
                    if len(known) >= most:
                        known.clear()
                    known[arguments] = answer
            return answer

        return remembering  # type: ignore[return-value]

    return decorate


def weight(item: Item) -> int:
    """About how many bytes an item takes: those of its texts and bytes, and 8 for every item."""
    value = item.value
    if isinstance(value, tuple):
        return 8 + sum(map(weight, value))
    return 8 + len(value) if isinstance(value, (str, bytes)) else 8
