"""`make demo-dscc`: three nodes and four devices on this machine, from enrolment to revocation, step by step.

Nodes are processes of their own; everything travels over TCP. Each step says what it shows, and ends the demonstration
with exit code 1 if that does not hold.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path

import structlog

from demo.network import Node, command, nodes
from demo.processes import end_on_signals
from demo.telling import all_holds, holds, say, shown, step
from dscc.device import Device
from dscc.device.agent import Agent
from dscc.device.clock import ManualClock
from dscc.enrolment import Address
from dscc.errors import DsccError

NAMES = ("anna", "bert", "cleo", "dora")
POLICY = """
[users]
olga = { roles = ["security officer"] }

[devices]
anna = { groups = ["fleet"] }
bert = { groups = ["fleet"] }
cleo = { groups = ["fleet"] }
dora = { groups = ["fleet"] }

[workflows.default]
version = 2
stages = [{ name = "bootstrap" }, { name = "quarantine" }, { name = "production", approvals = [
    { needed = 1, roles = ["security officer"], within = "1h" },
] }]

[[rules]]
name = "the fleet forms keys, tunnels and groups"
effect = "allow"
subjects = ["group:fleet"]
actions = ["DSCC_NEGOTIATE", "DSCC_TUNNEL", "DSCC_GROUP_JOIN"]
resource = { object_types = ["PAIR"], pair = ["group:fleet", "group:fleet"] }
"""
HOUR = 3600


async def until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    """Wait until something is so; whether it is."""
    for _ in range(int(seconds / 0.02)):
        if condition():
            return True
        await asyncio.sleep(0.02)
    return condition()


class Story:
    """The nodes and the devices, and what happens to them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock(1_800_000_000)
        self.nodes: dict[str, Node] = {}
        self.devices: dict[str, Device] = {}
        self.places: dict[str, Address] = {}

    async def tell(self) -> None:
        try:
            self.start_nodes()
            for name in NAMES:
                await self.enrol(name)
            await self.advance()
            await self.pair()
            await self.group()
            await self.rotation()
            await self.lose_a_node()
            await self.revoke()
            await self.search()
        finally:
            for device in self.devices.values():
                await device.close()
            for node in self.nodes.values():
                node.kill()

    def start_nodes(self) -> None:
        step("1. Three nodes, each a process with its own store and its own secrets")
        self.nodes = nodes(self.folder, POLICY, ("eu-north", "eu-north", "eu-south"))
        for node in self.nodes.values():
            node.start()
            say(f"{node.name} listens on 127.0.0.1:{node.port}")

    async def enrol(self, name: str) -> None:
        if name == NAMES[0]:
            step("2. Four devices enrol with one code each: a token for each node, and ML-KEM-1024 on top")
        codes = [node.does("device", "add", name, "--mode", "ota-kem") for node in self.nodes.values()]
        code = command("code", "join", *codes)
        device = await Device.enrol(self.folder / name, code, clock=self.clock)
        self.devices[name] = device
        say(f"{name}: {', '.join(f'{stage} at {node}' for node, stage in sorted(device.stages.items()))}")

    async def advance(self) -> None:
        step("3. Keys are ratcheted from stage to stage; the last one takes a security officer's approval")
        for device in self.devices.values():
            await device.advance()
        say("all are in quarantine, with keys from which those of bootstrap cannot be computed")
        waiting: set[str] = set()

        def told(name: str) -> Callable[[str, str], None]:
            return lambda node, words: waiting.add(f"{name} at {node}") if "approve" in words else None

        steps = [
            asyncio.create_task(device.advance(poll_seconds=0.2, tell=told(name)))
            for name, device in self.devices.items()
        ]
        holds("every step waits for approval, at every node", await until(lambda: len(waiting) == 12))
        for name in NAMES:
            for node in self.nodes.values():
                node.does("device", "approve", name, "--as", "olga")
        await self._move_until(steps)
        for name, device in self.devices.items():
            holds(f"{name} is in production at all nodes", set(device.stages.values()) == {"production"})

    async def _move_until(self, tasks: list[asyncio.Task[str]]) -> None:
        """Let the devices' clock run while they poll."""
        while not all(task.done() for task in tasks):
            self.clock.move(0.5)
            await asyncio.sleep(0.02)
        await asyncio.gather(*tasks)

    async def pair(self) -> None:
        step("4. Two devices agree on a key: four direct messages, and a share from each node")
        for name, device in self.devices.items():
            await device.connect()
            self.places[name] = await device.listen()
        anna, bert = self.devices["anna"], self.devices["bert"]
        key = await anna.negotiate("bert", self.places["bert"])
        await until(lambda: bert.key_to_protect("anna") is not None)
        theirs = bert.key_to_protect("anna")
        say(f"anna has {shown(key.key)}, key identifier {key.kid[:16]}…, trust: {key.trust}")
        holds("bert has the same one", theirs is not None and theirs.key == key.key)
        again = await anna.negotiate("bert", self.places["bert"])
        say(f"and again: {shown(again.key)}, trust: {again.trust}")
        holds("it is another key, and rests on the one before, too", again.key != key.key)

    async def group(self) -> None:
        step("5. A group of four: three handshakes, one seed that takes a part from everybody")
        anna = self.devices["anna"]
        places = {name: place for name, place in self.places.items() if name != "anna"}
        formed = await anna.groups.form("plant", places, lambda _who, _what: None)
        say(f"epoch {formed.epoch}: {shown(formed.key)}")
        holds("all four have it", len({device.groups.key("plant").key for device in self.devices.values()}) == 1)
        await anna.groups.remove("plant", frozenset({"dora"}), lambda _who, _what: None)
        rest = {self.devices[name].groups.key("plant").key for name in ("anna", "bert", "cleo")}
        holds("dora leaves: the others have the key of the next epoch", len(rest) == 1)
        holds("and dora does not", self.devices["dora"].groups.key("plant").key not in rest)

    async def rotation(self) -> None:
        step("6. Agents renew a key every hour; both sides change over at one date (the clock is ours)")
        agents = []
        for name, peer in (("dora", "cleo"), ("cleo", "dora")):
            await self.devices.pop(name).close()
            keep = f'[listen]\nport = 0\n[[keep]]\npeer = "{peer}"\n'
            if agents:
                keep += f'address = "{agents[0].address}"\n'
            (self.folder / name / "device.toml").write_text(keep)
            device = self.devices[name] = Device.open(self.folder / name, clock=self.clock)
            agents.append(Agent(device))
            await agents[-1].start()
        dora, cleo = self.devices["dora"], self.devices["cleo"]

        def now() -> tuple[str, str]:
            keys = dora.key_to_protect("cleo"), cleo.key_to_protect("dora")
            return tuple(key.kid if key else "" for key in keys)  # type: ignore[return-value]

        seen: list[str] = []
        for hour in range(4):
            await until(lambda: now()[0] == now()[1] != "" and now()[0] not in seen)
            seen.append(now()[0])
            holds(f"hour {hour}: both encrypt with {seen[-1][:8]}…", now()[0] == now()[1])
            if hour:
                holds("the key before still decrypts", seen[-2] in {key.kid for key in cleo.keys_to_process("dora")})
            # A minute before its date the next key is agreed.
            self.clock.move(HOUR - 30)
            await until(lambda: len(cleo.keys_to_process("dora")) > 1)
            self.clock.move(30)
        holds("four keys in four hours, none of them twice", len(set(seen)) == 4)
        for agent in agents:
            await agent.stop()
            self.devices.pop(agent.device.name, None)
        for name in ("cleo", "dora"):
            device = self.devices[name] = Device.open(self.folder / name, clock=self.clock)
            await device.connect()
            self.places[name] = await device.listen()

    async def lose_a_node(self) -> None:
        step("7. A node is killed: two of three are enough")
        self.nodes["n2"].kill()
        say("n2 is gone")
        key = await self.devices["anna"].negotiate("bert", self.places["bert"])
        holds(f"anna and bert agree all the same: {key.trust}", "2 paths" in key.trust)
        self.nodes["n2"].start()
        say("n2 is back, with everything that it had acknowledged")
        holds("its store is in order", "in order" in self.nodes["n2"].does("check"))

    async def revoke(self) -> None:
        step("8. A device is revoked at one node: all of them refuse it, and its sessions end")
        anna, bert = self.devices["anna"], self.devices["bert"]
        await asyncio.gather(anna.connect(), bert.connect())
        say(self.nodes["n1"].does("device", "revoke", "bert", "-m", "lost"))
        holds("bert has no session any more", await until(lambda: not any(map(bert.is_connected, self.nodes))))
        try:
            await anna.negotiate("bert", self.places["bert"])
        except DsccError as error:
            say(f"anna asks for a key with bert: {error}")
        else:
            holds("there is no key with bert", False)
        key = await anna.negotiate("cleo", self.places["cleo"])
        holds(f"anna and cleo go on: {shown(key.key)}", True)

    async def search(self) -> None:
        step("9. No node knows a key: their stores and logs are searched for all that anna has")
        mine = self.devices["anna"].all_keys()
        secrets = [held.key for held in mine if held.key]
        files = [file for node in self.nodes.values() for file in node.folder.iterdir() if file.is_file()]
        stored = b"".join(file.read_bytes() for file in files)
        say(f"{len(secrets)} keys, {len(files)} files, {len(stored):,} bytes")
        holds("none of them is there", not any(key in stored or key.hex().encode() in stored for key in secrets))
        say(self.nodes["n1"].does("usage").replace("\n", "\n  "))


def main() -> None:
    # What the engine and asyncio log is not the story.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    logging.disable()
    end_on_signals()
    with tempfile.TemporaryDirectory(prefix="dscc-demo-") as folder:
        asyncio.run(Story(Path(folder)).tell())
    all_holds()


if __name__ == "__main__":
    main()
