"""D-35: clients who replace one key at the same moment, on several workers, make one replacement of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from support import requests as ask
from support.databases import Databases
from support.defences import ABOUT_AN_OBJECT, VERSION, attributes_of, key_pair
from support.numbers import Operation, Reason, Tag
from support.requests import Request, Session
from support.server import RunningServer
from support.wire import OPERATION_FAILED, SUCCESS

WORKERS, CONNECTIONS, KEYS = 2, 6, 20
REPLACEMENT, REPLACED = 0x106, 0x107


@pytest.fixture(scope="module")
def racers(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Session]]:
    """Connections of one client, spread over the workers of a server."""
    server = RunningServer(databases, tmp_path_factory.mktemp("at-once"), "--workers", str(WORKERS))
    server.start()
    client = server.add_client("client")
    with ExitStack() as stack:
        yield [stack.enter_context(client.session(VERSION)) for _ in range(CONNECTIONS)]
    server.stop()


def links(session: Session, key: str, kind: int) -> list[str]:
    attributes = attributes_of(session, key).find(Tag.ATTRIBUTES)
    assert attributes is not None
    found = [(node.get(Tag.LINK_TYPE), node.get(Tag.LINKED_OBJECT_IDENTIFIER)) for node in attributes.all(Tag.LINK)]
    return [linked for link_type, linked in found if link_type == kind]


def replaced_at_once(sessions: list[Session], asked: Request) -> list[Reason | None]:
    """How each is answered, all of them asking at the same moment."""
    together = threading.Barrier(len(sessions))
    answers: list[Reason | None] = []

    def ask_it(session: Session) -> None:
        together.wait(30)
        result = session.do(asked)
        assert result.status in (SUCCESS, OPERATION_FAILED)
        answers.append(None if result.ok else Reason(result.reason or 0))

    threads = [threading.Thread(target=ask_it, args=(session,)) for session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def a_key(session: Session) -> str:
    return session.create_aes(active=True)


def a_private_key(session: Session) -> str:
    return key_pair(session)[0]


@pytest.mark.parametrize(
    ("make", "replace", "keys"),
    [
        (a_key, ask.rekey, KEYS),
        (a_private_key, ABOUT_AN_OBJECT[Operation.RE_KEY_KEY_PAIR], KEYS // 5),
    ],
    ids=["key", "key pair"],
)
def test_d35_who_replaces_a_key_at_the_same_moment_as_others_replaces_it_alone(
    racers: list[Session], make: Callable[[Session], str], replace: Callable[[str], Request], keys: int
) -> None:
    for _ in range(keys):
        session = racers[0]
        key = make(session)
        before = set(session.located())
        answers = replaced_at_once(racers, replace(key))
        assert answers.count(None) == 1, answers
        assert answers.count(Reason.PERMISSION_DENIED) == CONNECTIONS - 1
        (new,) = links(session, key, REPLACEMENT)
        assert links(session, new, REPLACED) == [key]
        made = set(session.located()) - before
        assert [one for one in made if links(session, one, REPLACED) == [key]] == [new]
