"""The agent: keys that are renewed at one date on both sides, a crash, a revoked peer, and programs at its socket."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from fleet import Fleet, asynchronous, until

from dscc.agreement import KeyState
from dscc.device import Device
from dscc.device.agent import Agent
from dscc.device.clock import ManualClock
from dscc.device.config import read_config
from dscc.device.serving import LocalClient
from dscc.device.vault import FolderError
from dscc.errors import DsccError, Reason

NOW = 1_800_000_000
AGENT = (sys.executable, "-m", "dscc.device.cli.agent")


class Pair:
    """Two agents that keep a key with each other; each has its own clock."""

    def __init__(self, one: Agent, other: Agent, clocks: list[ManualClock]) -> None:
        self.agents, self.clocks = [one, other], clocks

    @property
    def devices(self) -> list[Device]:
        return [agent.device for agent in self.agents]

    def protect(self) -> list[str | None]:
        """The keys that the two encrypt with now."""
        one, other = self.devices
        keys = one.key_to_protect(other.name), other.key_to_protect(one.name)
        return [key.kid if key else None for key in keys]

    def process(self) -> list[set[str]]:
        one, other = self.devices
        return [{key.kid for key in each.keys_to_process(peer.name)} for each, peer in ((one, other), (other, one))]

    async def move(self, seconds: float) -> None:
        """Let time pass for both, and what follows from it happen."""
        for clock in self.clocks:
            clock.move(seconds)
        await asyncio.sleep(0.3)

    async def stop(self) -> None:
        for agent in self.agents:
            await agent.stop()


async def started(fleet: Fleet, *, both_ask: bool = False, skew: int = 0) -> Pair:
    clocks = [ManualClock(NOW), ManualClock(NOW + skew)]
    one, other = await fleet.device(), await fleet.device()
    devices = []
    places: dict[str, Any] = {}
    for device in (other, one):
        config = "[listen]\nport = 0\n"
        peer = one if device is other else other
        address = f'address = "{places[peer.name]}"\n' if peer.name in places else ""
        config += f'[[keep]]\npeer = "{peer.name}"\n{address}'
        (device.folder / "device.toml").write_text(config)
        await device.close()
        device = Device.open(device.folder, clock=clocks[0 if device is one else 1])
        agent = Agent(device)
        await agent.start()
        places[device.name] = agent.address
        devices.append(agent)
    return Pair(devices[1], devices[0], clocks)


@asynchronous
async def test_keys_are_renewed_every_hour_at_one_date_and_the_one_before_decrypts_for_a_while(fleet: Fleet) -> None:
    pair = await started(fleet)
    await until(lambda: None not in pair.protect())
    first = pair.protect()[0]
    assert pair.protect() == [first, first]
    seen = [first]
    for hour in (1, 2, 3):
        await pair.move(NOW + hour * 3600 - 59 - pair.clocks[0].now())
        await until(lambda: [len(keys) for keys in pair.process()] == [2, 2])
        # Agreed, and not in use yet.
        assert pair.protect() == [seen[-1]] * 2
        dates = {key.activates_at for key in pair.devices[0].keys_to_process(pair.devices[1].name)}
        assert len(dates) == 2 and max(dates) - min(dates) == 3600
        await pair.move(60)
        new = pair.protect()
        assert new[0] == new[1] != seen[-1]
        # Overlap: the key before still decrypts on both sides, and then is gone, with its bytes.
        assert pair.process() == [{new[0], seen[-1]}] * 2
        await pair.move(298)
        assert pair.process() == [{new[0], seen[-1]}] * 2
        await pair.move(2)
        await until(lambda new=new: pair.process() == [{new[0]}] * 2)
        for device in pair.devices:
            old = next(key for key in device.all_keys() if key.kid == seen[-1])
            assert old.state is KeyState.DESTROYED and old.key == b""
        seen.append(new[0])
    assert len(set(seen)) == 4
    await pair.stop()


@asynchronous
async def test_keys_of_a_gateway_are_neither_ended_nor_forgotten(fleet: Fleet) -> None:
    pair = await started(fleet)
    await until(lambda: None not in pair.protect())
    one, other = pair.devices
    place = one.state.peers[other.name]
    mine = [await one.negotiate(other.name, place, purpose, lifetime=60) for purpose in ("kmip:pool", "tunnel")]
    await pair.move(61)
    await until(lambda: {key.kid: key.state for key in one.all_keys()}[mine[1].kid] is KeyState.DESTROYED)
    await pair.move(8 * 86_400)
    await until(lambda: mine[1].kid not in {key.kid for key in one.all_keys()})
    for device in pair.devices:
        assert [key.state for key in device.all_keys(purpose="kmip:pool")] == [KeyState.ACTIVE]
    await pair.stop()


@asynchronous
async def test_clocks_that_differ_by_less_than_the_overlap_always_have_a_key_in_common(fleet: Fleet) -> None:
    pair = await started(fleet, skew=200)
    await until(lambda: None not in pair.protect())
    await pair.move(3541)
    await until(lambda: [len(keys) for keys in pair.process()] == [2, 2])
    for seconds in (30, 28, 2, 100, 100, 100, 50, 1000):
        await pair.move(seconds)
        protect, process = pair.protect(), pair.process()
        assert protect[0] in process[1] and protect[1] in process[0]
    await pair.stop()


@asynchronous
async def test_a_peer_that_is_revoked_is_refused_at_once_and_no_more_keys_are_asked_for(own_fleet: Fleet) -> None:
    pair = await started(own_fleet)
    await until(lambda: None not in pair.protect())
    one, other = pair.devices
    await asyncio.to_thread(own_fleet.nodes.nodes["n2"].run, "device", "revoke", other.name)
    await until(lambda: other.name in one.state.revoked)
    assert pair.protect()[0] is None and pair.process()[0] == set()
    answer = await asyncio.to_thread(asked, one.folder, {"do": "key", "peer": other.name})
    assert (answer["protect"], answer["process"]) == (None, [])
    await pair.move(4000)
    assert pair.protect()[0] is None and len(one.all_keys()) == 1
    await pair.stop()


@asynchronous
async def test_a_key_that_was_revoked_is_replaced_at_once(fleet: Fleet) -> None:
    pair = await started(fleet)
    await until(lambda: None not in pair.protect())
    other = pair.devices[1]
    first = pair.protect()[0]
    await other.revoke_key(str(first))
    await until(lambda: pair.protect()[0] not in (None, first) and len(set(pair.protect())) == 1)
    await pair.stop()


def asked(folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    client = LocalClient(folder)
    try:
        return client.ask(request, lambda _who, _what: None)
    finally:
        client.close()


@asynchronous
async def test_programs_of_the_same_user_are_served_and_what_they_ask_wrong_is_told(fleet: Fleet) -> None:
    pair = await started(fleet)
    await until(lambda: None not in pair.protect())
    one, other = pair.devices
    path = one.folder / "agent.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = one.key_to_protect(other.name)
    assert key is not None
    answer = await asyncio.to_thread(asked, one.folder, {"do": "key", "peer": other.name})
    assert b64decode(answer["protect"]["key"]) == key.key and answer["protect"]["kid"] == key.kid
    theirs = await asyncio.to_thread(asked, other.folder, {"do": "key", "peer": one.name})
    assert theirs["protect"]["key"] == answer["protect"]["key"]
    listed = await asyncio.to_thread(asked, one.folder, {"do": "keys"})
    assert answer["protect"]["key"] not in json.dumps(listed) and listed["keys"][0]["kid"] == key.kid
    status = await asyncio.to_thread(asked, one.folder, {"do": "status"})
    assert status["device"] == one.name and status["keys"] == {"active": 1}
    for wrong in ({"do": "nothing"}, {"do": "key"}, {"do": "key", "peer": "x", "more": 1}, {"do": ["key"]}, [1], "key"):
        with pytest.raises(DsccError):
            await asyncio.to_thread(asked, one.folder, wrong)
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"no json\n")
    assert "error" in json.loads(await reader.readline())
    writer.write(b"[" * 100_000)
    assert await reader.read() == b""
    writer.close()
    more = await asyncio.to_thread(asked, one.folder, {"do": "negotiate", "peer": other.name, "purpose": "wrap"})
    assert more["purpose"] == "wrap" and "key" not in more
    await pair.stop()
    assert not path.exists()


def run_agent(device: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([*AGENT, str(device)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stderr is not None
    line = process.stdout.readline()
    assert line.startswith("dscc-agent ready"), process.stderr.read()
    return process


def test_an_agent_that_was_killed_has_its_keys_and_goes_on(fleet: Fleet) -> None:
    async def prepare() -> tuple[Path, Path, str, Device]:
        one, other = await fleet.device(), await fleet.device()
        address = await other.listen()
        (one.folder / "device.toml").write_text(f'[[keep]]\npeer = "{other.name}"\naddress = "{address}"\n')
        await one.close()
        return one.folder, other.folder, other.name, other

    async def run() -> None:
        folder, _, peer, other = await prepare()
        process = await asyncio.to_thread(run_agent, folder)
        try:
            await until(lambda: other.all_keys())
            before = await asyncio.to_thread(asked, folder, {"do": "key", "peer": peer})
            with pytest.raises(FolderError, match="in use"):
                Device.open(folder)
            process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(process.communicate)
            process = await asyncio.to_thread(run_agent, folder)
            after = await asyncio.to_thread(asked, folder, {"do": "key", "peer": peer})
            assert after == before and before["protect"] is not None
            new = await asyncio.to_thread(asked, folder, {"do": "negotiate", "peer": peer})
            assert new["trust"] == "3 paths, pair chain"
        finally:
            process.send_signal(signal.SIGTERM)
            _, log = await asyncio.to_thread(process.communicate)
        assert process.returncode == 0
        assert before["protect"]["key"] not in log
        await other.close()

    asyncio.run(run())


@pytest.mark.skipif(os.geteuid() != 0, reason="another user takes root")
@asynchronous
async def test_another_user_is_not_served_even_where_modes_are_not_kept(fleet: Fleet) -> None:
    pair = await started(fleet)
    one = pair.devices[0]
    path = one.folder / "agent.sock"
    path.chmod(0o666)
    for folder in (one.folder, *one.folder.parents):
        if stat.S_IMODE(folder.stat().st_mode) & 0o005 == 0:
            folder.chmod(0o755)
    program = (
        "import os, socket; os.setuid(12345); s = socket.socket(socket.AF_UNIX); "
        f's.connect({str(path)!r}); s.sendall(b\'{{"do": "keys"}}\\n\'); print(s.recv(100))'
    )
    said = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert said.stdout.strip() in ("b''", "") and "keys" not in said.stdout
    await pair.stop()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[keys]\npaths = 0\n", "keys.paths"),
        ("[keys]\nmore = 1\n", "keys.more"),
        ('[stages]\nmode = "none"\n', "stages.mode"),
        ('[[keep]]\npeer = "x"\naddress = "nowhere"\n', "HOST:PORT"),
        ("[keys\n", "TOML"),
    ],
)
def test_a_configuration_that_is_wrong_is_refused_by_its_keys(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "device.toml").write_text(text)
    with pytest.raises(DsccError, match=named) as error:
        read_config(tmp_path)
    assert error.value.reason in (Reason.FAILED, Reason.MALFORMED)
