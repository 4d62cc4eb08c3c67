"""One message to one channel, by whichever transport that has; failures in words that are safe to keep."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Final

from notifying import email, syslog, webhook
from notifying.transport import Delivery, NotDeliveredError
from policy.model import ChannelKind

Sender = Callable[[Delivery], str]
"""Delivers a message; what came back. Raises NotDeliveredError, WithheldError, OSError."""

Senders = Mapping[ChannelKind, Sender]

NO_MORE: Final[Senders] = {}

_SEND: Final[Senders] = {
    ChannelKind.EMAIL: email.send,
    ChannelKind.WEBHOOK: webhook.send,
    ChannelKind.SYSLOG: syslog.send,
}


def send(delivery: Delivery, more: Senders = NO_MORE) -> str:
    """Deliver a message; what came back. Blocks, for the timeout of each step at most.

    `more` are the senders of those kinds that need what only their server has. Raises NotDeliveredError, WithheldError.
    """
    kind = delivery.channel.kind
    sender = _SEND.get(kind) or more.get(kind)
    if sender is None:
        raise NotDeliveredError(f"this server sends nothing over {kind.value}")
    try:
        return sender(delivery)
    except ssl.SSLCertVerificationError as error:
        raise NotDeliveredError(f"the receiver's certificate is not trusted: {error.verify_message}") from None
    except OSError as error:
        raise NotDeliveredError(error.strerror or type(error).__name__) from None
