"""The counting sink, seen by a client that is not ours and by clients that die."""

import json
import os
import smtplib
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.contracts.processes import Processes, assert_closed
from tests.harness import counting_sink, sink_program

ROOT = Path(__file__).parents[2]
SENDER = "sender@elsewhere.example"
PATIENCE_SECONDS = 30


@pytest.fixture
def sink(tmp_path):
    with counting_sink(tmp_path / "sink.log") as running:
        yield running


@pytest.fixture
def client(sink):
    with smtplib.SMTP(sink.host, sink.port, timeout=PATIENCE_SECONDS) as client:
        client.ehlo()
        yield client


def a_message(name: str, body: str = "Good morning") -> str:
    return f"Subject: sink\r\nMessage-ID: <{name}@client.example>\r\n\r\n{body}\r\n"


def a_dialogue(name: str) -> bytes:
    """All that a hurried client sends, in one piece."""
    commands = f"EHLO client\r\nMAIL FROM:<{SENDER}>\r\nRCPT TO:<{name}@sink.example>\r\nDATA\r\n"
    return (commands + a_message(name) + ".\r\n").encode()


def connect(sink) -> socket.socket:
    return socket.create_connection((sink.host, sink.port), timeout=PATIENCE_SECONDS)


def read_to_the_end(connection: socket.socket) -> bytes:
    said = b""
    while part := connection.recv(65536):
        said += part
    return said


def test_each_message_that_was_taken_is_one_line_with_its_envelope(sink, client):
    message = a_message("one", "..dots\r\n.\r\nstay")
    client.sendmail(SENDER, ["a@sink.example", "b@sink.example"], message)
    client.sendmail("", ["a@sink.example"], a_message("two"))
    one, two = sink.messages()
    assert (one.sender, one.recipients) == (SENDER, ("a@sink.example", "b@sink.example"))
    assert (one.message_id, one.session, one.user, one.answered) == ("<one@client.example>", 1, "", True)
    doubled_dots = 2
    assert one.size == len(message) + doubled_dots
    assert (two.sender, two.message_id) == ("", "<two@client.example>")
    assert one.time <= two.time
    assert sink.copies()["<one@client.example>", "b@sink.example"] == 1


def test_the_line_is_there_when_the_reply_is(sink, client):
    for number in range(200):
        client.sendmail(SENDER, ["a@sink.example"], a_message(str(number)))
        assert len(sink.messages()) == number + 1


def test_it_offers_what_a_fast_client_uses(client):
    offered = {"pipelining", "8bitmime", "smtputf8", "dsn", "size", "enhancedstatuscodes"}
    assert set(client.esmtp_features) == offered


@pytest.mark.parametrize(("name", "reply"), [("defer1", b"451 4.2.1"), ("refuse.it", b"550 5.1.1")])
def test_a_recipient_gets_what_its_name_says_and_the_others_their_mail(name, reply, sink, client):
    client.mail(SENDER)
    code, text = client.rcpt(f"{name}@sink.example")
    assert b"%d %b" % (code, text[:5]) == reply
    assert client.rcpt("a@sink.example")[0] == 250
    assert client.data(a_message("mixed"))[0] == 250
    assert [taken.recipients for taken in sink.messages()] == [("a@sink.example",)]


def test_a_recipient_named_once_is_deferred_the_first_time_over_all_sessions(sink, client):
    with smtplib.SMTP(sink.host, sink.port, timeout=PATIENCE_SECONDS) as other:
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            other.sendmail(SENDER, ["once-a@sink.example"], a_message("x"))
        assert refused.value.recipients["once-a@sink.example"][0] == 451
    client.sendmail(SENDER, ["once-a@sink.example"], a_message("x"))
    client.mail(SENDER)
    assert client.rcpt("once-b@sink.example")[0] == 451
    assert len(sink.messages()) == 1


def test_data_without_a_recipient_that_was_taken_is_refused(sink, client):
    client.mail(SENDER)
    client.rcpt("refuse@sink.example")
    assert client.docmd("DATA")[0] == 554
    assert client.noop()[0] == 250
    assert sink.messages() == []


