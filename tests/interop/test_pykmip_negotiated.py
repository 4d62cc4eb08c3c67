"""Negotiated keys for the real PyKMIP client, unmodified: asked for, read and found by custom attributes of 1.x."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from kmip.core import enums
from kmip.core.attributes import CustomAttribute
from kmip.core.objects import Attribute, TemplateAttribute
from pykmip_support import AES, OpenClient
from support.negotiated import mark_negotiated
from support.server import Client
from support.wire import Version

from kmip_server.cli.master_key import open_master_key
from kmip_server.config import Settings
from kmip_server.storage.store import Store

IN_1_X = pytest.mark.parametrize("version", [(1, 0), (1, 1), (1, 2), (1, 3), (1, 4)], ids=str)
LISTED = pytest.mark.parametrize("version", [(1, 0), (1, 1), (1, 2), (1, 3)], ids=str)


def dscc(name: str, value: str, prefix: str = "x") -> Attribute:
    return Attribute(Attribute.AttributeName(f"{prefix}-DSCC-{name}"), attribute_value=CustomAttribute(value))


def negotiated(client: Client, key: str) -> dict[str, str]:
    """What a key has that is made to look negotiated, by the names under which PyKMIP reads it."""
    values = {"Peer": "site-b", "Purpose": "tunnel", "KeyId": f"kid of {key}", "Trust": "3 paths, pure"}
    settings = Settings.load(client.server.data)
    with closing(Store.open(settings.storage.url, open_master_key(settings))) as store:
        mark_negotiated(store, key, values)
    return {f"x-DSCC-{name}": value for name, value in values.items()}


def read(found: list[Any]) -> dict[str, str]:
    named = {each.attribute_name.value: each.attribute_value for each in found}
    return {name: value.value for name, value in named.items() if "DSCC" in name}


@IN_1_X
def test_a_key_is_asked_for(pykmip_client: OpenClient, version: Version) -> None:
    wanted = TemplateAttribute(attributes=[dscc("Peer", "site-b")])
    result = pykmip_client(version).proxy.create(enums.ObjectType.SYMMETRIC_KEY, wanted)
    # This server has no rule that offers such keys; but it knows what is wanted.
    assert result.result_reason.value is enums.ResultReason.PERMISSION_DENIED
    assert "[[sharing]]" in result.result_message.value


@IN_1_X
def test_a_misspelt_name_is_refused(pykmip_client: OpenClient, version: Version) -> None:
    wanted = TemplateAttribute(attributes=[dscc("Pear", "site-b")])
    result = pykmip_client(version).proxy.create(enums.ObjectType.SYMMETRIC_KEY, wanted)
    assert result.result_reason.value is enums.ResultReason.INVALID_FIELD
    assert "Peer, Group, Purpose" in result.result_message.value


@IN_1_X
def test_its_attributes_are_read_by_name(client: Client, pykmip_client: OpenClient, version: Version) -> None:
    proxy = pykmip_client(version)
    key = proxy.create(AES, 256)
    expected = negotiated(client, key)
    assert read(proxy.get_attributes(key, list(expected))[1]) == expected
    assert {"x-DSCC-Peer", "y-DSCC-KeyId"} <= set(proxy.get_attribute_list(key))


@LISTED
def test_they_are_in_a_listing(client: Client, pykmip_client: OpenClient, version: Version) -> None:
    proxy = pykmip_client(version)
    key = proxy.create(AES, 256)
    expected = negotiated(client, key)
    assert read(proxy.get_attributes(key)[1]) == expected


@IN_1_X
def test_the_key_is_located_by_them(client: Client, pykmip_client: OpenClient, version: Version) -> None:
    proxy = pykmip_client(version)
    key = proxy.create(AES, 256)
    kid = negotiated(client, key)["x-DSCC-KeyId"]
    for prefix in ("x", "y"):
        assert proxy.locate(attributes=[dscc("KeyId", kid, prefix), dscc("Peer", "site-b")]) == [key]
    assert proxy.locate(attributes=[dscc("KeyId", kid), dscc("Peer", "site-c")]) == []


def test_pykmip_reads_no_name_of_the_server_s(client: Client, pykmip_client: OpenClient) -> None:
    proxy = pykmip_client((1, 2))
    key = proxy.create(AES, 256)
    negotiated(client, key)
    with pytest.raises(Exception, match="No value type for Y-DSCC-KEYID"):
        proxy.get_attributes(key, ["y-DSCC-KeyId"])


def test_in_2_0_pykmip_has_no_vendor_attributes(pykmip_client: OpenClient) -> None:
    wanted = TemplateAttribute(attributes=[dscc("Peer", "site-b")])
    with pytest.raises(ValueError, match="Unrecognized attribute name: 'x-DSCC-Peer'"):
        pykmip_client((2, 0)).proxy.create(enums.ObjectType.SYMMETRIC_KEY, wanted)
