"""A KMIP key management server (KMIP 1.0 to 1.4, 2.0 and 2.1)."""

__version__ = "0.1.0"
