"""`mailwright serve` as a process, the commands for its store, and the settings."""

import json
import os
import signal
import socket
import sqlite3
import stat
import urllib.request

import pytest

from mailwright import Account, Message, Outgoing, errors
from mailwright.client import MailwrightClient
from mailwright.connector.calls import AccountSettings
from tests.edges.command_line import environment, mail_server, program, run


def test_the_token_of_the_first_start_is_shown_once_and_works(tmp_path):
    data = ["--data", str(tmp_path / "data"), "--port", "0", "--json"]
    with program("serve", *data) as first:
        token = first.until("first_start")["token"]
        url = first.until("ready")["url"]
        with urllib.request.urlopen(f"{url}/health") as health:
            assert (health.status, health.read()) == (200, b"")
        assert run("tokens", "list", "--url", url, "--token", token).code == 0
        assert first.stop()[0] == 0
    with program("serve", *data) as second:
        second.until("ready")
        assert [line["event"] for line in second.lines] == ["ready"]
        code, said = second.stop(signal.SIGINT)
    assert (code, said.count("Traceback")) == (0, 0)
    assert said.startswith("Stopping: ")
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_people_cannot_overlook_the_token_of_the_first_start(tmp_path):
    with program("serve", "--data", str(tmp_path), "--port", "0") as running:
        said = []
        for line in running.process.stdout:
            said.append(line)
            if line.startswith("Mailwright listens at http://127.0.0.1:"):
                break
        assert "=" * 60 in "".join(said)
        assert "      mw_" in "".join(said)
        assert running.stop()[0] == 0


def test_what_is_under_way_ends_before_the_service_does(tmp_path):
    with (
        mail_server("--fail", "final_dot=slow:1") as mails,
        program("serve", "--data", str(tmp_path), "--port", "0", "--json") as running,
    ):
        token = running.until("first_start")["token"]
        url = running.until("ready")["url"]
        place = ["--url", url, "--token", token]
        server = ["--server", f"127.0.0.1:{mails.port}", "--security", "none"]
        assert run("accounts", "create", "a", "--address", "ann@example.org", *server, *place).code == 0
        queue = ["send", "--queue", "--account", "a", "--to", "bob@example.com", "--text", "x", "--json", *place]
        message = run(*queue).json["id"]
        while run("messages", "show", message, "--json", *place).json["state"] == "queued":
            pass
        assert running.stop()[0] == 0
        shown = run("messages", "show", message, "--json", "--data", str(tmp_path)).json
    assert shown["state"] == "sent"
    assert shown["attempts"] == 1


def test_a_second_signal_ends_it_at_once(tmp_path):
    with (
        mail_server("--fail", "final_dot=silence") as mails,
        program("serve", "--data", str(tmp_path), "--port", "0", "--json", "--drain-seconds", "600") as running,
    ):
        token = running.until("first_start")["token"]
        place = ["--url", running.until("ready")["url"], "--token", token]
        server = ["--server", f"127.0.0.1:{mails.port}", "--security", "none"]
        assert run("accounts", "create", "a", "--address", "ann@example.org", *server, *place).code == 0
        queue = ["send", "--queue", "--account", "a", "--to", "bob@example.com", "--text", "x", "--json", *place]
        message = run(*queue).json["id"]
        while run("messages", "show", message, "--json", *place).json["state"] == "queued":
            pass
        running.process.send_signal(signal.SIGTERM)
        assert running.process.stderr.readline().startswith("Stopping: ")
        assert running.stop(signal.SIGTERM)[0] == 128 + signal.SIGTERM


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "mail.example.org"])
def test_nothing_listens_in_clear_text_where_others_reach_it(host, tmp_path):
    ended = run("serve", "--host", host, "--data", str(tmp_path / "data"), "--json")
    assert (ended.code, ended.json["error"]["field"]) == (2, "host")
    assert "--insecure-listen" in ended.json["error"]["hint"]
    assert not (tmp_path / "data").exists()


