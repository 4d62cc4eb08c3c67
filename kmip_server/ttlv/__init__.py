"""The wire: TTLV items, their three encodings (binary, XML, JSON), and the standard's tags and enumerations."""
