"""kmip-server doctor: what is wrong with a server directory or its machine, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

import typer

from console.output import Json, print_json, print_table, progress
from kmip_server.cli.accounts import Directory


def doctor(directory: Directory, as_json: Json = False) -> None:
    """Check file modes, certificates, policies, database, master key, clock and ports; change nothing.

    The server may run meanwhile; then its TLS is tried, too. The exit code is 1 if a check fails.

    Example: kmip-server doctor /var/lib/kmip
    """
    from kmip_server.cli.diagnosis import Finding, Outcome, examine
    from kmip_server.config import ConfigurationError, Settings

    findings: list[Finding] = []
    with progress("Looking ..."):
        try:
            findings.extend(examine(Settings.load(directory), datetime.now(UTC)))
        except ConfigurationError as error:
            findings.append(Finding("configuration", Outcome.FAIL, str(error)))
    if as_json:
        print_json([{**asdict(finding), "outcome": finding.outcome.value} for finding in findings])
    else:
        rows = ((finding.outcome.value, finding.subject, finding.detail) for finding in findings)
        print_table(("", "What", "Finding"), rows, {"ok": "green", "warn": "yellow", "fail": "bold red"})
    if any(finding.outcome is Outcome.FAIL for finding in findings):
        raise typer.Exit(1)
