"""The policy store: who may do what."""
