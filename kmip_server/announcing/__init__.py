"""Telling clients over KMIP: Notify and Put, which the server sends to clients who listen (KMIP 2.1 s6.2)."""
