"""A real PostgreSQL on loopback: one cluster with its own port, directory and password, and a new database at will."""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg
from psycopg import sql

from tests.harness.guarded import CONSOLE, guarded, has_ended
from tests.harness.ports import HOST, free_ports
from tests.harness.programs import postgres_folder
from tests.harness.skips import missing

_START_SECONDS = 30.0
_ANSWER_SECONDS = 20
# Short, and tried again: whoever took the port before us may accept connections and say nothing.
_FIRST_ANSWER_SECONDS = 2
_ATTEMPTS = 4
_LOG_SHOWN = 6000

#: the superuser of the cluster; also the system's user that runs it when the tests run as root
SUPERUSER = "postgres"

# One command for both steps, so that the guardian holds the first one too. The cluster is made unsynced, since a crash
# of the machine while it is made leaves nothing to keep; what runs afterwards syncs like any other (fsync=on).
_MAKE_AND_RUN = """\
"$0/initdb" --pgdata="$1" --username="$2" --pwfile="$3" --auth=scram-sha-256 --encoding=UTF8 --no-locale --no-sync
exec "$0/postgres" -D "$1" -k "$1" -h "$4" -p "$5" -c max_connections=200
"""


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server. Its databases are made empty, and dropped together by `drop_databases`."""

    host: str
    port: int
    username: str
    password: str
    directory: Path
    guardian_pid: int
    _made: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Of the database `postgres`, as SQLAlchemy wants it. It is for questions about the server: make your own."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        return f"postgresql+psycopg://{self.username}:{self.password}@{self.host}:{self.port}/{database}"

    def fresh_database(self) -> str:
        """The URL of a new database with nothing in it."""
        name = f"test_{secrets.token_hex(8)}"
        self._execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        self._made.append(name)
        return self.url_of(name)

    def drop_databases(self) -> None:
        """By force: a connection that a killed process left behind is no reason to keep them."""
        while self._made:
            self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(self._made.pop())))

    def with_own_databases(self) -> "Postgres":
        """The same server, but `drop_databases` drops only what was made by this one."""
        return replace(self, _made=[])

    def log(self, since: tuple[int, ...] = ()) -> str:
        """What the server logged, all of it or since a `log_mark`."""
        start = since[0] if since else 0
        return (self.directory / CONSOLE).read_bytes()[start:].decode(errors="replace")

    def log_mark(self) -> tuple[int, ...]:
        return ((self.directory / CONSOLE).stat().st_size,)

    def connect(self, database: str = "postgres", *, timeout: int = _ANSWER_SECONDS) -> psycopg.Connection:
        return psycopg.connect(
            host=self.host,
            port=self.port,
            user=self.username,
            password=self.password,
            dbname=database,
            autocommit=True,
            connect_timeout=timeout,
        )

    def _execute(self, statement: sql.Composed) -> None:
        # A connection each time: one that is kept would not live through a test that restarts or kills the server.
        with self.connect() as connection:
            connection.execute(statement)


class _CannotStart(Exception):
    pass


@contextlib.contextmanager
def postgres_running() -> Iterator[Postgres]:
    """Makes a cluster, starts it, waits until it answers, and stops it at the end, whatever happens."""
    folder, owner = _need_everything()
    problem = ""
    for _ in range(_ATTEMPTS):
        with contextlib.ExitStack() as running:
            try:
                server = running.enter_context(_started(folder, owner))
            except _CannotStart as error:
                # Most likely somebody took the port since we looked.
                problem = str(error)
                continue
            yield server
            return
    raise RuntimeError(f"PostgreSQL did not start:\n{problem}")


def _need_everything() -> tuple[Path, pwd.struct_passwd]:
    """The folder of its programs, and the user that may run it: PostgreSQL refuses root."""
    if not Path("/proc/self/stat").exists():
        missing("the PostgreSQL of the tests needs Linux")
    folder = postgres_folder()
    if folder is None:
        missing("not installed: postgresql (./run test installs it on Debian and Ubuntu)")
    if os.getuid() != 0:
        return folder, pwd.getpwuid(os.getuid())
    try:
        return folder, pwd.getpwnam(SUPERUSER)
    except KeyError:
        missing(f"PostgreSQL does not run as root, and there is no user {SUPERUSER} on this system to run it as")


@contextlib.contextmanager
def _started(folder: Path, owner: pwd.struct_passwd) -> Iterator[Postgres]:
    # In /tmp by name: the path of its Unix socket has to be short, and its user must get there.
    directory = Path(tempfile.mkdtemp(prefix="mailwright-postgres-", dir="/tmp"))
    directory.chmod(0o755)
    try:
        data, password = directory / "data", secrets.token_hex(16)
        (port,) = free_ports(1)
        password_file = _write_password(directory, password, owner)
        arguments = [str(folder), str(data), SUPERUSER, str(password_file), HOST, str(port)]
        as_user = (owner.pw_uid, owner.pw_gid)
        with guarded(
            directory,
            [["/bin/sh", "-e", "-c", _MAKE_AND_RUN, *arguments]],
            make=[(str(data), *as_user, 0o700)],
            user=as_user if os.getuid() == 0 else None,
            # Immediately: a checkpoint for data that is thrown away takes time, and a client that stays connected would
            # hold up the gentle way for ever.
            stop=signal.SIGQUIT,
        ) as process:
            server = Postgres(HOST, port, SUPERUSER, password, directory, process.pid)
            _wait_until_it_answers(server, process)
            password_file.unlink()
            yield server
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _write_password(directory: Path, password: str, owner: pwd.struct_passwd) -> Path:
    path = directory / "password"
    path.touch(mode=0o600)
    path.write_text(password + "\n")
    os.chown(path, owner.pw_uid, owner.pw_gid)
    return path


def _wait_until_it_answers(server: Postgres, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            server.connect(timeout=_FIRST_ANSWER_SECONDS).close()
        except psycopg.OperationalError:
            if has_ended(process, server.directory) or time.monotonic() > deadline:
                raise _CannotStart(server.log()[-_LOG_SHOWN:]) from None
            time.sleep(0.02)
        else:
            return
