"""Answers of this second to requests that look at nothing that is stored.

Clients send Discover Versions as a ping, some before nearly everything else they do, and always with the same bytes.
"""

from __future__ import annotations

from typing import Final

from kmip_server.identity.caller import Caller
from kmip_server.listeners.handler import Reply

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
        """The answer, if it was given before in this second. Whether the directory is the newest is found out later."""
        if second != self._second or directory is not self._directory:
            self._second, self._directory = second, directory
            self._answers.clear()
        return self._answers.get((caller.fingerprint, question))

    def keep(self, second: int, directory: object, caller: Caller, question: bytes, reply: Reply) -> None:
        """Remember an answer that was made in the second, and by the directory, that was asked for last."""
        if second != self._second or directory is not self._directory:
            return
        if len(question) <= _LONGEST_QUESTION and len(self._answers) < _MOST_REMEMBERED:
            self._answers[caller.fingerprint, question] = reply
