"""Registration in its three modes: both have one root, and nobody else gets one (R1 to R4)."""

from __future__ import annotations

import pytest
from parties import nonce, register, token

from dscc.errors import DsccError, Reason
from dscc.hardening import KemKey, encapsulate
from dscc.primitives import S384, S512
from dscc.registration import DeviceRegistration, Mode, NodeRegistration


@pytest.mark.parametrize("mode", Mode)
def test_both_have_one_root_and_another_one_each_time(mode: Mode) -> None:
    device, node = register(mode)
    assert device == node
    assert (device.stage, device.ratchet, len(device.secret)) == ("bootstrap", 0, 48)
    assert register(mode)[0].secret != device.secret


@pytest.mark.parametrize("suites", [(S384.name,), (S512.name, S384.name)], ids=["old", "new"])
def test_an_old_device_and_a_new_one_register_at_the_same_node(suites: tuple[str, ...]) -> None:
    assert register(suites=suites)[0].suite.name == suites[0]


def begun() -> tuple[DeviceRegistration, NodeRegistration]:
    given = token()
    device = DeviceRegistration("meter-7", "n1", Mode.QKEY, given, nonce())
    return device, NodeRegistration(given, device.r1, nonce(), None)


def test_a_device_without_the_token_is_refused_at_once() -> None:
    device = DeviceRegistration("meter-7", "n1", Mode.QKEY, token(), nonce())
    with pytest.raises(DsccError) as refused:
        NodeRegistration(token(), device.r1, nonce(), None)
    assert refused.value.reason is Reason.NOT_AUTHENTIC


@pytest.mark.parametrize(
    "change", [{"device": "meter-8"}, {"node": "n2"}, {"nonce": bytes(32)}, {"attributes": (("site", "b"),)}]
)
def test_nothing_in_the_offer_can_be_changed(change: dict[str, object]) -> None:
    given = token()
    device = DeviceRegistration("meter-7", "n1", Mode.QKEY, given, nonce(), attributes=(("site", "a"),))
    with pytest.raises(DsccError) as refused:
        NodeRegistration(given, device.r1._replace(**change), nonce(), None)
    assert refused.value.reason is Reason.NOT_AUTHENTIC


def test_a_downgrade_is_refused() -> None:
    given = token()
    device = DeviceRegistration("meter-7", "n1", Mode.QKEY, given, nonce())
    with pytest.raises(DsccError, match="R1"):
        NodeRegistration(given, device.r1._replace(suites=(S384.name,)), nonce(), None)
    weaker = NodeRegistration(given, device.r1, nonce(), None, accepted=(S384.name,)).r2
    insists = DeviceRegistration("meter-7", "n1", Mode.QKEY, given, device.r1.nonce, suites=(S512.name,))
    with pytest.raises(DsccError, match="was not offered"):
        insists.on_r2(weaker)


def test_a_downgrade_from_a_key_to_the_token_alone_is_refused() -> None:
    given = token()
    device = DeviceRegistration("meter-7", "n1", Mode.OTA_KEM, given, nonce(), KemKey("mlkem1024"))
    for change in ({"mode": "qkey"}, {"ek": b""}, {"mode": "qkey", "ek": b""}):
        with pytest.raises(DsccError):
            NodeRegistration(given, device.r1._replace(**change), nonce(), None)
    with pytest.raises(DsccError, match="goes"):
        NodeRegistration(given, device.r1, nonce(), None)


def test_a_node_without_the_token_is_found_out() -> None:
    device, _ = begun()
    other = token()
    liar = NodeRegistration(other, DeviceRegistration("meter-7", "n1", Mode.QKEY, other, nonce()).r1, nonce(), None)
    with pytest.raises(DsccError, match="R2"):
        device.on_r2(liar.r2)


def test_who_stands_between_two_ota_tofu_registrations_shows_in_the_short_strings() -> None:
    from dscc.registration import NO_TOKEN, REGISTRATION_KEM

    device = DeviceRegistration("meter-7", "n1", Mode.OTA_TOFU, NO_TOKEN, nonce(), KemKey(REGISTRATION_KEM))
    middle = NodeRegistration(NO_TOKEN, device.r1, nonce(), encapsulate(REGISTRATION_KEM, device.r1.ek))
    device.on_r2(middle.r2)
    again = DeviceRegistration("meter-7", "n1", Mode.OTA_TOFU, NO_TOKEN, nonce(), KemKey(REGISTRATION_KEM))
    node = NodeRegistration(NO_TOKEN, again.r1, nonce(), encapsulate(REGISTRATION_KEM, again.r1.ek))
    assert device.short_string == middle.short_string != node.short_string
    assert len(node.short_string) == 24


def test_r3_and_r4_are_for_this_registration_alone() -> None:
    device, node = begun()
    r3 = device.on_r2(node.r2)
    r4, root = node.on_r3(r3, "bootstrap")
    assert node.on_r3(r3, "bootstrap") == (r4, root)
    other_device, other_node = begun()
    with pytest.raises(DsccError, match="R3"):
        other_node.on_r3(r3, "bootstrap")
    other_device.on_r2(other_node.r2)
    with pytest.raises(DsccError, match="R4"):
        other_device.on_r4(r4)
    with pytest.raises(DsccError, match="R4"):
        device.on_r4(r4._replace(stage="production"))
    assert device.on_r4(r4) == root


def test_nothing_secret_is_shown() -> None:
    given = token()
    device, root = register()
    for shown in (repr(given), repr(device), repr(root), f"{root}"):
        assert given.secret.hex() not in shown and root.secret.hex() not in shown
        assert str(root.secret) not in shown