def test_it_listens_there_when_that_is_asked_for(tmp_path):
    with program(
        "serve", "--host", "0.0.0.0", "--port", "0", "--data", str(tmp_path), "--insecure-listen", "--json"
    ) as running:
        assert running.until("ready")["url"].startswith("http://0.0.0.0:")
        assert running.stop()[0] == 0


def test_a_port_that_is_taken_is_said_so(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with program("serve", "--port", port, "--data", str(tmp_path), "--json") as running:
            out, err = running.process.communicate(timeout=60)
    assert running.process.returncode == 2
    assert json.loads(out.splitlines()[-1])["error"]["field"] == "port"
    assert "Traceback" not in err


def test_a_node_without_the_api_listens_nowhere(tmp_path):
    with program("serve", "--roles", "courier,timer", "--data", str(tmp_path), "--json") as running:
        assert running.until("ready") == {"event": "ready", "url": "", "roles": ["courier", "timer"]}
        assert running.stop()[0] == 0


def test_a_client_without_async_asks_the_same_service(tmp_path):
    with mail_server() as mails, program("serve", "--data", str(tmp_path), "--port", "0", "--json") as running:
        token = running.until("first_start")["token"]
        url = running.until("ready")["url"]
        account = Account("ann@example.org", Outgoing("127.0.0.1", mails.port, security="none"))
        with MailwrightClient.sync(url, token) as mail:
            assert mail.accounts.create("office", AccountSettings(account)).account == account
            sent = mail.send("office", Message(to="bob@example.com", subject="S", text="x"))
            assert sent.state == "sent"
            assert [event.type for event in mail.messages.story(sent.id)] == ["message.queued", "message.sent"]
            start = mail.events.list(limit=1)
            following = mail.events.stream(cursor=start.next_cursor)
            assert next(following)[1].type == "message.queued"
            following.close()
            assert mail.workspace("default").accounts.get("office").name == "office"
            with pytest.raises(errors.NotFound):
                mail.accounts.get("nobody")
        with pytest.raises(errors.Closed):
            mail.accounts.list()
        assert running.stop()[0] == 0


# The store.


@pytest.fixture
def data(tmp_path):
    place = ["--data", str(tmp_path / "data")]
    assert run("db", "upgrade", *place).code == 0
    made = ["--address", "ann@example.org", "--server", "127.0.0.1:9", "--security", "none"]
    assert run("accounts", "create", "office", *made, "-q", *place)[:2] == (0, "")
    return place


def test_a_backup_is_restored_and_what_came_after_it_is_gone(data, tmp_path):
    copy = str(tmp_path / "copy.db")
    assert run("db", "backup", copy, "-q", *data)[:2] == (0, "")
    assert run("db", "backup", copy, *data).code == 2
    assert run("accounts", "delete", "office", "-q", *data).code == 0
    refused = run("db", "restore", copy, "--json", *data)
    assert (refused.code, refused.json["error"]["code"]) == (2, "already_exists")
    assert run("db", "restore", copy, "--force", *data).code == 0
    assert run("accounts", "list", *data).out.startswith("office\t")


def test_a_database_is_checked_and_a_damaged_one_is_said_so(data, tmp_path):
    fine = run("db", "check", "--json", *data)
    assert (fine.code, fine.json["ok"], fine.json["problems"]) == (0, True, [])
    assert run("db", "check", "-q", *data)[:2] == (0, "")
    with sqlite3.connect(tmp_path / "data" / "mailwright.db") as connection:
        connection.execute("UPDATE schema_version SET version_num = '9999'")
    connection.close()
    newer = run("db", "check", "--json", *data)
    assert (newer.code, newer.json["ok"]) == (1, False)
    assert run("accounts", "list", "--json", *data).json["error"]["code"] == "schema_mismatch"


def test_keys_are_rotated_and_what_was_sealed_still_opens(data, tmp_path):
    (tmp_path / "password").write_text("hunter-2")
    signed = ["--username", "ann", "--password-file", str(tmp_path / "password"), "--allow-clear-text-password"]
    assert run("accounts", "edit", "office", *signed, *data).code == 0
    queue = [
        "send",
        "--queue",
        "--account",
        "office",
        "--to",
        "bob@example.com",
        "--text",
        "body of old",
        "--send-at",
        "2d",
    ]
    message = run(*queue, "--json", *data).json["id"]
    (old,) = run("keys", "list", "--json", *data).lines
    rotated = run("keys", "rotate", "--json", *data)
    # The body is younger than the grace period of the body store: it is left for later, and said so.
    assert rotated.code == 9
    assert (rotated.json["secrets"], rotated.json["secrets_left"]) == (1, 0)
    assert rotated.json["key"] != old["id"]
    assert "keys reseal" in rotated.err
    assert [key["newest"] for key in run("keys", "list", "--json", *data).lines] == [False, True]
    again = run("keys", "reseal", "--json", *data)
    assert again.json["secrets"] == 0
    assert "body of old" in run("messages", "body", message, *data).out
    assert run("accounts", "show", "office", "--json", *data).json["account"]["outgoing"]["password"] == "***"


def test_keys_from_the_environment_are_not_added_to_here(data, tmp_path):
    keys = json.loads((tmp_path / "data" / "keys.json").read_text())["keys"]
    text = ",".join(f"{key['id']}:{key['key']}" for key in keys)
    ended = run("keys", "rotate", "--json", *data, MAILWRIGHT_KEYS=text)
    assert (ended.code, ended.json["error"]["code"]) == (1, "keyring_error")
    assert keys[0]["key"] not in ended.out
    wrong = run("accounts", "list", "--json", *data, MAILWRIGHT_KEYS="other:" + "A" * 43 + "=")
    assert (wrong.code, wrong.json["error"]["code"]) == (1, "keyring_error")


# The settings.


def test_every_setting_is_shown_with_its_origin_and_no_secret(tmp_path):
    (tmp_path / "own.toml").write_text('host = "127.0.0.2"\nport = 1\ntrusted_proxies = ["10.0.0.1"]\n')
    shown = run(
        *["config", "--config", str(tmp_path / "own.toml"), "--port", "8500", "--json"],
        MAILWRIGHT_DATABASE="postgresql://mail:p@ss/wd@db.example.org/mail?sslpassword=hush&x=1",
        MAILWRIGHT_KEYS="k:" + "B" * 43 + "=",
        MAILWRIGHT_HOST="127.0.0.3",
    )
    found = {line["name"]: (line["value"], line["origin"]) for line in shown.lines}
    assert found["port"] == (8500, "--port")
    assert found["host"] == ("127.0.0.3", "MAILWRIGHT_HOST")
    assert found["trusted_proxies"] == (["10.0.0.1"], str(tmp_path / "own.toml"))
    assert found["roles"] == (["api", "courier", "timer"], "default")
    assert found["keys"] == ("***", "MAILWRIGHT_KEYS")
    assert found["database"] == ("postgresql://mail:***@db.example.org/mail?sslpassword=***&x=1", "MAILWRIGHT_DATABASE")
    assert "BBBB" not in shown.out


def test_a_wrong_setting_is_named_with_where_it_comes_from():
    ended = run("config", "--port", "70000", "--json")
    assert (ended.code, ended.json["error"]["field"]) == (2, "port")
    assert "--port" in ended.json["error"]["hint"]
    from_environment = run("serve", "--json", MAILWRIGHT_PORT="many")
    assert "MAILWRIGHT_PORT" in from_environment.json["error"]["hint"]


def test_every_setting_but_the_keys_themselves_is_an_option():
    from mailwright.settings import Settings

    shown = run("serve", "--help").out
    missing = [name for name in Settings.model_fields if f"--{name.replace('_', '-')} " not in shown]
    assert missing == ["keys"]


@pytest.mark.parametrize(
    "group",
    [
        "messages",
        "bulk",
        "accounts",
        "events",
        "webhooks",
        "suppressions",
        "workspaces",
        "tokens",
        "audit",
        "db",
        "keys",
    ],
)
def test_every_group_explains_itself_in_words_that_fit(group):
    narrow = environment(COLUMNS="80")
    ended = run(group, "--help", COLUMNS=narrow["COLUMNS"])
    assert ended.code == 0
    assert max(map(len, ended.out.splitlines())) <= 80
    assert os.linesep in ended.out
