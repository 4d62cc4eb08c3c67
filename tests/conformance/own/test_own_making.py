"""Create, Create Key Pair, Register, Derive Key, Re-key, Re-key Key Pair, Import, Export (KMIP 2.1 s6.1, 1.4 s11)."""

from __future__ import annotations

import hashlib

import pytest
from own_requests import (
    ABSENT,
    DERIVE,
    Refusal,
    attribute_of,
    derive_key,
    import_key,
    key_pair,
    on,
    opaque,
    refused,
    registered,
    rekey,
    rekey_key_pair,
    unique,
)
from support.numbers import Operation, Reason, Tag
from support.requests import (
    AES,
    ENCRYPT,
    OPAQUE_OBJECT,
    PUBLIC_KEY,
    SYMMETRIC_KEY,
    Request,
    Session,
    algorithm,
    attributes,
    create,
    create_aes,
    get,
    key_block,
    length,
    name,
    register,
    register_key,
    state,
    usage_mask,
)
from support.wire import enumeration, structure

MISSING = (Reason.OBJECT_NOT_FOUND, Reason.ITEM_NOT_FOUND)
NAME_TAKEN = (Reason.NON_UNIQUE_NAME_ATTRIBUTE, Reason.INVALID_FIELD)
KEY = bytes(range(32))


def taken(session: Session) -> str:
    """A name that an object of the caller has."""
    value = unique("taken")
    session.create_aes(name(value))
    return value


REFUSED = {
    "Create: a name that is taken": Refusal(lambda s: create_aes(s.version, name(taken(s))), *NAME_TAKEN),
    "Create: a Public Key": Refusal(
        lambda s: create(s.version, algorithm(AES), length(256), usage_mask(ENCRYPT), kind=PUBLIC_KEY),
        Reason.INVALID_OBJECT_TYPE,
        Reason.INVALID_FIELD,
    ),
    "Create: AES of 100 bits": Refusal(
        lambda s: create_aes(s.version, bits=100), Reason.INVALID_ATTRIBUTE_VALUE, Reason.INVALID_FIELD
    ),
    "Create: State is the server's": Refusal(
        lambda s: create_aes(s.version, state(2)), Reason.ATTRIBUTE_READ_ONLY, Reason.PERMISSION_DENIED
    ),
    "Register: a name that is taken": Refusal(lambda s: register_key(s.version, KEY, name(taken(s))), *NAME_TAKEN),
    "Register: an object of another type than it says": Refusal(
        lambda s: register(s.version, OPAQUE_OBJECT, structure(Tag.SYMMETRIC_KEY, key_block(KEY))),
        Reason.INVALID_OBJECT_TYPE,
        Reason.INVALID_FIELD,
    ),
    "Register: material shorter than its length": Refusal(
        lambda s: register(
            s.version, SYMMETRIC_KEY, structure(Tag.SYMMETRIC_KEY, key_block(KEY[:16], bits=256)), usage_mask(ENCRYPT)
        ),
        Reason.INVALID_FIELD,
    ),
    "Derive Key: no such base": Refusal(lambda s: derive_key(s, ABSENT), *MISSING),
    "Derive Key: a base that may not derive": Refusal(
        lambda s: derive_key(s, registered(s, KEY, mask=ENCRYPT)),
        Reason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK,
        Reason.INVALID_FIELD,
    ),
    "Derive Key: an Opaque Object": Refusal(
        lambda s: derive_key(s, opaque(s)), Reason.INVALID_OBJECT_TYPE, Reason.INVALID_FIELD
    ),
    "Re-key: no such object": Refusal(lambda s: rekey(ABSENT), *MISSING),
    "Re-key: an Opaque Object": Refusal(
        lambda s: rekey(opaque(s)), Reason.INVALID_OBJECT_TYPE, Reason.PERMISSION_DENIED
    ),
    "Re-key Key Pair: no such object": Refusal(lambda s: rekey_key_pair(ABSENT), *MISSING),
    "Re-key Key Pair: a Symmetric Key": Refusal(
        lambda s: rekey_key_pair(s.create_aes()), Reason.INVALID_OBJECT_TYPE, Reason.PERMISSION_DENIED
    ),
    "Export: no such object": Refusal(lambda s: on(Operation.EXPORT, ABSENT), *MISSING),
}


