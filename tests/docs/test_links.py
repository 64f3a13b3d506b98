"""No link of the documentation leads nowhere, and no page is out of reach."""

from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT, anchors, links, name_of, pages


def internal(page: Path) -> list[tuple[Path, str, str]]:
    """(target, anchor, link as written) of each link that stays in the repository."""
    found = []
    for link in links(page.read_text()):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        found.append(((page.parent / path).resolve() if path else page, anchor, link))
    return found


def dead(page: Path) -> list[str]:
    return [
        link
        for target, anchor, link in internal(page)
        if not target.exists() or (anchor and anchor not in anchors(target.read_text()))
    ]


def test_every_internal_link_and_anchor_exists() -> None:
    assert {name_of(page): dead(page) for page in pages() if dead(page)} == {}


def test_every_page_can_be_reached_from_the_index() -> None:
    start = DOCS / "index.md"
    reached, waiting = {start}, [start]
    while waiting:
        for target, _, _ in internal(waiting.pop()):
            if target.suffix == ".md" and target.is_file() and target not in reached:
                reached.add(target)
                waiting.append(target)
    assert {name_of(page) for page in DOCS.rglob("*.md") if page not in reached} == set()


def test_the_readme_leads_to_the_index() -> None:
    assert DOCS / "index.md" in {target for target, _, _ in internal(ROOT / "README.md")}


@pytest.mark.parametrize(
    ("link", "alive"),
    [
        ("[a](other.md)", True),
        ("[a](other.md#a-heading-with-code)", True),
        ("[`a`](#here)", True),
        ("[a](https://example.org/x)", True),
        ("[a](missing.md)", False),
        ("[a](other.md#missing)", False),
        ("[a](#missing)", False),
        ("`x[0](missing.md)`", True),
        ("```text\n[a](missing.md)\n```", True),
    ],
)
def test_a_dead_link_is_found_out(link: str, alive: bool, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Here\n\n{link}\n")
    (tmp_path / "other.md").write_text("# A heading: with `code`\n")
    assert (dead(page) == []) == alive
