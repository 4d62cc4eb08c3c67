"""Whether the gateway that server.toml wants can run, as far as that can be said before it does."""

from __future__ import annotations

from kmip_server.config import Settings


def wrong_with_gateway(settings: Settings) -> list[str]:
    """What keeps it from running, each with what to do; nothing if it is not wanted."""
    from dscc.device.vault import KEY_FILE, FolderError, needs_passphrase
    from dscc.enrolment import read_address
    from dscc.errors import DsccError

    wanted, wrong = settings.dscc, []
    if not wanted.enabled:
        return []
    for name, place in wanted.peers.items():
        try:
            read_address(place)
        except DsccError as error:
            wrong.append(f"dscc.peers.{name}: {error.message}")
    try:
        if needs_passphrase(wanted.folder):
            wrong.append(f"dscc.folder: the device in {wanted.folder} wants a passphrase: enrol it without one")
    except FolderError as error:
        hint = (
            "" if (wanted.folder / KEY_FILE).exists() else f": `dscc enrol {wanted.folder} --code-file CODE` makes it"
        )
        wrong.append(f"dscc.folder: {error.message}{hint}")
    return wrong
