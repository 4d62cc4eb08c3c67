"""The only room that touches key bytes: generate, encrypt, sign, derive, wrap, convert."""
