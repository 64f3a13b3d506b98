"""Lines of files as messages: what spreadsheets write, and what is wrong with one line."""

from pathlib import Path

import pytest

from mailwright import InvalidInput, Message
from mailwright.cli.bulk_rows import Line, Mailing, Reader, columns_of, lines_of
from mailwright.cli.moments import moment_of
from mailwright.cli.templates import Template
from mailwright.connector.calls import Submission
from mailwright.model.outbox import SendOptions, SendPriority

CSV = Path("list.csv")
MAILING = Mailing(Template("S {n}", "T {n}"), Message(), SendOptions(priority=SendPriority.LOW))


def contents(path: Path, text: str) -> list[object]:
    return [line.content for line in lines_of(path, text)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.csv", "to,n\na@example.org,1\n"),
        ("list.csv", "\ufeffto;n\r\na@example.org;1\r\n"),
        ("list.tsv", "to\tn\n\na@example.org\t1"),
        ("list.CSV", 'to,n\n"a@example.org","1"\n\n'),
    ],
)
def test_rows_are_read_as_spreadsheets_of_many_countries_write_them(name, text):
    assert contents(Path(name), text) == [{"to": "a@example.org", "n": "1"}]


def test_a_cell_may_have_several_lines_and_lines_are_counted_as_in_an_editor():
    found = list(lines_of(CSV, 'to,n\na@example.org,"1\n2"\nb@example.org,3\n'))
    assert [line.number for line in found] == [3, 4]
    assert found[0].content == {"to": "a@example.org", "n": "1\n2"}


def test_a_row_of_another_length_is_an_error_in_its_place():
    wrong, right = contents(CSV, "to,n\na@example.org\nb@example.org,2\n")
    assert isinstance(wrong, InvalidInput)
    assert right == {"to": "b@example.org", "n": "2"}


def test_a_quote_that_does_not_end_is_an_error_and_the_rows_before_it_count():
    right, wrong = contents(CSV, 'to,n\na@example.org,1\n"b@example.org,2\n')
    assert right == {"to": "a@example.org", "n": "1"}
    assert isinstance(wrong, InvalidInput)


def test_each_row_is_a_message_with_a_key_of_its_line():
    reader = Reader(Mailing(MAILING.template, Message(), MAILING.options, key="k"))
    found = reader.read(Line(7, {"E-Mail": "a@example.org", "name": "A, B", "n": "1"}))
    assert isinstance(found, Submission)
    assert found.message == Message(to=[{"address": "a@example.org", "name": "A, B"}], subject="S 1", text="T 1")
    assert found.options == SendOptions(priority=SendPriority.LOW, idempotency_key="k/7")


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"to": " ", "n": "1"}, "to"),
        ({"to": "nobody", "n": "1"}, "to"),
        ("{", ""),
        ('{"to": ["a"]}', ""),
        ("[]", ""),
    ],
)
def test_what_is_wrong_with_one_line_is_an_error_of_that_line(content, field):
    found = Reader(MAILING).read(Line(2, content))
    assert isinstance(found, InvalidInput)
    assert found.field == field


def test_a_line_of_json_is_a_row_when_there_is_a_template_and_a_message_when_there_is_none():
    row = Reader(MAILING).read(Line(1, '{"to": "a@example.org", "n": 5, "name": null}'))
    assert isinstance(row, Submission)
    assert row.message == Message(to="a@example.org", subject="S 5", text="T 5")
    whole = Reader(Mailing(None, Message(), SendOptions(), key="k"))
    found = whole.read(Line(1, '{"message": {"to": "a@example.org", "text": "x"}}'))
    assert isinstance(found, Submission)
    assert (found.message, found.options.idempotency_key) == (Message(to="a@example.org", text="x"), "k/1")
    assert whole.read(Line(2, '{"message": {"too": "a@example.org"}}')).field == "message.too"
    assert isinstance(whole.read(Line(3, {"to": "a@example.org"})), InvalidInput)


def test_columns_are_those_of_the_first_line():
    assert columns_of(CSV, "name,email\nA,a@example.org\n", "") == ["name", "email"]
    assert columns_of(Path("-"), '{"who": "a@example.org"}', "who") == ["who"]
    for text, column in (("", ""), ("name\nA\n", ""), ("to\na@example.org\n", "mail")):
        with pytest.raises(InvalidInput):
            columns_of(CSV, text, column)


@pytest.mark.parametrize(
    ("text", "past", "expected"),
    [
        ("90m", False, "2030-01-31T13:30:00+00:00"),
        ("2d", True, "2030-01-29T12:00:00+00:00"),
        ("2030-02-01T09:00:00+01:00", False, "2030-02-01T08:00:00+00:00"),
    ],
)
def test_a_moment_is_a_time_or_a_span(text, past, expected):
    from datetime import UTC, datetime

    now = datetime(2030, 1, 31, 12, tzinfo=UTC)
    assert moment_of(text, "since", now=now, past=past).isoformat() == expected
    assert moment_of("", "since", now=now, past=past) is None
    with pytest.raises(InvalidInput) as caught:
        moment_of("tomorrow", "since", now=now, past=past)
    assert caught.value.field == "since"
