"""Placeholders: what they stand for, what they leave alone, what they cannot do."""

import pytest
from hypothesis import given, strategies as st

from mailwright import InvalidInput
from mailwright.cli.templates import Template

ROW = {"name": "Ann <b> & Co", "full name": "Ann B.", "x-1": "7", "empty": ""}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("Dear {full name}, {x-1}{empty}!", "Dear Ann B., 7!"),
        ("{{name}} and {name}", "{name} and Ann <b> & Co"),
        ("p {color: red} {} { name } {1}", "p {color: red} {} { name } {1}"),
        ("{{{name}}}", "{Ann <b> & Co}"),
    ],
)
def test_a_column_in_braces_is_what_the_row_has_there(text, filled):
    assert Template(text=text).filled(ROW).text == filled


def test_what_stands_in_html_is_escaped_and_what_stands_in_a_subject_has_one_line():
    filled = Template("For {name}", "{name}", "<p title='{name}'>{name}</p>").filled({"name": "a'<\r\nBcc: x"})
    assert filled == (
        "For a'< Bcc: x",
        "a'<\r\nBcc: x",
        "<p title='a&#x27;&lt;\r\nBcc: x'>a&#x27;&lt;\r\nBcc: x</p>",
    )


@given(st.dictionaries(st.sampled_from(["name", "code"]), st.text(), min_size=2), st.text())
def test_what_a_row_has_is_never_a_placeholder_itself(row, rest):
    quoted = rest.replace("{", "{{").replace("}", "}}")
    assert Template(text="{name}" + quoted + "{code}").filled(row).text == row["name"] + rest + row["code"]


def test_a_name_that_is_mistyped_is_named_with_those_there_are():
    with pytest.raises(InvalidInput) as caught:
        Template("x", "{nmae}").check(["name", "to"])
    assert caught.value.field == "text"
    assert "name, to" in caught.value.hint
    Template("x", "{name} {{nmae}}", None).check(["name"])
