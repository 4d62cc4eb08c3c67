"""The one place that reaches below pyOpenSSL's public interface: the key exchange groups of a context.

pyOpenSSL has no method for them (its Connection only names the group that was negotiated), cryptography keeps the
binding for those who patch contexts. Where the binding or a group is missing, the library's own groups stay.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from OpenSSL import SSL, _util

_GROUPS: Final = (
    b"X25519MLKEM768:X25519:P-256:P-384",
    b"X25519:P-256:P-384",
)
_BINDING: Final = "SSL_CTX_set1_curves_list"
_FLIGHT_BYTES: Final = 1 << 16


def prefer_groups(context: SSL.Context) -> bool:
    """Offer the hybrid X25519MLKEM768 first, then the classical groups. False if the library keeps its own choice."""
    library: Any = _util.lib
    handle = getattr(context, "_context", None)
    set_groups = getattr(library, _BINDING, None)
    if handle is None or set_groups is None:
        return False
    for groups in _GROUPS:
        if set_groups(handle, groups) == 1:
            return True
        library.ERR_clear_error()
    return False


def negotiated_group(server: SSL.Context) -> str | None:
    """Which group this server context agrees on with a client of the same library, by a handshake in memory.

    The handshake is left unfinished, because the client has no certificate; the group is known by then.
    """
    client = SSL.Connection(_client_context(), None)
    client.set_connect_state()
    peer = SSL.Connection(server, None)
    peer.set_accept_state()
    for sender, receiver in ((client, peer), (peer, client), (client, peer)):
        with suppress(SSL.Error):
            sender.do_handshake()
        try:
            receiver.bio_write(sender.bio_read(_FLIGHT_BYTES))
        except SSL.WantReadError:
            break
    return client.get_group_name()


def _client_context() -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_verify(SSL.VERIFY_NONE)
    prefer_groups(context)
    return context
