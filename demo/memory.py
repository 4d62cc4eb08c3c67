"""What is in the memory of a process, so that it can be searched."""

from __future__ import annotations

from pathlib import Path

from demo.processes import Running


def memory_of(running: Running) -> bytes | None:
    """All that its processes can write to; None where the system does not give it to us."""
    if running.process is None:
        return b""
    found = []
    try:
        for pid in _family(running.process.pid):
            with Path(f"/proc/{pid}/mem").open("rb") as memory:
                for begin, end in _writable(pid):
                    memory.seek(begin)
                    found.append(memory.read(end - begin))
    except OSError:
        return None
    return b"\0".join(found)


def _family(pid: int) -> list[int]:
    """A process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in _family(int(child)))]


def _writable(pid: int) -> list[tuple[int, int]]:
    """From where to where its writable memory goes; not what belongs to devices."""
    ranges = []
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        where, mode, *rest = line.split()
        if mode.startswith("rw") and not (rest[3:] and rest[3].startswith("/dev/")):
            begin, end = (int(edge, 16) for edge in where.split("-"))
            ranges.append((begin, end))
    return ranges
