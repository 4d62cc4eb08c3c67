"""Webhooks: the message as JSON in an HTTPS POST, signed with HMAC-SHA-256. Redirects are not followed."""

from __future__ import annotations

import hashlib
import hmac
import http.client
from typing import Final
from urllib.parse import urlsplit

from notifying.transport import Delivery, NotDeliveredError
from policy.channels import place

_TAKEN: Final = range(200, 300)


def send(delivery: Delivery) -> str:
    """Deliver a message; what came back. Raises NotDeliveredError, OSError."""
    if not delivery.secret:
        raise NotDeliveredError("the secrets file has no key for this webhook: nothing is sent unsigned")
    to, url, body = place(delivery.channel), urlsplit(delivery.channel.url), delivery.message.body.encode()
    connection = http.client.HTTPSConnection(to.host, to.port, timeout=delivery.timeout, context=delivery.tls())
    headers = {
        "Content-Type": "application/json",
        "X-KMIP-Message-ID": delivery.message.message_id,
        "X-KMIP-Signature": signature(delivery.secret, delivery.now, body),
    }
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    try:
        connection.request("POST", target, body, headers)
        status = connection.getresponse().status
    except http.client.HTTPException as error:
        raise NotDeliveredError(f"the receiver does not speak HTTP: {type(error).__name__}") from None
    finally:
        connection.close()
    if status not in _TAKEN:
        raise NotDeliveredError(f"the receiver answered with status {status}")
    return f"status {status}"


def signature(key: str, at: int, body: bytes) -> str:
    """`t=SECONDS,v1=HEX`: HMAC-SHA-256 over the seconds, a full stop, and the body."""
    digest = hmac.digest(key.encode(), str(at).encode() + b"." + body, hashlib.sha256)
    return f"t={at},v1={digest.hex()}"
