"""How a story is told: its steps, what is seen, and what has to hold, or it ends with exit code 1."""

from __future__ import annotations

import sys

from rich.console import Console

console = Console(highlight=False, soft_wrap=True)


def step(words: str) -> None:
    console.print(f"\n[bold]{words}[/]")


def say(words: str) -> None:
    console.print(f"  {words}")


def holds(what: str, condition: object) -> None:
    """Show that something is so, or end here."""
    if not condition:
        console.print(f"  [red]It does not hold: {what}[/]")
        sys.exit(1)
    console.print(f"  [green]✓[/] {what}")


def shown(key: bytes) -> str:
    """A key as nobody is harmed by seeing it: it is made for this demonstration, and shown in part."""
    return f"{key.hex()[:8]}… ({len(key) * 8} bits)"


def all_holds() -> None:
    """The end."""
    console.print("\n[bold green]All of it holds.[/]")
