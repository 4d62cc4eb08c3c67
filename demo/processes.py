"""Programs that run for a demonstration, each in a session of its own: what Ctrl-C ends, it ends through us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from threading import Timer
from typing import ClassVar

_START_SECONDS = 120
_STOP_SECONDS = 20
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = 130
"""The exit code of what was told to stop."""


def end_on_signals() -> None:
    """End by SystemExit when told to, or when the terminal is closed: what runs would go on, and keep its ports."""
    for number in _SIGNALS:
        # With nohup it goes on without its terminal.
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


class _Ending:
    """A process that is being started has to be known before we end: nobody would end it."""

    starting: ClassVar[bool] = False
    told: ClassVar[bool] = False


def _end(number: int, _: object) -> None:
    # Once is enough: what is under way then is answered.
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    _Ending.told = True
    if not _Ending.starting:
        raise SystemExit(INTERRUPTED)


@contextmanager
def _known_before_the_end() -> Iterator[None]:
    _Ending.starting = True
    try:
        yield
    finally:
        _Ending.starting = False
    if _Ending.told:
        raise SystemExit(INTERRUPTED)


class Running:
    """A node or a site: its folder, and its process while it runs. What it says of itself is in `log` in the folder."""

    program: ClassVar[str]
    ready_lines: ClassVar[frozenset[str]]
    """How the lines begin by which it says that it is ready."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.process: subprocess.Popen[str] | None = None

    @property
    def command(self) -> list[str]:
        """What runs it."""
        return [str(Path(sys.executable).with_name(self.program)), "serve", str(self.folder)]

    @property
    def runs(self) -> bool:
        """Whether there is a process of it."""
        return self.process is not None

    @property
    def log(self) -> Path:
        """Its log."""
        return self.folder / "log"

    def start(self, environment: dict[str, str] | None = None) -> None:
        """Run it, until it is ready. Raises RuntimeError with the end of its log."""
        self.launch(environment)
        self.wait_until_ready()

    def launch(self, environment: dict[str, str] | None = None) -> None:
        """Run it."""
        with self.log.open("a") as log, _known_before_the_end():
            self.process = subprocess.Popen(
                self.command,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
                env={**os.environ, **(environment or {})},
            )

    def wait_until_ready(self) -> None:
        """Wait for what it says when it is ready. Raises RuntimeError with the end of its log."""
        if self.process is None or self.process.stdout is None:
            raise RuntimeError(f"{self.name} was not started")
        # What does not become ready is killed, and then says no more.
        late = Timer(_START_SECONDS, os.killpg, (self.process.pid, signal.SIGKILL))
        late.start()
        try:
            awaited = set(self.ready_lines)
            while awaited:
                line = self.process.stdout.readline()
                if not line:
                    self.kill()
                    raise RuntimeError(f"{self.name} does not start; the end of {self.log}:\n{self.end_of_log()}")
                awaited -= {words for words in awaited if line.startswith(words)}
        finally:
            late.cancel()

    def end_of_log(self) -> str:
        """The last lines of its log."""
        return "\n".join(self.log.read_text().splitlines()[-10:])

    def stop(self) -> None:
        """End it gracefully; what does not end in time is killed."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_STOP_SECONDS)
        self._forget()

    def kill(self) -> None:
        """End it, with all its processes, as a loss of power would."""
        self._forget()

    def _forget(self) -> None:
        """End what there still is of it: who was killed itself leaves its children behind."""
        if self.process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.process = None


def says(program: Callable[[Sequence[str]], int], *words: object) -> str:
    """What a command of ours prints, carried out in this process.

    Raises RuntimeError with its reason if it refuses, SystemExit if it was interrupted.
    """
    said, refused = StringIO(), StringIO()
    with redirect_stdout(said), redirect_stderr(refused):
        code = program([str(word) for word in words])
    if code == INTERRUPTED:
        raise SystemExit(code)
    if code:
        raise RuntimeError(f"{' '.join(map(str, words))}: {refused.getvalue() or said.getvalue()}")
    return said.getvalue().strip()


def start_all(those: Iterable[Running]) -> None:
    """Run several at once, until all are ready. Raises RuntimeError."""
    started = [one for one in those if one.process is None]
    for one in started:
        one.launch()
    for one in started:
        one.wait_until_ready()
