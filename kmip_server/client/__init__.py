"""A client of a KMIP server, for programs that take keys from it. It asks, and waits for the answer.

    with Client(Path("/etc/kmip/backup")) as client:
        found = client.locate(AttributeValue(Tag.STATE, State.ACTIVE))
        key = client.get(found[0])

`messages` is pure, `folder` reads the files of a client, `client` has the connection; `keys` is what programs take that
use the keys which two sites share (`dscc.uses`).
"""
