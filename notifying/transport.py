"""What every transport is given, and how it says that it did not deliver."""

from __future__ import annotations

import os
import ssl
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from policy.model import Channel
from policy.notifications import Waiting

_OTHERS: Final = 0o077


class NotDeliveredError(Exception):
    """A message was not taken; the text says why, and has no secret in it."""


class WithheldError(Exception):
    """A message is not for this receiver, or not any more: nothing was sent, and trying again is of no use.

    The text says why, and has no secret in it.
    """


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message for one channel. `secret` is the channel's password or key; `timeout` is in seconds."""

    message: Waiting
    channel: Channel
    secret: str = field(repr=False)
    authorities: Path | None
    timeout: float
    now: int

    def tls(self) -> ssl.SSLContext:
        """TLS that verifies the receiver's certificate and name. Raises OSError."""
        return ssl.create_default_context(cafile=self.authorities)


def read_secrets(path: Path) -> Mapping[str, str]:
    """The secrets of channels, by name; none if there is no such file. Raises NotDeliveredError."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & _OTHERS:
                raise NotDeliveredError(f"the secrets file {path} has mode {mode:04o}: set it to 0600")
            found = tomllib.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise NotDeliveredError(f"the secrets file {path} cannot be read: {type(error).__name__}") from None
    if not all(isinstance(secret, str) and secret for secret in found.values()):
        raise NotDeliveredError(f'the secrets file {path} has lines such as: ops-mail = "the password"')
    return found
