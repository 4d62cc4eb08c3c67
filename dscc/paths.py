"""The paths of a negotiation: a node that serves both devices, or two linked nodes, "n1+n2", each of which serves one.

The first of two nodes is the initiator's, the second one the responder's. A node that stands in two paths would know
the shares of both: paths have no node in common.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

_BETWEEN: Final = "+"


def nodes_of(path: str) -> tuple[str, ...]:
    """The nodes that know the share of a path."""
    return tuple(path.split(_BETWEEN))


def near(path: str, *, initiator: bool) -> str:
    """The node that a device asks."""
    return nodes_of(path)[0 if initiator else -1]


def far(path: str, *, initiator: bool) -> str:
    """The node that the other device asks; "" if it is the same."""
    nodes = nodes_of(path)
    return "" if len(nodes) == 1 else nodes[-1 if initiator else 0]


def are_disjoint(paths: Iterable[str]) -> bool:
    """Whether each path is one node or two, none of which is in another path."""
    found = [nodes_of(path) for path in paths]
    every = [node for nodes in found for node in nodes]
    return all(every) and len(set(every)) == len(every) and all(len(nodes) <= 2 for nodes in found)


def chosen(offered: Iterable[str], registered: Collection[str]) -> tuple[str, ...]:
    """The paths that a responder takes of those offered, in order: it can ask their nodes, and none stands in two."""
    taken: list[str] = []
    for path in offered:
        if near(path, initiator=False) in registered and are_disjoint([*taken, path]):
            taken.append(path)
    return tuple(taken)
