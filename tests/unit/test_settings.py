"""Settings come from the environment, in any usual spelling, and a wrong one is named."""

import pytest

from mailwright import InvalidSetting, Mailwright
from mailwright.settings import Settings, effective_settings, read_settings


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


# The file, and what wins over what.


@pytest.fixture(autouse=True)
def empty_directory(tmp_path, monkeypatch):
    """Where nobody left a file with settings."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def origins(**arguments) -> dict[str, tuple[object, str]]:
    return {one.name: (one.value, one.origin) for one in effective_settings(**arguments)}


def test_options_win_over_the_environment_that_over_the_file_and_that_over_the_defaults(monkeypatch, empty_directory):
    file = empty_directory / "own.toml"
    file.write_text('host = "127.0.0.2"\nport = 1\nehlo_name = "file.example"\nroles = ["api", "timer"]\n')
    monkeypatch.setenv("MAILWRIGHT_HOST", "127.0.0.3")
    monkeypatch.setenv("mailwright_port", "2")
    settings = read_settings(flags={"port": 3, "data": None}, file=file)
    assert (settings.port, settings.host, settings.ehlo_name) == (3, "127.0.0.3", "file.example")
    found = origins(flags={"port": 3, "data": None}, file=file)
    assert found["port"] == (3, "--port")
    assert found["host"] == ("127.0.0.3", "MAILWRIGHT_HOST")
    assert found["roles"] == (["api", "timer"], str(file))
    assert found["data"] == ("mailwright-data", "default")
    assert set(found) == set(Settings.model_fields)


def test_a_file_is_found_where_it_is_named_here_or_in_the_data_directory(monkeypatch, empty_directory):
    def write(path, name):
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'ehlo_name = "{name}"\n')

    write(empty_directory / "elsewhere" / "mailwright.toml", "data.example")
    assert read_settings(flags={"data": empty_directory / "elsewhere"}).ehlo_name == "data.example"
    assert read_settings().ehlo_name == ""
    write(empty_directory / "mailwright.toml", "here.example")
    assert read_settings(flags={"data": empty_directory / "elsewhere"}).ehlo_name == "here.example"
    write(empty_directory / "named.toml", "named.example")
    monkeypatch.setenv("MAILWRIGHT_CONFIG", "named.toml")
    assert read_settings().ehlo_name == "named.example"
    with pytest.raises(InvalidSetting, match=r"missing\.toml"):
        read_settings(file="missing.toml")


def test_a_file_that_others_may_write_is_not_obeyed_unless_it_is_named(empty_directory):
    file = empty_directory / "mailwright.toml"
    file.write_text('keys_command = "steal"\n')
    file.chmod(0o666)
    with pytest.raises(InvalidSetting) as caught:
        read_settings()
    assert caught.value.field == "config"
    assert read_settings(file=file).keys_command == "steal"


@pytest.mark.parametrize(
    ("text", "field", "told"),
    [
        ("pubic_url = 'x'", "pubic_url", "public_url"),
        ("dial-allow = []", "dial-allow", "dial_allow"),
        ("[service]\nport = 1", "service", "mailwright config"),
        ("port = 'many'", "port", "own.toml"),
        ("port = ", "config", ""),
    ],
)
def test_what_is_wrong_in_a_file_is_named_with_what_to_do(empty_directory, text, field, told):
    file = empty_directory / "own.toml"
    file.write_text(text)
    with pytest.raises(InvalidSetting) as caught:
        read_settings(file=file)
    assert caught.value.field == field
    assert told in caught.value.hint


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://mail:p@ss/w:d?#@db.example.org/mail", "postgresql://mail:***@db.example.org/mail"),
        (
            "postgresql://mail@db.example.org/mail?password=x&a=1",
            "postgresql://mail@db.example.org/mail?password=***&a=1",
        ),
        ("sqlite:////var/lib/mail.db", "sqlite:////var/lib/mail.db"),
    ],
)
def test_passwords_of_the_database_and_keys_are_never_shown(monkeypatch, url, shown):
    monkeypatch.setenv("MAILWRIGHT_DATABASE", url)
    monkeypatch.setenv("MAILWRIGHT_KEYS", "k:secret")
    found = origins()
    assert found["database"][0] == shown
    assert found["keys"] == ("***", "MAILWRIGHT_KEYS")
