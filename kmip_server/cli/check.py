"""kmip-server check: verify every object, seal, index entry, job and audit record of a store."""

from __future__ import annotations

from contextlib import closing

import typer

from console.output import Json, print_json, printable, progress
from kmip_server.cli.accounts import Directory
from kmip_server.cli.acting import administering


def check(directory: Directory, as_json: Json = False) -> None:
    """Verify the whole store: that every key opens, and that nothing was changed, lost or added behind the server.

    The server may run meanwhile. What is wrong is listed on standard output, and the exit code is 1 then.

    Example: kmip-server check /var/lib/kmip
    """
    from kmip_server.cli.master_key import open_master_key
    from kmip_server.storage.check import check as check_store
    from kmip_server.storage.store import Store

    with (
        administering(directory) as admin,
        closing(Store.open(admin.settings.storage.url, open_master_key(admin.settings))) as store,
        progress("Verifying objects, seals and audit records ..."),
    ):
        findings = check_store(store)
    if as_json:
        print_json({"findings": findings})
    else:
        for finding in findings:
            print(printable(finding))
        print(f"{len(findings)} faults found" if findings else "Everything is in order")
    if findings:
        raise typer.Exit(1)
