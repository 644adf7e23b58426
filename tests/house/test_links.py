"""Links in the documentation lead to files that are there, and to headings in them."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted(
    page
    for folder in ("", "docs", "docs/transforms", "examples/transforms", "plugins", "systemd")
    for page in (REPOSITORY / folder).glob("*.md")
)

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def links(page: Path) -> Iterator[str]:
    """Where a page links to, but for other sites."""
    text = _CODE.sub("", page.read_text("utf-8"))
    return (target for target in _LINK.findall(text) if "://" not in target)


def anchors(page: Path) -> set[str]:
    """What the headings of a page are called in links, as GitHub makes it: two that are alike do not occur."""
    headings = _HEADING.findall(_CODE.sub("", page.read_text("utf-8")))
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in links(page):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_there_are_pages_with_links_and_anchors() -> None:
    targets = [target for page in PAGES for target in links(page)]
    assert len(targets) > 40
    assert sum("#" in target for target in targets) > 5
