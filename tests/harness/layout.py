"""What the two servers have to agree on: names, ports, files and the people who have a mailbox."""

from dataclasses import dataclass, field
from pathlib import Path

DOMAIN = "test.example"
#: mail for these two goes to one maildir, whatever stands before the @: Dovecot's LMTP takes ASCII only
UTF8_DOMAINS = ("utf8.example", "bücher.example", "xn--bcher-kva.example")
MAILBOXES = 256


@dataclass(frozen=True, slots=True)
class Ports:
    smtp: int
    submission: int
    smtps: int
    small: int
    bare: int
    imap: int
    imaps: int
    pop3: int
    pop3s: int
    lmtp: int


@dataclass(frozen=True, slots=True)
class Layout:
    directory: Path
    ports: Ports
    #: owner of all stored mail: an ordinary user, neither root nor one of the servers
    mail_uid: int
    mail_gid: int
    size_limit: int
    small_size_limit: int
    #: directories that only root can make as they must be: path, user id, group id, mode
    make: list[tuple[str, int, int, int]] = field(default_factory=list)

    @property
    def certificate(self) -> Path:
        return self.directory / "server.pem"

    @property
    def dovecot(self) -> Path:
        return self.directory / "dovecot"

    @property
    def postfix(self) -> Path:
        return self.directory / "postfix"

    @property
    def sign_in_socket(self) -> Path:
        """Where Postfix asks Dovecot whether a password is right."""
        return self.directory / "sasl"

    @property
    def maildir(self) -> Path:
        return self.directory / "utf8"

    @property
    def mailboxes(self) -> Path:
        return self.directory / "mailboxes"

    @property
    def logs(self) -> tuple[Path, ...]:
        return tuple(self.directory / name for name in ("console.log", "postfix.log", "dovecot.log"))


def username(number: int) -> str:
    if not 0 <= number < MAILBOXES:
        raise ValueError(f"there are users 0 to {MAILBOXES - 1}")
    return f"u{number}@{DOMAIN}"


def password(number: int) -> str:
    # With what naive quoting breaks: space, quotes, backslash, a colon would end the field of the password file.
    return f"s3cret \"{number}\" \\ 'p=w,d'"
