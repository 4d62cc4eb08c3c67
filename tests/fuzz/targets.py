"""What bytes from anybody are fed to: each target raises DsccError, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any, Final

from parties import NODES, TUNNEL, chains, nonce, token

from dscc import group
from dscc.agreement import Limits
from dscc.direct_messages import D1, D2, D3, D4, Subset
from dscc.enrolment import ENROL, STEP, read_enrolment, read_step
from dscc.errors import DsccError
from dscc.keyfill import DeviceKeyfill, KeyfillMode, NodeKeyfill
from dscc.messages import M1, M2, M3, M4, R1, R2, R3, R4, T1, T2, T3, T4, ShareResponse
from dscc.pairwise import Initiator, Responder
from dscc.primitives import S384
from dscc.registration import DeviceRegistration, Mode, NodeRegistration
from dscc.session import DeviceHandshake, NodeHandshake
from dscc.wire import FrameReader, decode, encode


def frames(data: bytes) -> None:
    """The reader of frames, fed in two pieces."""
    reader = FrameReader()
    for part in (data[: len(data) // 2], data[len(data) // 2 :]):
        for frame in reader.feed(part):
            message(frame.body)


def message(data: bytes) -> None:
    """The decoder: what it reads, it writes as it read it."""
    said = decode(data)
    assert decode(encode(said)) == said


def machine(data: bytes) -> None:
    """Every state machine, in the middle of its work: a message arrives that is whatever it is."""
    said = decode(data)
    handlers: dict[type, Callable[[Any], object]] = {
        R1: lambda said: NodeRegistration(token(), said, nonce(), None),
        R2: lambda said: DeviceRegistration("d", "n", Mode.QKEY, token(), nonce()).on_r2(said),
        R3: lambda said: _registration()[1].on_r3(said, "bootstrap"),
        R4: lambda said: _registration()[0].on_r4(said),
        M1: lambda said: NodeHandshake(_chain(), said, nonce()),
        M2: lambda said: DeviceHandshake("d", "n", _chain(), nonce()).on_m2(said),
        M3: lambda said: NodeHandshake(_chain(), _m1(), nonce()).on_m3(said, _chain()),
        M4: lambda said: DeviceHandshake("d", "n", _chain(), nonce()).on_m4(said),
        T1: _t1,
        T2: lambda said: DeviceKeyfill(_chain(), "s", nonce()).on_t2(said, KeyfillMode.PLAIN),
        T3: lambda said: _grants().on_t3(said, _chain()),
        T4: lambda said: DeviceKeyfill(_chain(), "s", nonce()).on_t4(said),
        D1: lambda said: Responder(said.responder, said, nonce(), limits=Limits(), chains={}, nodes=NODES),
        D2: lambda said: _pair()[0].on_d2(said),
        D3: lambda said: _pair()[1].on_d3(said),
        D4: lambda said: _pair()[0].on_d4(said),
        Subset: lambda said: _pair()[0].on_subset(said),
        ShareResponse: lambda said: _pair()[1].on_share("n1", said),
    }
    handle = handlers.get(type(said))
    if handle is not None:
        handle(said)


def seed(data: bytes) -> None:
    """What a member of a group opens in its box, or in the box of all."""
    for present in (None, _epoch()):
        with suppress(DsccError):
            group.accept_seed(S384, "b", data, present, "plant", leader="a")
    group.accept_joined("b", data, _epoch())


def box(data: bytes) -> None:
    """A group's box."""
    group.rekeying_box(_epoch()).open(data)


def codes(data: bytes) -> None:
    """What somebody scanned or typed in: a code to enrol by, or one for a step."""
    text = data.decode("latin-1")
    for read, prefix in ((read_enrolment, ENROL), (read_step, STEP)):
        for each in (text, f"{prefix}?{text}"):
            with suppress(DsccError):
                assert read(read(each).text()) == read(each)


TARGETS: Final = (frames, message, machine, seed, box, codes)


@cache
def _chain() -> Any:
    return chains()[0]


@cache
def _m1() -> M1:
    return DeviceHandshake("d", "n", _chain(), nonce()).m1


def _t1(said: T1) -> object:
    return NodeKeyfill(
        _chain(), said, stage="s", mode=KeyfillMode.PLAIN, workflow="w", approval=bytes(32), nonce=nonce()
    )


def _grants() -> NodeKeyfill:
    asks = DeviceKeyfill(_chain(), "s", nonce())
    return NodeKeyfill(
        _chain(), asks.t1, stage="s", mode=KeyfillMode.PLAIN, workflow="w", approval=bytes(32), nonce=nonce()
    )


def _registration() -> tuple[DeviceRegistration, NodeRegistration]:
    given = token()
    device = DeviceRegistration("d", "n", Mode.QKEY, given, nonce())
    node = NodeRegistration(given, device.r1, nonce(), None)
    device.on_r2(node.r2)
    return device, node


def _pair() -> tuple[Initiator, Responder]:
    first = Initiator("a", "b", TUNNEL, NODES, nonce(), limits=Limits(), chains={})
    return first, Responder("b", first.d1, nonce(), limits=Limits(), chains={}, nodes=NODES)


@cache
def _epoch() -> group.Epoch:
    return group.Epoch(S384, "plant", 1, ("a", "b", "c"), bytes(48), bytes(48))
