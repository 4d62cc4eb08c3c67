"""The shares of a negotiation: asked of all its nodes at once, and waited for as long as it makes sense."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from dscc import paths
from dscc.device.framed import RefusedByPeer, refusal
from dscc.device.link import NodeLink
from dscc.errors import DsccError, Reason
from dscc.messages import LocatedRequest, Refused, ShareResponse
from dscc.pairwise import Initiator, Responder, Role
from dscc.wire import Message, encode, expect

SHARE_SECONDS: Final = 5.0
"""How long a device waits for the shares that it needs."""
GRACE_SECONDS: Final = 0.5
"""How long it waits for the others once it has enough."""
_AGAIN_SECONDS: Final = 0.05
_FINAL: Final = frozenset({Reason.POLICY_DENIED, Reason.REVOKED})
"""What one node says for all: the policy is against this key."""


class Shares:
    """Asks for the shares, and calls `done` once: with an error, or with None when there is nothing to wait for.

    Whether there are enough is for the negotiation to say.
    """

    def __init__(
        self,
        negotiation: Initiator | Responder,
        links: Mapping[str, NodeLink],
        least: int,
        done: Callable[[DsccError | None], None],
    ) -> None:
        self._negotiation, self._least, self._done = negotiation, least, done
        self.received: set[str] = set()
        self._waiting = set(negotiation.nodes)
        self.is_done = False
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(SHARE_SECONDS, self._finish, None)
        self._graced = False
        self._began = self._loop.time()
        self._links = links
        self._body = encode(negotiation.share_request())
        for path in negotiation.nodes:
            self._ask(path)

    def _ask(self, path: str) -> None:
        initiator = self._negotiation.role is Role.INITIATOR
        node, other = paths.near(path, initiator=initiator), paths.far(path, initiator=initiator)
        if self.is_done:
            return
        if node in self._links:
            body = encode(LocatedRequest(other, self._body)) if other else self._body
            self._links[node].ask(body, partial(self._on_answer, path), again=True)
        else:
            self._on_answer(path, DsccError(Reason.FAILED, f"the device is not registered at {node}"))

    def stop(self) -> None:
        """Wait no longer, and call nobody."""
        self.is_done = True
        self._timer.cancel()

    def _on_answer(self, node: str, heard: Message | DsccError) -> None:
        if self.is_done:
            return
        self._waiting.discard(node)
        try:
            self._take(node, heard)
        except DsccError as error:
            if error.reason is Reason.WAITING:
                # The other device's node has not told its own one yet.
                self._waiting.add(node)
                self._loop.call_later(_AGAIN_SECONDS, self._ask, node)
                return
            if error.reason in _FINAL:
                self._finish(RefusedByPeer(error.reason, error.message))
                return
        if not self._waiting:
            self._finish(None)
        elif len(self.received) >= self._least and not self._graced:
            self._graced = True
            self._timer.cancel()
            self._timer = self._loop.call_later(GRACE_SECONDS, self._finish, None)

    def _take(self, node: str, heard: Message | DsccError) -> None:
        if isinstance(heard, DsccError):
            raise heard
        if isinstance(heard, Refused):
            raise refusal(heard, node)
        self._negotiation.on_share(node, expect(ShareResponse, heard))
        self.received.add(node)

    def _finish(self, error: DsccError | None) -> None:
        if not self.is_done:
            self.stop()
            for path in self._waiting:
                node = paths.near(path, initiator=self._negotiation.role is Role.INITIATOR)
                if node in self._links:
                    self._loop.call_later(SHARE_SECONDS, self._links[node].silent_since, self._began)
            self._done(error)
