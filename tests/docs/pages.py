"""Reading the Markdown of this project: tables, fenced blocks, headings and links. Only what our pages use."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_ROW = re.compile(r"\|(?P<cells>.*)\|\s*\Z")
_RULE = re.compile(r"[|:\- ]+\Z")
_CELL_END = re.compile(r"(?<!\\)\|")
_FENCE = re.compile(r"(?P<indent> *)```(?P<language>[\w-]*)\s*\Z")
_DIRECTIVE = re.compile(r"<!-- (?P<name>[a-z ]+): (?P<value>.+) -->\Z")
_HEADING = re.compile(r"#{1,6} (?P<text>.+)\Z")
_LINK = re.compile(r"(?<!!)\[(?:[^\[\]]|\[[^\[\]]*\])+\]\((?P<target>[^()\s]+)\)")
_CODE = re.compile(r"`[^`]*`")


def pages() -> list[Path]:
    return sorted([ROOT / "README.md", *DOCS.rglob("*.md")])


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def table_rows(text: str) -> Iterator[list[str]]:
    """The cells of every table row of a page, rules and header rows left out."""
    lines = text.splitlines()
    for index, line in enumerate(lines):
        row = _ROW.match(line)
        if row is None or _RULE.match(line):
            continue
        if index + 1 < len(lines) and _RULE.match(lines[index + 1]) and lines[index + 1].startswith("|"):
            continue
        yield [cell.strip() for cell in _CELL_END.split(row["cells"])]


@dataclass(frozen=True)
class Block:
    """A fenced block, with the `<!-- name: value -->` lines right above it."""

    page: Path
    line: int
    language: str
    text: str
    directives: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return f"{name_of(self.page)}:{self.line}"

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.directives if key == name]


def blocks(page: Path) -> Iterator[Block]:
    lines = iter(enumerate(page.read_text().splitlines(), 1))
    directives: list[tuple[str, str]] = []
    for number, line in lines:
        if directive := _DIRECTIVE.match(line.strip()):
            directives.append((directive["name"], directive["value"]))
        elif fence := _FENCE.match(line):
            body: list[str] = []
            for _, inner in lines:
                if inner.strip() == "```":
                    break
                body.append(inner.removeprefix(fence["indent"]))
            yield Block(page, number, fence["language"], "\n".join(body) + "\n", tuple(directives))
            directives = []
        elif line.strip():
            directives = []


def _prose(text: str) -> Iterator[str]:
    fenced = False
    for line in text.splitlines():
        if line.strip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield line


def anchors(text: str) -> set[str]:
    """The anchors that the headings of a page get, made as code hosts make them."""
    headings = (_HEADING.match(line) for line in _prose(text))
    return {re.sub(r"[^\w\- ]", "", heading["text"].lower()).replace(" ", "-") for heading in headings if heading}


def links(text: str) -> Iterator[str]:
    for line in _prose(text):
        # Brackets in code are code: `results[0](1)` links nowhere. The text of a link may be code, though.
        masked = _CODE.sub(lambda code: "x" * len(code[0]), line)
        for link in _LINK.finditer(masked):
            yield line[link.start("target") : link.end("target")]
