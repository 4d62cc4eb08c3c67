"""A device that the nodes let share keys, and that says to another site's gateway what it likes.

Whatever it says of keys that are not its own is refused and on record, changes nothing, and tells it nothing: not even
whether there is such a key.
"""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from meddling import MALICIOUS, Meddled, children_of, rows
from sharing_network import attributes_of, created_with, state_of
from support.requests import ACTIVE, DEACTIVATED, DESTROYED, PRE_ACTIVE, name

from dscc.device.device import Device
from dscc.drawing import draw, unique_identifier
from dscc.errors import DsccError
from kmip_server.messages.structures import Link, Name
from kmip_server.objects.attribute_set import AttributeSet, AttributeValue
from kmip_server.objects.dscc_attributes import with_dscc
from kmip_server.ttlv.enumerations import CryptographicAlgorithm, LinkType, NameType, State
from kmip_server.ttlv.tags import Tag

NOTHING_DONE = ("objects", "shared_withdrawn", "shared_changes")


class Word(NamedTuple):
    """What the device says of a key."""

    uid: str
    attributes: AttributeSet
    at: int
    held: bool = True

    def said(self, **other: str) -> Word:
        """The same with other DSCC attributes."""
        return self._replace(attributes=with_dscc(self.attributes, other))

    def having(self, tag: Tag, value: object) -> Word:
        """The same with another attribute."""
        return self._replace(attributes=self.attributes.with_value(tag, value))

    def replacing(self, uid: str) -> Word:
        """The same, as the replacement of a key."""
        link = Link(link_type=LinkType.REPLACED_OBJECT_LINK, linked_object_identifier=uid)
        return self._replace(attributes=self.attributes.with_added(Tag.LINK, link))

    @property
    def body(self) -> dict[str, Any]:
        return {
            "unique_identifier": self.uid,
            "at": self.at,
            "held": self.held,
            "attributes": b64encode(self.attributes.to_bytes()).decode(),
        }


class Liar:
    """The device, and a seed that it has agreed on with site-b, as it may."""

    def __init__(self, made: Meddled, device: Device) -> None:
        self._made, self._device = made, device
        # Number 1 would say that it is the only one.
        self._numbers = iter(range(2, 1 << 20))

    async def agree(self, purpose: str = "", lifetime: int = 0) -> None:
        """Agree on a seed."""
        address = self._made.network["site-b"].address
        key = await self._device.negotiate("site-b", address, f"kmip:{purpose}", 256, lifetime=lifetime)
        self._seed = self._device.state.held[bytes.fromhex(key.kid)].agreement

    def word(self, bits: int = 256) -> Word:
        """What an honest gateway says of a new key."""
        number = next(self._numbers)
        drawn = draw(self._seed.kid, self._seed.key, number, bits)
        values = [
            AttributeValue(Tag.CRYPTOGRAPHIC_ALGORITHM, CryptographicAlgorithm.AES),
            AttributeValue(Tag.CRYPTOGRAPHIC_LENGTH, bits),
            AttributeValue(Tag.CRYPTOGRAPHIC_USAGE_MASK, 12),
            AttributeValue(Tag.STATE, State.PRE_ACTIVE),
        ]
        now = int(time.time())
        if self._seed.lifetime:
            values.append(AttributeValue(Tag.DEACTIVATION_DATE, now + self._seed.lifetime))
        whom = {"Peer": "site-b", "Initiator": MALICIOUS}
        which = {"KeyId": drawn.kid.hex(), "SessionId": f"{self._seed.kid.hex()}/{number}"}
        attributes = with_dscc(AttributeSet.of(values), whom | which)
        return Word(unique_identifier(drawn.kid), attributes, now)

    async def say(self, *said: Word) -> list[str]:
        """The refusals of words; "" for what was taken."""
        answers = json.loads(await self.say_bytes(json.dumps({"words": [word.body for word in said]}).encode()))
        return [answer["refusal"] for answer in answers["answers"]]

    async def say_bytes(self, body: bytes) -> bytes:
        """The answer to a notice."""
        return await self._device.notify("site-b", self._made.network["site-b"].address, body)


@pytest.fixture
def made(meddled_sites: Meddled) -> Iterator[Meddled]:
    """The network; the other site's gateway stays up whatever it is told, and goes on."""
    meddled_sites.heal()
    gateway = children_of(meddled_sites.network["site-b"])["gateway"]
    yield meddled_sites
    assert children_of(meddled_sites.network["site-b"])["gateway"] == gateway
    with meddled_sites.network.session("site-a") as here:
        created_with(here, "site-b")


