"""Distributed Symmetric Communication Cryptography: keys that the network helps to make and never knows.

Two devices agree on a key with the help of several nodes, none of which (nor any minority of them) can know it. The
protocol as it is implemented is described in docs/dscc-protocol.md: messages, labels, states and test vectors.
"""
