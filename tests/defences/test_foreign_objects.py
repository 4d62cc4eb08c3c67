"""D-01 to D-12: what one client can do about another's objects, in its tenant and in another one."""

from __future__ import annotations

import pytest
from support import keys
from support import requests as ask
from support.attributes import custom_text
from support.defences import (
    ABOUT_AN_OBJECT,
    NOBODYS,
    OBJECT_NOT_FOUND,
    VERSION,
    adjust_attribute,
    aes,
    attribute,
    attributes_of,
    delete_attribute,
    derived,
    imported,
    refused,
    set_attribute,
)
from support.numbers import Operation, Reason, Tag
from support.requests import Request, Session
from support.wire import boolean, credential, enumeration, octets, text

LOOKING_AND_CHANGING = (
    Operation.GET,
    Operation.GET_ATTRIBUTES,
    Operation.GET_ATTRIBUTE_LIST,
    Operation.EXPORT,
    Operation.CHECK,
    Operation.OBTAIN_LEASE,
    Operation.ACTIVATE,
    Operation.REVOKE,
    Operation.DESTROY,
    Operation.ARCHIVE,
    Operation.RECOVER,
)
NOT_OFFERED = (
    Operation.CERTIFY,
    Operation.RE_CERTIFY,
    Operation.CREATE_SPLIT_KEY,
    Operation.JOIN_SPLIT_KEY,
    Operation.RE_PROVISION,
    Operation.QUERY_ASYNCHRONOUS_REQUESTS,
    Operation.PROCESS,
    Operation.LOGIN,
    Operation.LOGOUT,
    Operation.DELEGATED_LOGIN,
)


def test_d01_a_foreign_object_and_none_are_answered_alike(owner: Session, other: Session, encrypter: Session) -> None:
    key = aes(owner)
    before = attributes_of(owner, key)
    for operation in LOOKING_AND_CHANGING:
        asked = ABOUT_AN_OBJECT[operation]
        foreign = refused(other, asked(key), OBJECT_NOT_FOUND[operation])
        absent = refused(other, asked(NOBODYS), OBJECT_NOT_FOUND[operation])
        assert foreign.message == absent.message
        refused(encrypter, asked(key), Reason.PERMISSION_DENIED)
    assert attributes_of(owner, key) == before


def test_d02_locate_finds_and_counts_nothing_foreign(owner: Session, other: Session) -> None:
    name = ask.name("d02 a disk of the owner")
    if not (found := owner.located(name)):
        found = [aes(owner, name)]
    for given in ((), (name,), (ask.Attribute("Unique Identifier", text(Tag.UNIQUE_IDENTIFIER, found[0])),)):
        located = other.do(ask.locate(VERSION, *given)).expect_success().payload
        assert located is not None
        assert located.get(Tag.LOCATED_ITEMS) == len(located.all(Tag.UNIQUE_IDENTIFIER))
        assert found[0] not in [node.value for node in located.all(Tag.UNIQUE_IDENTIFIER)]
    assert other.located(name) == []


def test_d03_nothing_is_made_of_a_foreign_object(owner: Session, other: Session) -> None:
    key, own = aes(owner, mask=keys.DERIVE), aes(other, mask=keys.DERIVE)
    before = attributes_of(owner, key), len(other.located())
    for asked in (ask.rekey(key), ABOUT_AN_OBJECT[Operation.RE_KEY_KEY_PAIR](key), derived(key)):
        refused(other, asked, Reason.OBJECT_NOT_FOUND)
    for bases in ((key, own), (own, key)):
        refused(other, derived(*bases, data=None), Reason.OBJECT_NOT_FOUND)
    assert (attributes_of(owner, key), len(other.located())) == before


@pytest.mark.parametrize("operation", NOT_OFFERED, ids=lambda operation: operation.name.lower())
def test_d03_d11_d12_what_this_server_does_not_offer_is_not_there(owner: Session, operation: Operation) -> None:
    """Split keys, certificates, tickets: whoever adds one of these has its numbers to answer."""
    refused(owner, Request(operation, b""), Reason.OPERATION_NOT_SUPPORTED)


def test_d04_who_may_encrypt_may_nothing_else(owner: Session, encrypter: Session) -> None:
    key = aes(owner, active=False)
    before = attributes_of(owner, key)
    for operation in (
        Operation.ACTIVATE,
        Operation.ADD_ATTRIBUTE,
        Operation.MODIFY_ATTRIBUTE,
        Operation.SET_ATTRIBUTE,
        Operation.DELETE_ATTRIBUTE,
        Operation.ADJUST_ATTRIBUTE,
        Operation.REVOKE,
        Operation.GET_USAGE_ALLOCATION,
        Operation.OBTAIN_LEASE,
    ):
        refused(encrypter, ABOUT_AN_OBJECT[operation](key), Reason.PERMISSION_DENIED)
    assert attributes_of(owner, key) == before
    owner.do(ask.activate(key)).expect_success()
    encrypter.do(ABOUT_AN_OBJECT[Operation.ENCRYPT](key)).expect_success()


