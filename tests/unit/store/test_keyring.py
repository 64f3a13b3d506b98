import base64
import json
import os
import pickle
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailwright.errors import KeyringError
from mailwright.secret import Secret
from mailwright.store.keyring import Keyring, open_keyring
from mailwright.store.keys import new_key, permission_problem
from mailwright.store.sealed import key_id_of, seal, unseal

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
KEY_A = base64.b64encode(b"a" * 32).decode()
KEY_B = base64.b64encode(b"b" * 32).decode()


def opened(data: Path, **sources) -> Keyring:
    return open_keyring(data, now=NOW, **sources)


def problem(data: Path, **sources) -> KeyringError:
    with pytest.raises(KeyringError) as caught:
        opened(data, **sources)
    return caught.value


# --- the file


def test_the_first_start_makes_a_file_that_only_its_owner_can_read(tmp_path):
    keyring = opened(tmp_path / "data")
    made = tmp_path / "data" / "keys.json"
    assert made.stat().st_mode & 0o777 == 0o600
    (entry,) = json.loads(made.read_bytes())["keys"]
    assert entry["id"] == keyring.newest_id
    assert len(base64.b64decode(entry["key"])) == 32


def test_the_second_start_has_the_same_key(tmp_path):
    sealed = seal(opened(tmp_path), b"secret", place="p")
    assert unseal(opened(tmp_path), sealed, place="p") == b"secret"


def test_processes_that_start_at_once_make_one_key(tmp_path):
    program = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path\n"
        "from mailwright.store.keyring import open_keyring\n"
        "sys.stdin.readline()\n"
        "k = open_keyring(Path(sys.argv[1]), now=datetime.now(UTC)); print(k.fingerprints())"
    )
    starting = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / "data")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(4)
    ]
    for process in starting:
        process.stdin.write(b"go\n")
        process.stdin.flush()
    printed = {process.communicate()[0] for process in starting}
    assert all(process.returncode == 0 for process in starting)
    assert len(printed) == 1


def test_a_file_that_the_operator_names_is_never_made(tmp_path):
    error = problem(tmp_path, file=tmp_path / "elsewhere.json")
    assert error.field == "keys_file"
    assert "No such file" in str(error)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o602, 0o601])
def test_a_file_that_others_can_open_is_refused_with_the_cure(tmp_path, mode):
    opened(tmp_path)
    (tmp_path / "keys.json").chmod(mode)
    error = problem(tmp_path)
    assert "open to other users" in str(error)
    assert error.hint == f"chmod 600 {tmp_path / 'keys.json'}"


@pytest.mark.parametrize(
    ("mode", "owner", "reader", "expected"),
    [
        (0o100600, 1000, 1000, ""),
        (0o100400, 1000, 1000, ""),
        (0o100640, 0, 1000, ""),
        (0o100440, 0, 1000, ""),
        (0o100640, 0, 0, "is open to other users"),
        (0o100660, 0, 1000, "is open to other users"),
        (0o100650, 0, 1000, "is open to other users"),
        (0o100644, 0, 1000, "is open to other users"),
        (0o100600, 1001, 1000, "belongs to another user"),
    ],
)
def test_who_may_open_a_key_file(mode, owner, reader, expected):
    assert permission_problem(mode, owner=owner, reader=reader) == expected


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"keys": {}}',
        b'{"keys": ["k"]}',
        b'{"keys": [{"id": "k"}]}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"keys": ' + b"[" * 100_000,
    ],
)
def test_a_file_that_is_no_list_of_keys_is_named(tmp_path, content):
    (tmp_path / "keys.json").touch(0o600)
    (tmp_path / "keys.json").write_bytes(content)
    error = problem(tmp_path)
    assert "is not a file of keys" in str(error)
    assert str(tmp_path) in str(error)


