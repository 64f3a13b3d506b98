"""Results, for people and for scripts: tables on a terminal, values between tabs elsewhere, or JSON lines."""

import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from rich.table import Table
from rich.text import Text

from mailwright.cli.output import console, errors, print_json
from mailwright.model.page import MAX_PAGE, Page
from mailwright.reply import one_line

Item = TypeVar("Item")
Cells = Sequence[object]


class Fetch(Protocol[Item]):
    """One page of a list."""

    def __call__(self, *, cursor: str, limit: int) -> Awaitable[Page[Item]]: ...


@dataclass(frozen=True, slots=True)
class Listing:
    """How many items of a list, and from where."""

    #: 0: all of them
    limit: int
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class Output:
    as_json: bool = False
    #: says nothing when all went well
    quiet: bool = False

    def confirm(self, value: Mapping[str, object], text: str) -> None:
        """What was done."""
        if not self.quiet:
            self.show(value, [text])

    def secret(self, value: Mapping[str, object], secret: str, text: str) -> None:
        """What is shown this once: alone when it is quiet, for scripts."""
        if self.as_json:
            print_json(value)
        elif self.quiet:
            sys.stdout.write(secret + "\n")
        else:
            self.show(value, [f"{text}: {secret}", "It is shown this once: keep it now."])

    def show(self, value: Mapping[str, object], lines: Iterable[str]) -> None:
        """What was asked for."""
        if self.as_json:
            print_json(value)
            return
        for line in lines:
            console.print(Text(one_line(line)))

    def details(self, value: Mapping[str, object], pairs: Iterable[tuple[str, object]]) -> None:
        """One thing with its parts; those that are empty are left out."""
        told = [(name, text) for name, part in pairs if (text := cell(part))]
        width = max((len(name) for name, _ in told), default=0)
        self.show(value, [f"{name:<{width}}  {text}" for name, text in told])

    async def listed(
        self,
        fetch: Fetch[Item],
        listing: Listing,
        columns: Sequence[str],
        cells: Callable[[Item], Cells],
        to_json: Callable[[Item], Mapping[str, object]],
    ) -> None:
        """Page after page. JSON lines and values between tabs are printed as they come."""
        table = _table(columns) if console.is_terminal and not self.as_json else None
        cursor, left = listing.cursor, listing.limit
        while True:
            page = await fetch(cursor=cursor, limit=min(left, MAX_PAGE) if listing.limit else MAX_PAGE)
            for item in page.items:
                self._row(table, cells(item), to_json(item))
            cursor, left = page.next_cursor, left - len(page.items)
            # A list that can be followed has a cursor at its end too.
            if not cursor or not page.items or (listing.limit and left <= 0):
                break
        if table is not None and table.row_count:
            console.print(table)
        if cursor and listing.limit and left <= 0 and errors.is_terminal:
            errors.print(f"There may be more: --cursor {cursor}, or --limit 0 for all")

    def _row(self, table: Table | None, cells: Cells, value: Mapping[str, object]) -> None:
        if self.as_json:
            print_json(value)
        elif table is not None:
            table.add_row(*(Text(cell(part)) for part in cells))
        else:
            sys.stdout.write("\t".join(cell(part) for part in cells) + "\n")

    def rows(self, columns: Sequence[str], rows: Iterable[tuple[Cells, Mapping[str, object]]]) -> None:
        """A list that is there already."""
        table = _table(columns) if console.is_terminal and not self.as_json else None
        for cells, value in rows:
            self._row(table, cells, value)
        if table is not None:
            console.print(table)


def cell(value: object) -> str:
    """For people, on one line, harmless to a terminal."""
    match value:
        case None | "":
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return f"{value.astimezone():%Y-%m-%d %H:%M:%S}"
        case str():
            return one_line(value).replace("\t", " ")
        case Mapping():
            return one_line(", ".join(f"{name}={cell(part)}" for name, part in value.items()))
        case Sequence() | frozenset():
            return ", ".join(cell(part) for part in value)
        case _:
            return one_line(str(value))


def _table(columns: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, overflow="fold")
    return table