@pytest.mark.parametrize(
    ("commands", "code"),
    [
        (["RCPT TO:<a@b.example>"], 503),
        (["DATA"], 503),
        (["MAIL FROM:<a@b.example>", "MAIL FROM:<a@b.example>"], 503),
        (["MAIL FROM:a@b.example"], 501),
        (["MAIL FROM:<a@b.example> SIZE=99999999"], 552),
        (["MAIL FROM:<a@b.example> SIZE=big"], 501),
        (["MAIL FROM:<a@b.example> WISH=1"], 555),
        (["MAIL FROM:<bücher@b.example>"], 553),
        (["MAIL FROM:<a@b.example>", "RCPT TO:<bücher@b.example>"], 553),
        (["MAIL FROM:<a@b.example>", "RCPT TO:<>"], 501),
        (["MAIL FROM:<a@b.example>", "RCPT TO:<a@b.example> WISH=1"], 555),
        (["AUTH PLAIN AGEAYg=="], 504),
        (["JUMP"], 500),
    ],
)
def test_a_wrong_command_is_told_so(commands, code, client):
    client.command_encoding = "utf-8"
    *before, last = commands
    for command in before:
        assert client.docmd(command)[0] == 250
    assert client.docmd(last)[0] == code


def test_every_parameter_of_a_delivery_status_request_is_taken(sink, client):
    client.command_encoding = "utf-8"
    parameters = "SIZE=100 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=7 AUTH=<>"
    assert client.docmd(f"MAIL FROM:<bücher@b.example> {parameters}")[0] == 250
    assert client.docmd('RCPT TO:<"a> b"@b.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a@b.example')[0] == 250
    assert client.data(a_message("dsn"))[0] == 250
    (taken,) = sink.messages()
    assert (taken.sender, taken.recipients) == ("bücher@b.example", ('"a> b"@b.example',))


