"""What tests of Notify and Put share."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.announcing import (
    AUTHORITY,
    Announcer,
    files,
)
from support.engine import MakeEngine

from kmip_server.identity.pki import issue_client


@pytest.fixture
def announcer(make_engine: MakeEngine, tmp_path: Path) -> Announcer:
    return Announcer(make_engine(), tmp_path, files(tmp_path / "shown", issue_client(AUTHORITY, "notifier")))
