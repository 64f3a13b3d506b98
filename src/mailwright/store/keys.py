"""Keys as they are written down: the text of a variable or of a command's output, and the file."""

import base64
import binascii
import fcntl
import json
import os
import re
import secrets
import shlex
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from mailwright.errors import KeyringError
from mailwright.store.disk import make_directory, replace_file

KEY_BYTES = 32
#: a secret manager may ask a server far away
COMMAND_SECONDS = 60
#: how to write one, for whoever wrote something else
HOW = "a key is ID:BASE64 of 32 random bytes, such as 2026-01:$(openssl rand -base64 32)"

# Short enough that a key pasted in its place is none, and so is never printed.
_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,32}\Z")


class Key(NamedTuple):
    id: str
    value: bytes
    #: when it was made, for people; empty when nobody wrote it down
    created: str = ""

    def __repr__(self) -> str:
        return f"Key({self.id}, ***)"


class FileState(NamedTuple):
    """Other content means another one of these: the file is replaced, never written to."""

    inode: int
    changed: int


def keys_in_text(text: str, field: str) -> list[Key]:
    entries = [entry for entry in re.split(r"[,\s]+", text) if entry]
    keys = []
    for number, entry in enumerate(entries, 1):
        key_id, colon, encoded = entry.partition(":")
        if not colon:
            raise KeyringError(f"entry {number} has no colon", field=field, hint=HOW)
        keys.append(_key(key_id, encoded, f"entry {number}", field))
    return _checked(keys, field)


def _key(key_id: str, encoded: str, place: str, field: str, created: str = "") -> Key:
    if not _KEY_ID.match(key_id):
        message = f"the key id of {place} is not 1 to 32 letters, digits, dots, hyphens and underscores"
        raise KeyringError(message, field=field, hint=HOW)
    try:
        value = base64.b64decode(encoded.replace("-", "+").replace("_", "/") + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise KeyringError(f"key {key_id!r} is not base64", field=field, hint=HOW) from None
    if len(value) != KEY_BYTES:
        raise KeyringError(f"key {key_id!r} has {len(value)} bytes instead of {KEY_BYTES}", field=field, hint=HOW)
    return Key(key_id, value, created)


def _checked(keys: list[Key], field: str) -> list[Key]:
    if not keys:
        raise KeyringError("there is no key", field=field, hint=HOW)
    ids = [key.id for key in keys]
    if len(set(ids)) < len(ids):
        raise KeyringError("two keys have the same id", field=field, hint="an id stays with its key for ever")
    return keys


def output_of(command: str) -> str:
    field = "keys_command"
    try:
        arguments = shlex.split(command)
        # What it writes to standard error goes to ours: that is where it says what is wrong.
        done = subprocess.run(  # noqa: S603 - the operator's own command, and no shell reads it
            arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=COMMAND_SECONDS, check=False
        )
    except ValueError as error:
        raise KeyringError(f"the command cannot be understood: {error}", field=field) from None
    except OSError as error:
        raise KeyringError(f"{arguments[0]!r} does not start: {error.strerror}", field=field) from None
    except subprocess.TimeoutExpired:
        raise KeyringError(f"no keys after {COMMAND_SECONDS} seconds", field=field) from None
    if done.returncode:
        raise KeyringError(f"the command ended with exit code {done.returncode}", field=field)
    # Bytes that are no text are no base64 either.
    return done.stdout.decode("ascii", "replace")


def new_key(now: datetime) -> Key:
    return Key(f"{now:%Y%m%d}-{secrets.token_hex(3)}", secrets.token_bytes(KEY_BYTES), now.isoformat())


def make_file(path: Path, now: datetime) -> None:
    """The first start. Two processes may be at it: only one of them makes the key."""
    try:
        make_directory(path.parent)
        with locked(path.parent):
            if not path.exists():
                write_file(path, [new_key(now)])
    except OSError as error:
        raise KeyringError(f"cannot make {str(path)!r}: {error.strerror}", field="keys_file") from None


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Between processes. The directory is locked, as the file itself is replaced."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write_file(path: Path, keys: list[Key]) -> None:
    entries = [{"id": key.id, "key": base64.b64encode(key.value).decode(), "created": key.created} for key in keys]
    replace_file(path, json.dumps({"keys": entries}, indent=2).encode() + b"\n")


def read_file(path: Path) -> tuple[list[Key], FileState]:
    field = "keys_file"
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            problem = permission_problem(status.st_mode, owner=status.st_uid, reader=os.geteuid())
            if problem:
                raise KeyringError(f"{str(path)!r} {problem}", field=field, hint=f"chmod 600 {shlex.quote(str(path))}")
            content = file.read()
    except OSError as error:
        raise KeyringError(f"cannot read {str(path)!r}: {error.strerror}", field=field) from None
    return _keys_in_json(content, str(path)), FileState(status.st_ino, status.st_mtime_ns)


def permission_problem(mode: int, *, owner: int, reader: int) -> str:
    """What is wrong with a key file; empty when nothing is. A file of root may be readable by a group: containers
    are given their secrets so."""
    if owner not in {reader, 0}:
        return "belongs to another user"
    may_not = stat.S_IRWXO | (stat.S_IRWXG if owner == reader else stat.S_IWGRP | stat.S_IXGRP)
    return "is open to other users" if mode & may_not else ""


def _keys_in_json(content: bytes, name: str) -> list[Key]:
    field = "keys_file"
    try:
        entries = [(str(entry["id"]), str(entry["key"]), str(entry.get("created", ""))) for entry in _entries(content)]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        hint = 'it holds {"keys": [{"id": …, "key": BASE64}, …]}'
        raise KeyringError(f"{name!r} is not a file of keys", field=field, hint=hint) from None
    return _checked([_key(key_id, key, name, field, created) for key_id, key, created in entries], field)


def _entries(content: bytes) -> list[dict[str, object]]:
    entries = json.loads(content)["keys"]
    if not isinstance(entries, list):
        raise TypeError
    return entries


def state_of(path: Path) -> FileState | None:
    """None while it is gone."""
    try:
        status = path.stat()
    except OSError:
        return None
    return FileState(status.st_ino, status.st_mtime_ns)
