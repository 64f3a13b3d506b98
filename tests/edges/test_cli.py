"""`mailwright send` and `mailwright check` as they are used: processes of their own, against a server in the test."""

import asyncio
import email
import email.policy
import json
import os
import re
import signal
import sys
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from mailwright import CheckReport, Outgoing, Secret
from mailwright.cli import app
from mailwright.cli.check import print_report
from mailwright.devserver import CertificateKind, DevServer, DevServerOptions, Failure, ServerPolicy, Users
from tests.edges.loopback import nobody, speaking

# The loop of these tests is not the loop of the processes that they start.
pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])

COMMAND = [sys.executable, "-W", "error", "-m", "mailwright"]
PASSWORD = "s3cret-w0rd"
USERS = Users({"ann@example.org": Secret(PASSWORD)}, {"ann@example.org": Secret("t0ken-value")})
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")


class Ended(NamedTuple):
    code: int
    out: str
    err: str
    raw: bytes


@pytest.fixture
async def server():
    async with DevServer(DevServerOptions(tls_port=0, policy=ServerPolicy(users=USERS))) as running:
        yield running


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAILWRIGHT_")}
    return {**kept, "COLUMNS": "200", **more}


async def mailwright(*arguments: str, stdin: bytes = b"", **variables: str) -> Ended:
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(**variables),
    )
    out, err = await asyncio.wait_for(process.communicate(stdin), 60)
    assert process.returncode is not None
    assert b"Traceback" not in err
    return Ended(process.returncode, out.decode("utf-8", "replace"), err.decode(), out)


def at(server: DevServer, *more: str) -> list[str]:
    return ["--server", f"127.0.0.1:{server.port}", "--security", "none", *more]


def letter(server: DevServer, *more: str, to: str = "bob@example.com", sender: str = "ann@example.org") -> list[str]:
    return ["send", *at(server), "--from", sender, "--to", to, *more]


def read(raw: bytes):
    return email.message_from_bytes(raw, policy=email.policy.default)


# What is sent.


