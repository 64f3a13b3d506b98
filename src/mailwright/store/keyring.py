"""The keys for what is encrypted at rest: the newest encrypts, all of them decrypt.

They come from exactly one place: a file that is made at the first start, the text of an environment variable, or a
command's output (of a secret manager, say). In a list the last key is the newest. To bring a key to several nodes
without a pause when there is no file that they share: first put it in front of the others, start every node again,
then move it to the end.

One key is good for 2³² values (NIST SP 800-38D section 8.3, random nonces), so that a busy installation adds one now
and then.
"""

import hashlib
import hmac
import threading
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import NoReturn

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mailwright.errors import KeyringError
from mailwright.secret import Secret
from mailwright.store.keys import (
    HOW,
    FileState,
    Key,
    keys_in_text,
    locked,
    make_file,
    new_key,
    output_of,
    read_file,
    state_of,
    write_file,
)

FILE_NAME = "keys.json"


class Keyring:
    """Threads may share it. It holds keys and prints only their ids."""

    def __init__(self, keys: list[Key], *, file: Path | None = None, state: FileState | None = None) -> None:
        self._file = file
        self._state = state
        self._lock = threading.Lock()
        self._take(keys)

    def _take(self, keys: list[Key]) -> None:
        self._fingerprints = {key.id: _fingerprint(key.value) for key in keys}
        self._ciphers = {key.id: AESGCM(key.value) for key in keys}
        self._values = {key.id: key.value for key in keys}
        #: id and cipher of the newest, in one so that a reader in another thread never sees halves of two
        self.newest = (keys[-1].id, self._ciphers[keys[-1].id])

    @property
    def newest_id(self) -> str:
        return self.newest[0]

    @property
    def key_ids(self) -> tuple[str, ...]:
        """From the oldest to the newest."""
        return tuple(self._ciphers)

    def cipher(self, key_id: str) -> AESGCM | None:
        """None when there is no such key, not even in the file as it is now: another process may have added it."""
        found = self._ciphers.get(key_id)
        if found is None and self.reload():
            found = self._ciphers.get(key_id)
        return found

    def reload(self) -> bool:
        """Reads the file again when it was replaced. True when it was."""
        if self._file is None:
            return False
        with self._lock:
            if state_of(self._file) == self._state:
                return False
            keys, self._state = read_file(self._file)
            self._take(keys)
            return True

    def add_new(self, now: datetime) -> str:
        """A new key, the newest from now on. What the older ones encrypted still opens."""
        if self._file is None:
            raise KeyringError(
                "the keys do not come from a file, so none can be added here", hint=f"add it there: {HOW}"
            )
        try:
            with self._lock, locked(self._file.parent):
                keys, _ = read_file(self._file)
                keys.append(new_key(now))
                write_file(self._file, keys)
                self._state = state_of(self._file)
                self._take(keys)
                return keys[-1].id
        except OSError as error:
            raise KeyringError(f"cannot write {str(self._file)!r}: {error.strerror}", field="keys_file") from error

    def derived(self, key_id: str, purpose: str) -> bytes:
        """A key for one other purpose: what seals bodies signs nothing."""
        if key_id not in self._values:
            raise KeyringError(f"there is no key {key_id!r}")
        return hmac.digest(self._values[key_id], f"mailwright key for {purpose}".encode(), hashlib.sha256)

    def fingerprint(self, key_id: str) -> str:
        """Tells one key from another and nothing else about it: what a database may remember of its keys."""
        if key_id not in self._fingerprints:
            raise KeyringError(f"there is no key {key_id!r}")
        return self._fingerprints[key_id]

    def fingerprints(self) -> dict[str, str]:
        return dict(self._fingerprints)

    def check(self, known: Mapping[str, str]) -> None:
        """Refuses to start with other keys than those that the data was made with (`known`: id → fingerprint)."""
        for key_id, fingerprint in known.items():
            mine = self._fingerprints.get(key_id)
            if mine is None:
                raise KeyringError(
                    f"key {key_id!r} is missing: data is encrypted with it",
                    hint=f"only {', '.join(self.key_ids)} are here; bring it back from where the keys are kept",
                )
            if not hmac.compare_digest(mine, fingerprint):
                raise KeyringError(
                    f"key {key_id!r} is not the one that the data was encrypted with",
                    hint="keys and data of different installations, or a backup of another day",
                )

    def __repr__(self) -> str:
        return f"Keyring({', '.join(self.key_ids)})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Keyring cannot be pickled or copied out")


def open_keyring(
    data: Path, *, now: datetime, file: str | Path = "", keys: Secret | str = "", command: str = ""
) -> Keyring:
    """The keys from the one place that is named; with none, from a file in `data`, made when it is not there yet."""
    named = [name for name, given in (("keys_file", file), ("keys", keys), ("keys_command", command)) if given]
    if len(named) > 1:
        raise KeyringError(f"the keys come from one place, not from {' and '.join(named)}", field=named[1])
    if keys:
        return Keyring(keys_in_text(Secret(keys).reveal(), "keys"))
    if command:
        return Keyring(keys_in_text(output_of(command), "keys_command"))
    path = Path(file) if file else data / FILE_NAME
    if not file:
        make_file(path, now)
    # Where a link leads to, so that a new key replaces the file and not the link.
    path = path.resolve()
    read, state = read_file(path)
    return Keyring(read, file=path, state=state)


def _fingerprint(value: bytes) -> str:
    return hmac.digest(value, b"mailwright key check", hashlib.sha256).hex()[:32]
