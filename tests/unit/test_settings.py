"""Settings come from the environment, in any usual spelling, and a wrong one is named."""

import pytest

from mailwright import InvalidSetting, Mailwright
from mailwright.settings import Settings, read_settings


@pytest.mark.parametrize(
    "text", ["10.1.0.0/16,10.2.0.0/16", " 10.1.0.0/16 , 10.2.0.0/16 ,", '["10.1.0.0/16", "10.2.0.0/16"]']
)
def test_several_networks_are_separated_by_commas_or_stand_in_json(monkeypatch, text):
    monkeypatch.setenv("MAILWRIGHT_DIAL_ALLOW", text)
    assert read_settings().dial_allow == ("10.1.0.0/16", "10.2.0.0/16")


@pytest.mark.parametrize("text", ["office", "10.1.0.0/99", '["10.1.0.0/16"', "[1]"])
async def test_a_value_that_cannot_be_used_is_an_error_that_names_the_setting(monkeypatch, text):
    monkeypatch.setenv("MAILWRIGHT_DIAL_REFUSE", text)
    with pytest.raises(InvalidSetting) as caught:
        Mailwright()
    assert caught.value.field == "dial_refuse"


@pytest.mark.parametrize("name", ["a b", "a\r\nMAIL FROM:<>", "ä.example", "-x", "[fe80::1%eth0]"])
def test_a_name_that_ehlo_cannot_say_is_refused_at_the_start(monkeypatch, name):
    monkeypatch.setenv("MAILWRIGHT_EHLO_NAME", name)
    with pytest.raises(InvalidSetting) as caught:
        read_settings()
    assert caught.value.field == "ehlo_name"
    assert caught.value.message == "EHLO takes a domain name or an address literal"


def test_brackets_without_end_are_a_wrong_value_like_any_other(monkeypatch):
    monkeypatch.setenv("MAILWRIGHT_DIAL_ALLOW", "[" * 100_000)
    with pytest.raises(InvalidSetting) as caught:
        read_settings()
    assert caught.value.field == "dial_allow"


def test_settings_given_by_the_program_win_over_the_environment(monkeypatch):
    monkeypatch.setenv("MAILWRIGHT_EHLO_NAME", "env.example")
    assert read_settings().ehlo_name == "env.example"
    assert Settings(ehlo_name="code.example").ehlo_name == "code.example"