async def test_every_field_of_a_message_can_be_given(server, tmp_path):
    (tmp_path / "report ünd mehr.pdf").write_bytes(b"%PDF-1.7 \x00\xff")
    (tmp_path / "logo.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    ended = await mailwright(
        *letter(server, "--to", "Bob Two <b2@example.com>, b3@example.com"),
        *("--cc", "carl@example.com", "--bcc", "dora@example.com", "--reply-to", "answers@example.org"),
        *("--from-name", "Änn Sender", "--subject", "Grüße", "--text", "plain ü", "--html", "<img src=cid:logo>"),
        *("--attach", str(tmp_path / "report ünd mehr.pdf"), "--inline", f"logo={tmp_path / 'logo.png'}"),
        *("--priority", "high", "--header", "X-Token: t: 1", "--in-reply-to", "<a@example.com>"),
        *("--references", "<a@example.com> <b@example.com>", "--message-id", "own-1@example.org"),
        *("--date", "2026-01-31T09:00:00+01:00", "--unsubscribe-url", "https://example.org/u"),
        *("--unsubscribe-mailto", "leave@example.org", "--one-click", "--auto-submitted", "auto-generated"),
        *("--envelope-from", "bounces+1@example.org", "--notify", "failure", "--notify", "delay"),
        *("--return", "hdrs", "--envelope-id", "batch-7"),
    )
    assert (ended.code, ended.err) == (0, "")
    (caught,) = server.mails
    assert caught.envelope.sender.address == "bounces+1@example.org"
    recipients = ["bob@example.com", "b2@example.com", "b3@example.com", "carl@example.com", "dora@example.com"]
    assert list(caught.envelope.addresses) == recipients
    got = read(caught.raw)
    assert got["From"] == "Änn Sender <ann@example.org>"
    assert got["To"] == "bob@example.com, Bob Two <b2@example.com>, b3@example.com"
    assert got["Cc"] == "carl@example.com"
    assert got["Bcc"] is None
    assert got["Reply-To"] == "answers@example.org"
    assert got["Subject"] == "Grüße"
    assert got["X-Priority"] == "1 (Highest)"
    assert got["X-Token"] == "t: 1"
    assert got["In-Reply-To"] == "<a@example.com>"
    assert got["References"] == "<a@example.com> <b@example.com>"
    assert got["Message-ID"] == "<own-1@example.org>"
    assert got["Date"].datetime.isoformat() == "2026-01-31T09:00:00+01:00"
    assert "<https://example.org/u>" in got["List-Unsubscribe"]
    assert "mailto:leave@example.org" in got["List-Unsubscribe"]
    assert got["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert got["Auto-Submitted"] == "auto-generated"
    parts = {part.get_content_type(): part for part in got.walk()}
    assert parts["text/plain"].get_content().strip() == "plain ü"
    assert parts["text/html"].get_content().strip() == "<img src=cid:logo>"
    assert parts["application/pdf"].get_filename() == "report ünd mehr.pdf"
    assert parts["application/pdf"].get_content() == b"%PDF-1.7 \x00\xff"
    assert parts["image/png"]["Content-ID"] == "<logo>"
    for shown in ("sent own-1@example.org", *(f"accepted  {one}" for one in recipients), "Caught as mail 1"):
        assert shown in ended.out


async def test_the_body_comes_from_standard_input_when_there_is_none(server):
    ended = await mailwright(*letter(server), stdin="from stdin ü\n".encode())
    assert ended.code == 0
    assert read(server.mails[0].raw).get_content().replace("\r\n", "\n") == "from stdin ü\n"


async def test_bodies_come_from_files(server, tmp_path):
    (tmp_path / "t.txt").write_text("text ü")
    (tmp_path / "h.html").write_text("<p>html ü</p>")
    files = ["--text-file", str(tmp_path / "t.txt"), "--html-file", str(tmp_path / "h.html")]
    assert (await mailwright(*letter(server, *files))).code == 0
    assert (await mailwright(*letter(server, *files, "--plain-only"))).code == 0
    assert (await mailwright(*letter(server, "--html-file", "-"), stdin=b"<b>in</b>")).code == 0
    both, alone, piped = (read(mail.raw) for mail in server.mails)
    assert both.get_body(("plain",)).get_content().strip() == "text ü"
    assert both.get_body(("html",)).get_content().strip() == "<p>html ü</p>"
    assert alone.get_content_type() == "text/plain"
    assert piped.get_body(("html",)).get_content().strip() == "<b>in</b>"


async def test_a_finished_message_is_sent_as_it_is(server):
    raw = (
        b"From: x@example.org\nDate: Fri, 20 Nov 2026 10:00:00 +0000\nMessage-ID: <raw-1@example.org>\n"
        b"Subject: raw\n\n.\nbody\n"
    )
    ended = await mailwright(*letter(server, "--cc", "c@example.com", "--envelope-from", "", "--raw", "-"), stdin=raw)
    assert (ended.code, ended.err) == (0, "")
    (caught,) = server.mails
    assert caught.raw == raw.replace(b"\n", b"\r\n")
    assert caught.envelope.sender.address == ""
    assert list(caught.envelope.addresses) == ["bob@example.com", "c@example.com"]


async def test_a_finished_message_and_an_option_that_would_change_it_exclude_each_other(server):
    ended = await mailwright(*letter(server, "--raw", "-", "--subject", "x"), stdin=b"Subject: y\n\nz")
    assert ended.code == 2
    assert "--subject cannot change a finished message" in ended.err
    assert server.caught == 0


async def test_a_dry_run_prints_the_bytes_that_would_be_sent_and_sends_nothing(server):
    fixed = ["--subject", "Grüße", "--text", "ü", "--html", "<p>ü</p>"]
    ids = ["--message-id", "m-1@example.org", "--date", "2026-01-31T09:00:00+01:00"]
    printed = await mailwright(*letter(server, *fixed, *ids, "--dry-run"))
    assert (printed.code, printed.err) == (0, "")
    assert server.connections == 0
    assert (await mailwright(*letter(server, *fixed, *ids))).code == 0

    def without_boundaries(raw: bytes) -> bytes:
        boundaries = re.findall(rb'boundary="([^"]+)"', raw)
        for number, boundary in enumerate(boundaries):
            raw = raw.replace(boundary, b"B%d" % number)
        return raw

    assert without_boundaries(printed.raw) == without_boundaries(server.mails[0].raw)


async def test_a_dry_run_needs_no_server_and_everything_else_does():
    letter_only = ["send", "--from", "ann@example.org", "--to", "bob@example.com", "--text", "x"]
    assert (await mailwright(*letter_only, "--dry-run")).code == 0
    ended = await mailwright(*letter_only)
    assert ended.code == 2
    assert "no server is named" in ended.err


async def test_a_dry_run_needs_no_server_to_answer():
    with nobody() as port:
        target = ["--server", f"127.0.0.1:{port}", "--from", "ann@example.org", "--to", "bob@example.com"]
        ended = await mailwright("send", *target, "--text", "x", "--dry-run")
    assert ended.code == 0
    assert b"\r\nTo: bob@example.com\r\n" in ended.raw


# How it ends.


async def test_0_and_the_whole_answer_as_json_when_it_was_sent(server):
    ended = await mailwright(*letter(server, "--text", "x", "--json"))
    assert (ended.code, ended.err) == (0, "")
    found = json.loads(ended.out)
    assert found["ok"] is True
    assert found["state"] == "sent"
    assert found["accepted"] == ["bob@example.com"]
    assert found["rejected"] == []
    assert found["envelope"] == {"from": "ann@example.org", "to": ["bob@example.com"]}
    assert found["replies"]["final"]["code"] == 250
    assert found["message_id"].encode() in server.mails[0].raw


@pytest.mark.parametrize(
    ("arguments", "field", "message"),
    [
        (["--to", "a@@b"], "to", "not a domain"),
        (["--from", "nobody"], "from", ""),
        (["--from", ""], "from", "the sender is missing"),
        (["--header", "no colon"], "header", "NAME: VALUE"),
        (["--header", "X-A: b\r\nBcc: c@example.com"], "", ""),
        (["--date", "tomorrow"], "date", "is no date"),
        (["--date", "2026-01-31T09:00:00"], "date", "time zone"),
        (["--attach", "/nowhere/x.pdf"], "attachments", "x.pdf"),
        (["--inline", "logo.png"], "inline", "CID=FILE"),
        (["--html-file", "/nowhere/t.html"], "html", "No such file"),
        (["--html", "a", "--html-file", "b"], "html", "exclude each other"),
        (["--text-file", "b"], "text", "exclude each other"),
        (["--one-click"], "unsubscribe", "missing"),
        (["--username", "ann"], "password", "password is missing"),
        (["--password-file", "/nowhere"], "password_file", "No such file"),
        (["--username", "ann", "--mechanism", "magic"], "", "magic"),
        (["--mechanism", "PLAIN"], "mechanism", "nobody signs in"),
        (["--notify", "never", "--notify", "delay"], "notify", "NEVER excludes"),
        (["--envelope-id", "x" * 101], "envelope_id", "longer than 100"),
        (["--server", "127.0.0.1:70000"], "port", "between 1 and 65535"),
        (["--server", "smtp://x"], "", ""),
        (["--proxy", "ftp://x:1"], "proxy", "kind"),
        (["--proxy", "socks5://x"], "proxy", "a host and a port"),
        (["--proxy", "http://[x:1"], "proxy", "no URL"),
        (["--proxy", "http://x:0"], "proxy.port", "between 1 and 65535"),
        (["--pin", "abc"], "pinned_certificate", "64 hex digits"),
        (["--timeout-ms", "0"], "timeout_ms", "greater than 0"),
    ],
)
async def test_2_when_the_input_is_wrong_and_nothing_was_done(server, arguments, field, message):
    # In this process: the door is the same, and it costs no start of Python for each mistake.
    ended = CliRunner().invoke(app, letter(server, "--text", "x", *arguments, "--json"))
    assert ended.exit_code == 2, ended
    assert ended.stderr == ""
    found = json.loads(ended.stdout)
    assert found["ok"] is False
    assert set(found["error"]) >= {"code", "message", "field", "hint"}
    assert found["error"]["field"].startswith(field)
    assert message in found["error"]["message"]
    assert server.connections == 0


@pytest.mark.parametrize("arguments", [["--no-such-option"], ["--priority", "urgent"], ["--security", "ssl"]])
async def test_2_when_the_command_line_is_wrong(server, arguments):
    ended = await mailwright(*letter(server, "--text", "x", *arguments))
    assert ended.code == 2
    assert ended.out == ""
    assert "Usage: " in ended.err


@pytest.mark.parametrize(
    ("answer", "code", "error"), [("550", 3, "recipients_refused"), ("450", 4, "recipients_refused")]
)
async def test_3_when_trying_again_will_not_help_and_4_when_it_may(server, answer, code, error):
    refused = f"rcpt-{answer}@example.com"
    shown = await mailwright(*letter(server, "--text", "x", to=refused))
    assert shown.code == code
    assert shown.out == ""
    assert shown.err.startswith(f"{error} (rcpt) ")
    assert f"refused   {refused}: {answer} " in shown.err
    as_json = await mailwright(*letter(server, "--text", "x", "--json", to=refused))
    assert as_json.code == code
    found = json.loads(as_json.out)["error"]
    assert (found["code"], found["phase"], found["temporary"]) == (error, "rcpt", code == 4)
    assert found["recipients"][refused]["code"] == int(answer)


async def test_4_when_there_is_no_server():
    with nobody() as port:
        target = ["--server", f"127.0.0.1:{port}", "--from", "ann@example.org", "--to", "bob@example.com"]
        ended = await mailwright("send", *target, "--text", "x")
    assert ended.code == 4
    assert ended.err.startswith("connect_failed (connect) no connection (127.0.0.1 port")
    assert "what to do: check host and port" in ended.err


async def test_5_when_nobody_knows_whether_it_was_sent(server):
    ended = await mailwright(*letter(server, "--text", "x", to="dot-disconnect@example.com"))
    assert ended.code == 5
    assert ended.err.startswith("uncertain (final_dot) ")


async def test_6_when_some_were_refused_and_the_others_have_it(server):
    two = "bob@example.com, rcpt-550@example.com"
    shown = await mailwright(*letter(server, "--text", "x", to=two))
    assert shown.code == 6
    assert "  accepted  bob@example.com\n  refused   rcpt-550@example.com: 550 " in shown.err
    as_json = await mailwright(*letter(server, "--text", "x", "--json", to=two))
    assert as_json.code == 6
    assert json.loads(as_json.out)["error"]["accepted"] == ["bob@example.com"]


async def test_0_when_refused_recipients_are_only_to_be_reported(server):
    two = "bob@example.com, rcpt-550@example.com"
    ended = await mailwright(*letter(server, "--text", "x", "--on-partial", "report", to=two))
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("partly_sent ")
    assert "refused   rcpt-550@example.com: 550 " in ended.out


# Secrets.


@pytest.mark.parametrize("how", ["file", "environment"])
@pytest.mark.parametrize("right", [True, False])
@pytest.mark.parametrize("command", ["send", "check"])
async def test_a_password_comes_from_a_file_or_the_environment_and_is_never_shown(
    server, tmp_path, how, right, command
):
    password = PASSWORD if right else "wr0ng-s3cret"
    (tmp_path / "password").write_text(f"{password}\n")
    arguments = [command, *at(server), "--username", "ann@example.org"]
    arguments += ["--to", "bob@example.com", "--text", "x"] if command == "send" else []
    given = ["--password-file", str(tmp_path / "password")] if how == "file" else []
    variables = {"MAILWRIGHT_PASSWORD": password} if how == "environment" else {}
    for form in ([], ["--json"]):
        ended = await mailwright(*arguments, *given, *form, **variables)
        assert ended.code == (0 if right else 3)
        assert password not in ended.out + ended.err
    if right and command == "send":
        assert server.mails[0].user == "ann@example.org"
        assert read(server.mails[0].raw)["From"] == "ann@example.org", "the user name is the sender when none is given"


async def test_a_token_comes_from_the_environment_and_is_never_shown(server):
    arguments = ["send", *at(server), "--username", "ann@example.org", "--to", "bob@example.com", "--text", "x"]
    ended = await mailwright(*arguments, MAILWRIGHT_TOKEN="t0ken-value")
    assert ended.code == 0
    assert server.mails[0].mechanism == "OAUTHBEARER"
    assert "t0ken-value" not in ended.out + ended.err


@pytest.mark.parametrize("variable", ["MAILWRIGHT_PASSWORD", "MAILWRIGHT_TOKEN"])
async def test_a_password_for_nobody_is_an_error_and_not_mail_without_sign_in(server, variable):
    for command in (letter(server, "--text", "x", "--json"), ["check", *at(server), "--json"]):
        ended = await mailwright(*command, **{variable: "hush-hush"})
        assert ended.code == 2
        error = json.loads(ended.out)["error"]
        assert (error["code"], error["field"]) == ("missing_credential", "username")
        assert variable in error["message"]
        assert "hush-hush" not in ended.out
    assert server.connections == 0
    assert (await mailwright(*letter(server, "--text", "x", "--dry-run"), **{variable: "hush-hush"})).code == 0


async def test_a_password_in_the_server_is_not_repeated(server):
    for text in ("smtp://ann:hunter2@127.0.0.1", "ann:hunter2@127.0.0.1"):
        ended = await mailwright(
            "send", "--server", text, "--from", "a@example.org", "--to", "b@example.org", stdin=b"x"
        )
        assert ended.code == 2
        assert "hunter2" not in ended.out + ended.err


async def test_server_and_sender_may_come_from_the_environment(server):
    ended = await mailwright(
        *["send", "--security", "none", "--to", "bob@example.com", "--text", "x"],
        MAILWRIGHT_SERVER=f"127.0.0.1:{server.port}",
        MAILWRIGHT_FROM="env@example.org",
    )
    assert (ended.code, ended.err) == (0, "")
    assert server.mails[0].envelope.sender.address == "env@example.org"


# What a hostile server can do to a terminal: nothing.

HOSTILE = "\x1b[2J\x1b]0;owned\x07 \x9b31m \u202eback [bold]x[/bold] :smile: \x7f"


async def hostile(reader, writer) -> None:
    say = HOSTILE.encode()
    writer.write(b"220 " + say + b"\xff\r\n")
    await reader.readline()
    writer.write(b"250-" + say + b"\r\n250-X-\xff\xfe" + say + b"\r\n250 HELP\r\n")
    while line := await reader.readline():
        if line.startswith(b"QUIT"):
            return
        writer.write((b"250 ok" if line.startswith(b"MAIL") else b"550 5.1.1 " + say) + b"\r\n")


@pytest.mark.parametrize("form", [[], ["--json"]])
@pytest.mark.parametrize("command", ["send", "check"])
async def test_nothing_that_a_server_says_reaches_the_terminal_as_a_command(form, command):
    async with speaking(hostile) as port:
        arguments = [command, "--server", f"127.0.0.1:{port}", "--security", "none", "--from", "ann@example.org", *form]
        arguments += ["--to", "bob@example.com", "--text", "x"] if command == "send" else []
        ended = await mailwright(*arguments)
    assert ended.code == (3 if command == "send" else 0)
    shown = ended.out + ended.err
    assert not CONTROL.search(shown.replace("\r\n", "\n"))
    if form:
        assert ended.out.isascii()
        assert set(json.loads(ended.out)) >= {"ok", "error"}
    else:
        assert r"\x1b[2J" in shown
        assert "[bold]x[/bold] :smile:" in shown


# Colours and help.


@pytest.mark.parametrize("command", [["--help"], ["send", "--help"], ["check", "--help"], ["dev", "-h"]])
async def test_every_command_explains_itself_in_words_that_fit(command):
    ended = await mailwright(*command, COLUMNS="80")
    assert (ended.code, ended.err) == (0, "")
    assert "Usage: " in ended.out
    assert "\x1b" not in ended.out
    assert max(map(len, ended.out.splitlines())) <= 80


async def test_without_arguments_the_commands_are_listed():
    ended = await mailwright()
    assert all(name in ended.out + ended.err for name in ("send", "check", "dev"))


async def test_there_are_no_colours_where_there_is_no_terminal(server):
    good = await mailwright(*letter(server, "--text", "x"), TERM="xterm-256color")
    bad = await mailwright(*letter(server, "--text", "x", to="rcpt-550@example.com"), TERM="xterm-256color")
    assert (good.code, bad.code) == (0, 3)
    assert "\x1b" not in good.out + good.err + bad.out + bad.err


# Checking.


async def test_a_check_prints_each_step_and_what_the_server_offers(server):
    ended = await mailwright("check", *at(server))
    assert (ended.code, ended.err) == (0, "")
    assert [line.split()[:2] for line in ended.out.splitlines()[1:6]] == [
        ["ok", "resolve"],
        ["ok", "connect"],
        ["ok", "greet"],
        ["skipped", "encrypt"],
        ["skipped", "sign"],
    ]
    assert "the server offers: " in ended.out
    assert "STARTTLS" in ended.out
    assert server.caught == 0


@pytest.mark.parametrize("host", ["[::1]", "127.0.0.1"])
async def test_a_server_without_a_name_is_checked_too(host):
    async with DevServer(DevServerOptions(host=host.strip("[]"))) as server:
        target = ["--server", f"{host}:{server.port}", "--security", "none"]
        ended = await mailwright("check", *target, "--json")
    assert (ended.code, ended.err) == (0, "")
    assert json.loads(ended.out)["account"] == ("check@[IPv6:::1]" if ":" in host else f"check@[{host}]")


async def test_a_reply_of_several_lines_is_shown_on_one(server):
    async def refusing(reader, writer) -> None:
        writer.write(b"554-first\r\n554 second\r\n")
        await reader.read()

    async with speaking(refusing) as port:
        target = ["--server", f"127.0.0.1:{port}", "--from", "ann@example.org", "--to", "bob@example.com"]
        ended = await mailwright("send", *target, "--text", "x")
    assert "the server said: 554 first / second\n" in ended.err


async def test_what_is_odd_about_the_account_stands_above_the_steps(capsys):
    odd = Outgoing("mail.example.org", 587, security="implicit").warnings
    print_report(CheckReport("ann@example.org", "mail.example.org:587", (), warnings=odd))
    warning = "on port 587 servers begin without TLS: use --security starttls, or use port 465"
    assert capsys.readouterr().out == f"mail.example.org:587\n  warning  {warning}\n"


async def test_a_failed_check_says_what_to_do_in_options_of_the_command(tmp_path):
    async with DevServer(DevServerOptions(certificate=CertificateKind.SELF_SIGNED)) as server:
        target = ["check", "--server", f"127.0.0.1:{server.port}"]
        refused = await mailwright(*target)
        assert refused.code == 4
        assert "failed   encrypt" in refused.out
        assert (
            "what to do: self-signed: give its authority in --ca-file, pin it, or use --no-verify-trust" in refused.out
        )
        shown = await mailwright(*target, "--no-verify-trust")
        assert shown.code == 0
        pin = re.search(r"--pin ([0-9a-f]{64})", shown.out)
        assert pin is not None
        pinned = await mailwright(*target, "--pin", pin[1])
        assert (pinned.code, "ok       encrypt" in pinned.out) == (0, True)


async def test_an_authority_in_a_file_is_trusted(server, tmp_path):
    (tmp_path / "ca.pem").write_text(server.ca_pem)
    ended = await mailwright("check", "--server", f"127.0.0.1:{server.port}", "--ca-file", str(tmp_path / "ca.pem"))
    assert ended.code == 0
    assert "ok       encrypt   TLSv1.3" in ended.out


@pytest.mark.parametrize(("answer", "code"), [("535 5.7.8 No", 3), ("454 4.7.0 Later", 4)])
async def test_a_check_that_failed_ends_like_a_send_that_failed(answer, code):
    options = DevServerOptions(policy=ServerPolicy(users=USERS), failures=(Failure("auth", answer),))
    async with DevServer(options) as server:
        arguments = ["check", *at(server), "--username", "ann@example.org", "--json"]
        ended = await mailwright(*arguments, MAILWRIGHT_PASSWORD=PASSWORD)
    assert ended.code == code
    found = json.loads(ended.out)
    assert found["ok"] is False
    assert found["steps"][-1] == {**found["steps"][-1], "name": "sign_in", "state": "failed"}
    assert found["error"]["reply"]["text"] == answer.split(" ", 2)[2]


async def test_130_and_no_traceback_when_it_is_interrupted():
    connected = asyncio.Event()

    async def silent(reader, writer) -> None:
        connected.set()
        await reader.read()

    async with speaking(silent) as port:
        target = ["--server", f"127.0.0.1:{port}", "--security", "none", "--from", "ann@example.org"]
        process = await asyncio.create_subprocess_exec(
            *[*COMMAND, "send", *target, "--to", "bob@example.com", "--text", "x"],
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(),
        )
        await asyncio.wait_for(connected.wait(), 60)
        process.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 130
    assert out == b""
    assert b"Traceback" not in err
