"""One look at everything that automatic rules may want, and their acts: each in one transaction with its claim.

1. What a rule wants is found by a reading, and is found again in the transaction that does it, by the policy that is in
   force then: nothing is done that is not wanted any more.
2. That transaction begins with a claim. Of several workers one has it, and what was done is not done again; if the
   process dies, there is neither claim nor effect, and the next look does it.
3. Who acts is on record as the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

import structlog

from kmip_server.automating import accounts, keys
from kmip_server.automating.facts import cryptoperiods, key_in
from kmip_server.automating.wanted import NotWantedError, RefusedError
from kmip_server.engine import Engine
from kmip_server.identity.directory import Directory, StaleDirectory
from kmip_server.storage import automatic_facts as stored
from kmip_server.storage.port import StorageConflict, StorageUnavailable
from kmip_server.storage.standing import note_seen
from kmip_server.storage.store import Store
from policy.automation import DAY, Due, due, shortest_age
from policy.model import AutomaticRule, Condition, PolicyError

_log: Final = structlog.stdlib.get_logger("kmip.automation")

DONE: Final = "done"
WOULD_BE_DONE: Final = "would be done"
_WINDOW: Final = 5_000
"""How many objects are looked at in one reading."""
_HEAR_EVERY: Final = 3600
"""How often it is written that a client was heard, in seconds."""


class Outcome(NamedTuple):
    """What a rule wanted, why, and what became of it: `DONE`, `WOULD_BE_DONE`, or why it was refused."""

    rule: str
    act: str
    about: str
    why: str
    outcome: str


class Automation:
    """The automatic rules of a store. Not thread-safe: one look at a time.

    `directory` answers the newest directory that is known; an act that finds a newer one is left to the next look.
    """

    def __init__(self, store: Store, engine: Engine, directory: Callable[[], Directory]) -> None:
        self._store = store
        self._engine = engine
        self._directory = directory
        self._gone_through: dict[str, str] = {}
        self._heard_at: dict[str, int] = {}
        self._served_at = 0

    def look(
        self, now: int, *, most: int | None = None, dry_run: bool = False, stopping: Callable[[], bool] = lambda: False
    ) -> list[Outcome]:
        """Do what the rules want at `now` (POSIX seconds), and say what.

        With `most` it does that much at once, and looks at a part of the keys, from where the last look ended. Raises
        StorageUnavailable and PolicyError: the next look goes on.
        """
        outcomes: list[Outcome] = []
        for rule in self._directory().ruling.policy.automatic:
            for one in self._due(rule, now, whole=most is None):
                if stopping() or (most is not None and len(outcomes) >= most):
                    return outcomes
                outcome = WOULD_BE_DONE if dry_run else self._outcome(one, now)
                if outcome is not None:
                    outcomes.append(Outcome(rule.name, rule.act.value, one.about, one.why, outcome))
        return outcomes

    def hear(self, names: Iterable[str], now: int) -> None:
        """Note that a server runs, and that it has heard these clients by `now`: each of them once an hour."""
        written = self._heard_at
        new = [name for name in names if now - written.get(name, 0) >= _HEAR_EVERY]
        if not new and now - self._served_at < _HEAR_EVERY:
            return
        with self._store.database.writing() as connection:
            stored.note_service(connection, now)
            note_seen(connection, new, now)
            stored.forget_acts(connection, now - 2 * DAY)
        self._served_at = now
        recent = {name: at for name, at in written.items() if now - at < _HEAR_EVERY}
        self._heard_at = recent | dict.fromkeys(new, now)

    def _due(self, rule: AutomaticRule, now: int, *, whole: bool) -> Iterator[Due]:
        directory = self._directory()
        if rule.condition is Condition.KEY_OLDER:
            yield from self._due_keys(rule, directory, now, whole=whole)
            return
        with self._store.database.reading() as connection:
            found = accounts.wanted(connection, rule, directory.ruling, now)
        yield from found

    def _due_keys(self, rule: AutomaticRule, directory: Directory, now: int, *, whole: bool) -> Iterator[Due]:
        """Window after window if `whole`, otherwise the next one; it is gone on from the last key that was taken."""
        age = shortest_age(rule, cryptoperiods(directory.ruling))
        if age is None:
            return
        after = "" if whole else self._gone_through.get(rule.name, "")
        while True:
            with self._store.unit(writes=False) as unit:
                rows, after = unit.active_keys(after, now - age, _WINDOW)
                acted = {(rule.name, about): at for about, at in unit.last_acts(rule.name).items()}
            for row in rows:
                key = key_in(row, directory, now)
                yield from due([rule], [] if key is None else [key], acted, now)
                self._gone_through[rule.name] = row.unique_identifier
            self._gone_through[rule.name] = after
            if not after or not whole:
                return

    def _outcome(self, one: Due, now: int) -> str | None:
        """Do it, in one transaction; what became of it, or None if it is left to others, or to the next look."""
        rule = one.rule
        try:
            if rule.condition is Condition.KEY_OLDER:
                keys.act_on_key(self._store, self._engine, self._directory(), one, now)
            else:
                accounts.act(self._store.database, one, now)
        except NotWantedError:
            return None
        except (StorageConflict, StaleDirectory) as error:
            _log.info("left to the next look", rule=rule.name, about=one.about, reason=type(error).__name__)
            return None
        except RefusedError as error:
            _log.warning("an automatic rule was refused", rule=rule.name, about=one.about, reason=str(error))
            return str(error)
        except (StorageUnavailable, PolicyError):
            raise
        except Exception:
            # The others shall not wait for it.
            _log.exception("a fault of ours", rule=rule.name, about=one.about)
            return "the server failed; its log has more"
        _log.info("an automatic rule acted", rule=rule.name, act=rule.act.value, about=one.about, why=one.why)
        return DONE
