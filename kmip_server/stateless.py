"""Requests that look at nothing that is stored: the unit they are carried out in, and their answers of this second.

Clients send Discover Versions as a ping, some before nearly everything else they do, and always with the same bytes.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn, cast

from kmip_server.identity.caller import Caller
from kmip_server.listeners.handler import Reply
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

_MOST_REMEMBERED: Final = 1024
_LONGEST_QUESTION: Final = 512
"""A question that is remembered has at most so many bytes; so what is remembered is bounded, too."""


class Remembered:
    """For a second, and for the same caller and directory, the same question has the same answer."""

    def __init__(self) -> None:
        self._second = 0
        self._directory: object = None
        self._answers: dict[tuple[str, bytes], Reply] = {}

    def answer(self, second: int, directory: object, caller: Caller, question: bytes) -> Reply | None:
        """The answer, if it was given before in this second."""
        if second != self._second or directory is not self._directory:
            self._second, self._directory = second, directory
            self._answers.clear()
        return self._answers.get((caller.fingerprint, question))

    def keep(self, caller: Caller, question: bytes, reply: Reply) -> None:
        """Remember an answer that was made in the second, and by the directory, that was asked for last."""
        if len(question) <= _LONGEST_QUESTION and len(self._answers) < _MOST_REMEMBERED:
            self._answers[caller.fingerprint, question] = reply
