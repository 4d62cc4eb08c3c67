"""One message to one channel, by whichever transport that has; failures in words that are safe to keep."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Final

from notifying import email, syslog, webhook
from notifying.transport import Delivery, NotDeliveredError
from policy.model import ChannelKind

_SEND: Final[Mapping[ChannelKind, Callable[[Delivery], str]]] = {
    ChannelKind.EMAIL: email.send,
    ChannelKind.WEBHOOK: webhook.send,
    ChannelKind.SYSLOG: syslog.send,
}


def send(delivery: Delivery) -> str:
    """Deliver a message; what came back. Raises NotDeliveredError. Blocks, for the timeout of each step at most."""
    try:
        return _SEND[delivery.channel.kind](delivery)
    except ssl.SSLCertVerificationError as error:
        raise NotDeliveredError(f"the receiver's certificate is not trusted: {error.verify_message}") from None
    except OSError as error:
        raise NotDeliveredError(error.strerror or type(error).__name__) from None