def test_a_file_without_any_key_is_refused(tmp_path):
    (tmp_path / "keys.json").touch(0o600)
    (tmp_path / "keys.json").write_text('{"keys": []}')
    assert "there is no key" in str(problem(tmp_path))


# --- the environment


def test_in_a_text_the_last_key_is_the_newest_and_all_of_them_decrypt(tmp_path):
    before = opened(tmp_path, keys=f"one:{KEY_A}")
    sealed = seal(before, b"old", place="p")
    after = opened(tmp_path, keys=Secret(f"one:{KEY_A}, two:{KEY_B}"))
    assert after.key_ids == ("one", "two")
    assert unseal(after, sealed, place="p") == b"old"
    assert key_id_of(seal(after, b"new", place="p")) == "two"
    assert list(tmp_path.iterdir()) == []


def test_a_key_in_the_url_alphabet_or_without_padding_is_the_same_key(tmp_path):
    value = bytes(range(224, 256))
    usual = base64.b64encode(value).decode()
    other = base64.urlsafe_b64encode(value).decode().rstrip("=")
    assert usual != other
    assert opened(tmp_path, keys=f"k:{usual}").fingerprints() == opened(tmp_path, keys=f"k:{other}").fingerprints()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (" , ", "there is no key"),
        (KEY_A, "entry 1 has no colon"),
        (f"one:{KEY_A},{KEY_B}", "entry 2 has no colon"),
        (f":{KEY_A}", "the key id of entry 1"),
        (f"{KEY_A}:one", "the key id of entry 1"),
        ("one:not base64", "'one' "),
        ("one:!!!!", "key 'one' is not base64"),
        (f"one:{KEY_A[:-8]}", "key 'one' has 27 bytes instead of 32"),
        (f"one:{KEY_A},one:{KEY_B}", "two keys have the same id"),
    ],
)
def test_a_malformed_key_is_a_clear_error_that_does_not_repeat_it(tmp_path, text, says):
    error = problem(tmp_path, keys=text)
    assert error.code == "keyring_error"
    assert error.field == "keys"
    assert says in str(error)
    assert KEY_A[:16] not in str(error)


# --- the command


def test_a_command_gives_the_keys_and_no_shell_reads_it(tmp_path):
    keyring = opened(tmp_path, command=f"echo 'one:{KEY_A}' 'two:{KEY_B}'")
    assert keyring.key_ids == ("one", "two")
    assert "no colon" in str(problem(tmp_path, command=f"echo one:{KEY_A} ; echo two:{KEY_B}"))


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("false", "exit code 1"),
        ("/nonexistent/command with arguments", "'/nonexistent/command' does not start: No such file"),
        ("echo 'unfinished", "cannot be understood"),
        ("true", "there is no key"),
        (r"printf '\377\376'", "entry 1 has no colon"),
    ],
)
def test_a_command_that_gives_no_keys_is_a_clear_error(tmp_path, command, says):
    error = problem(tmp_path, command=command)
    assert error.field == "keys_command"
    assert says in str(error)


def test_keys_from_two_places_are_refused(tmp_path):
    assert "not from keys_file and keys" in str(problem(tmp_path, file=tmp_path / "k", keys=f"one:{KEY_A}"))
    assert "not from keys and keys_command" in str(problem(tmp_path, keys=f"one:{KEY_A}", command="true"))


# --- rotation


def test_a_new_key_encrypts_from_now_on_and_the_old_one_still_decrypts(tmp_path):
    keyring = opened(tmp_path)
    old = keyring.newest_id
    sealed = seal(keyring, b"before", place="p")
    new = keyring.add_new(NOW)
    assert new != old
    assert key_id_of(seal(keyring, b"after", place="p")) == new
    assert unseal(keyring, sealed, place="p") == b"before"
    assert opened(tmp_path).key_ids == (old, new)
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["keys.json"]


