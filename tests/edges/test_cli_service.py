"""Every command over an office, against a running service and against the local store: with the same words."""

import csv
import json
from pathlib import Path

import pytest

from tests.edges.command_line import CONTROL, Mail, Place, mail_server, program, run


@pytest.fixture(scope="module")
def mails():
    with mail_server() as server:
        yield server


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A service, and its store on the same machine."""
    data = tmp_path_factory.mktemp("service") / "data"
    with program("serve", "--port", "0", "--json", "--data", str(data)) as running:
        token = running.until("first_start")["token"]
        url = running.until("ready")["url"]
        file = data.parent / "token"
        file.write_text(token + "\n")
        yield {
            "service": Place("service", ["--url", url, "--token-file", str(file)]),
            "local": Place("local", ["--data", str(data)]),
        }
        code, said = running.stop()
        assert (code, "Traceback" in said) == (0, False)


@pytest.fixture(params=["service", "local"])
def place(request, service) -> Place:
    """Both are the same store: the one over HTTP, the other beside it while it runs."""
    return service[request.param]


def account(place: Place, mails: Mail, name: str, *more: str) -> str:
    server = ["--server", f"127.0.0.1:{mails.port}", "--security", "none"]
    made = run("accounts", "create", name, "--address", "ann@example.org", *server, *more, *place.options)
    assert (made.code, made.err) == (0, "")
    return name


# Accounts.


def test_an_account_is_made_shown_changed_checked_paused_resumed_and_deleted(place, mails):
    name = account(place, mails, f"office {place.name}/1", "--rate-preset", "amazon-ses", "--max-retries", "3")
    shown = run("accounts", "show", name, "--json", *place.options).json
    assert shown["account"]["address"] == "ann@example.org"
    assert shown["limits"] == {"messages_per_second": 14.0, "concurrency": None}
    assert len(shown["retry"]["waits"]) == 3
    edited = run("accounts", "edit", name, "--display-name", "Ann", "--rate", "0", "--concurrency", "4", *place.options)
    assert (edited.code, edited.out) == (0, f"changed account {name}\n")
    after = run("accounts", "show", name, "--json", *place.options).json
    assert after["account"] == {**shown["account"], "display_name": "Ann"}
    assert after["limits"] == {"messages_per_second": None, "concurrency": 4}
    assert after["retry"] == shown["retry"]
    assert after["version"] == shown["version"] + 1
    checked = run("accounts", "check", name, *place.options)
    assert checked.code == 0
    assert "ok       greet" in checked.out
    assert run("accounts", "pause", name, "--quiet", *place.options)[:2] == (0, "")
    listed = run("accounts", "list", *place.options)
    assert f"{name}\tann@example.org\t127.0.0.1:{mails.port}\tpaused\t4 at once\t\n" in listed.out
    assert run("accounts", "resume", name, "--json", *place.options).json["paused"] is False
    assert run("accounts", "delete", name, *place.options).code == 0
    gone = run("accounts", "show", name, "--json", *place.options)
    assert (gone.code, gone.json["error"]["code"]) == (2, "not_found")


def test_a_secret_is_never_shown_and_stays_when_it_is_not_given_again(place, mails, tmp_path):
    name = f"secret {place.name}"
    (tmp_path / "password").write_text("hunter-2\n")
    signed = ["--username", "ann", "--password-file", str(tmp_path / "password"), "--allow-clear-text-password"]
    account(place, mails, name, *signed)
    assert run("accounts", "edit", name, "--sessions", "2", *place.options).code == 0
    shown = run("accounts", "show", name, "--json", *place.options)
    assert "hunter-2" not in shown.out
    assert shown.json["account"]["outgoing"]["password"] == "***"
    assert "warning  sign in   ann by PLAIN" in run("accounts", "check", name, *place.options).out
    elsewhere = run("accounts", "edit", name, "--server", "mail.example.net", "--json", *place.options)
    assert (elsewhere.code, elsewhere.json["error"]["code"]) == (2, "missing_credential")


def test_an_account_comes_from_a_file_and_what_is_wrong_in_it_is_named(place, mails, tmp_path):
    value = {
        "name": f"file {place.name}",
        "account": {
            "address": "ann@example.org",
            "outgoing": {"host": "127.0.0.1", "port": mails.port, "security": "none"},
        },
        "fallback": "",
    }
    (tmp_path / "account.json").write_text(json.dumps(value))
    made = run("accounts", "create", "--file", str(tmp_path / "account.json"), "--json", *place.options)
    assert (made.code, made.json["name"]) == (0, f"file {place.name}")
    again = run("accounts", "create", "--file", "-", "--json", *place.options, stdin=json.dumps(value))
    assert (again.code, again.json["error"]["code"]) == (2, "already_exists")
    value["account"]["outgoing"]["prot"] = 25
    wrong = run("accounts", "create", "--file", "-", "--json", *place.options, stdin=json.dumps(value))
    assert (wrong.code, wrong.json["error"]["field"]) == (2, "account.outgoing.prot")


def test_limits_of_providers_are_listed():
    presets = {line["name"]: line for line in run("accounts", "presets", "--json").lines}
    assert presets["amazon-ses"]["messages_per_second"] == 14


# Messages.


def test_a_queued_message_is_sent_and_its_story_is_told(place, mails):
    name = account(place, mails, f"story {place.name}")
    # The local store sends nothing by itself: the service that runs beside it does.
    sent = run(
        *["send", "--queue", "--account", name, "--to", "Bob <bob@example.com>", "--subject", "Story", "--text", "Hi"],
        *["--wait", "60", "--tag", "order=4711", "--json", *place.options],
    )
    assert (sent.code, sent.err) == (0, "")
    assert sent.json["state"] == "sent"
    mail = mails.next()
    assert (mail["subject"], mail["text"].strip()) == ("Story", "Hi")
    message = sent.json["id"]
    shown = run("messages", "show", message, *place.options)
    assert "server said     250 2.0.0 Caught as mail" in shown.out
    assert "message.sent" in shown.out
    as_json = run("messages", "show", message, "--json", *place.options).json
    assert [event["type"] for event in as_json["story"]] == ["message.queued", "message.sent"]
    body = run("messages", "body", message, *place.options)
    assert "Subject: Story" in body.out
    found = run("messages", "list", "--tag", "order=4711", "--state", "sent", "--account", name, *place.options)
    assert found.out.startswith(f"{message}\tsent\tbob@example.com\tStory\t1\t")
    assert run("messages", "list", "--tag", "order=4712", *place.options)[:2] == (0, "")
    assert run("messages", "wait", message, "--quiet", *place.options)[:2] == (0, "")
    listed = run("events", "list", "--message", message, "--json", *place.options).lines
    assert [event["type"] for event in listed] == ["message.queued", "message.sent"]


def test_several_messages_are_cancelled_and_tried_again_by_their_ids(place, mails):
    name = account(place, mails, f"several {place.name}")
    queue = [
        "send",
        "--queue",
        "--account",
        name,
        "--to",
        "bob@example.com",
        "--text",
        "x",
        "--send-at",
        "2d",
        "--json",
    ]
    ids = [run(*queue, *place.options).json["id"] for _ in range(3)]
    one = run("messages", "cancel", ids[0], "--json", *place.options)
    assert (one.code, one.json["state"]) == (0, "cancelled")
    again = run("messages", "cancel", ids[0], "--json", *place.options)
    assert (again.code, again.json["error"]["code"]) == (2, "wrong_state")
    # Ids as `messages list` prints them, on standard input.
    rest = run("messages", "cancel", "-", *place.options, stdin="\n".join(f"{one}\tqueued" for one in ids))
    assert rest.code == 9
    assert sorted(rest.out.splitlines()) == sorted(f"cancelled: {one}" for one in ids[1:])
    assert f"not cancelled: {ids[0]}" in rest.err
    ended = run("messages", "wait", ids[0], *place.options)
    assert (ended.code, ended.out) == (3, f"cancelled {ids[0]}\n")


def test_a_message_is_not_released_when_there_is_nothing_to_decide(place, mails):
    name = account(place, mails, f"release {place.name}")
    queue = [
        "send",
        "--queue",
        "--account",
        name,
        "--to",
        "bob@example.com",
        "--text",
        "x",
        "--send-at",
        "2h",
        "--json",
    ]
    message = run(*queue, *place.options).json["id"]
    assert run("messages", "release", message, *place.options).code == 2
    decided = run("messages", "release", message, "--sent", "--json", *place.options)
    assert (decided.code, decided.json["error"]["code"]) == (2, "wrong_state")


def test_the_same_key_is_the_same_message_and_other_content_is_an_error(place, mails):
    name = account(place, mails, f"key {place.name}")
    queue = ["send", "--queue", "--account", name, "--to", "bob@example.com", "--send-at", "2030-01-01T00:00:00Z"]
    queue += ["--idempotency-key", f"once-{place.name}", "--json", *place.options]
    first, second = run(*queue, "--text", "x").json, run(*queue, "--text", "x").json
    assert first["id"] == second["id"]
    other = run(*queue, "--text", "y")
    assert (other.code, other.json["error"]["code"]) == (2, "idempotency_conflict")


def test_a_server_that_refuses_makes_the_exit_code_of_a_waiting_send(place):
    with mail_server("--fail", "rcpt=550") as refusing:
        name = account(place, refusing, f"refused {place.name}")
        queue = ["send", "--queue", "--account", name, "--to", "bob@example.com", "--text", "x", "--wait", "60"]
        ended = run(*queue, *place.options)
    assert ended.code == 3
    assert ended.out.startswith("failed msg_")


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (["--account", "office"], "queue"),
        (["--send-at", "2h"], "queue"),
        (["--queue", "--account", "office", "--security", "none"], "security"),
        (["--queue", "--account", "office", "--dry-run"], "dry_run"),
        (["--queue", "--account", "office", "--send-at", "soon"], "send_at"),
        (["--queue", "--account", "office", "--tag", "word"], "tag"),
    ],
)
def test_options_of_the_queue_and_of_sending_now_are_not_mixed(options, field):
    ended = run("send", "--to", "bob@example.com", "--text", "x", "--json", *options)
    assert (ended.code, ended.json["error"]["field"]) == (2, field)


# Bulk.


def test_each_line_of_a_file_is_a_message_and_a_wrong_one_keeps_no_other_back(place, mails, tmp_path):
    name = account(place, mails, f"bulk {place.name}")
    rows = [["email", "name", "code"], ["ann@example.com", "Ann <b>", "A&1"], ["no address", "X", "2"]]
    rows += [["bob@example.com", "Bob, B.", "3"], ["carl@example.com", "short"]]
    with (tmp_path / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    (tmp_path / "body.html").write_text("<style>p {color: red}</style><p>{name}: {code} {{as is}}</p>")
    command = ["bulk", "send", str(tmp_path / "list.csv"), "--account", name, "--subject", "For {name}"]
    command += ["--text", "Code {code}", "--html-file", str(tmp_path / "body.html"), "--idempotency-key", name]
    command += ["--errors", str(tmp_path / "errors.jsonl"), "--json", *place.options]
    first = run(*command)
    assert first.code == 9
    assert (first.json["accepted"], first.json["refused"]) == (2, 2)
    refused = [json.loads(line) for line in (tmp_path / "errors.jsonl").read_text().splitlines()]
    assert [(line["line"], line["code"]) for line in refused] == [(3, "invalid_address"), (5, "invalid_input")]
    caught = sorted([mails.next(), mails.next()], key=lambda mail: mail["envelope"]["to"][0]["address"])
    assert [mail["envelope"]["to"][0]["address"] for mail in caught] == ["ann@example.com", "bob@example.com"]
    assert [mail["subject"] for mail in caught] == ["For Ann <b>", "For Bob, B."]
    assert caught[0]["text"].strip() == "Code A&1"
    assert caught[0]["html"].strip() == "<style>p {color: red}</style><p>Ann &lt;b&gt;: A&amp;1 {as is}</p>"
    assert dict(caught[1]["headers"])["To"] == '"Bob, B." <bob@example.com>'
    # The same file with the same key: nothing is sent twice.
    again = run(*command)
    assert (again.code, again.json["accepted"]) == (9, 2)
    assert len(run("messages", "list", "--account", name, "--json", *place.options).lines) == 2
    job = run("bulk", "show", first.json["job"], "--json", *place.options).json
    assert (job["accepted"], job["account"]) == (2, job["account"])
    assert first.json["job"] in run("bulk", "list", *place.options).out


def test_lines_of_json_may_be_whole_messages(place, mails, tmp_path):
    name = account(place, mails, f"jsonl {place.name}")
    lines = [
        {"defaults": {"message": {"subject": "Shared"}}},
        {"message": {"to": "ann@example.com", "text": "first"}},
        {"message": {"to": "bob@example.com", "txt": "mistyped"}},
        {"message": {"to": "carl@example.com", "text": "second"}, "options": {"send_at": "2030-01-01T00:00:00Z"}},
    ]
    text = "\n".join(map(json.dumps, lines)) + "\n{not json\n"
    ended = run("bulk", "send", "-", "--account", name, "--json", *place.options, stdin=text)
    assert (ended.code, ended.json["accepted"], ended.json["refused"]) == (9, 2, 2)
    assert "line 3: message.txt: there is no such field" in ended.err
    assert "line 5: " in ended.err
    states = {
        one["subject"]: one["state"]
        for one in run("messages", "list", "--bulk", ended.json["job"], "--json", *place.options).lines
    }
    assert set(states) == {"Shared"}
    assert mails.next()["text"].strip() == "first"


def test_a_column_that_does_not_exist_is_noticed_before_the_first_message(place, tmp_path):
    (tmp_path / "list.csv").write_text("to,name\nann@example.com,Ann\n")
    send = ["bulk", "send", str(tmp_path / "list.csv"), "--account", "office", "--json", *place.options]
    ended = run(*send, "--text", "Dear {nmae}")
    assert (ended.code, ended.json["error"]["field"]) == (2, "text")
    assert "to, name" in ended.json["error"]["hint"]
    ended = run(*send, "--text", "x", "--to-column", "mail")
    assert (ended.code, ended.json["error"]["field"]) == (2, "to_column")
    ended = run(*send, "--subject", "no body")
    assert (ended.code, ended.json["error"]["code"]) == (2, "invalid_body")


def test_a_bulk_call_for_an_account_that_does_not_exist_is_one_error(place, tmp_path):
    (tmp_path / "list.csv").write_text("to\n" + "ann@example.com\n" * 50)
    ended = run(
        "bulk", "send", str(tmp_path / "list.csv"), "--account", "nobody", "--text", "x", "--json", *place.options
    )
    assert (ended.code, ended.json["error"]["code"]) == (2, "not_found")


# The rest.


def test_workspaces_keep_things_apart(place, mails):
    name = f"team-{place.name}"
    assert run("workspaces", "create", name, "--description", "Team", *place.options).code == 0
    account(place, mails, "theirs", "--workspace", name)
    assert run("accounts", "show", "theirs", "--workspace", name, *place.options).code == 0
    assert run("accounts", "show", "theirs", *place.options).code == 2
    edited = run("workspaces", "edit", name, "--redirect-to", "trap@example.org", *place.options)
    assert (edited.code, edited.out) == (0, f"changed workspace {name}; all to trap@example.org\n")
    queue = ["send", "--queue", "--account", "theirs", "--to", "bob@example.com", "--text", "x", "--wait", "60", "-q"]
    assert run(*queue, "--workspace", name, *place.options)[:2] == (0, "")
    assert [to["address"] for to in mails.next()["envelope"]["to"]] == ["trap@example.org"]
    shown = run("workspaces", "show", name, "--json", *place.options).json
    assert (shown["description"], shown["safe_mode"]["redirect_to"]) == ("Team", "trap@example.org")
    assert f"{name}\tTeam\tall to trap@example.org\t" in run("workspaces", "list", *place.options).out
    assert run("workspaces", "delete", name, *place.options).code == 0
    assert run("workspaces", "show", name, *place.options).code == 2


def test_a_token_may_do_what_it_was_made_for_and_nothing_after_it_is_revoked(place, service, tmp_path):
    url = service["service"].options[:2]
    made = run("tokens", "create", "reader", "--action", "accounts:read", "--quiet", *place.options)
    assert made.code == 0
    secret = made.out.strip()
    assert run("accounts", "list", *url, MAILWRIGHT_TOKEN=secret).code == 0
    refused = run("messages", "list", *url, "--json", MAILWRIGHT_TOKEN=secret)
    assert (refused.code, refused.json["error"]["code"]) == (8, "access_denied")
    tokens = [
        one for one in run("tokens", "list", "--json", "--limit", "0", *place.options).lines if one["name"] == "reader"
    ]
    assert secret not in json.dumps(tokens)
    for one in tokens:
        assert run("tokens", "revoke", one["id"], *place.options).code == 0
    # The service remembers for two seconds who a token was.
    while (gone := run("accounts", "list", *url, "--json", MAILWRIGHT_TOKEN=secret)).code == 0:
        pass
    assert (gone.code, gone.json["error"]["code"]) == (8, "unauthenticated")


def test_suppressed_addresses_are_added_imported_listed_and_removed(place, tmp_path):
    mine = f"{place.name}@example.com"
    assert run("suppressions", "add", mine, "--note", "asked by phone", *place.options).code == 0
    (tmp_path / "list.csv").write_text(f"Name,E-Mail\nA,a-{mine}\nB,no address\n\nC,c-{mine}\n")
    imported = run("suppressions", "import", str(tmp_path / "list.csv"), "--list", "news", "--json", *place.options)
    assert (imported.code, imported.json) == (9, {"added": 2, "refused": 1})
    assert "line 3: " in imported.err
    listed = run("suppressions", "list", "--limit", "0", *place.options).out
    assert f"{mine}\tall mail\tmanual\t" in listed
    assert f"c-{mine}\tnews\tmanual\t" in listed
    assert run("suppressions", "remove", mine, "-q", *place.options)[:2] == (0, "")
    assert run("suppressions", "remove", mine, *place.options).code == 2


def test_webhooks_are_made_changed_and_their_secrets_are_shown_once(place, mails):
    name = account(place, mails, f"hooked {place.name}")
    made = run(
        "webhooks",
        "create",
        "https://hooks.example.org/x",
        "--event",
        "message.*",
        "--account",
        name,
        "--json",
        *place.options,
    )
    assert made.code == 0
    assert made.json["secret"].startswith("whsec_")
    message = made.json["webhook"]["id"]
    edited = run("webhooks", "edit", message, "--disable", "--description", "Mine", "--json", *place.options)
    assert edited.code == 0
    shown = run("webhooks", "show", message, "--json", *place.options)
    assert made.json["secret"] not in shown.out
    assert (shown.json["enabled"], shown.json["description"]) == (False, "Mine")
    assert shown.json["accounts"] == made.json["webhook"]["accounts"] != []
    rotated = run("webhooks", "rotate-secret", message, "--quiet", *place.options)
    assert rotated.out.startswith("whsec_")
    assert len(run("webhooks", "show", message, "--json", *place.options).json["secrets"]) == 2
    assert run("webhooks", "deliveries", message, *place.options)[:2] == (0, "")
    assert run("webhooks", "replay", message, "--since", "1h", "--json", *place.options).code == 0
    assert run("webhooks", "replay", message, *place.options).code == 2
    wrong = run("webhooks", "edit", message, "--event", "message.snet", "--json", *place.options)
    assert (wrong.code, wrong.json["error"]["code"]) == (2, "invalid_webhook")
    assert message in run("webhooks", "list", *place.options).out
    assert run("webhooks", "delete", message, *place.options).code == 0


def test_a_webhook_that_cannot_be_reached_says_why_and_ends_so(place, service):
    made = run("webhooks", "create", "http://127.0.0.1:9/x", "--json", *place.options).json["webhook"]
    tested = run("webhooks", "test", made["id"], *place.options)
    assert tested.code == 4
    assert "127.0.0.1" in tested.out
    assert run("webhooks", "delete", made["id"], *place.options).code == 0


def test_the_audit_trail_names_who_it_was_and_is_whole(place):
    assert run("suppressions", "add", f"audit-{place.name}@example.com", "-q", *place.options).code == 0
    entries = run("audit", "list", "--json", "--limit", "0", *place.options).lines
    mine = [entry for entry in entries if entry["target"] == f"audit-{place.name}@example.com"]
    assert [entry["action"] for entry in mine] == ["suppression.add"]
    assert (mine[0]["actor"] == "cli") is (place.name == "local")
    verified = run("audit", "verify", "--json", *place.options)
    assert (verified.code, verified.json["ok"]) == (0, True)
    assert verified.json["entries"] >= len(entries) > 0


def test_a_list_goes_on_where_it_was_left(place):
    for number in range(5):
        assert run("suppressions", "add", f"page{number}-{place.name}@example.com", "-q", *place.options).code == 0
    every = run("suppressions", "list", "--limit", "0", "--json", *place.options).lines
    assert run("suppressions", "list", "--limit", "2", "--json", *place.options).lines == every[:2]


# Where.


def test_a_directory_that_is_mistyped_is_an_error_and_no_new_store(tmp_path):
    ended = run("accounts", "list", "--data", str(tmp_path / "typo"), "--json")
    assert (ended.code, ended.json["error"]["field"]) == (2, "data")
    assert not (tmp_path / "typo").exists()


def test_a_service_that_cannot_be_reached_has_its_own_exit_code(unused_tcp_port):
    ended = run("accounts", "list", "--url", f"http://127.0.0.1:{unused_tcp_port}", "--token", "mw_x", "--json")
    assert (ended.code, ended.json["error"]["code"]) == (7, "egress_failed")
    assert ended.json["error"]["reason"] == "connect"


def test_a_service_and_a_store_exclude_each_other_and_a_token_is_needed(tmp_path):
    both = run("accounts", "list", "--url", "http://127.0.0.1:1", "--data", str(tmp_path), "--json")
    assert (both.code, both.json["error"]["field"]) == (2, "data")
    without = run("accounts", "list", "--url", "http://127.0.0.1:1", "--json")
    assert (without.code, without.json["error"]["code"]) == (8, "unauthenticated")


@pytest.mark.parametrize(
    "url", ["mail.example.org", "ftp://mail.example.org", "http://ann:pw@mail.example.org", "http://"]
)
def test_an_address_that_is_none_is_said_so_and_not_repeated(url):
    ended = run("accounts", "list", "--url", url, "--token", "mw_x", "--json")
    assert (ended.code, ended.json["error"]["field"]) == (2, "url")
    assert "ann:pw" not in ended.out


def test_nothing_that_others_wrote_reaches_the_terminal_as_a_command(place, mails):
    name = account(place, mails, f"hostile {place.name}")
    queue = ["send", "--queue", "--account", name, "--to", "bob@example.com", "--text", "x", "--send-at", "2d"]
    subject = "[bold]x[/bold] :smile:"
    message = run(*queue, "--subject", subject, "--tag", "a=\x1b[2J", "--json", *place.options).json["id"]
    for command in (["messages", "show", message], ["messages", "list", "--account", name]):
        shown = run(*command, *place.options)
        assert not CONTROL.search(shown.out.replace("\n", "").replace("\t", ""))
        assert subject in shown.out
    assert run("messages", "cancel", message, "-q", *place.options).code == 0


def test_the_body_goes_into_a_file(place, mails, tmp_path: Path):
    name = account(place, mails, f"body {place.name}")
    (tmp_path / "own.eml").write_bytes(b"From: ann@example.org\r\nSubject: own\r\n\r\nfinished\r\n")
    queue = ["send", "--queue", "--account", name, "--to", "bob@example.com", "--raw", str(tmp_path / "own.eml")]
    message = run(*queue, "--send-at", "2d", "--json", *place.options).json["id"]
    assert run("messages", "body", message, "--output", str(tmp_path / "out.eml"), *place.options).code == 0
    assert (tmp_path / "out.eml").read_bytes() == (tmp_path / "own.eml").read_bytes()
    assert run("messages", "show", message, "--json", *place.options).json["envelope_from"] == "ann@example.org"
