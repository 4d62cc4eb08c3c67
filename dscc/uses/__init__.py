"""What negotiated keys are for: TLS 1.3 with an external PSK, a tunnel, PPKs of IKEv2, preshared keys of WireGuard.

What computes is pure; `sources`, `key_ring`, `openssl` and `tunnel` are the edges. Where a key comes from is a
`KeySource`.
"""
