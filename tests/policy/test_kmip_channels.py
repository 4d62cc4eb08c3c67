"""Channels of the kind kmip in policy documents: what they say, and what is wrong with them."""

from __future__ import annotations

from typing import Any

import pytest
import tomli_w

from policy.channels import Announcement, Mode, announcement, place
from policy.documents import read_document, write_document
from policy.model import PolicyError

PUSH = {"kind": "kmip", "url": "kmip://client.example", "to": ["array7"]}


def document(channel: dict[str, Any], **parts: Any) -> str:
    return tomli_w.dumps({"channels": {"push": PUSH | channel}, **parts})


@pytest.mark.parametrize(
    ("url", "told", "port"),
    [
        ("kmip://client.example", Announcement(Mode.NOTIFY, "1.4", "array7"), 5696),
        ("kmip://client.example/?mode=put", Announcement(Mode.PUT, "1.4", "array7"), 5696),
        ("kmip://[::1]:7?version=2.1&mode=notify", Announcement(Mode.NOTIFY, "2.1", "array7"), 7),
    ],
)
def test_a_url_says_how_a_client_is_told(url: str, told: Announcement, port: int) -> None:
    policy = read_document(document({"url": url}), "here")
    channel = policy.channels["push"]
    assert (announcement(channel), place(channel).port) == (told, port)
    assert read_document(write_document(policy), "there") == policy


@pytest.mark.parametrize(
    ("channel", "words"),
    [
        ({"url": "https://client.example"}, "begins with kmip://"),
        ({"url": "kmip://"}, "names a place"),
        ({"url": "kmip://client.example:0"}, "names a place"),
        ({"url": "kmip://bob@client.example"}, "names a user"),
        ({"url": "kmip://bob:secret@client.example"}, "has a password in it"),
        ({"url": "kmip://client.example/path"}, "each of which is said once"),
        ({"url": "kmip://client.example?mode=put&mode=put"}, "each of which is said once"),
        ({"url": "kmip://client.example#put"}, "each of which is said once"),
        ({"url": "kmip://client.example?mode=get"}, "mode is one of notify, put"),
        ({"url": "kmip://client.example?mode="}, "mode is one of notify, put"),
        ({"url": "kmip://client.example?version=3.0"}, "version is one of 1.0"),
        ({"url": "kmip://client.example?verify=no"}, "has verify=no in it"),
        ({"to": []}, "the one client who listens"),
        ({"to": ["array7", "array8"]}, "the one client who listens"),
        ({"sender": "kmip@example.org"}, "there is no .sender"),
    ],
    ids=lambda given: str(given),
)
def test_what_is_wrong_with_a_channel_is_said(channel: dict[str, Any], words: str) -> None:
    with pytest.raises(PolicyError, match=words):
        read_document(document(channel), "here")


TOLD = "of the kind kmip, which tells of key-"


@pytest.mark.parametrize(
    "parts",
    [
        {"notifications": [{"events": ["key-*", "policy-changed"], "channels": ["push"]}]},
        {"automatic": [{"name": "r", "if": "key-older", "then": "escalate", "days": 9, "channels": ["push"]}]},
        {"workflows": {"w": {"version": 1, "stages": [{"name": "first", "notify": ["push"]}]}}},
    ],
    ids=["notifications", "automatic", "workflows"],
)
def test_kmip_tells_of_keys_only(parts: dict[str, Any]) -> None:
    with pytest.raises(PolicyError, match=TOLD):
        read_document(document({}, **parts), "here")


def test_kmip_tells_of_every_event_about_a_key() -> None:
    policy = read_document(document({}, notifications=[{"events": ["key-*"], "channels": ["push"]}]), "here")
    assert policy.notifications[0].events == {
        "key-revoked",
        "key-compromised",
        "key-destroyed",
        "key-replaced",
        "key-arrived",
    }