def test_d05_import_neither_replaces_nor_describes_a_foreign_object(owner: Session, other: Session) -> None:
    """That the identifier is taken can be told, and no more: docs/decisions/what-others-see.md, What we gave up."""
    key, archived = aes(owner, active=False), aes(owner, active=False)
    owner.do(ABOUT_AN_OBJECT[Operation.ARCHIVE](archived)).expect_success()
    material = owner.key_material(key)
    before = attributes_of(owner, key)
    told = {
        refused(other, imported(identifier, replace=replace), Reason.PERMISSION_DENIED).message
        for replace in (None, False, True)
        for identifier in (key, archived)
    }
    assert len(told) == 1
    assert attributes_of(owner, key) == before
    assert owner.key_material(key) == material
    for replace in (None, False):
        refused(owner, imported(key, replace=replace), Reason.OBJECT_ALREADY_EXISTS)
    assert owner.key_material(key) == material


def test_d06_a_name_is_taken_among_the_owners_objects_only(owner: Session, other: Session) -> None:
    """docs/decisions/what-others-see.md, 3."""
    name = ask.name(f"d06 {aes(owner)}")
    for session in (owner, other):
        session.do(ask.create_aes(VERSION, name)).expect_success()
        refused(session, ask.create_aes(VERSION, name), Reason.NON_UNIQUE_NAME_ATTRIBUTE)
        refused(session, ask.register_key(VERSION, bytes(32), name), Reason.NON_UNIQUE_NAME_ATTRIBUTE)


def test_d07_an_identifier_that_is_nearly_right_is_wrong(owner: Session, other: Session) -> None:
    key = aes(owner)
    wide = "".join(chr(ord(c) + 0xFEE0) if c.isdigit() else c for c in key)
    alike = (key.upper(), f"{key}\0", f"{key} ", key.replace("-", "%2D"), wide, f"{{{key}}}", f"0{key}")
    for session in (owner, other):
        for value in alike:
            refused(session, ask.get(value), Reason.OBJECT_NOT_FOUND)
    owner.do(ask.get(key)).expect_success()


def test_d08_nobody_says_what_the_server_says(owner: Session, other: Session) -> None:
    state = ask.state(ask.ACTIVE)
    refused(owner, ask.create_aes(VERSION, state), Reason.ATTRIBUTE_READ_ONLY)
    servers = custom_text(VERSION, "owner", "stranger", vendor="y")
    refused(owner, ask.create_aes(VERSION, servers), Reason.ATTRIBUTE_READ_ONLY)
    key = aes(owner, custom_text(VERSION, "owner", "stranger"), custom_text(VERSION, "tenant", "south"))
    refused(other, ask.get(key), Reason.OBJECT_NOT_FOUND)
    answer = other.do(ask.get(key), fields=(credential("owner", "owner"),))
    assert answer.reason == Reason.AUTHENTICATION_NOT_SUCCESSFUL


def test_d09_no_key_is_wrapped_with_or_under_a_foreign_one(owner: Session, other: Session) -> None:
    kek, own = aes(owner, mask=keys.WRAP), aes(other)
    asked = keys.get_as(own, specification=keys.wrapping_specification(kek))
    refused(other, asked, Reason.WRAPPING_OBJECT_NOT_FOUND)
    wrapping = aes(other, mask=keys.WRAP)
    asked = keys.get_as(aes(owner), specification=keys.wrapping_specification(wrapping))
    refused(other, asked, Reason.OBJECT_NOT_FOUND)
    for operation in (Operation.MAC, Operation.SIGN):
        refused(other, ABOUT_AN_OBJECT[operation](kek), Reason.OBJECT_NOT_FOUND)


def test_d10_no_link_leads_to_a_foreign_object(owner: Session, other: Session) -> None:
    key, own = aes(owner), aes(other)
    refused(other, ask.add_attribute(VERSION, own, ask.link(key)), Reason.INVALID_FIELD)
    refused(other, set_attribute(own, ask.link(key)), Reason.INVALID_ATTRIBUTE_VALUE)
    refused(other, ask.create_aes(VERSION, ask.link(key)), Reason.INVALID_ATTRIBUTE_VALUE)
    assert attribute(other, own, Tag.LINK) is None


def test_d11_no_work_of_others_is_polled_canceled_or_continued(owner: Session, other: Session) -> None:
    pending = owner.do(ask.create_aes(VERSION), fields=(enumeration(Tag.ASYNCHRONOUS_INDICATOR, 1),))
    assert pending.correlation is not None
    correlation = octets(Tag.ASYNCHRONOUS_CORRELATION_VALUE, pending.correlation)
    for operation in (Operation.POLL, Operation.CANCEL):
        refused(other, Request(operation, correlation), Reason.INVALID_ASYNCHRONOUS_CORRELATION_VALUE)
    begin = ABOUT_AN_OBJECT[Operation.ENCRYPT](aes(owner)).payload + boolean(Tag.INIT_INDICATOR, True)
    stream = owner.do(Request(Operation.ENCRYPT, begin)).expect_success().get(Tag.CORRELATION_VALUE)
    go_on = ask.identifier(aes(other)) + octets(Tag.DATA, bytes(16)) + octets(Tag.CORRELATION_VALUE, stream)
    refused(other, Request(Operation.ENCRYPT, go_on), Reason.INVALID_CORRELATION_VALUE)


def test_d04_the_attributes_of_the_unauthorised_are_not_deleted_and_adjusted(owner: Session, other: Session) -> None:
    key = aes(owner, ask.contact_information("the owner"))
    refused(other, delete_attribute(key, Tag.CONTACT_INFORMATION), Reason.OBJECT_NOT_FOUND)
    refused(other, adjust_attribute(key, Tag.ACTIVATION_DATE), Reason.ITEM_NOT_FOUND)
    assert attribute(owner, key, Tag.CONTACT_INFORMATION) == "the owner"
