"""What a device runs: the SDK (`Device`), the agent, and their commands."""

from dscc.device.device import Device
from dscc.device.keys import Key

__all__ = ["Device", "Key"]
