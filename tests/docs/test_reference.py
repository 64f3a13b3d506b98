"""What the reference says is what the code says; what is public and not explained fails here."""

import re

import pytest

import mailwright
from mailwright.cli.exit_codes import ExitCode
from scripts import docs
from tests.docs.pages import DOCS, name_of, pages

REFERENCE = DOCS / "reference"


def generated_parts() -> list[tuple[str, str]]:
    found = re.findall(r"<!-- generated: ([a-z-]+)(?: ([^>]+?))? -->", "".join(page.read_text() for page in pages()))
    return [(name, argument) for name, argument in found]


def test_the_generated_parts_are_what_the_code_gives_now() -> None:
    stale = [name_of(page) for page in pages() if docs.regenerated(page.read_text()) != page.read_text()]
    assert stale == [], "run ./run docs"


def test_every_generator_is_used_and_every_generated_part_is_closed() -> None:
    parts = generated_parts()
    assert {name for name, _ in parts} == set(docs.MAKERS)
    assert len(parts) == sum(page.read_text().count("<!-- end -->") for page in pages())


def test_every_sentence_for_readers_is_used() -> None:
    shown = "".join(page.read_text() for page in pages())
    unused = [
        f"{owner}.{name}"
        for owner, sentences in docs.SENTENCES.items()
        for name, sentence in sentences.items()
        if f"| {sentence} |" not in shown
    ]
    assert unused == []


def test_every_public_name_of_the_library_is_in_the_reference() -> None:
    shown = (REFERENCE / "library.md").read_text() + (REFERENCE / "errors.md").read_text()
    assert [name for name in mailwright.__all__ if f"| `{name}` |" not in shown] == []


def test_every_command_of_the_command_line_is_in_the_reference() -> None:
    assert {argument for name, argument in generated_parts() if name == "options"} == set(docs.commands())


def test_every_option_is_in_the_reference() -> None:
    shown = (REFERENCE / "command-line.md").read_text()
    options = [option.opts[0] for command in docs.commands().values() for option in command.params]
    assert len(options) > 50
    assert [option for option in options if f"| `{option}`" not in shown] == []


def test_every_exit_code_is_in_the_reference() -> None:
    shown = (REFERENCE / "exit-codes.md").read_text()
    assert [code for code in ExitCode if f"| `{code.value}` |" not in shown] == []


def test_every_setting_is_in_the_reference_with_its_environment_name() -> None:
    shown = (REFERENCE / "settings.md").read_text()
    names = [f"| `{name}` | `MAILWRIGHT_{name.upper()}` |" for name in mailwright.Settings.model_fields]
    assert [name for name in names if name not in shown] == []


def test_every_error_can_be_imported_from_the_library_and_has_its_own_code() -> None:
    kinds = docs.error_classes()
    assert [kind.__name__ for kind in kinds if kind.__name__ not in mailwright.__all__] == []
    assert len({kind.code for kind in kinds}) == len(kinds)


def test_a_public_field_without_a_sentence_fails() -> None:
    with pytest.raises(docs.Undocumented, match=r"Reply\.nothing: write a #: comment"):
        docs._sentence("Reply", "nothing", "")


def test_a_sentence_that_the_code_has_itself_fails() -> None:
    with pytest.raises(docs.Undocumented, match=r"Reply\.code explains itself"):
        docs._sentence("Reply", "code", "the three digits")


def test_only_the_generated_parts_of_a_page_are_touched() -> None:
    page = "before\n<!-- generated: quirks -->\nold\n<!-- end -->\nafter | `x` |\n"
    made = docs.regenerated(page)
    assert made.startswith("before\n<!-- generated: quirks -->\n\n| quirk |")
    assert made.endswith("|\n\n<!-- end -->\nafter | `x` |\n")
    assert "old" not in made
    assert docs.regenerated(made) == made
