"""E-mail over SMTP, with TLS from the start or by STARTTLS; in clear to this machine only (policy/channels.py)."""

from __future__ import annotations

import json
import smtplib
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime

from notifying.transport import Delivery, NotDeliveredError
from policy.channels import place


def send(delivery: Delivery) -> str:
    """Deliver a message; what came back. Raises NotDeliveredError, OSError."""
    channel, to = delivery.channel, place(delivery.channel)
    if to.user and not delivery.secret:
        raise NotDeliveredError(f"the secrets file has no password for {to.user}")
    try:
        if to.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(to.host, to.port, timeout=delivery.timeout, context=delivery.tls())
        else:
            server = smtplib.SMTP(to.host, to.port, timeout=delivery.timeout)
        with server:
            if to.scheme == "smtp":
                server.starttls(context=delivery.tls())
            if to.user:
                server.login(to.user, delivery.secret)
            refused = server.send_message(mail(delivery), channel.sender, sorted(channel.to))
    except smtplib.SMTPResponseException as error:
        raise NotDeliveredError(f"the mail server answered with code {error.smtp_code}") from None
    except smtplib.SMTPException as error:
        raise NotDeliveredError(f"the mail server did not take it: {type(error).__name__}") from None
    return f"taken for {len(channel.to) - len(refused)} of {len(channel.to)} addresses"


def mail(delivery: Delivery) -> EmailMessage:
    """The e-mail. Every field of a message is on one line (policy/notifications.py), so none adds a header."""
    message, said = delivery.message, json.loads(delivery.message.body)
    made = EmailMessage()
    made["From"] = delivery.channel.sender
    made["To"] = ", ".join(sorted(delivery.channel.to))
    made["Date"] = format_datetime(datetime.fromtimestamp(message.at, UTC))
    made["Message-ID"] = f"<{message.message_id}@{delivery.channel.sender.partition('@')[2]}>"
    made["Subject"] = f"[kmip-server] {said['text']}"
    made.set_content("".join(f"{name}: {said[name]}\n" for name in ("text", *sorted(said.keys() - {"text"}))))
    return made