def test_a_message_over_the_limit_is_refused_and_the_next_one_taken(sink, client):
    client.mail(SENDER)
    client.rcpt("a@sink.example")
    line = b"x" * 998 + b"\r\n"
    assert client.data(line * (sink_program.SIZE_LIMIT // len(line) + 1))[0] == 552
    client.sendmail(SENDER, ["a@sink.example"], a_message("small"))
    assert [taken.message_id for taken in sink.messages()] == ["<small@client.example>"]


def test_a_pipelined_dialogue_is_answered_in_order(sink):
    with connect(sink) as connection:
        connection.sendall(a_dialogue("one") + a_dialogue("refuse") + b"QUIT\r\n")
        replies = [line for line in read_to_the_end(connection).splitlines() if line[3:4] == b" "]
    # The body of the refused one is no message: its lines are commands, and nonsense.
    assert [int(line[:3]) for line in replies[:6]] == [220, 250, 250, 250, 354, 250]
    assert [int(line[:3]) for line in replies[6:10]] == [250, 250, 550, 554]
    assert replies[-1].startswith(b"221")
    assert len(sink.messages()) == 1


def test_a_client_may_die_at_any_byte(sink):
    dialogue = a_dialogue("dying")
    for length in range(len(dialogue) + 1):
        with connect(sink) as connection:
            connection.sendall(dialogue[:length])
            connection.shutdown(socket.SHUT_WR)
            read_to_the_end(connection)
        assert len(sink.messages()) == (length == len(dialogue))


def test_a_client_may_reset_its_connection_at_any_byte(sink, client):
    dialogue = a_dialogue("resetting")
    for length in range(len(dialogue)):
        connection = connect(sink)
        connection.sendall(dialogue[:length])
        # Lingering for no time makes the kernel send a reset, as for a process that dies with unread replies.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    client.sendmail(SENDER, ["a@sink.example"], a_message("alive"))
    assert [taken.message_id for taken in sink.messages()] == ["<alive@client.example>"]


def test_the_chosen_message_is_taken_without_a_reply(tmp_path):
    with counting_sink(tmp_path / "log", die_after_dot=2) as sink:
        for answered in (True, False, True):
            with connect(sink) as connection:
                connection.sendall(a_dialogue("x") + b"QUIT\r\n")
                said = read_to_the_end(connection)
            assert (b"Taken" in said) == (b"221" in said) == answered
            assert said.count(b"354") == 1
        assert [taken.answered for taken in sink.messages()] == [True, False, True]


def test_a_slow_reply_comes_after_the_message_was_taken_and_before_the_next_command(tmp_path):
    with counting_sink(tmp_path / "log", slow=0.2) as sink, connect(sink) as connection:
        connection.sendall(a_dialogue("slow") + b"NOOP\r\nQUIT\r\n")
        said = wait_for(connection, b"354")
        assert b"Taken" not in said
        sink.wait_for(1)
        codes = [int(line[:3]) for line in (said + read_to_the_end(connection)).splitlines() if line[3:4] == b" "]
    assert codes == [220, 250, 250, 250, 354, 250, 250, 221]


def wait_for(connection: socket.socket, wanted: bytes) -> bytes:
    said = b""
    while wanted not in said:
        part = connection.recv(65536)
        assert part, f"{wanted!r} did not come: {said!r}"
        said += part
    return said


def test_a_message_counts_though_its_client_died_before_the_slow_reply(tmp_path):
    with counting_sink(tmp_path / "log", slow=0.2) as sink:
        with connect(sink) as connection:
            connection.sendall(a_dialogue("gone"))
            wait_for(connection, b"354")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sink.wait_for(1)
        with smtplib.SMTP(sink.host, sink.port, timeout=PATIENCE_SECONDS) as client:
            client.sendmail(SENDER, ["a@sink.example"], a_message("next"))
        assert [taken.message_id[:5] for taken in sink.messages()] == ["<gone", "<next"]


@pytest.mark.parametrize("mechanism", ["plain", "login"])
@pytest.mark.parametrize("initial", [True, False])
def test_who_signs_in_is_written_down_and_nobody_else_may_send(mechanism, initial, tmp_path):
    with (
        counting_sink(tmp_path / "log", auth="ada:s3:cret") as sink,
        smtplib.SMTP(sink.host, sink.port, timeout=PATIENCE_SECONDS) as client,
    ):
        client.ehlo()
        assert client.mail(SENDER)[0] == 530
        sign_in = getattr(client, f"auth_{mechanism}")
        client.user, client.password = "ada", "wrong"
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.auth(mechanism.upper(), sign_in, initial_response_ok=initial)
        client.password = "s3:cret"
        client.auth(mechanism.upper(), sign_in, initial_response_ok=initial)
        client.sendmail(SENDER, ["a@sink.example"], a_message("mine"))
        assert [taken.user for taken in sink.messages()] == ["ada"]


def test_a_sign_in_may_be_given_up(tmp_path):
    with (
        counting_sink(tmp_path / "log", auth="ada:secret") as sink,
        smtplib.SMTP(sink.host, sink.port, timeout=PATIENCE_SECONDS) as client,
    ):
        client.ehlo()
        assert client.docmd("AUTH LOGIN")[0] == 334
        assert client.docmd("*")[0] == 501
        assert client.docmd("AUTH PLAIN no-base64")[0] == 501
        assert client.docmd("AUTH PLAIN AGFkYTpzZWNyZXQ=")[0] == 535
        assert client.noop()[0] == 250


def test_a_sink_that_comes_back_on_the_same_port_goes_on_with_the_log(tmp_path):
    log = tmp_path / "log"
    port = 0
    for number in (1, 2):
        with counting_sink(log, port=port) as sink:
            with smtplib.SMTP(sink.host, sink.port, timeout=PATIENCE_SECONDS) as client:
                client.sendmail(SENDER, ["a@sink.example"], a_message("same"))
            assert port in {0, sink.port}
            port = sink.port
        assert_closed([port])
        assert sink.copies()["<same@client.example>", "a@sink.example"] == number


def test_many_sessions_at_once_lose_no_line(sink):
    def send(name: str) -> None:
        with smtplib.SMTP(sink.host, sink.port, timeout=PATIENCE_SECONDS) as client:
            for number in range(50):
                client.sendmail(SENDER, [f"{name}@sink.example"], a_message(f"{name}-{number}"))

    threads = [threading.Thread(target=send, args=(f"t{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sink.copies()) == 400
    assert set(sink.copies().values()) == {1}
    assert len({taken.session for taken in sink.messages()}) == 8


def test_the_stop_does_not_wait_for_clients(tmp_path):
    with counting_sink(tmp_path / "log") as sink:
        connection = connect(sink)
        wait_for(connection, b"220")
    assert connection.recv(1) == b""
    connection.close()


def test_waiting_for_messages_that_do_not_come_says_how_many_came(sink):
    with pytest.raises(AssertionError, match="took 0 of 1"):
        sink.wait_for(1, timeout=0)


def test_the_sink_is_gone_when_the_test_run_is_killed(tmp_path):
    program = (
        "import json, pathlib, sys; from tests.harness import counting_sink\n"
        f"with counting_sink(pathlib.Path({str(tmp_path / 'log')!r})) as sink:\n"
        "    print(json.dumps([sink.pid, sink.port]), flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as test_run:
        pid, port = json.loads(test_run.stdout.readline())
        processes = Processes(pid)
        os.kill(test_run.pid, 9)
        processes.wait_until_gone()
    assert_closed([port])


def test_a_port_that_is_taken_is_an_error(tmp_path, sink):
    with pytest.raises(RuntimeError, match="did not start"), counting_sink(tmp_path / "other", port=sink.port):
        pass
