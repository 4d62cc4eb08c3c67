"""Two network namespaces with a cable between them, for software that wants a network of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest

ADDRESSES = ("10.77.0.1", "10.77.0.2")
_numbers = count()


def need(*tools: str, packages: str) -> None:
    """Skip what needs these programs, and say which Debian packages have them."""
    # Debian has some of them where only root looks.
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    lacking = [tool for tool in tools if shutil.which(tool, path=path) is None]
    if lacking:
        pytest.skip(f"not installed: {', '.join(lacking)} (Debian: apt-get install {packages})")


@contextmanager
def two_namespaces() -> Iterator[tuple[str, str]]:
    """Their names; skips where the system makes none (it takes root, and a container may not allow it)."""
    mark = f"{os.getpid():x}{next(_numbers)}"
    names = f"dscc-{mark}a", f"dscc-{mark}b"
    cables = f"d{mark}a", f"d{mark}b"
    try:
        for name in names:
            _ip("netns", "add", name)
        _ip("link", "add", cables[0], "netns", names[0], "type", "veth", "peer", "name", cables[1], "netns", names[1])
        for name, cable, address in zip(names, cables, ADDRESSES, strict=True):
            _ip("-n", name, "address", "add", f"{address}/24", "dev", cable)
            _ip("-n", name, "link", "set", cable, "up")
            _ip("-n", name, "link", "set", "lo", "up")
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        _remove(names)
        said = getattr(error, "stderr", "") or str(error)
        pytest.skip(f"no network namespaces here: {said.strip()}")
    try:
        yield names
    finally:
        _remove(names)


def inside(name: str, *command: str) -> list[str]:
    """A command in a namespace."""
    return ["ip", "netns", "exec", name, *command]


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def _remove(names: tuple[str, str]) -> None:
    if shutil.which("ip"):
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
