"""A PostgreSQL of this run alone: a new cluster on loopback that ends, and is gone, with its `with` block."""

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from install import MissingProgramError
from servers import ServerFailedError, free_port, process

#: of every cluster of this run
PASSWORD = secrets.token_hex(16)
#: the superuser of the cluster, and the user of the system that runs it
_USER = "postgres"
_DEBIAN = Path("/usr/lib/postgresql")


def find_postgres() -> Path:
    """Where initdb is: Debian keeps it off the PATH."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    found = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise MissingProgramError("initdb not found; it comes with the package postgresql")
    return found[-1].parent


@contextmanager
def postgres(_cache: Path) -> Iterator[int]:
    """As it is delivered: fsync and synchronous_commit are on."""
    programs = find_postgres()
    with tempfile.TemporaryDirectory(prefix="mailwright-bench-") as name:
        folder, port = Path(name), free_port()
        word = folder / "password"
        word.write_text(PASSWORD)
        as_owner = _give_away(folder)
        make = [programs / "initdb", "-D", folder / "data", "-U", _USER, f"--pwfile={word}", "-A", "scram-sha-256"]
        subprocess.run([*as_owner, *make, "--no-locale", "-E", "UTF8"], check=True, capture_output=True, cwd=folder)
        run = [programs / "postgres", "-D", folder / "data", "-k", folder, "-h", "127.0.0.1", "-p", str(port)]
        settings = ["-c", "shared_buffers=256MB", "-c", "max_connections=200"]
        with process([*as_owner, *map(str, run), *settings], port):
            _wait_until_ready(programs, port)
            yield port


def _wait_until_ready(programs: Path, port: int) -> None:
    """It listens for a while before it answers."""
    end = time.monotonic() + 20
    command = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    while subprocess.run(command, check=False).returncode:
        if time.monotonic() > end:
            raise ServerFailedError("PostgreSQL does not answer")
        time.sleep(0.02)


def _give_away(folder: Path) -> list[str]:
    """PostgreSQL refuses to run as root: then its own user runs it. Returns the words before a command."""
    if os.geteuid() != 0:
        return []
    owner = pwd.getpwnam(_USER)
    for path in (folder, *folder.iterdir()):
        os.chown(path, owner.pw_uid, owner.pw_gid)
    return ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]
