"""Syslog (RFC 5424) over UDP, TCP or TLS with octet counting (RFC 6587 s3.4.1, RFC 5425), or a Unix socket."""

from __future__ import annotations

import json
import re
import socket
from typing import Final

from notifying.transport import Delivery
from policy.channels import Place, place

_PRIORITY: Final = 10 * 8 + 5
"""Facility 10 (security and authorization), severity 5 (notice)."""

_ENTERPRISE: Final = "kmip@32473"
_ESCAPED: Final = re.compile(r'(["\\\]])')


def send(delivery: Delivery) -> str:
    """Deliver a message; what came back, which with syslog is never more than that it was sent. Raises OSError."""
    to, data = place(delivery.channel), line(delivery)
    if to.scheme in ("tcp", "tls"):
        data = b"%d %s" % (len(data), data)
    with _connected(to, delivery) as connection:
        connection.sendall(data)
    return f"{len(data)} bytes sent"


def _connected(to: Place, delivery: Delivery) -> socket.socket:
    if to.scheme in ("tcp", "tls"):
        connection = socket.create_connection((to.host, to.port), delivery.timeout)
        if to.scheme == "tcp":
            return connection
        try:
            return delivery.tls().wrap_socket(connection, server_hostname=to.host)
        except BaseException:
            connection.close()
            raise
    if to.scheme == "unix":
        family, address = socket.AF_UNIX, to.path
    else:
        family, _, _, _, address = socket.getaddrinfo(to.host, to.port, type=socket.SOCK_DGRAM)[0]  # type: ignore[assignment]
    datagrams = socket.socket(family, socket.SOCK_DGRAM)
    try:
        datagrams.settimeout(delivery.timeout)
        datagrams.connect(address)
    except BaseException:
        datagrams.close()
        raise
    return datagrams


def line(delivery: Delivery) -> bytes:
    """The message as RFC 5424 has it: header, structured data, and the text as UTF-8 after its mark (s6.4)."""
    message, said = delivery.message, json.loads(delivery.message.body)
    fields = {"id": message.message_id} | {name: said[name] for name in sorted(said.keys() - {"text"})}
    data = "".join([f' {name}="{_escaped(value)}"' for name, value in fields.items()])
    head = f"<{_PRIORITY}>1 {said['at']} - kmip-server - {message.event[:32]} [{_ENTERPRISE}{data}] "
    return head.encode() + b"\xef\xbb\xbf" + str(said["text"]).encode()


def _escaped(value: str) -> str:
    """A value as structured data has it (s6.3.3)."""
    return _ESCAPED.sub(r"\\\1", value)