def as_liar(made: Meddled, act: Callable[[Liar], Awaitable[None]]) -> None:
    """Act as the device."""

    async def run() -> None:
        async with Device.open(made.network.folder / MALICIOUS) as device:
            await device.connect()
            liar = Liar(made, device)
            await liar.agree()
            await act(liar)

    asyncio.run(run())


def kept(made: Meddled) -> list[list[tuple[object, ...]]]:
    """All that there is at site-b of objects, and of what others are to hear."""
    return [sorted(rows(made.network["site-b"], f"SELECT * FROM {table}"), key=repr) for table in NOTHING_DONE]


def refusals_on_record(made: Meddled) -> int:
    """How many words of the device site-b has on record as refused."""
    query = f"SELECT COUNT(*) FROM audit WHERE caller = 'site {MALICIOUS}' AND outcome = 'failed'"
    (found,) = rows(made.network["site-b"], query)[0]
    return int(str(found))


LIES: dict[str, tuple[Callable[[Word], Word], str]] = {
    "another who has asked": (lambda word: word.said(Initiator="site-a"), "who asked for it"),
    "for somebody else": (lambda word: word.said(Peer="site-a"), "shared with others"),
    "in a group": (lambda word: word.said(Group="archive"), "shared with others"),
    "another key": (lambda word: word.said(KeyId=secrets.token_hex(16)), "another Unique Identifier"),
    "another seed": (lambda word: word.said(SessionId=f"{secrets.token_hex(16)}/1"), "no such seed"),
    "no seed": (lambda word: word.said(SessionId="1/2/3"), "no seed and no number"),
    "number 0": (lambda word: word.said(SessionId=word_seed(word) + "/0"), "numbers from 1"),
    "another purpose": (lambda word: word.said(Purpose="wrap"), "another purpose"),
    "a legacy algorithm": (
        lambda word: word.having(Tag.CRYPTOGRAPHIC_ALGORITHM, CryptographicAlgorithm.DES3),
        "no key of the Cryptographic Algorithm",
    ),
    "no symmetric algorithm": (
        lambda word: word.having(Tag.CRYPTOGRAPHIC_ALGORITHM, CryptographicAlgorithm.RSA),
        "refuses it",
    ),
    "a short key": (lambda word: word.having(Tag.CRYPTOGRAPHIC_LENGTH, 64), "refuses it"),
    "a huge key": (lambda word: word.having(Tag.CRYPTOGRAPHIC_LENGTH, 1 << 30), "4096 bits"),
    "dates before the calendar": (lambda word: word.having(Tag.PROTECT_STOP_DATE, -(1 << 62)), "refuses it"),
}


def word_seed(word: Word) -> str:
    """The seed that a word names."""
    from kmip_server.objects.dscc_attributes import dscc_value

    return str(dscc_value(word.attributes, "SessionId")).split("/")[0]


def test_a_lie_is_refused_changes_nothing_and_is_on_record(made: Meddled) -> None:
    async def act(liar: Liar) -> None:
        for what, (lie, expected) in LIES.items():
            before, recorded = kept(made), refusals_on_record(made)
            (refusal,) = await liar.say(lie(liar.word()))
            assert expected in refusal, (what, refusal)
            assert kept(made) == before, what
            assert refusals_on_record(made) == recorded + 1, what

    as_liar(made, act)


def test_it_does_not_learn_whether_there_is_a_key(made: Meddled) -> None:
    with made.network.session("site-a") as here:
        theirs = created_with(here, "site-b", name("theirs"))
    nobodys = str(UUID(int=secrets.randbits(128), version=4))
    nobodys = nobodys[:14] + "8" + nobodys[15:]
    made.settle()

    async def act(liar: Liar) -> None:
        forms: dict[str, Callable[[str], Word]] = {
            "new": lambda uid: liar.word()._replace(uid=uid),
            "used": lambda uid: liar.word()._replace(uid=uid, held=False),
            "destroyed": lambda uid: liar.word()._replace(uid=uid).having(Tag.STATE, State.DESTROYED),
            "compromised": lambda uid: liar.word()._replace(uid=uid).having(Tag.STATE, State.COMPROMISED),
            "replaced": lambda uid: liar.word().replacing(uid),
            "as another's": lambda uid: liar.word()._replace(uid=uid).said(Initiator="site-a"),
        }
        for what, form in forms.items():
            before = kept(made)
            answers = await liar.say(form(theirs), form(nobodys))
            assert answers[0] == answers[1] != "", what
            assert kept(made) == before, what

    as_liar(made, act)
    with made.network.session("site-b") as there:
        assert state_of(there, theirs) == PRE_ACTIVE


