"""D-25 to D-35: keys used, changed and replaced at the wrong time of their life, or to loosen their protection.

D-32 is in test_read_only_attributes.py, two who replace one key at the same moment (D-35) in test_at_once.py.
"""

from __future__ import annotations

import time

from support import keys
from support import requests as ask
from support.attributes import deactivation, process_start, protect_stop
from support.defences import (
    ABOUT_AN_OBJECT,
    HMAC,
    IN_CBC,
    IV,
    MAC_GENERATE,
    VERSION,
    aes,
    attribute,
    attributes_of,
    derived,
    imported,
    key_pair,
    refused,
    set_attribute,
    with_data,
)
from support.keys import extractable, sensitive
from support.numbers import Operation, Reason, Tag
from support.requests import Request, Session
from support.wire import octets

WRONG = Reason.WRONG_KEY_LIFECYCLE_STATE
NOT_NOW = {Operation.GET: Reason.PERMISSION_DENIED}
"""The table of Get has no Wrong Key Lifecycle State (docs/decisions/result-reasons.md, 1)."""
EVERY_USE = 0x3BF
mac = with_data(Operation.MAC, HMAC)


def ciphertext(session: Session, key: str) -> Request:
    """The Decrypt of something that the key has encrypted."""
    data = session.do(ask.encrypt(key, b"data", IN_CBC, IV)).expect_success().get(Tag.DATA)
    return ask.decrypt(key, data, IN_CBC, IV)


def protecting(session: Session, key: str) -> list[Request]:
    """Every way to protect something new with a key."""
    wrapped = keys.get_as(aes(session), specification=keys.wrapping_specification(key))
    return [ask.encrypt(key, b"data", IN_CBC, IV), mac(key), derived(key), wrapped]


def test_d25_a_key_that_is_not_active_yet_does_nothing(mine: Session) -> None:
    """It may be fetched: docs/decisions/life-of-a-key.md, 4."""
    key = aes(mine, mask=EVERY_USE, active=False)
    for asked in [*protecting(mine, key), ABOUT_AN_OBJECT[Operation.DECRYPT](key)]:
        refused(mine, asked, NOT_NOW.get(asked.operation, WRONG))
    private = mine.do(ask.create_key_pair(VERSION, [ask.algorithm(ask.RSA), ask.length(2048)], 1, 2))
    name = private.expect_success().get(Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER)
    refused(mine, ABOUT_AN_OBJECT[Operation.SIGN](name), WRONG)
    mine.do(ask.get(key)).expect_success()
    assert attribute(mine, key, Tag.STATE) == ask.PRE_ACTIVE


def test_d26_a_deactivated_key_protects_nothing_and_still_decrypts_for_its_owner(mine: Session) -> None:
    """docs/decisions/states-and-use.md, 1."""
    key = aes(mine, mask=EVERY_USE)
    decryption = ciphertext(mine, key)
    mine.do(ask.revoke(key)).expect_success()
    for asked in protecting(mine, key):
        refused(mine, asked, NOT_NOW.get(asked.operation, WRONG))
    assert mine.do(decryption).expect_success().get(Tag.DATA) == b"data"


def test_d27_a_compromised_key_is_not_used_at_all(mine: Session) -> None:
    """docs/decisions/states-and-use.md, 2."""
    key = aes(mine, mask=EVERY_USE)
    decryption = ciphertext(mine, key)
    mine.do(ask.revoke(key, ask.KEY_COMPROMISE)).expect_success()
    for asked in [*protecting(mine, key), decryption]:
        refused(mine, asked, NOT_NOW.get(asked.operation, WRONG))


def test_d28_dates_end_protecting_and_hold_back_processing(mine: Session) -> None:
    now = int(time.time())
    stopped = aes(mine, ask.activation_date(1), protect_stop(now - 9), mask=EVERY_USE, active=False)
    for asked in protecting(mine, stopped):
        refused(mine, asked, NOT_NOW.get(asked.operation, WRONG))
    later = aes(mine, ask.activation_date(1), process_start(now + 999), active=False)
    refused(mine, ciphertext(mine, later), WRONG)


def test_d29_destroy_is_for_keys_out_of_use_and_happens_once(mine: Session) -> None:
    """Get of a destroyed object is Object Destroyed: docs/decisions/result-reasons.md, 1."""
    key = aes(mine, ask.contact_information("kept"))
    refused(mine, ask.destroy(key), WRONG)
    mine.do(ask.revoke(key)).expect_success()
    mine.do(ask.destroy(key)).expect_success()
    refused(mine, ask.destroy(key), Reason.OBJECT_DESTROYED)
    refused(mine, ask.get(key), Reason.OBJECT_DESTROYED)
    assert attribute(mine, key, Tag.CONTACT_INFORMATION) == "kept"
    exported = mine.do(ABOUT_AN_OBJECT[Operation.EXPORT](key)).expect_success().payload
    assert exported is not None
    assert Tag.KEY_MATERIAL not in [node.tag for node in exported.walk()]


def test_d30_nothing_is_activated_twice_or_after_its_end(mine: Session) -> None:
    key = aes(mine)
    refused(mine, ask.activate(key), WRONG)
    mine.do(ask.revoke(key)).expect_success()
    refused(mine, ask.activate(key), WRONG)
    mine.do(ask.destroy(key)).expect_success()
    refused(mine, ask.activate(key), WRONG)
    mine.do(ask.revoke(key, ask.KEY_COMPROMISE)).expect_success()
    assert attribute(mine, key, Tag.STATE) == ask.DESTROYED_COMPROMISED
    compromised = aes(mine)
    mine.do(ask.revoke(compromised, ask.KEY_COMPROMISE)).expect_success()
    refused(mine, ask.activate(compromised), WRONG)


