"""The papers: README stays short, and no link in any of them leads nowhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAPERS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
MAX_README_LINES = 150


def links(text: str) -> list[str]:
    """Every link and picture of a Markdown text."""
    return re.findall(r"\]\(([^)\s]+)\)", text)


def anchors(text: str) -> set[str]:
    """The anchors that GitHub makes of a text's headings."""
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def test_the_readme_is_short() -> None:
    """A stranger reads README in a minute: it has at most 150 lines."""
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= MAX_README_LINES


@pytest.mark.parametrize("paper", PAPERS, ids=[str(paper.relative_to(ROOT)) for paper in PAPERS])
def test_no_link_leads_nowhere(paper: Path) -> None:
    """Each relative link names a file that exists, and a heading of it where it has an anchor."""
    for link in links(paper.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        file = (paper.parent / name) if name else paper
        assert file.exists(), link
        if anchor:
            assert anchor in anchors(file.read_text(encoding="utf-8")), link


def test_each_change_stands_once_under_its_kind() -> None:
    """A version's entries in CHANGELOG stand under what to do, added, changed or fixed, and none twice."""
    versions = re.split(r"^## .*\n", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)

    assert len(versions) > 1
    for text in versions[1:]:
        before, *kinds = re.split(r"^### (.*)\n", text, flags=re.MULTILINE)
        entries = [line for line in text.splitlines() if line.startswith("* ")]
        assert before.strip() == ""
        assert set(kinds[::2]) <= {"What to do", "Added", "Changed", "Fixed"}
        assert len(entries) == len(set(entries))
