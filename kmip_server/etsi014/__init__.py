"""The delivery of negotiated keys by ETSI GS QKD 014 V1.1.1, beside KMIP on the HTTPS port."""
