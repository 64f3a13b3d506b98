"""The lines of a file as messages: CSV rows and JSON objects for a template, or whole submissions."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import msgspec

from mailwright.cli.templates import Template
from mailwright.connector.calls import Submission
from mailwright.errors import InvalidInput
from mailwright.model.message import Message
from mailwright.model.outbox import SendOptions
from mailwright.wire.bulk import LineReader
from mailwright.wire.problem import misfit

#: how the column of recipients may be called, and that of their names
_TO = ("to", "email", "e-mail", "mail", "address", "recipient")
_NAME = ("name", "full name", "full_name")
_MAX_FIELD = 16 * 1024 * 1024


class Line(NamedTuple):
    #: in the file, the first is 1
    number: int
    content: Mapping[str, str] | str | InvalidInput


@dataclass(frozen=True, slots=True)
class Mailing:
    """What all messages have in common, and which columns say who gets one."""

    #: None: every line is a whole submission
    template: Template | None
    #: without recipients; subject, text and HTML come from the template
    message: Message
    options: SendOptions
    to_column: str = ""
    name_column: str = ""
    #: each line has this key and its number: the same file sent twice is sent once
    key: str = ""


def lines_of(path: Path, text: str) -> Iterator[Line]:
    """Rows of a `.csv` or `.tsv` by their columns; of every other file the lines."""
    if path.suffix.lower() in (".csv", ".tsv"):
        yield from _rows(text, "\t" if path.suffix.lower() == ".tsv" else "")
        return
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        if line.strip():
            yield Line(number, line)


def columns_of(path: Path, text: str, to_column: str) -> list[str]:
    """Those of the first row or object, among them the one of the recipients: without it no line makes sense."""
    first = next(lines_of(path, text), None)
    if first is None:
        raise InvalidInput("the file has no lines", field="file")
    row = _row(first.content)
    if to_column and to_column not in row:
        raise InvalidInput(f"there is no column {to_column!r}", field="to_column", hint=f"there are {', '.join(row)}")
    if not to_column and not _column(row, _TO):
        hint = f"call it `to`, or give --to-column; there are {', '.join(row)}"
        raise InvalidInput("there is no column of recipients", field="to_column", hint=hint)
    return list(row)


class Reader:
    def __init__(self, mailing: Mailing) -> None:
        self._mailing = mailing
        self._whole = LineReader()

    def read(self, line: Line) -> Submission | InvalidInput | None:
        """None for a line that says what the others have in common."""
        try:
            found = self._submission(line)
        except InvalidInput as error:
            return error
        mailing = self._mailing
        if found is None or not mailing.key or found.options.idempotency_key:
            return found
        return replace(found, options=replace(found.options, idempotency_key=f"{mailing.key}/{line.number}"))

    def _submission(self, line: Line) -> Submission | None:
        if isinstance(line.content, InvalidInput):
            raise line.content
        template = self._mailing.template
        if template is not None:
            return self._from_row(template, _row(line.content))
        if not isinstance(line.content, str):
            raise InvalidInput("a row needs a message", field="message", hint="give --subject and --text, or --message")
        return self._from_object(line.content)

    def _from_row(self, template: Template, row: Mapping[str, str]) -> Submission:
        mailing = self._mailing
        to = row.get(mailing.to_column or _column(row, _TO), "").strip()
        name = row.get(mailing.name_column or _column(row, _NAME), "").strip()
        if not to:
            raise InvalidInput("the line has no recipient", field="to")
        filled = template.filled(row)
        message = mailing.message.changed(
            to=[{"address": to, "name": name}] if name else to,
            subject=filled.subject,
            text=filled.text,
            html=filled.html,
        )
        return Submission(message, mailing.options)

    def _from_object(self, text: str) -> Submission | None:
        try:
            found = self._whole.read(text.encode())
        except msgspec.ValidationError as error:
            wrong = misfit(str(error))
            raise InvalidInput(wrong.message, field=wrong.field) from None
        except (msgspec.DecodeError, RecursionError) as error:
            raise InvalidInput(f"the line is not JSON: {error}") from None
        # Options of the command line are for lines that say nothing of their own.
        return replace(found, options=self._mailing.options) if found and found.options == SendOptions() else found


def _rows(text: str, delimiter: str) -> Iterator[Line]:
    csv.field_size_limit(_MAX_FIELD)
    content = text.removeprefix("\ufeff")
    if not delimiter:
        # What spreadsheets of many countries write.
        head = content.partition("\n")[0]
        delimiter = ";" if head.count(";") > head.count(",") else ","
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
    names: list[str] = []
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if not names:
                names = [name.strip() for name in row]
            elif len(row) != len(names):
                wrong = InvalidInput(f"the row has {len(row)} cells, the head line has {len(names)}")
                yield Line(reader.line_num, wrong)
            else:
                yield Line(reader.line_num, dict(zip(names, row, strict=True)))
    except csv.Error as error:
        # Where the next row begins nobody can tell.
        yield Line(reader.line_num, InvalidInput(f"the rest of the file is no CSV: {error}"))


def _row(content: Mapping[str, str] | str | InvalidInput) -> Mapping[str, str]:
    if isinstance(content, InvalidInput):
        raise content
    if not isinstance(content, str):
        return content
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the line is not JSON: {error}") from None
    if not isinstance(value, dict) or any(isinstance(part, dict | list) for part in value.values()):
        raise InvalidInput("a line is a JSON object of texts and numbers")
    return {
        name: "" if part is None else part if isinstance(part, str) else json.dumps(part)
        for name, part in value.items()
    }


def _column(row: Mapping[str, str], known: tuple[str, ...]) -> str:
    return next((name for name in row if name.strip().lower() in known), "")
