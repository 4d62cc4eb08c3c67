"""The kmip-server command line."""
