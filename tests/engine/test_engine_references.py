"""What later batch items may say of earlier ones over the wire: the ID Placeholder (KMIP 2.1 s6), and in 2.x Unique
Identifier enumerations and integers (s4.58, s11.58), Data references (s7.9, s11.13) and Ephemeral (s8.3).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest
from support import requests as ask
from support.bad import NOT_FOUND, assert_refused
from support.keys import re_key
from support.numbers import Operation, Reason, Tag
from support.requests import Request, Session
from support.server import Client
from support.wire import (
    SUCCESS,
    VERSIONS,
    Version,
    batch_item,
    boolean,
    enumeration,
    integer,
    message,
    octets,
    read_response,
    structure,
)

NEWEST: Version = (2, 1)
TWO: list[Version] = [(2, 0), (2, 1)]
SHA_256 = 6
SIGN, VERIFY = 1, 2
ECDSA, P_256 = 6, 7
CREATE, CREATE_KEY_PAIR, PRIVATE, PUBLIC, LOCATE, REGISTER, RE_KEY = 3, 4, 5, 6, 0xB, 0xC, 0xD
DECRYPTED, ENCRYPTED, HASHED, MACED, RANDOM, SIGNED = 1, 2, 3, 4, 5, 6
IN_CLEAR = ask.parameters(ask.CBC, padding=3)
HASHING = structure(Tag.CRYPTOGRAPHIC_PARAMETERS, enumeration(Tag.HASHING_ALGORITHM, SHA_256))
HMAC = structure(Tag.CRYPTOGRAPHIC_PARAMETERS, enumeration(Tag.CRYPTOGRAPHIC_ALGORITHM, ask.HMAC_SHA256))
_numbers = count()

Make = Callable[[Session], Request]


def a_name() -> ask.Attribute:
    return ask.name(f"reference {next(_numbers)}")


def which(value: int) -> bytes:
    """A Unique Identifier that is an enumeration."""
    return enumeration(Tag.UNIQUE_IDENTIFIER, value)


def nth(place: int) -> bytes:
    """A Unique Identifier that is a number."""
    return integer(Tag.UNIQUE_IDENTIFIER, place)


def get(reference: bytes) -> Request:
    return Request(Operation.GET, reference)


def ec_pair(version: Version) -> Request:
    curve = structure(Tag.CRYPTOGRAPHIC_DOMAIN_PARAMETERS, enumeration(Tag.RECOMMENDED_CURVE, P_256))
    return ask.create_key_pair(
        version, [ask.algorithm(ECDSA), ask.Attribute("Cryptographic Domain Parameters", curve)], SIGN, VERIFY
    )


def recovered(session: Session) -> Request:
    key = session.create_aes()
    session.do(Request(Operation.ARCHIVE, ask.identifier(key))).expect_success()
    return Request(Operation.RECOVER, ask.identifier(key))


def located(session: Session) -> Request:
    name = a_name()
    session.create_aes(name)
    return ask.locate(session.version, name)


MAKERS: dict[str, Make] = {
    "Create": lambda session: ask.create_aes(session.version),
    "Create Key Pair": lambda session: ec_pair(session.version),
    "Register": lambda session: ask.register_key(session.version, bytes(range(16))),
    "Re-key": lambda session: re_key(session.version, session.create_aes(active=True)),
    "Locate": located,
    "Recover": recovered,
}


@pytest.mark.parametrize("version", [(1, 1), (1, 4), (2, 1)], ids=str)
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
def test_the_placeholder_is_the_object_that_was_made_or_found(client: Client, version: Version, make: Make) -> None:
    """Of a key pair it is the private key (s6.1.9)."""
    with client.session(version) as session:
        made, attributes = session.batch(make(session), ask.get_attributes(version, None)).results
        expected = made.get(Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER) or made.unique_identifier
        assert attributes.unique_identifier == expected


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_a_whole_life_goes_by_the_placeholder(client: Client, version: Version) -> None:
    with client.session(version) as session:
        steps = [ask.create_aes(version), ask.activate(), ask.get(), ask.revoke(), ask.destroy()]
        results = session.batch(*steps).results
        assert [result.status for result in results] == [SUCCESS] * 5
        assert len({result.unique_identifier for result in results}) == 1


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_the_placeholder_does_not_outlive_its_batch(client: Client, version: Version) -> None:
    with client.session(version) as session:
        session.batch(ask.create_aes(version), ask.get()).results[1].expect_success()
        assert_refused(session.do(ask.get()), version, NOT_FOUND)
        assert_refused(session.batch(ask.get(), ask.get()).results[0], version, NOT_FOUND)


def test_naming_an_object_does_not_make_it_the_placeholder(client: Client) -> None:
    with client.session(NEWEST) as session:
        other = session.create_aes()
        made, _, read = session.batch(ask.create_aes(NEWEST), ask.activate(other), ask.get()).results
        assert read.unique_identifier == made.unique_identifier


def test_a_later_object_takes_the_place_of_an_earlier_one(client: Client) -> None:
    with client.session(NEWEST) as session:
        _, second, read = session.batch(ask.create_aes(NEWEST), ask.create_aes(NEWEST), ask.get()).results
        assert read.unique_identifier == second.unique_identifier


def test_a_search_that_finds_nothing_empties_the_placeholder(client: Client) -> None:
    with client.session(NEWEST) as session:
        response = session.batch(ask.create_aes(NEWEST), ask.locate(NEWEST, a_name()), ask.destroy())
        assert_refused(response.results[2], NEWEST, NOT_FOUND)
        session.do(ask.get(response.results[0].unique_identifier)).expect_success()


# --- Unique Identifier enumerations and integers ---------------------------------------------------------------------


@pytest.mark.parametrize("version", TWO, ids=str)
def test_an_object_is_named_by_the_operation_that_answered_it(client: Client, version: Version) -> None:
    name = a_name()
    with client.session(version) as session:
        found = session.create_aes(name)
        created, registered, replaced, *read = session.batch(
            ask.create_aes(version),
            ask.register_key(version, bytes(range(16))),
            re_key(version, session.create_aes(active=True)),
            ask.locate(version, name),
            get(which(CREATE)),
            get(which(REGISTER)),
            get(which(RE_KEY)),
            get(which(LOCATE)),
        ).results
        named = [created.unique_identifier, registered.unique_identifier, replaced.unique_identifier, found]
        assert [result.unique_identifier for result in read[1:]] == named


@pytest.mark.parametrize("version", TWO, ids=str)
def test_each_key_of_a_pair_has_a_name_of_its_own(client: Client, version: Version) -> None:
    with client.session(version) as session:
        made, private, public = session.batch(ec_pair(version), get(which(PRIVATE)), get(which(PUBLIC))).results
        assert private.unique_identifier == made.get(Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER)
        assert public.unique_identifier == made.get(Tag.PUBLIC_KEY_UNIQUE_IDENTIFIER)


def test_of_several_operations_of_a_kind_the_most_recent_is_meant(client: Client) -> None:
    with client.session(NEWEST) as session:
        _, second, read = session.batch(ask.create_aes(NEWEST), ask.create_aes(NEWEST), get(which(CREATE))).results
        assert read.unique_identifier == second.unique_identifier


@pytest.mark.parametrize(
    ("first", "reference"),
    [
        (None, which(CREATE)),
        ("register", which(CREATE)),
        ("pair", which(CREATE_KEY_PAIR)),
        (None, nth(0)),
        (None, nth(-1)),
        ("register", nth(1)),
        ("register", nth(-2)),
        ("register", nth(2**31 - 1)),
    ],
    ids=["nothing", "another operation", "two objects", "0 of 0", "-1 of 0", "1 of 1", "-2 of 1", "2147483647 of 1"],
)
def test_a_reference_to_what_is_not_there_names_no_object(client: Client, first: str | None, reference: bytes) -> None:
    earlier = {
        None: ask.discover_versions(),
        "register": ask.register_key(NEWEST, bytes(16)),
        "pair": ec_pair(NEWEST),
    }
    with client.session(NEWEST) as session:
        assert_refused(session.batch(earlier[first], get(reference)).results[1], NEWEST, NOT_FOUND)


@pytest.mark.parametrize("version", TWO, ids=str)
def test_a_number_counts_the_identifiers_that_were_answered(client: Client, version: Version) -> None:
    with client.session(version) as session:
        first, second, *read = session.batch(
            ask.create_aes(version), ask.create_aes(version), get(nth(0)), get(nth(1)), get(nth(-1)), get(nth(-4))
        ).results
        # The Gets answer identifiers, too: seen from the last one, the second Create is the fourth.
        wanted = [first, second, second, second]
        assert [result.unique_identifier for result in read] == [result.unique_identifier for result in wanted]


@pytest.mark.parametrize("version", [(1, 0), (1, 4)], ids=str)
@pytest.mark.parametrize("reference", [which(CREATE), nth(0)], ids=["enumeration", "integer"])
def test_in_1x_an_identifier_is_text(client: Client, version: Version, reference: bytes) -> None:
    with client.session(version) as session:
        response = session.batch(ask.create_aes(version), get(reference))
        assert_refused(response.results[1], version, frozenset({Reason.INVALID_MESSAGE}))


@pytest.mark.parametrize("value", [0, 0x12, 0x80000001])
def test_an_unknown_enumeration_of_identifiers_is_refused(client: Client, value: int) -> None:
    with client.session(NEWEST) as session:
        response = session.batch(ask.create_aes(NEWEST), get(which(value)))
        assert_refused(response.results[1], NEWEST, frozenset({Reason.UNKNOWN_ENUMERATION}))


def test_an_undone_item_is_nobodys_reference(client: Client) -> None:
    undo = (enumeration(Tag.BATCH_ERROR_CONTINUATION_OPTION, 3),)
    with client.session(NEWEST) as session:
        session.batch(ask.create_aes(NEWEST), ask.get("nothing"), fields=undo)
        assert_refused(session.do(get(which(CREATE))), NEWEST, NOT_FOUND)


# --- Data references and Ephemeral -----------------------------------------------------------------------------------


def data(value: bytes) -> bytes:
    return octets(Tag.DATA, value)


def output_of(value: int) -> bytes:
    return enumeration(Tag.DATA, value)


def hashing(what: bytes) -> Request:
    return Request(Operation.HASH, HASHING + what)


def mac(key: str, what: bytes) -> Request:
    return Request(Operation.MAC, ask.identifier(key) + HMAC + what)


@pytest.mark.parametrize("version", TWO, ids=str)
def test_data_goes_from_one_item_to_the_next(client: Client, version: Version) -> None:
    with client.session(version) as session:
        key = session.create_aes(active=True)
        encrypt = ask.encrypt(key, b"a secret of ours", IN_CLEAR, bytes(16))
        decrypt = Request(
            Operation.DECRYPT,
            ask.identifier(key) + IN_CLEAR + output_of(ENCRYPTED) + octets(Tag.IV_COUNTER_NONCE, bytes(16)),
        )
        encrypted, decrypted, hashed, again = session.batch(
            encrypt, decrypt, hashing(output_of(DECRYPTED)), hashing(integer(Tag.DATA, -2))
        ).results
        assert encrypted.expect_success().get(Tag.DATA) != b"a secret of ours"
        assert decrypted.expect_success().get(Tag.DATA) == b"a secret of ours"
        plain = session.do(hashing(data(b"a secret of ours"))).get(Tag.DATA)
        assert hashed.get(Tag.DATA) == again.get(Tag.DATA) == plain


def test_every_operation_with_output_can_be_referred_to(client: Client) -> None:
    with client.session(NEWEST) as session:
        key = session.do(
            ask.create(NEWEST, ask.algorithm(ask.HMAC_SHA256), ask.length(256), ask.usage_mask(0x180))
        ).unique_identifier
        session.do(ask.activate(key)).expect_success()
        private = session.do(ec_pair(NEWEST)).get(Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER)
        session.do(ask.activate(private)).expect_success()
        results = session.batch(
            Request(Operation.RNG_RETRIEVE, integer(Tag.DATA_LENGTH, 32)),
            hashing(output_of(RANDOM)),
            mac(key, output_of(HASHED)),
            hashing(output_of(MACED)),
            Request(Operation.SIGN, ask.identifier(private) + HASHING + output_of(HASHED)),
            hashing(output_of(SIGNED)),
        ).results
        for result in results:
            result.expect_success()
        outputs = [
            result.get(Tag.DATA) or result.get(Tag.MAC_DATA) or result.get(Tag.SIGNATURE_DATA) for result in results
        ]
        assert [session.do(hashing(data(outputs[place]))).get(Tag.DATA) for place in (0, 2, 4)] == [
            outputs[place] for place in (1, 3, 5)
        ]


@pytest.mark.parametrize(
    "reference",
    [output_of(HASHED), integer(Tag.DATA, 0), integer(Tag.DATA, -1), output_of(ENCRYPTED)],
    ids=["Hash", "0", "-1", "Encrypt"],
)
def test_a_reference_to_data_that_is_not_there_is_refused(client: Client, reference: bytes) -> None:
    with client.session(NEWEST) as session:
        response = session.batch(ask.create_aes(NEWEST), hashing(reference))
        assert_refused(response.results[1], NEWEST, frozenset({Reason.INVALID_FIELD}))


@pytest.mark.parametrize("version", [(1, 4)], ids=str)
def test_in_1x_data_is_a_byte_string(client: Client, version: Version) -> None:
    with client.session(version) as session:
        response = session.batch(hashing(data(b"x")), hashing(output_of(HASHED)))
        assert_refused(response.results[1], version, frozenset({Reason.INVALID_MESSAGE}))


def ephemeral(asked: Request, number: int, *, hidden: bool = True) -> bytes:
    """A batch item with the Ephemeral field, which stands behind Operation."""
    return structure(
        Tag.BATCH_ITEM,
        enumeration(Tag.OPERATION, asked.operation),
        boolean(Tag.EPHEMERAL, hidden),
        octets(Tag.UNIQUE_BATCH_ITEM_ID, bytes([number])),
        structure(Tag.REQUEST_PAYLOAD, asked.payload),
    )


@pytest.mark.parametrize("version", TWO, ids=str)
def test_the_output_of_an_ephemeral_item_goes_to_later_items_only(client: Client, version: Version) -> None:
    with client.session(version) as session:
        key = session.create_aes(active=True)
        sealed = session.do(ask.encrypt(key, b"never on the wire", IN_CLEAR, bytes(16))).get(Tag.DATA)
        decrypt = ask.decrypt(key, sealed, IN_CLEAR, bytes(16))
        plain = hashing(output_of(DECRYPTED))
        session.connection.send(
            message(
                version,
                ephemeral(decrypt, 1),
                batch_item(plain.operation, plain.payload, identifier=b"2"),
                ephemeral(decrypt, 3, hidden=False),
            )
        )
        answer = session.connection.receive()
        hidden, hashed, shown = read_response(answer).results
        assert hidden.unique_identifier == key
        assert hidden.get(Tag.DATA) is None
        assert hashed.get(Tag.DATA) == session.do(hashing(data(b"never on the wire"))).get(Tag.DATA)
        assert shown.get(Tag.DATA) == b"never on the wire"
        assert answer.count(b"never on the wire") == 1


def test_in_1x_there_is_no_ephemeral(client: Client) -> None:
    with client.connect() as connection:
        result = connection.exchange(message((1, 4), ephemeral(ask.discover_versions(), 1))).results[0]
        assert_refused(result, (1, 4), frozenset({Reason.INVALID_MESSAGE}))


def test_a_link_may_refer_to_an_earlier_item(client: Client) -> None:
    """Linked Object Identifier has the same encodings (s4.31)."""
    link = ask.Attribute(
        "Link",
        structure(Tag.LINK, enumeration(Tag.LINK_TYPE, 0x10B), enumeration(Tag.LINKED_OBJECT_IDENTIFIER, CREATE)),
    )
    with client.session(NEWEST) as session:
        first, second = session.batch(ask.create_aes(NEWEST), ask.create_aes(NEWEST, link)).results
        seen = session.do(ask.get_attributes(NEWEST, second.unique_identifier, ("Link", Tag.LINK)))
        assert seen.get(Tag.ATTRIBUTES, Tag.LINK, Tag.LINKED_OBJECT_IDENTIFIER) == first.unique_identifier
