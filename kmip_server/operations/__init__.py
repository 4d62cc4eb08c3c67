"""The KMIP operations, one module each: request payload, response payload, version range and handler together."""