def test_d31_a_date_that_does_what_activate_and_revoke_do_needs_their_permission(
    owner: Session, editor: Session
) -> None:
    """docs/decisions/changing-attributes.md, 3: whatever the date is."""
    for at in (1, int(time.time()) + 9999):
        key = aes(owner, active=False)
        before = attributes_of(owner, key)
        for date in (ask.activation_date(at), deactivation(at)):
            refused(editor, ask.add_attribute(VERSION, key, date), Reason.PERMISSION_DENIED)
            refused(editor, set_attribute(key, date), Reason.PERMISSION_DENIED)
        assert attributes_of(owner, key) == before
        editor.do(ask.add_attribute(VERSION, key, ask.contact_information("may"))).expect_success()
    past = aes(owner, active=False)
    owner.do(ask.add_attribute(VERSION, past, ask.activation_date(1))).expect_success()
    assert attribute(owner, past, Tag.STATE) == ask.ACTIVE
    refused(owner, ask.modify_attribute(VERSION, past, ask.activation_date(2)), WRONG)
    owner.do(ask.revoke(past)).expect_success()
    refused(owner, set_attribute(past, deactivation(int(time.time()) + 9)), WRONG)


def test_d33_sensitive_and_extractable_are_tightened_only(mine: Session) -> None:
    """docs/decisions/changing-attributes.md, 1."""
    wrapped = keys.wrapping_specification(aes(mine, mask=keys.WRAP))
    for given, looser, reason in (
        (sensitive(True), sensitive(False), Reason.SENSITIVE),
        (extractable(False), extractable(True), Reason.NOT_EXTRACTABLE),
    ):
        key = aes(mine, given)
        before = attributes_of(mine, key)
        for asked in (ask.modify_attribute(VERSION, key, looser), set_attribute(key, looser)):
            refused(mine, asked, Reason.PERMISSION_DENIED)
        refused(mine, ask.get(key), reason)
        if reason is Reason.SENSITIVE:
            mine.do(keys.get_as(key, specification=wrapped)).expect_success()
        else:
            refused(mine, keys.get_as(key, specification=wrapped), reason)
            assert attributes_of(mine, key) == before


def test_d34_what_comes_of_a_key_is_not_looser_than_the_key(mine: Session) -> None:
    """docs/decisions/life-of-a-key.md, 5."""
    strict = sensitive(True), extractable(False)
    key = aes(mine, *strict, mask=keys.DERIVE)
    for asked in (derived(key), ask.rekey(key)):
        child = mine.do(asked).unique_identifier
        assert attribute(mine, child, Tag.SENSITIVE) is True
        assert attribute(mine, child, Tag.EXTRACTABLE) is False
        assert (
            asked.operation != Operation.RE_KEY or attribute(mine, child, Tag.CRYPTOGRAPHIC_USAGE_MASK) == keys.DERIVE
        )
    looser = sensitive(False), extractable(True)
    again = mine.do(imported(key, *looser, replace=True)).unique_identifier
    refused(mine, ask.get(again), Reason.NOT_EXTRACTABLE)
    assert attribute(mine, again, Tag.SENSITIVE) is True


def test_d35_a_key_is_replaced_once_and_not_after_its_end(mine: Session, owner: Session, other: Session) -> None:
    """A Pre-Active key may be replaced: KMIP 2.1 s6.1.44 sets no state."""
    key = aes(mine)
    new = mine.do(ask.rekey(key)).unique_identifier
    refused(mine, ask.rekey(key), Reason.PERMISSION_DENIED)
    payload = attributes_of(mine, key).find(Tag.ATTRIBUTES)
    assert payload is not None
    links = [node.get(Tag.LINKED_OBJECT_IDENTIFIER) for node in payload.all(Tag.LINK)]
    assert links == [new]
    gone = aes(mine, active=False)
    mine.do(ask.destroy(gone)).expect_success()
    refused(mine, ask.rekey(gone), Reason.PERMISSION_DENIED)
    refused(other, ask.rekey(aes(owner)), Reason.OBJECT_NOT_FOUND)
    private, _ = key_pair(mine)
    refused(mine, ask.rekey(private), Reason.INVALID_OBJECT_TYPE)


def test_d24_usage_limits_that_are_spent_end_protecting_alone(mine: Session) -> None:
    """Encrypt says Permission Denied, as published: docs/decisions/result-reasons.md, 3."""
    from support.attributes import usage_limits

    key = aes(mine, usage_limits(1, unit=2), mask=EVERY_USE)
    decryption = ciphertext(mine, key)
    refused(mine, ask.encrypt(key, b"data", IN_CBC, IV), Reason.PERMISSION_DENIED)
    refused(mine, mac(key), Reason.USAGE_LIMIT_EXCEEDED)
    for _ in range(2):
        mine.do(decryption).expect_success()
    macs = aes(mine, usage_limits(1, unit=2), mask=MAC_GENERATE | 0x100)
    value = mine.do(mac(macs)).expect_success().get(Tag.MAC_DATA)
    verify = with_data(Operation.MAC_VERIFY, HMAC, octets(Tag.MAC_DATA, value))
    mine.do(verify(macs)).expect_success()
