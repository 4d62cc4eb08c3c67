"""The Twisted edge: KMIP over TLS and over HTTPS, with limits and deadlines."""
