"""What tests share: a small KMIP client of their own, and servers that run for real."""
