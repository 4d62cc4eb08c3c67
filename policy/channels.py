"""What the address of a channel may look like: found out when a policy is read, not when something has happened."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from ipaddress import ip_address
from typing import Final, NamedTuple
from urllib.parse import SplitResult, parse_qsl, urlsplit

from policy.model import Channel, ChannelKind

PORTS: Final[Mapping[ChannelKind, Mapping[str, int | None]]] = {
    ChannelKind.EMAIL: {"smtp": 587, "smtps": 465, "smtp-clear": 25},
    ChannelKind.WEBHOOK: {"https": 443},
    ChannelKind.SYSLOG: {"udp": 514, "tcp": 601, "tls": 6514, "unix": None},
    ChannelKind.KMIP: {"kmip": 5696},
}
"""The schemes of each kind of channel, and the port that each has if the URL names none."""

KMIP_VERSIONS: Final = ("1.0", "1.1", "1.2", "1.3", "1.4", "2.0", "2.1")
_MOST_UNDERSTOOD: Final = "1.4"
"""What clients understand that say nothing else: fewest of those in use know 2.x."""

_ADDRESS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,253}")
_PRINTABLE: Final = re.compile(r"[!-~]+")


class Mode(Enum):
    """What a client is sent over KMIP: that something is new or has changed, or new objects themselves too."""

    NOTIFY = "notify"
    PUT = "put"


class Announcement(NamedTuple):
    """How a client is told over KMIP: in which mode, by which version of the protocol, and who it is."""

    mode: Mode
    version: str
    client: str


class Place(NamedTuple):
    """Where a channel leads."""

    scheme: str
    host: str
    port: int
    user: str
    path: str


def place(channel: Channel) -> Place:
    """Where a channel leads, by its URL, which `wrong_with` has nothing against."""
    url = urlsplit(channel.url)
    port = url.port or PORTS[channel.kind][url.scheme] or 0
    return Place(url.scheme, url.hostname or "", port, url.username or "", url.path)


def announcement(channel: Channel) -> Announcement:
    """How a client is told over a channel of the kind kmip, which `wrong_with` has nothing against."""
    said = dict(parse_qsl(urlsplit(channel.url).query))
    (client,) = channel.to
    return Announcement(Mode(said.get("mode", Mode.NOTIFY.value)), said.get("version", _MOST_UNDERSTOOD), client)


def wrong_with(channel: Channel) -> str | None:
    """What keeps a channel from being used, in words that follow its name; None if nothing does."""
    schemes = PORTS[channel.kind]
    try:
        url = urlsplit(channel.url)
        known = url.scheme in schemes and _PRINTABLE.fullmatch(channel.url) is not None
        known = (
            known and (url.port is None or url.port > 0) and bool(url.path if url.scheme == "unix" else url.hostname)
        )
    except ValueError:
        return ".url is not a URL"
    if not known:
        return f".url begins with {', '.join(f'{scheme}://' for scheme in schemes)} and names a place"
    return _wrong_url(channel, url) or (
        _wrong_announcement(channel, url) if channel.kind is ChannelKind.KMIP else _wrong_addresses(channel)
    )


def _wrong_url(channel: Channel, url: SplitResult) -> str | None:
    if url.password is not None:
        return ".url has a password in it: passwords stand in the secrets file"
    if url.username is not None and channel.kind is not ChannelKind.EMAIL:
        return ".url names a user, which only e-mail has"
    if url.scheme == "smtp-clear" and (url.username is not None or not _is_loopback(url.hostname or "")):
        return ".url: smtp-clear is for this machine only, and without a user"
    return None


def _wrong_addresses(channel: Channel) -> str | None:
    if channel.kind is not ChannelKind.EMAIL:
        return ".sender and .to are for e-mail and kmip only" if channel.sender or channel.to else None
    if not channel.sender or not channel.to:
        return ".sender and .to are missing: an e-mail has both"
    for address in (channel.sender, *sorted(channel.to)):
        if not _ADDRESS.fullmatch(address):
            return f": {address!r} is not an e-mail address"
    return None


_SAID: Final[Mapping[str, tuple[str, ...]]] = {"mode": tuple(mode.value for mode in Mode), "version": KMIP_VERSIONS}
"""What stands behind the question mark of kmip://, and the values it may have."""


def _wrong_announcement(channel: Channel, url: SplitResult) -> str | None:
    said = parse_qsl(url.query, keep_blank_values=True)
    if url.path not in ("", "/") or url.fragment or len(said) > len({name for name, _ in said}):
        return f".url is kmip://HOST:PORT?mode=put&version={_MOST_UNDERSTOOD}, each of which is said once"
    for name, value in said:
        if value not in _SAID.get(name, ()):
            choices = "; ".join(f"{name} is one of {', '.join(values)}" for name, values in _SAID.items())
            return f".url has {name}={value} in it: {choices}"
    if channel.sender or len(channel.to) != 1:
        return ".to is the one client who listens, by the name in its certificate, and there is no .sender"
    return None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
