"""The one error of a client of ours, beside KmipError, which is what the server refuses."""

from __future__ import annotations


class ClientError(Exception):
    """The client's files are not as they have to be, the server is not reached, or what it says is no answer.

    The message says which, and holds no secret.
    """