def test_its_own_keys_go_forward_only_and_are_what_this_site_knows_of_them(made: Meddled) -> None:
    async def act(liar: Liar) -> None:
        word = liar.word().said(Trust="9 paths, pure", PathsUsed="n7, n8", Revocation="by nobody", ConfirmedAt="1")
        word = word.having(Tag.STATE, State.ACTIVE)
        assert await liar.say(word) == [""]
        with made.network.session("site-b") as there:
            said = attributes_of(there, word.uid)
            assert (said["Trust"].split(",")[0], said["PathsUsed"], said["Peer"]) == (
                "3 paths",
                "n1, n2, n3",
                MALICIOUS,
            )
            assert "Revocation" not in said
            assert said["ConfirmedAt"] != "1"
            for told, expected in (
                (State.PRE_ACTIVE, ACTIVE),
                (State.DEACTIVATED, DEACTIVATED),
                (State.ACTIVE, DEACTIVATED),
                (State.DESTROYED, DESTROYED),
                (State.PRE_ACTIVE, DESTROYED),
            ):
                assert await liar.say(word.having(Tag.STATE, told)) == [""]
                assert state_of(there, word.uid) == expected

    as_liar(made, act)


def test_what_was_withdrawn_does_not_come_however_late(made: Meddled) -> None:
    async def act(liar: Liar) -> None:
        word = liar.word()
        assert await liar.say(word.having(Tag.STATE, State.DESTROYED)) == [""]
        for again in (word, word._replace(held=False), word.having(Tag.STATE, State.ACTIVE)):
            assert await liar.say(again) == ["this key was withdrawn"]
        with made.network.session("site-b") as there:
            assert state_of(there, word.uid) is None

    as_liar(made, act)


def test_names_of_others_and_longer_lives_are_refused(made: Meddled) -> None:
    with made.network.session("site-b") as there:
        there.create_aes(name("in use"))
    taken = Name(name_value="in use", name_type=NameType.UNINTERPRETED_TEXT_STRING)

    async def act(liar: Liar) -> None:
        before = kept(made)
        (refusal,) = await liar.say(liar.word().having(Tag.NAME, taken))
        assert "Name" in refusal
        await liar.agree(lifetime=600)
        now = int(time.time())
        words = [liar.word().having(Tag.DEACTIVATION_DATE, date) for date in (None, now + 86_400)]
        assert [("granted" in refusal) for refusal in await liar.say(*words)] == [True, True]
        (refusal,) = await liar.say(liar.word()._replace(at=now + 3600))
        assert "clock" in refusal
        assert kept(made) == before

    as_liar(made, act)


def test_what_is_no_notice_is_refused_as_a_whole(made: Meddled) -> None:
    async def act(liar: Liar) -> None:
        good = liar.word()
        unknown = good.having(Tag.OPERATION_POLICY_NAME, "public")
        without_state = good._replace(attributes=good.attributes.without(Tag.STATE))
        broken = [
            b"",
            b"[]",
            b"\xff\xfe",
            b'{"words": 1}',
            b"[" * 10_000,
            json.dumps({"words": [good.body] * 33}).encode(),
            json.dumps({"words": [good.body | {"owner": "root"}]}).encode(),
            json.dumps({"words": [good.body | {"unique_identifier": "x' OR 1"}]}).encode(),
            json.dumps({"words": [good.body | {"at": 1 << 41}]}).encode(),
            json.dumps({"words": [good.body | {"attributes": b64encode(bytes(9000)).decode()}]}).encode(),
            json.dumps({"words": [good.body | {"attributes": b64encode(b"no attributes").decode()}]}).encode(),
            json.dumps({"words": [unknown.body]}).encode(),
            json.dumps({"words": [without_state.body]}).encode(),
        ]
        before = kept(made)
        for body in broken:
            with pytest.raises(DsccError) as refused:
                await liar.say_bytes(body)
            assert refused.value.reason.value == "malformed", (body[:60], refused.value)
        assert kept(made) == before
        assert await liar.say(good) == [""]

    as_liar(made, act)


def test_any_bytes_in_place_of_attributes_are_refused(made: Meddled) -> None:
    chance = random.Random(7)

    async def act(liar: Liar) -> None:
        good = liar.word()
        plain = good.attributes.to_bytes()
        for _ in range(60):
            bent = bytearray(plain)
            for _ in range(chance.randrange(1, 4)):
                bent[chance.randrange(len(bent))] = chance.randrange(256)
            body = good.body | {"attributes": b64encode(bytes(bent)).decode()}
            try:
                answer = json.loads(await liar.say_bytes(json.dumps({"words": [body]}).encode()))
                assert set(answer) == {"answers"}
            except DsccError as refused:
                assert refused.reason.value == "malformed", refused

    as_liar(made, act)
