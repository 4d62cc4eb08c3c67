"""TLS 1.3 with an external PSK and no certificate, by pyOpenSSL: contexts for Twisted, or for a socket.

pyOpenSSL has no method for PSKs; cryptography keeps the bindings for those who patch contexts. This is the one place of
`dscc` that reaches below the public interface, and it refuses to go on where a binding is missing. The callbacks of
sessions are used and not the older ones of keys, which know SHA-256 only and fall back to certificates without a word.

Fallback ends in a refusal: a server has no certificate, and a client trusts nobody's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import structlog
from OpenSSL import SSL, _util

from dscc.errors import DsccError, Reason
from dscc.uses.tls13 import CIPHER, TLS_1_3, ExternalPsk

_log: Final = structlog.stdlib.get_logger("dscc.uses")
_BINDINGS: Final = (
    "Cryptography_SSL_SESSION_new",
    "SSL_CIPHER_find",
    "SSL_CTX_set_psk_find_session_callback",
    "SSL_CTX_set_psk_use_session_callback",
    "SSL_SESSION_set1_master_key",
    "SSL_SESSION_set_cipher",
    "SSL_SESSION_set_protocol_version",
)
_CIPHER_NUMBER: Final = b"\x13\x02"
_library: Final[Any] = _util.lib
_ffi: Final[Any] = _util.ffi


class PskContext(SSL.Context):
    """A context that knows one PSK or several. It keeps the callbacks alive, which the library does not."""

    def __init__(self, method: int) -> None:
        lacking = [name for name in _BINDINGS if not hasattr(_library, name)]
        if lacking:
            raise DsccError(Reason.UNSUPPORTED, f"this build of cryptography has no {', '.join(lacking)}")
        super().__init__(method)
        self.set_min_proto_version(SSL.TLS1_3_VERSION)
        self.set_tls13_ciphersuites(CIPHER.encode())
        # Resumption would go on with a key that was revoked meanwhile.
        self.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        self.set_options(SSL.OP_NO_TICKET)
        self.kept: list[Any] = []
        """What the library has a pointer to."""


def server_context(find: Callable[[bytes], ExternalPsk | None]) -> PskContext:
    """A server's context: `find` gives the PSK of an identity, None if there is none; it is called in the handshake."""
    context = PskContext(SSL.TLS_SERVER_METHOD)

    def find_session(connection: Any, identity: Any, size: int, session: Any) -> int:
        psk = find(bytes(_ffi.buffer(identity, size)))
        session[0] = _ffi.NULL if psk is None else _session(connection, psk)
        return 1

    arguments = "SSL *, unsigned char *, size_t, SSL_SESSION **"
    _set(context, "SSL_CTX_set_psk_find_session_callback", arguments, find_session)
    return context


def client_context(psk: ExternalPsk) -> PskContext:
    """A client's context: it agrees to no connection without this PSK."""
    context = PskContext(SSL.TLS_CLIENT_METHOD)
    context.set_verify(SSL.VERIFY_PEER)
    identity = _ffi.new("unsigned char[]", psk.identity)
    context.kept.append(identity)

    def use_session(connection: Any, _digest: Any, name: Any, size: Any, session: Any) -> int:
        name[0], size[0] = identity, len(psk.identity)
        session[0] = _session(connection, psk)
        return 1

    arguments = "SSL *, EVP_MD *, unsigned char **, size_t *, SSL_SESSION **"
    _set(context, "SSL_CTX_set_psk_use_session_callback", arguments, use_session)
    return context


def _set(context: PskContext, setter: str, arguments: str, function: Callable[..., int]) -> None:
    # 0 fails the handshake. What was raised is told to nobody but the log: it has passed through the library.
    callback = _ffi.callback(f"int({arguments})", function, error=0, onerror=_tell)
    context.kept.append(callback)
    getattr(_library, setter)(context._context, callback)


def _tell(_kind: object, error: BaseException, _trace: object) -> None:
    _log.error("a PSK could not be looked up: the handshake is refused", reason=str(error))


def _session(connection: Any, psk: ExternalPsk) -> Any:
    """A new session, which the library takes and frees."""
    session = _library.Cryptography_SSL_SESSION_new()
    cipher = _library.SSL_CIPHER_find(connection, _CIPHER_NUMBER)
    done = (
        _library.SSL_SESSION_set1_master_key(session, psk.key, len(psk.key)),
        _library.SSL_SESSION_set_cipher(session, cipher),
        _library.SSL_SESSION_set_protocol_version(session, TLS_1_3),
    )
    return session if done == (1, 1, 1) else _ffi.NULL
