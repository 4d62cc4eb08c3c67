"""The SDK in a Twisted program: on the asyncio reactor, with Deferreds made of its coroutines."""

from __future__ import annotations

import subprocess
import sys

from fleet import Fleet

PROGRAM = """
import asyncio, sys
from twisted.internet import asyncioreactor
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
asyncioreactor.install(loop)
from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from dscc.device import Device

leased = Deferred()

async def told(peer, body):
    return f"{peer}: {body.decode()}".encode()

def deferred(coroutine):
    return Deferred.fromFuture(asyncio.ensure_future(coroutine))

@inlineCallbacks
def run(folders, codes):
    one = yield deferred(Device.enrol(folders[0], codes[0]))
    other = yield deferred(Device.enrol(folders[1], codes[1]))
    address = yield deferred(other.listen())
    key = yield deferred(one.negotiate(other.name, address))
    print(key.trust, other.key_to_protect(one.name).key == key.key)
    other.on_notice = told
    answer = yield deferred(one.notify(other.name, address, b"hello"))
    print(answer == f"{one.name}: hello".encode())
    one.on_lease = lambda until: leased.called or leased.callback(until)
    keeping = asyncio.ensure_future(one.keep_leased())
    until = yield leased
    print(until == one.leased_until > one.clock.now())
    keeping.cancel()
    yield deferred(one.close())
    yield deferred(other.close())

codes = sys.stdin.read().split()
reactor.callWhenRunning(lambda: run(sys.argv[1:3], codes).addErrback(print).addBoth(lambda _: reactor.stop()))
reactor.run()
"""


def test_a_twisted_program_enrols_negotiates_tells_and_is_leased(fleet: Fleet) -> None:
    names = [fleet.name(), fleet.name()]
    said = subprocess.run(
        [sys.executable, "-c", PROGRAM, *[str(fleet.folder / name) for name in names]],
        input="\n".join(fleet.nodes.code(name).strip() for name in names),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert said.stdout == "3 paths, pure True\nTrue\nTrue\n", said.stderr
