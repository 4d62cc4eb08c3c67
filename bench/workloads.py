"""What is measured: each workload's requests, encoded beforehand, as scripts for the generator's connections."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from itertools import cycle, islice
from random import Random

from support import requests
from support.wire import Version

from bench.generator import Script

VERSION: Version = (1, 4)
"""The newest version that both servers speak and that has the tag of Encrypt's answer in a field of its own."""

_UID = bytes.fromhex("42009407")


@dataclass(frozen=True)
class Stock:
    """What a server was filled with: objects by name, and one Active key for Encrypt."""

    names: list[str]
    identifiers: list[str]
    active_key: str


def looped(messages: list[bytes]) -> Callable[[int], Script]:
    """Scripts that repeat the messages, each connection from another place."""

    def script(number: int) -> Script:
        start = number * 7919 % len(messages)
        turn = cycle(messages[start:] + messages[:start])
        return lambda _answer: next(turn)

    return script


def discover(_stock: Stock) -> Callable[[int], Script]:
    return looped([discover_message()])


def discover_message() -> bytes:
    return requests.one(VERSION, requests.discover_versions())


def create(_stock: Stock) -> Callable[[int], Script]:
    return looped([requests.one(VERSION, requests.create_aes(VERSION))])


def get(stock: Stock) -> Callable[[int], Script]:
    return looped([requests.one(VERSION, requests.get(uid)) for uid in _some(stock.identifiers)])


def get_attributes(stock: Stock) -> Callable[[int], Script]:
    return looped([requests.one(VERSION, requests.get_attributes(VERSION, uid)) for uid in _some(stock.identifiers)])


def locate(stock: Stock) -> Callable[[int], Script]:
    return looped([requests.one(VERSION, requests.locate(VERSION, requests.name(name))) for name in _some(stock.names)])


def encrypt(stock: Stock) -> Callable[[int], Script]:
    how = requests.parameters(requests.GCM, random_iv=True, tag_length=16)
    return looped([requests.one(VERSION, requests.encrypt(stock.active_key, bytes(64), how))])


LIFECYCLE_TURNS = 5


def lifecycle(_stock: Stock) -> Callable[[int], Script]:
    """Create, Activate, Get, Revoke, Destroy: five messages, four of them about the key that the first one made."""
    first = requests.one(VERSION, requests.create_aes(VERSION))
    steps = (requests.activate, requests.get, requests.revoke, requests.destroy)
    templates: dict[int, list[bytes]] = {}

    def lives() -> Generator[bytes, bytes | None, None]:
        while True:
            answer = yield first
            assert answer is not None
            identifier = unique_identifier(answer)
            blank = "~" * len(identifier)
            if len(blank) not in templates:
                templates[len(blank)] = [requests.one(VERSION, step(blank)) for step in steps]
            for template in templates[len(blank)]:
                yield template.replace(blank.encode(), identifier)

    return lambda _number: lives().send


def unique_identifier(answer: bytes) -> bytes:
    at = answer.index(_UID)
    size = int.from_bytes(answer[at + 4 : at + 8], "big")
    return answer[at + 8 : at + 8 + size]


def _some(values: list[str]) -> list[str]:
    """At most a thousand of the values, always the same ones, from the whole range, in no order."""
    return Random(0).sample(values, min(len(values), 1000))


def fill_requests(names: list[str], a_batch: int) -> list[bytes]:
    """Create requests for keys with these names, batched."""
    remaining = iter(names)
    made = []
    while chunk := list(islice(remaining, a_batch)):
        creates = [requests.create_aes(VERSION, requests.name(name)) for name in chunk]
        made.append(requests.batch(VERSION, *creates) if a_batch > 1 else requests.one(VERSION, creates[0]))
    return made


@dataclass(frozen=True)
class Workload:
    """A row of the benchmark. `target` is the least ratio of rates, ours to PyKMIP's, at 32 connections."""

    key: str
    title: str
    scripts: Callable[[Stock], Callable[[int], Script]]
    turns: int = 1
    target: float | None = None


WORKLOADS = (
    Workload("locate", "Locate by name", locate),
    Workload("get", "Get", get, target=15),
    Workload("get-attributes", "Get Attributes", get_attributes, target=25),
    Workload("encrypt", "Encrypt AES-GCM 64 B", encrypt, target=15),
    Workload("discover", "Discover Versions", discover, target=8),
    Workload("create", "Create AES-256", create, target=20),
    Workload("lifecycle", "Create+Activate+Get+Revoke+Destroy", lifecycle, turns=LIFECYCLE_TURNS),
)
