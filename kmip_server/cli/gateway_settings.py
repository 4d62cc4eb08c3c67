"""Whether the gateway that server.toml wants can run, as far as that can be said before it does."""

from __future__ import annotations

from kmip_server.config import Settings


def wrong_with_gateway(settings: Settings) -> list[str]:
    """What keeps it from running, each with what to do; nothing if it is not wanted."""
    if not settings.dscc.enabled:
        # A worker has none of what follows in its memory then.
        return []

    from dscc.device.vault import KEY_FILE, FolderError, needs_passphrase
    from dscc.enrolment import read_address
    from dscc.errors import DsccError

    wanted, wrong = settings.dscc, []
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


def wrong_with_etsi014(settings: Settings) -> list[str]:
    """The same of the delivery of keys by ETSI GS QKD 014."""
    wanted, wrong = settings.etsi014, []
    if not wanted.enabled:
        return []
    if not settings.server.https:
        wrong.append("etsi014.enabled: keys are delivered on the HTTPS port, so server.https has to be true, too")
    unknown = sorted(set(wanted.saes.values()) - set(settings.dscc.peers))
    if unknown:
        wrong.append(
            f"etsi014.saes: an SAE is at another site, and dscc.peers does not have {', '.join(unknown)};"
            " SAEs at this site itself are its clients, and are not listed"
        )
    return wrong
