"""What a story asks of a site through PyKMIP's own client, as it is."""

from __future__ import annotations

from contextlib import suppress
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from kmip.core import enums
from kmip.core.attributes import CustomAttribute
from kmip.core.factories.attributes import AttributeFactory
from kmip.core.messages import contents, messages, payloads
from kmip.core.objects import Attribute, TemplateAttribute
from kmip.pie.client import ProxyKmipClient
from kmip.pie.exceptions import KmipOperationFailure

from demo.sites import Site
from kmip_server.ttlv.binary import decode
from kmip_server.ttlv.item import Item, Type
from kmip_server.ttlv.tags import Tag

_AES: Final = enums.CryptographicAlgorithm.AES
_USES: Final = [enums.CryptographicUsageMask.ENCRYPT, enums.CryptographicUsageMask.DECRYPT]
_CBC: Final = {
    "cryptographic_algorithm": _AES,
    "block_cipher_mode": enums.BlockCipherMode.CBC,
    "padding_method": enums.PaddingMethod.PKCS5,
}


class Sealed(NamedTuple):
    """What Encrypt gave."""

    data: bytes
    nonce: bytes


class Client:
    """The client `demo` of a site, connected."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._pie = ProxyKmipClient(config_file=str(site.folder / "clients" / "demo" / "pykmip.conf"))

    def __enter__(self) -> Self:
        self._pie.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        # The site may have ended before.
        with suppress(OSError):
            self._pie.close()

    def create(self, name: str) -> str:
        """Create an AES-256 key with a Name, as a client does that knows nothing of DSCC."""
        return str(self._pie.create(_AES, 256, name=name, cryptographic_usage_mask=_USES))

    def create_with(self, *attributes: Attribute) -> str:
        """Create an AES-256 key with more attributes. Raises KmipOperationFailure."""
        result = self._pie.proxy.create(enums.ObjectType.SYMMETRIC_KEY, _template(attributes))
        if result.result_status.value is not enums.ResultStatus.SUCCESS:
            raise KmipOperationFailure(
                result.result_status.value, result.result_reason.value, result.result_message.value
            )
        return str(result.uuid)

    def create_later(self, *attributes: Attribute) -> bytes:
        """The same with an Asynchronous Indicator: its Asynchronous Correlation Value."""
        payload = payloads.CreateRequestPayload(
            object_type=enums.ObjectType.SYMMETRIC_KEY, template_attribute=_template(attributes)
        )
        correlation = _found(
            self._sent(enums.Operation.CREATE, payload, asynchronous=True), Tag.ASYNCHRONOUS_CORRELATION_VALUE
        )
        assert correlation is not None
        return bytes(correlation)

    def poll(self, correlation: bytes) -> str | None:
        """The Unique Identifier of the key that was asked for so; None while there is none."""
        payload = payloads.PollRequestPayload(asynchronous_correlation_value=correlation)
        made = _found(self._sent(enums.Operation.POLL, payload), Tag.UNIQUE_IDENTIFIER)
        return None if made is None else str(made)

    def _sent(self, operation: enums.Operation, payload: Any, *, asynchronous: bool = False) -> Item:
        """The answer to what PyKMIP writes, and has no method for. It reads no answer to Poll, so we do."""
        proxy = self._pie.proxy
        request = proxy._build_request_message(
            None, [messages.RequestBatchItem(contents.Operation(operation), request_payload=payload)]
        )
        if asynchronous:
            request.request_header.asynchronous_indicator = contents.AsynchronousIndicator(True)
        proxy._send_message(request)
        return decode(bytes(proxy._receive_message().buffer))

    def locate(self, *attributes: Attribute, fresh: bool = False) -> list[str]:
        """The Unique Identifiers of what has these attributes."""
        member = enums.ObjectGroupMember.GROUP_MEMBER_FRESH if fresh else None
        return list(self._pie.locate(object_group_member=member, attributes=list(attributes)))

    def key(self, unique_identifier: str) -> bytes:
        """Get."""
        return bytes(self._pie.get(unique_identifier).value)

    def has(self, unique_identifier: str, name: str) -> Any:
        """The value of an attribute; None if it has none."""
        _, found = self._pie.get_attributes(unique_identifier, [name])
        return found[0].attribute_value.value if found else None

    def activate(self, unique_identifier: str) -> None:
        """Activate."""
        self._pie.activate(unique_identifier)

    def rekey(self, unique_identifier: str, offset: int) -> str:
        """Re-key: the new key is Active so many seconds from now."""
        return str(self._pie.rekey(unique_identifier, offset=offset))

    def revoke(self, unique_identifier: str) -> None:
        """Revoke: it is compromised."""
        self._pie.revoke(enums.RevocationReasonCode.KEY_COMPROMISE, unique_identifier, "lost")

    def encrypt(self, unique_identifier: str, data: bytes) -> Sealed:
        """Encrypt at the server. Raises KmipOperationFailure."""
        return Sealed(*self._pie.encrypt(data, unique_identifier, _CBC))

    def decrypt(self, unique_identifier: str, sealed: Sealed) -> bytes:
        """Decrypt at the server. Raises KmipOperationFailure."""
        return bytes(self._pie.decrypt(sealed.data, unique_identifier, _CBC, sealed.nonce))


def _found(item: Item, tag: Tag) -> Any:
    """The value of the first item with a tag; None if there is none."""
    if item.tag == tag:
        return item.value
    if item.type != Type.STRUCTURE:
        return None
    return next((value for child in item.value if (value := _found(child, tag)) is not None), None)


def dscc(name: str, value: str) -> Attribute:
    """A custom attribute about DSCC, as any client of KMIP 1.x can have one."""
    return Attribute(Attribute.AttributeName(f"x-DSCC-{name}"), attribute_value=CustomAttribute(value))


def named(name: str) -> Attribute:
    """A Name."""
    return _attribute(enums.AttributeType.NAME, name)


def in_group(name: str) -> Attribute:
    """An Object Group."""
    return _attribute(enums.AttributeType.OBJECT_GROUP, name)


def _attribute(kind: enums.AttributeType, value: Any) -> Attribute:
    return AttributeFactory().create_attribute(kind, value)


def _template(attributes: tuple[Attribute, ...]) -> TemplateAttribute:
    described = [
        _attribute(enums.AttributeType.CRYPTOGRAPHIC_ALGORITHM, _AES),
        _attribute(enums.AttributeType.CRYPTOGRAPHIC_LENGTH, 256),
        _attribute(enums.AttributeType.CRYPTOGRAPHIC_USAGE_MASK, _USES),
    ]
    return TemplateAttribute(attributes=[*described, *attributes])
