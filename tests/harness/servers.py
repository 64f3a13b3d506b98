"""Starting, using and stopping the two servers."""

import contextlib
import imaplib
import itertools
import os
import pwd
import secrets
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

import trustme

from tests.harness import dovecot, postfix, tokens
from tests.harness.guarded import guarded, has_ended
from tests.harness.layout import Layout, Ports, password, username
from tests.harness.ports import HOST, free_ports
from tests.harness.skips import missing

_START_SECONDS = 30.0
_ANSWER_SECONDS = 20.0
_ATTEMPTS = 4
_LOG_SHOWN = 6000


class NotReceived(AssertionError):
    """The message did not arrive in time; the logs of the servers say why."""


class User(NamedTuple):
    address: str
    username: str
    password: str


@dataclass(frozen=True, slots=True)
class MailServers:
    """Running servers. Users u0 to u255@test.example have a mailbox; `u1+anything@test.example` is u1's too."""

    host: str
    #: takes mail for test.example and utf8.example from anybody; STARTTLS offered, no sign-in
    smtp_port: int
    #: STARTTLS and sign-in needed; a recipient elsewhere is accepted and comes back as a delivery report
    submission_port: int
    #: TLS from the first byte, sign-in needed
    smtps_port: int
    #: like smtp_port, but takes messages of at most `small_size_limit` bytes
    small_port: int
    #: like smtp_port, but offers no extension at all
    bare_port: int
    imap_port: int
    imaps_port: int
    pop3_port: int
    pop3s_port: int
    lmtp_port: int
    #: the authority that signed the certificate for localhost and 127.0.0.1
    ca_pem: str
    size_limit: int
    small_size_limit: int
    directory: Path
    guardian_pid: int
    _layout: Layout
    _token_key: bytes

    def user(self, number: int) -> User:
        return User(username(number), username(number), password(number))

    def token(self, user: User | str, *, expired: bool = False) -> str:
        """An OAuth 2 access token that Dovecot validates; `expired` makes one whose time is over."""
        return tokens.mint(self._token_key, user if isinstance(user, str) else user.username, expired=expired)

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.ca_pem)

    def fetch(self, user: User, message_id: str, timeout: float = 20.0) -> bytes:
        """The message as IMAP gives it back, waited for. It blocks: in a coroutine use asyncio.to_thread."""
        return self.find(user, "HEADER", "Message-ID", f'"{_bare(message_id)}"', timeout=timeout)

    def find(self, user: User, *criteria: str, timeout: float = 20.0) -> bytes:
        """The newest message that an IMAP search finds, waited for."""
        deadline = time.monotonic() + timeout
        with imaplib.IMAP4_SSL(self.host, self.imaps_port, ssl_context=self.tls(), timeout=_ANSWER_SECONDS) as mailbox:
            mailbox.login(user.username, user.password)
            mailbox.select(readonly=True)
            while True:
                _, found = mailbox.search(None, *criteria)
                if numbers := found[0].split():
                    _, parts = mailbox.fetch(numbers[-1], "(BODY.PEEK[])")
                    assert isinstance(parts[0], tuple)
                    return parts[0][1]
                self._wait(" ".join(criteria), deadline)
                mailbox.noop()

    def fetch_utf8(self, message_id: str, timeout: float = 20.0) -> bytes:
        """The message out of the maildir of utf8.example, line ends as CRLF again, waited for."""
        wanted = f"<{_bare(message_id)}>".encode()
        deadline = time.monotonic() + timeout
        while True:
            for path in (self._layout.maildir / "new").glob("*"):
                content = path.read_bytes()
                headers = content.partition(b"\n\n")[0]
                if wanted in headers:
                    return content.replace(b"\n", b"\r\n")
            self._wait(message_id, deadline)

    def log(self, since: tuple[int, ...] = ()) -> str:
        """What the servers logged, all of it or since a `log_mark`."""
        return _read_logs(self._layout, since)

    def log_mark(self) -> tuple[int, ...]:
        return tuple(path.stat().st_size for path in self._layout.logs)

    def _wait(self, what: str, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise NotReceived(f"{what} did not arrive; the servers say:\n{self.log()[-_LOG_SHOWN:]}")
        time.sleep(0.02)


class _CannotStart(Exception):
    pass


@contextlib.contextmanager
def mail_servers_running(*, size_limit: int = 50_000_000, small_size_limit: int = 20_000) -> Iterator[MailServers]:
    """Starts both servers, waits until each port greets, and stops them at the end, whatever happens."""
    _need_everything()
    problem = ""
    for _ in range(_ATTEMPTS):
        with contextlib.ExitStack() as running:
            try:
                servers = running.enter_context(_started(size_limit, small_size_limit))
            except _CannotStart as error:
                # Most likely somebody took one of the ports since we looked; Postfix does not tell us.
                problem = str(error)
                continue
            yield servers
            return
    raise RuntimeError(f"the mail servers did not start:\n{problem}")


def _need_everything() -> None:
    if not Path("/proc/self/stat").exists():
        missing("the mail servers of the tests need Linux")
    if packages := postfix.missing_parts() + dovecot.missing_parts():
        missing(f"not installed: {' '.join(packages)} (./run test installs them on Debian and Ubuntu)")
    if os.getuid() != 0 and not _sudo_works():
        missing("Postfix starts as root only: run the tests as root, or allow sudo without a password")


def _sudo_works() -> bool:
    sudo = shutil.which("sudo")
    if sudo is None:
        return False
    # In a session of its own, as the guardian will be: a password typed at this terminal does not count there.
    tried = subprocess.run([sudo, "-n", "true"], check=False, capture_output=True, start_new_session=True)
    return tried.returncode == 0


@contextlib.contextmanager
def _started(size_limit: int, small_size_limit: int) -> Iterator[MailServers]:
    # In /tmp by name: socket paths are short, and the servers' own users can get there, unlike below a home directory.
    directory = Path(tempfile.mkdtemp(prefix="mailwright-servers-", dir="/tmp"))
    directory.chmod(0o755)
    try:
        layout = _layout(directory, size_limit, small_size_limit)
        token_key = secrets.token_bytes(32)
        ca_pem = _write_certificate(layout)
        for log in layout.logs:
            log.touch(mode=0o644)
        commands = [dovecot.write(layout, token_key), postfix.write(layout)]
        with guarded(layout.directory, commands, make=layout.make, as_root=True) as process:
            _wait_for_greetings(layout, process)
            yield MailServers(
                host=HOST,
                **{f"{part.name}_port": getattr(layout.ports, part.name) for part in fields(Ports)},
                ca_pem=ca_pem,
                size_limit=size_limit,
                small_size_limit=small_size_limit,
                directory=directory,
                guardian_pid=process.pid,
                _layout=layout,
                _token_key=token_key,
            )
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _layout(directory: Path, size_limit: int, small_size_limit: int) -> Layout:
    owner = pwd.getpwnam("mail") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    layout = Layout(
        directory=directory,
        ports=Ports(*free_ports(len(fields(Ports)))),
        mail_uid=owner.pw_uid,
        mail_gid=owner.pw_gid,
        size_limit=size_limit,
        small_size_limit=small_size_limit,
    )
    layout.make.extend((str(path), owner.pw_uid, owner.pw_gid, 0o755) for path in (layout.maildir, layout.mailboxes))
    return layout


def _write_certificate(layout: Layout) -> str:
    authority = trustme.CA()
    server = authority.issue_cert("localhost", HOST)
    layout.certificate.touch(mode=0o600)
    layout.certificate.write_bytes(server.private_key_and_cert_chain_pem.bytes())
    return authority.cert_pem.bytes().decode()


def _wait_for_greetings(layout: Layout, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    for part in fields(Ports):
        encrypted = part.name in {"smtps", "imaps", "pop3s"}
        while not _greets(getattr(layout.ports, part.name), encrypted=encrypted):
            if has_ended(process, layout.directory) or time.monotonic() > deadline:
                raise _CannotStart(_read_logs(layout)[-_LOG_SHOWN:])
            time.sleep(0.02)


def _greets(port: int, *, encrypted: bool) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=5) as connection:
            if encrypted:
                return True
            return connection.recv(4)[:1] in {b"2", b"*", b"+"}
    except OSError:
        return False


def _read_logs(layout: Layout, since: tuple[int, ...] = ()) -> str:
    parts = []
    for path, start in itertools.zip_longest(layout.logs, since, fillvalue=0):
        if text := path.read_bytes()[start:].decode(errors="replace"):
            parts.append(f"--- {path.name}\n{text}")
    return "".join(parts)


def _bare(message_id: str) -> str:
    return message_id.strip().removeprefix("<").removesuffix(">")
