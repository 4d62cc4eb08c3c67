"""A client's connection to its KMIP server, and the operations of who uses keys: Locate, Get Attributes, Get."""

from __future__ import annotations

import socket
import ssl
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from kmip_server.client.errors import ClientError
from kmip_server.client.folder import server_of, tls_of
from kmip_server.client.messages import LIMITS, answer, read, request
from kmip_server.errors import KmipError
from kmip_server.messages.fields import Payload
from kmip_server.objects.attribute_fields import AttributeReference
from kmip_server.objects.attribute_set import AttributeSet, AttributeValue
from kmip_server.objects.key_block import KeyValue, SymmetricKey
from kmip_server.operations.get import GetRequest, GetResponse
from kmip_server.operations.get_attributes import GetAttributesRequest, GetAttributesResponse
from kmip_server.operations.locate import LocateRequest, LocateResponse
from kmip_server.ttlv.binary import HEADER_BYTES, frame_bytes
from kmip_server.ttlv.enumerations import KeyFormatType, ObjectType, Operation
from kmip_server.ttlv.item import CodecError, Type
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V2_1, ProtocolVersion

TIMEOUT_SECONDS: Final = 10.0
"""For a connection, and for an answer as a whole."""

_Response = TypeVar("_Response", bound=Payload)


class Client:
    """A client of a KMIP server, by its folder. A context manager; the connection is made when it is needed.

    All methods raise KmipError with the server's Result Reason where it refuses; ClientError where it is not reached or
    says what is no answer, and OSError for a file that is not there. Not for several threads at once.
    """

    def __init__(self, folder: Path, *, version: ProtocolVersion = V2_1, timeout: float = TIMEOUT_SECONDS) -> None:
        self._folder, self._version, self._timeout = folder, version, timeout
        self._connection: ssl.SSLSocket | None = None
        self.server_time = 0
        """The server's time when it last answered, in POSIX seconds: its dates are to be compared with this."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next question makes another one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def locate(self, *attributes: AttributeValue, most: int | None = None) -> tuple[str, ...]:
        """The Unique Identifiers of the objects that have these attributes, newest first (s6.1.28)."""
        asked = LocateRequest(maximum_items=most, attributes=attributes)
        return self._do(Operation.LOCATE, asked, LocateResponse).unique_identifier

    def get_attributes(self, unique_identifier: str, *references: AttributeReference) -> AttributeSet:
        """The attributes of an object, of these names if any are named (s6.1.20)."""
        asked = GetAttributesRequest(unique_identifier=unique_identifier, attribute_reference=references)
        return AttributeSet.of(self._do(Operation.GET_ATTRIBUTES, asked, GetAttributesResponse).attributes)

    def get(self, unique_identifier: str) -> bytes:
        """The bytes of a Symmetric Key (s6.1.19)."""
        asked = GetRequest(unique_identifier=unique_identifier, key_format_type=KeyFormatType.RAW)
        found = self._do(Operation.GET, asked, GetResponse)
        if found.object_type is not ObjectType.SYMMETRIC_KEY or found.managed_object is None:
            raise ClientError(f"{unique_identifier} is no Symmetric Key")
        try:
            block = SymmetricKey.decode(found.managed_object.value, self._version).key_block
        except KmipError as error:
            raise ClientError(f"the server's answer cannot be read: {error}") from None
        value = block.key_value
        if not isinstance(value, KeyValue) or value.key_material.type != Type.BYTE_STRING:
            raise ClientError(f"{unique_identifier} comes wrapped, or in another form than Raw")
        return bytes(value.key_material.value)

    def _do(self, operation: Operation, asked: Payload, response: type[_Response]) -> _Response:
        said = self._exchange(request(operation, asked, self._version))
        found = answer(said, operation, self._version)
        self.server_time = found.at
        return read(response, found, self._version)

    def _exchange(self, message: bytes) -> bytes:
        until = time.monotonic() + self._timeout
        try:
            connection = self._connected()
            connection.sendall(message)
            header = _receive(connection, HEADER_BYTES, until)
            size = frame_bytes(header, Tag.RESPONSE_MESSAGE, LIMITS)
            return header + _receive(connection, size - HEADER_BYTES, until)
        except (OSError, CodecError) as error:
            # What comes next on this connection may be the rest of this answer.
            self.close()
            if isinstance(error, OSError) and error.filename is not None:
                raise
            where = server_of(self._folder)
            raise ClientError(f"the KMIP server at {where} does not answer: {_words(error)}") from None

    def _connected(self) -> ssl.SSLSocket:
        if self._connection is None:
            context, server = tls_of(self._folder), server_of(self._folder)
            plain = socket.create_connection(server, self._timeout)
            try:
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._connection = context.wrap_socket(plain, server_hostname=server.host)
            except BaseException:
                plain.close()
                raise
        return self._connection


def _receive(connection: ssl.SSLSocket, size: int, until: float) -> bytes:
    """Exactly so many bytes. Raises OSError if they are not there in time."""
    parts, missing = [], size
    while missing:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        part = connection.recv(missing)
        if not part:
            raise ConnectionError("it has closed the connection")
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not one to trust ({error.verify_message})"
    if isinstance(error, TimeoutError):
        return "it takes too long"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