def test_a_process_that_runs_opens_what_another_sealed_with_a_newer_key(tmp_path):
    running, rotating = opened(tmp_path), opened(tmp_path)
    rotating.add_new(NOW)
    assert unseal(running, seal(rotating, b"x", place="p"), place="p") == b"x"
    assert running.newest_id == rotating.newest_id


def test_two_processes_that_add_a_key_lose_none(tmp_path):
    one, other = opened(tmp_path), opened(tmp_path)
    first, second = one.add_new(NOW), other.add_new(NOW)
    assert opened(tmp_path).key_ids[1:] == (first, second)


def test_a_new_key_behind_a_link_replaces_the_file_and_not_the_link(tmp_path):
    opened(tmp_path / "real")
    link = tmp_path / "link.json"
    link.symlink_to(tmp_path / "real" / "keys.json")
    opened(tmp_path, file=link).add_new(NOW)
    assert link.is_symlink()
    assert len(opened(tmp_path / "real").key_ids) == 2


def test_a_disk_that_refuses_the_new_file_leaves_the_old_one(tmp_path, monkeypatch):
    keyring = opened(tmp_path)
    before = (tmp_path / "keys.json").read_bytes()

    def failing(descriptor):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(KeyringError, match="Input/output"):
        keyring.add_new(NOW)
    assert (tmp_path / "keys.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["keys.json"]
    assert len(keyring.key_ids) == 1


def test_keys_that_come_from_elsewhere_are_added_there(tmp_path):
    with pytest.raises(KeyringError, match="do not come from a file"):
        opened(tmp_path, keys=f"one:{KEY_A}").add_new(NOW)


# --- the right keys for the data


def test_the_same_keys_and_further_ones_pass_the_check(tmp_path):
    known = opened(tmp_path, keys=f"one:{KEY_A}").fingerprints()
    opened(tmp_path, keys=f"one:{KEY_A},two:{KEY_B}").check(known)


def test_another_key_under_the_same_id_is_recognised_at_the_start(tmp_path):
    known = opened(tmp_path, keys=f"one:{KEY_A}").fingerprints()
    with pytest.raises(KeyringError, match="'one' is not the one that the data was encrypted with"):
        opened(tmp_path, keys=f"one:{KEY_B}").check(known)


def test_a_key_that_is_missing_is_named_at_the_start(tmp_path):
    known = opened(tmp_path, keys=f"one:{KEY_A}").fingerprints()
    with pytest.raises(KeyringError, match="'one' is missing"):
        opened(tmp_path, keys=f"two:{KEY_A}").check(known)


def test_a_fingerprint_tells_keys_apart_and_says_nothing_about_them(tmp_path):
    keyring = opened(tmp_path, keys=f"one:{KEY_A},two:{KEY_B}")
    assert keyring.fingerprint("one") != keyring.fingerprint("two")
    assert (b"a" * 4).hex() not in keyring.fingerprint("one")
    with pytest.raises(KeyringError, match="no key 'three'"):
        keyring.fingerprint("three")


def test_a_derived_key_is_of_one_key_and_one_purpose(tmp_path):
    keyring = opened(tmp_path, keys=f"one:{KEY_A},two:{KEY_B}")
    derived = {keyring.derived(key, purpose) for key in ("one", "two") for purpose in ("links", "key check")}
    assert len(derived) == 4
    assert all(len(key) == 32 and not key.hex().startswith(keyring.fingerprint("one")) for key in derived)
    assert keyring.derived("one", "links") == opened(tmp_path, keys=f"one:{KEY_A}").derived("one", "links")
    with pytest.raises(KeyringError, match="no key 'three'"):
        keyring.derived("three", "links")


def test_a_keyring_prints_no_key_and_cannot_be_pickled(tmp_path):
    keyring = opened(tmp_path, keys=f"one:{KEY_A}")
    assert repr(keyring) == "Keyring(one)"
    assert repr(new_key(NOW)).endswith(", ***)")
    with pytest.raises(TypeError):
        pickle.dumps(keyring)
