"""A DSCC node: its own store and secrets, a registry of devices, a share service, and revocations that a quorum knows.

It helps devices to agree on keys and never learns one: it gives each of two devices the same random share, and erases
it when they are done. Nodes share no secret but the key of the link between two of them.
"""
