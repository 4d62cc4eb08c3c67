"""Cryptographic Parameters: what a peer asks of a cryptographic operation (KMIP 2.1 s4.16)."""

from __future__ import annotations

from typing import Final

from kmip_server.messages.structures import CryptographicParameters

NO_PARAMETERS: Final = CryptographicParameters()

__all__ = ["NO_PARAMETERS", "CryptographicParameters"]
