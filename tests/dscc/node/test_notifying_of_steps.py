"""People are told of what a device waits for, and of its stages: over the policy's channels, by the node."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from network import network

from dscc.errors import DsccError

POLICY = """
[users]
olga = {{ roles = ["security officer"] }}

[channels]
ops = {{ kind = "syslog", url = "udp://127.0.0.1:{port}" }}

[[notifications]]
events = ["approval-requested", "approval-granted"]
channels = ["ops"]

[workflows.default]
version = 2
stages = [{{ name = "bootstrap" }}, {{ name = "production", notify = ["ops"], approvals = [
    {{ needed = 1, roles = ["security officer"], within = "1h" }},
] }}]
"""


def test_approvers_are_asked_and_a_stage_s_channels_are_told(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as syslog:
        syslog.bind(("127.0.0.1", 0))
        syslog.settimeout(20)
        policy = POLICY.format(port=syslog.getsockname()[1])
        with network(tmp_path, count=1, policy=policy, linked=False) as made:
            device, node = made.enrol("meter"), made.nodes["n1"]
            for _ in range(2):
                with pytest.raises(DsccError):
                    device.advance("n1", "production")
            asked = syslog.recv(8192).decode()
            assert "approval-requested" in asked and "meter: production" in asked
            node.run("device", "approve", "meter", "--as", "olga")
            assert "approval-granted" in syslog.recv(8192).decode()
            device.advance("n1", "production")
            told = syslog.recv(8192).decode()
            assert "device-stage-changed" in told and "meter" in told
            # Asked twice, told once: nothing more is on its way.
            syslog.settimeout(2.5)
            with pytest.raises(TimeoutError):
                syslog.recv(8192)


def test_what_was_not_taken_is_sent_again_after_a_restart(tmp_path: Path) -> None:
    with socket.socket() as gone:
        gone.bind(("127.0.0.1", 0))
        port = gone.getsockname()[1]
    policy = POLICY.format(port=port).replace("udp://", "tcp://")
    with network(tmp_path, count=1, policy=policy, linked=False) as made:
        device, node = made.enrol("meter"), made.nodes["n1"]
        with pytest.raises(DsccError):
            device.advance("n1", "production")
        node.stop()
        with socket.create_server(("127.0.0.1", port)) as receiver:
            receiver.settimeout(30)
            node.start()
            connection, _ = receiver.accept()
            with connection:
                connection.settimeout(10)
                assert b"approval-requested" in connection.recv(8192)
