"""What README and docs/ say about the project's own files and tables."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kmip_server.operations import load_all
from kmip_server.operations.registry import REGISTRY

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", document.read_text()):
        place, _, anchor = link.partition("#")
        target = (document.parent / place).resolve() if place else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_that_is_named_exists(document: Path) -> None:
    tests = {path.name for path in (ROOT / "tests").rglob("*.py")}
    text = document.read_text()
    for name in re.findall(r"`((?:tests|kmip_server|policy|config)/[\w/.]*[\w/])`", text):
        assert (ROOT / name).exists(), name
    for name in re.findall(r"\btest_\w+\.py\b", text):
        assert name in tests, name


def test_the_readme_lists_the_operations_of_the_server() -> None:
    load_all()
    text = (ROOT / "README.md").read_text()
    rows = re.findall(r"^\| (?:Operations )?since ([0-9.]+) \| (.+) \|$", text, re.MULTILINE)
    documented = {(since, title) for since, titles in rows for title in titles.split(", ")}
    assert documented == {(str(spec.since), code.title) for code, spec in REGISTRY.items()}
