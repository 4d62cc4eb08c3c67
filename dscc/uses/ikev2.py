"""IKEv2 with post-quantum preshared keys (RFC 8784): what strongSwan's swanctl.conf says of them. Pure.

A PPK is mixed into the keys of an IKE_SA beside its own key exchange and authentication, which stay as they are. It has
no roles: either end may begin, and IKEv2 itself tells the two apart. With `ppk_required` there is no IKE_SA without it.
"""

from __future__ import annotations

import re
from typing import Final

from dscc.errors import DsccError, Reason
from dscc.uses.derivation import IKEV2_PPK, SharedKey, key_of_use

_CONNECTION: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def ppk_id(shared: SharedKey) -> str:
    """The identity of a PPK, which travels in PPK_IDENTITY (RFC 8784 s5.1). It is the key's, as text."""
    return f"dscc-{shared.kid}"


def swanctl(shared: SharedKey, connection: str) -> str:
    """A file for /etc/swanctl/conf.d, which holds the key: a PPK, and that a connection needs this one.

    strongSwan takes no other PPK for the connection then, from either end; without `ppk_id` a responder would take that
    of another peer. Raises DsccError: the connection's name is none that swanctl.conf has.
    """
    if not _CONNECTION.fullmatch(connection):
        raise DsccError(Reason.MALFORMED, "the name of a connection has up to 64 letters, digits, '-' and '_'")
    name, key = ppk_id(shared), key_of_use(shared, IKEV2_PPK)
    return (
        f"connections {{\n  {connection} {{\n    ppk_id = {name}\n    ppk_required = yes\n  }}\n}}\n"
        f"secrets {{\n  ppk-{shared.kid} {{\n    id = {name}\n    secret = 0x{key.hex()}\n  }}\n}}\n"
    )
