"""The SDK: a device in a folder, for asyncio programs (and Twisted ones, on its asyncio reactor).

    device = await Device.enrol(folder, "dscc-enrol:v1?...")     once
    await device.advance()                                       until it is at the last stage
    key = await device.negotiate("meter-8", "192.0.2.8:7400")
    await device.close()

One process at a time has a folder open. Its limits are in DIR/device.toml (config.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from console.private_files import write_once
from dscc.agreement import Wanted
from dscc.device import registering
from dscc.device.advancing import Asked, advance
from dscc.device.clock import Clock, SystemClock
from dscc.device.config import DEFAULT, FILE_NAME, Config, read_config
from dscc.device.direct import Direct, Listener
from dscc.device.groups import Groups, Tell
from dscc.device.initiating import Initiating
from dscc.device.keys import Key, key_of, to_process, to_protect
from dscc.device.leasing import Lease
from dscc.device.link import NodeLink
from dscc.device.membership import Membership
from dscc.device.noticing import Noticing
from dscc.device.records import Held
from dscc.device.resources import Resources
from dscc.device.responding import Responding
from dscc.device.revoking import Revoking
from dscc.device.state import State
from dscc.device.vault import KEY_FILE, FolderError, create_folder, create_key, open_key
from dscc.direct_messages import D1, D3, Abort, Notice, Sealed
from dscc.enrolment import Address, EnrolmentCode, StepCode, read_address, read_enrolment
from dscc.errors import DsccError, Reason
from dscc.keyfill import KeyfillMode
from dscc.messages import Acknowledged, Done, Event, Fetch, Keep, Kept, Route, Routed, Status, StatusRequest
from dscc.registration import Mode

_POLL_SECONDS: Final = 2.0


def nobody(_who: str, _what: str) -> None:
    """Tell nobody."""


async def take_no_notice(_peer: str, _body: bytes) -> bytes:
    """Refuse to be told anything."""
    raise DsccError(Reason.UNSUPPORTED, "this device takes no notices")


class Device:
    """An open device. Close it, or use it as an asynchronous context manager."""

    def __init__(self, folder: Path, state: State, config: Config, clock: Clock) -> None:
        self.folder, self.config, self.clock = folder, config, clock
        self._state = state
        self._links: dict[str, NodeLink] = {}
        self._resources = Resources(state, self._links, config, clock)
        self._direct = Direct()
        self._initiating = Initiating(self._resources, self._direct)
        self._responding = Responding(self._resources, self._initiating.is_past_d2, self._on_key)
        self._initiating.responding = self._responding
        self.groups = Groups(self._resources, self._direct, self._pair_key)
        """Its groups."""
        self._noticing = Noticing(self._resources, self._direct, self._agree, self._on_told, self._later)
        self._revoking = Revoking(self._resources, self._responding, self.groups, self._later, self._tell_revoked)
        self._membership = Membership(self._resources)
        self._membership.on_left = self._revoking.on_left
        self._lease = Lease(self._resources, self.node_status, self._tell_lease)
        self._listener: Listener | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._link_nodes()

    @classmethod
    async def enrol(
        cls,
        folder: Path | str,
        code: str | EnrolmentCode,
        *,
        attributes: tuple[tuple[str, str], ...] = (),
        passphrase: bytes | None = None,
        clock: Clock | None = None,
    ) -> Device:
        """Make a device in a folder, and register it at the nodes of its code; the same again goes on where it was.

        Raises DsccError: a node refused, or was not reached; what is there stays there.
        """
        read = read_enrolment(code) if isinstance(code, str) else code
        folder = Path(folder)
        create_folder(folder)
        if not (folder / KEY_FILE).exists():
            create_key(folder, passphrase)
        if not (folder / FILE_NAME).exists():
            write_once(folder / FILE_NAME, DEFAULT.encode())
        state = State(folder, open_key(folder, passphrase))
        try:
            config = read_config(folder)
            registering.begin(state, read, attributes)
            short_strings = await registering.register_all(state)
        except BaseException:
            state.close()
            raise
        device = cls(folder, state, config, clock or SystemClock())
        if read.mode is Mode.OTA_TOFU:
            device.short_strings = short_strings
        return device

    @classmethod
    def open(cls, folder: Path | str, *, passphrase: bytes | None = None, clock: Clock | None = None) -> Device:
        """Open a device, in a running event loop. Raises FolderError."""
        folder = Path(folder)
        key = open_key(folder, passphrase)
        config = read_config(folder)
        state = State(folder, key)
        if not any(record.present for record in state.nodes.values()):
            state.close()
            raise FolderError(f"the device in {folder} is registered nowhere: enrol it with its code again")
        return cls(folder, state, config, clock or SystemClock())

    on_change: Callable[[], None] = staticmethod(lambda: None)
    """Called when there is a new key, or a node has said that something is revoked."""
    on_revoked: Callable[[str, str], None] = staticmethod(nobody)
    """Called when a node says that a device ("device", its name) or a key ("key", its kid) is revoked, drawn or agreed.

    It may be called with the same again: by each node, after a restart, and with the latest after a new session.
    """
    on_policy: Callable[[], None] = staticmethod(lambda: None)
    """Called when a node says that its policy is another one: what was granted before may not be granted any more."""
    on_lease: Callable[[float], None] = staticmethod(lambda _until: None)
    """Called with `leased_until` whenever that is another one. That a lease has run out is for the clock to say."""
    on_notice: Callable[[str, bytes], Awaitable[bytes]] = staticmethod(take_no_notice)
    """Answers what a peer tells, once it is sure that it is this peer. It may be called again with the same.

    A DsccError that it raises is told to the peer; of everything else the peer learns only that the device failed.
    It must not wait for a notice of its own to the same peer: that one may wait for this answer.
    """
    short_strings: Mapping[str, str] = {}
    """What administrators compare with the nodes' after an enrolment without tokens (ota-tofu), by node."""

    async def __aenter__(self) -> Device:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End sessions and connections, and free the folder."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()
        self._responding.close()
        self._direct.close()
        for link in self._links.values():
            link.close()
        # Tasks that were cancelled, and transports that were aborted, end in this turn of the loop.
        await asyncio.sleep(0)
        self._state.close()

    @property
    def name(self) -> str:
        """Its name."""
        return self._state.name

    @property
    def stages(self) -> dict[str, str]:
        """Its stage, by node."""
        return {node: record.stage for node, record in self._state.nodes.items()}

    # Nodes. -----------------------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Have sessions with all nodes that are reached, and keep them: what nodes say of their own accord is heard."""
        for link in self._links.values():
            link.keep_open()
        # The answer has the node's region, too.
        await asyncio.gather(*map(self.node_status, self._links), return_exceptions=True)

    async def node_status(self, node: str) -> Status:
        """How the device stands with a node. Raises DsccError."""
        said = await self._link(node).request(Status, StatusRequest())
        record = self._state.nodes[node]
        region = dict(said.regions).get(node, "")
        if region != record.region:
            self._state.put_node(node, record._replace(region=region))
        return said

    def is_connected(self, node: str) -> bool:
        """Whether there is a session with a node."""
        return self._link(node).is_open

    def why_not_connected(self, node: str) -> str:
        """Why there is no session with a node, as far as that is known; "" if there is one."""
        link = self._link(node)
        return "" if link.is_open or link.error is None else link.error.message

    @property
    def leased_until(self) -> float:
        """Until when keys may be used without hearing from nodes, in POSIX seconds; 0: not at all."""
        return self._lease.until

    async def keep_leased(self) -> None:
        """Renew the lease, three times in `keys.lease_seconds`, until this is cancelled."""
        await self._lease.keep()

    async def advance(
        self,
        *,
        mode: KeyfillMode | None = None,
        code: StepCode | None = None,
        evidence: tuple[tuple[str, str], ...] = (),
        again: bool = False,
        poll_seconds: float = _POLL_SECONDS,
        tell: Tell = nobody,
    ) -> str:
        """Take the next stage at the nodes where the device has taken the fewest steps; wait for who has to approve.

        Answers the stage, "" if there is no next one. `mode` is what the device insists on, instead of device.toml's.
        `again` makes the keys of the present stage anew. Raises DsccError when every node was tried.
        """
        asked = Asked(mode, code, evidence, again, poll_seconds, tell)
        return await advance(self._resources, self.node_status, asked)

    async def keep(self, node: str, name: str, kind: str, body: bytes) -> None:
        """Have a node keep something, sealed at rest. Raises DsccError."""
        await self._link(node).request(Done, Keep(name, kind, body))

    async def fetch(self, node: str, name: str) -> Kept:
        """What a node keeps. Raises DsccError."""
        return await self._link(node).request(Kept, Fetch(name))

    async def route(self, node: str, service: str, body: bytes) -> bytes:
        """The answer of a service behind a node. Raises DsccError."""
        return (await self._link(node).request(Routed, Route(service, body), again=False)).body

    # Keys. ------------------------------------------------------------------------------------------------------------

    async def negotiate(
        self,
        peer: str,
        address: str | Address,
        purpose: str = "tunnel",
        bits: int = 256,
        *,
        algorithm: str = "AES",
        policy: str = "",
        lifetime: int = 0,
        activation: int = 0,
        kem: bool = False,
        paths: tuple[int, int] | None = None,
    ) -> Key:
        """Agree on a key with a peer that listens at this address. Raises DsccError: why there is none.

        `lifetime` in seconds, 0: the longest that is granted. `activation`: when both begin to use it, 0: at once.
        `paths`: that it rests on so many nodes at least, of so many that are offered; more than device.toml says.
        """
        place = read_address(address) if isinstance(address, str) else address
        wanted = Wanted(purpose, bits, algorithm, policy, lifetime, activation)
        held = await self._initiating.negotiate(peer, place, wanted, kem, paths)
        self.on_change()
        return key_of(held)

    async def settle(self) -> None:
        """Finish what a crash has left open with peers that are reached: their keys are Active, or given up."""
        await self._initiating.settle_all()
        self.on_change()

    async def listen(self, host: str = "127.0.0.1", port: int = 0) -> Address:
        """Answer peers; port 0 picks a free one. Raises DsccError."""
        if self._listener is not None:
            raise DsccError(Reason.OUT_OF_ORDER, "the device listens already")
        listener = Listener(
            {
                D1: self._responding.on_d1,
                D3: self._responding.on_d3,
                Abort: self._responding.on_abort,
                Sealed: self._membership.on_sealed,
                Notice: self._noticing.on_notice,
            }
        )
        address = await listener.start(host, port)
        self._listener = listener
        return address

    def all_keys(self, peer: str | None = None, purpose: str | None = None) -> list[Key]:
        """All keys that there are or were, with this peer, for this purpose; the latest Activation Date first."""
        found = sorted(self.held(peer, purpose), key=lambda held: held.activates_at, reverse=True)
        return [key_of(held) for held in found]

    def key_to_protect(self, peer: str, purpose: str = "tunnel") -> Key | None:
        """The key to encrypt with now; None if there is none, or the peer was revoked."""
        held = to_protect(self.held(peer, purpose), self.clock.now())
        return None if held is None else key_of(held)

    def keys_to_process(self, peer: str, purpose: str = "tunnel") -> list[Key]:
        """The keys to decrypt with now, the latest first."""
        return [key_of(held) for held in to_process(self.held(peer, purpose), self.clock.now())]

    async def revoke_key(self, kid: str, reason: str = "key compromise") -> Acknowledged:
        """Use a key no more, here and at the peer: at once here, and there when the nodes have told it.

        Answers how many nodes know of it, of how many that are needed. Raises DsccError if no node was reached.
        """
        return await self._revoking.revoke_key(bytes.fromhex(kid), reason)

    async def revoke_drawn(
        self, seed_kid: str, number: int, peer: str, nodes: Iterable[str], reason: str = "key compromise"
    ) -> Acknowledged:
        """Have nodes and peer know that the key of this number, drawn from an agreed one, is used no more.

        `nodes` are those of the agreed key (`Key.nodes`): it may be erased here, and forgotten. Answers and raises as
        `revoke_key`. The peer's `on_revoked` is called with the drawn key's identifier.
        """
        return await self._revoking.revoke_drawn(bytes.fromhex(seed_kid), number, peer, nodes, reason)

    def erase(self, *kids: str) -> None:
        """Erase keys whose use is over, here alone: when all that is drawn from them is drawn. Raises DsccError.

        Nothing is left of them: many at once cost no more than one.
        """
        found = [bytes.fromhex(kid) for kid in kids]
        for kid in found:
            if kid not in self._state.held:
                raise DsccError(Reason.OUT_OF_ORDER, f"there is no key {kid.hex()}")
        self._state.erase_keys(found)

    async def notify(self, peer: str, address: str | Address, body: bytes, seconds: float = 5.0) -> bytes:
        """Tell a peer something, sealed, and wait so long for its answer; longer if the two have no key for it yet.

        One thing after another to one peer, in the order of the calls. Who answers may be told twice, if a connection
        is lost: what is said has to be idempotent. Raises DsccError: refused, not reached, or not the peer's answer.
        """
        place = read_address(address) if isinstance(address, str) else address
        return await self._noticing.notify(peer, place, body, seconds)

    async def _on_told(self, peer: str, body: bytes) -> bytes:
        return await self.on_notice(peer, body)

    def forget_pair(self, peer: str) -> None:
        """Begin a new pair chain with a peer: after either of the two lost or restored its state."""
        self._state.forget_chains(peer)

    @property
    def state(self) -> State:
        """What is kept, for the agent."""
        return self._state

    def held(self, peer: str | None = None, purpose: str | None = None) -> list[Held]:
        """The agreements with a peer, for a purpose, as they are kept."""
        return [
            held for held in self._state.held.values() if peer in (None, held.peer) and purpose in (None, held.purpose)
        ]

    async def _pair_key(self, member: str, address: Address, purpose: str) -> Held:
        return await self._agree(member, address, Wanted(purpose))

    async def _agree(self, peer: str, address: Address, wanted: Wanted) -> Held:
        return await self._initiating.negotiate(peer, address, wanted, False)

    def _on_key(self, held: Held) -> None:
        self._initiating.on_key(held)
        self._noticing.on_key(held)
        self.on_change()

    # What nodes say of their own accord. ------------------------------------------------------------------------------

    def _on_event(self, node: str, event: Event) -> None:
        if (event.kind, event.subject) == ("device-revoked", self.name):
            self._lease.refused(node, DsccError(Reason.REVOKED, "this device was revoked"))
        if event.kind == "policy":
            self.on_policy()
        self._revoking.on_event(event)
        self.on_change()

    def _tell_revoked(self, kind: str, subject: str) -> None:
        self.on_revoked(kind, subject)

    def _tell_lease(self, until: float) -> None:
        self.on_lease(until)

    def _later(self, act: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(act)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            # What was refused is tried again when the leader's groups are synchronised.
            task.exception()

    def _link(self, node: str) -> NodeLink:
        if node not in self._links:
            raise DsccError(Reason.OUT_OF_ORDER, f"the device is registered at no node {node!r}")
        return self._links[node]

    def _link_nodes(self) -> None:
        for name, record in self._state.nodes.items():
            if record.present and name not in self._links:
                link = self._links[name] = NodeLink(self._state, name, self._on_event)
                link.on_failure = self._lease.refused
