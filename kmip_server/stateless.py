"""The unit of requests that look at nothing that is stored: it has nothing to give, and keeps nothing."""

from __future__ import annotations

from typing import Any, Final, NoReturn, cast

from kmip_server.storage.port import Unit, WritesNeeded


class _StatelessUnit:
    """Accepts; whatever else is asked of it needs a real unit."""

    def accept(self) -> None:
        """There is nothing to keep."""

    def discard(self) -> None:
        """There is nothing to forget."""

    def __getattr__(self, name: str) -> Any:
        def needs_a_real_unit(*_: object) -> NoReturn:
            raise WritesNeeded

        return needs_a_real_unit


STATELESS: Final = cast(Unit, _StatelessUnit())
