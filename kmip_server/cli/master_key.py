"""The master key as server.toml describes it; a passphrase comes from its file, the terminal or standard input."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from console.output import CommandError, ask_secret

if TYPE_CHECKING:
    from pathlib import Path

    from kmip_server.config import Settings
    from kmip_server.storage.master_key import MasterKey

QUESTION = "Passphrase of the master key"
PASSPHRASE_MODE = 0o027
"""What a passphrase file may not allow. systemd grants its service a credential by a list that shows as group read."""

_MOST_BYTES = 2048


def open_master_key(settings: Settings) -> MasterKey:
    """The master key of a server directory. Asks for the passphrase if there is no file with it.

    Raises MasterKeyError, CommandError.
    """
    from kmip_server.storage import master_key

    configured = settings.master_key
    if configured.provider == "file":
        return master_key.open_key_file(configured.file)
    if configured.passphrase_file is not None:
        passphrase = read_passphrase_file(configured.passphrase_file)
    else:
        passphrase = ask_secret(QUESTION, twice=False).encode()
    return master_key.open_passphrase(configured.file, passphrase)


def read_passphrase_file(path: Path) -> bytes:
    """The first line of a file that others may not read. Raises CommandError, OSError."""
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & PASSPHRASE_MODE:
            raise CommandError(f"the passphrase file {path} has mode {mode:04o}: set it to 0600")
        line = file.readline(_MOST_BYTES).rstrip(b"\r\n")
    if not line:
        raise CommandError(f"the passphrase file {path} is empty")
    return line
