"""The log on standard error: structlog as JSON lines or for a person to read, with Twisted's own events in it.

Tracebacks never show the values of variables, which may be keys; and what a peer chose is quoted, so that it cannot
forge a line.
"""

from __future__ import annotations

import logging
import sys
from typing import Final, Literal

import structlog
from structlog.typing import Processor
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent, globalLogBeginner
from zope.interface import provider

_LEVELS: Final = {
    LogLevel.debug: logging.DEBUG,
    LogLevel.info: logging.DEBUG,
    LogLevel.warn: logging.WARNING,
    LogLevel.error: logging.ERROR,
    LogLevel.critical: logging.ERROR,
}
"""Twisted's information is about factories and ports, which is detail here."""


def configure(form: Literal["console", "json"], level: Literal["debug", "info", "warning", "error"]) -> None:
    """Send all log lines of this process, and of those forked from it, to standard error."""
    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if form == "json":
        processors += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
        processors.append(renderer)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # A database connection that is lost is told of by whoever uses it.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    globalLogBeginner.beginLoggingTo([_observe], redirectStandardIO=False, discardBuffer=True)


@provider(ILogObserver)
def _observe(event: LogEvent) -> None:
    """One of Twisted's events."""
    failure = event.get("log_failure")
    logger = structlog.stdlib.get_logger(str(event.get("log_namespace", "twisted")))
    text = formatEvent(event) or "an event of Twisted without words"
    logger.log(_LEVELS[event["log_level"]], text, exc_info=failure.value if failure is not None else None)