@pytest.mark.parametrize("refusal", REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_made_is_refused(both: Session, refusal: Refusal) -> None:
    refused(both, refusal)


def test_a_created_key_has_the_length_that_was_asked(both: Session) -> None:
    for bits in (128, 192, 256):
        assert len(both.key_material(both.create_aes(bits=bits))) * 8 == bits


def test_a_key_pair_is_linked_both_ways(both: Session) -> None:
    private, public = key_pair(both, active=False)
    for one, other in ((private, public), (public, private)):
        link = attribute_of(both, one, "Link", Tag.LINK)
        assert other in [item.value for item in link]  # type: ignore[attr-defined]


def test_a_registered_key_is_got_as_it_was_given(both: Session) -> None:
    assert both.key_material(registered(both, KEY, mask=ENCRYPT)) == KEY


def test_a_digest_is_the_hash_of_the_key(both: Session) -> None:
    digest = attribute_of(both, registered(both, KEY, mask=ENCRYPT), "Digest", Tag.DIGEST)
    assert hashlib.sha256(KEY).digest() in [item.value for item in digest]  # type: ignore[attr-defined]


def test_a_key_derived_by_hash_is_the_hash_of_the_base(both: Session) -> None:
    base = registered(both, KEY, mask=DERIVE)
    derived = both.do(derive_key(both, base)).unique_identifier
    assert both.key_material(derived) == hashlib.sha256(KEY).digest()


def test_a_derived_key_is_linked_to_its_base(both: Session) -> None:
    base = registered(both, KEY, mask=DERIVE)
    derived = both.do(derive_key(both, base)).unique_identifier
    link = attribute_of(both, derived, "Link", Tag.LINK)
    assert base in [item.value for item in link]  # type: ignore[attr-defined]


def test_re_key_makes_a_new_key_that_takes_the_name(both: Session) -> None:
    value = unique("rotated")
    key = both.create_aes(name(value), active=True)
    successor = both.do(rekey(key)).unique_identifier
    assert successor != key
    assert both.key_material(successor) != both.key_material(key)
    assert both.located(name(value)) == [successor]
    assert attribute_of(both, key, "Name", Tag.NAME) is None


def test_re_key_with_an_offset_is_active_later(both: Session) -> None:
    key = both.create_aes(active=True)
    successor = both.do(rekey(key, offset=3600)).unique_identifier
    assert attribute_of(both, successor, "State", Tag.STATE) == 1


def test_re_key_key_pair_makes_a_new_pair(both: Session) -> None:
    private, public = key_pair(both)
    result = both.do(rekey_key_pair(private)).expect_success()
    pair = result.get(Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER), result.get(Tag.PUBLIC_KEY_UNIQUE_IDENTIFIER)
    assert not {private, public} & set(pair)
    assert all(both.do(get(half)).ok for half in pair)


def test_import_keeps_the_identifier_and_refuses_to_replace_unasked(newest: Session) -> None:
    given = usage_mask(ENCRYPT)
    identifier = unique("imported")
    assert newest.do(import_key(identifier, KEY, given)).unique_identifier == identifier
    assert newest.key_material(identifier) == KEY
    assert newest.do(import_key(identifier, KEY[::-1], given)).reason == Reason.OBJECT_ALREADY_EXISTS
    assert newest.do(import_key(identifier, KEY[::-1], given, replace=False)).reason == Reason.OBJECT_ALREADY_EXISTS
    assert newest.key_material(identifier) == KEY
    newest.do(import_key(identifier, KEY[::-1], given, replace=True)).expect_success()
    assert newest.key_material(identifier) == KEY[::-1]


def test_export_answers_the_object_and_its_attributes(newest: Session) -> None:
    key = newest.create_aes()
    result = newest.do(on(Operation.EXPORT, key)).expect_success()
    assert result.get(Tag.ATTRIBUTES, Tag.UNIQUE_IDENTIFIER) == key
    assert result.get(Tag.SYMMETRIC_KEY, Tag.KEY_BLOCK, Tag.KEY_VALUE, Tag.KEY_MATERIAL) == newest.key_material(key)


def test_a_template_attribute_is_no_field_of_2_1(newest: Session) -> None:
    old = enumeration(Tag.OBJECT_TYPE, SYMMETRIC_KEY) + attributes((1, 4), algorithm(AES), length(256), usage_mask(4))
    assert newest.do(Request(Operation.CREATE, old)).reason == Reason.INVALID_MESSAGE
